/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "maps-text.h"

#include <memhint/map.h>

#include <errno.h>
#include <string.h>

/* What is left of a line. Every step looks at @at < @end first. */
struct cursor {
	const char *at;
	const char *end;
};

static bool take_char(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool take_hex(struct cursor *cursor, uint64_t *ret)
{
	/* The value of a hexadecimal digit plus one, as the kernel prints them: in lower case. */
	static const uint8_t digits[256] = {
		['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
		['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
		['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	};
	const char *begin = cursor->at;
	uint64_t value = 0;
	uint8_t digit;

	while (cursor->at < cursor->end && (digit = digits[(uint8_t)*cursor->at])) {
		if (value >> 60)
			return false;
		value = value << 4 | (uint64_t)(digit - 1);
		cursor->at++;
	}
	*ret = value;
	return cursor->at > begin;
}

static bool take_hex_u32(struct cursor *cursor, uint32_t *ret)
{
	uint64_t value;

	if (!take_hex(cursor, &value) || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool take_decimal(struct cursor *cursor, uint64_t *ret)
{
	const char *begin = cursor->at;
	uint64_t value = 0;

	for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*cursor->at - '0'), &value))
			return false;
	*ret = value;
	return cursor->at > begin;
}

static void skip_blanks(struct cursor *cursor)
{
	while (cursor->at < cursor->end && *cursor->at == ' ')
		cursor->at++;
}

static bool take_permission(struct cursor *cursor, char set, char unset, uint32_t flag,
			    uint32_t *flags)
{
	if (take_char(cursor, set))
		*flags |= flag;
	else if (!take_char(cursor, unset))
		return false;
	return true;
}

/* start-end rwxs offset major:minor inode      name */
static bool parse_line(struct cursor line, struct maps_record *record)
{
	struct cursor *c = &line;

	record->line = line.at;
	record->line_length = (size_t)(line.end - line.at);
	if (!take_hex(c, &record->start) || !take_char(c, '-') || !take_hex(c, &record->end) ||
	    !take_char(c, ' ') || !take_permission(c, 'r', '-', MEMHINT_VMA_READ, &record->flags) ||
	    !take_permission(c, 'w', '-', MEMHINT_VMA_WRITE, &record->flags) ||
	    !take_permission(c, 'x', '-', MEMHINT_VMA_EXEC, &record->flags) ||
	    !take_permission(c, 's', 'p', MEMHINT_VMA_SHARED, &record->flags) ||
	    !take_char(c, ' ') || !take_hex(c, &record->offset) || !take_char(c, ' ') ||
	    !take_hex_u32(c, &record->device_major) || !take_char(c, ':') ||
	    !take_hex_u32(c, &record->device_minor) || !take_char(c, ' ') ||
	    !take_decimal(c, &record->inode))
		return false;
	if (record->start >= record->end || (c->at < c->end && *c->at != ' '))
		return false;
	skip_blanks(c);
	record->name = c->at;
	record->name_length = (size_t)(c->end - c->at);
	return true;
}

/* Adds the number of a line such as "Swap:    12 kB" to @sum. */
static bool add_kilobytes(struct cursor value, uint64_t *sum)
{
	uint64_t number;

	skip_blanks(&value);
	return take_decimal(&value, &number) && take_char(&value, ' ') && take_char(&value, 'k') &&
	       take_char(&value, 'B') && value.at == value.end &&
	       !__builtin_mul_overflow(number, 1024, &number) &&
	       !__builtin_add_overflow(*sum, number, sum);
}

/* The two letters that proc_pid_smaps(5) lists, as one number. */
#define CODE(a, b) ((unsigned)(a) << 8 | (unsigned)(b))

static uint32_t code_flag(unsigned code)
{
	switch (code) {
	case CODE('l', 'o'):
		return MEMHINT_VMA_LOCKED;
	case CODE('h', 't'):
		return MEMHINT_VMA_HUGETLB;
	case CODE('p', 'f'):
		return MEMHINT_VMA_PFNMAP;
	case CODE('i', 'o'):
		return MEMHINT_VMA_IO;
	case CODE('d', 'p'):
		return MEMHINT_VMA_DROPPABLE;
	case CODE('u', 'm'):
	case CODE('u', 'w'):
	case CODE('u', 'i'):
		return MEMHINT_VMA_UFFD;
	case CODE('h', 'g'):
		return MEMHINT_VMA_HUGEPAGE;
	case CODE('n', 'h'):
		return MEMHINT_VMA_NOHUGEPAGE;
	case CODE('m', 'g'):
		return MEMHINT_VMA_MERGEABLE;
	case CODE('d', 'd'):
		return MEMHINT_VMA_DONTDUMP;
	case CODE('m', 'm'):
		return MEMHINT_VMA_MIXEDMAP;
	default:
		return 0;
	}
}

static uint32_t parse_codes(struct cursor value)
{
	uint32_t flags = 0;

	for (skip_blanks(&value); value.end - value.at >= 2; skip_blanks(&value)) {
		flags |= code_flag(CODE(value.at[0], value.at[1]));
		value.at += 2;
	}
	return flags;
}

enum counter_result { COUNTER_OK, COUNTER_LAST, COUNTER_BAD };

/* One of the lines below the first in smaps. */
static enum counter_result parse_counter(struct cursor line, struct maps_record *record)
{
	/* Which lines add up to what. huge TLB pages are in the page table, but not in Rss. */
	static const struct counter {
		const char *key;
		uint8_t length;
		bool resident, swapped, huge;
	} counters[] = {
		{ "Rss:", 4, .resident = true },
		{ "Shared_Hugetlb:", 15, .resident = true },
		{ "Private_Hugetlb:", 16, .resident = true },
		{ "Swap:", 5, .swapped = true },
		{ "AnonHugePages:", 14, .huge = true },
		{ "ShmemPmdMapped:", 15, .huge = true },
		{ "FilePmdMapped:", 14, .huge = true },
	};
	size_t length = (size_t)(line.end - line.at);

	if (length >= 8 && memcmp(line.at, "VmFlags:", 8) == 0) {
		line.at += 8;
		record->flags |= parse_codes(line);
		return COUNTER_LAST;
	}
	if (length == 0 || *line.at < 'A' || *line.at > 'Z')
		return COUNTER_BAD; /* the next mapping already */
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		const struct counter *counter = &counters[i];

		if (counter->key[0] != *line.at || length < counter->length ||
		    memcmp(line.at, counter->key, counter->length) != 0)
			continue;
		line.at += counter->length;
		if (!add_kilobytes(line, counter->resident  ? &record->resident_bytes
					 : counter->swapped ? &record->swapped_bytes
							    : &record->huge_bytes))
			return COUNTER_BAD;
		break;
	}
	return COUNTER_OK;
}

ssize_t maps_text_next(enum maps_text_form form, const char *text, size_t length,
		       struct maps_record *ret_record)
{
	const char *end = text + length, *newline = memchr(text, '\n', length);
	struct maps_record record = {};
	enum counter_result result = COUNTER_OK;

	if (!newline)
		return 0;
	if (!parse_line((struct cursor){ text, newline }, &record))
		return -EIO;
	while (form == MAPS_TEXT_SMAPS && result != COUNTER_LAST) {
		const char *line = newline + 1;

		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return 0;
		result = parse_counter((struct cursor){ line, newline }, &record);
		if (result == COUNTER_BAD)
			return -EIO;
	}
	*ret_record = record;
	return newline + 1 - text;
}
