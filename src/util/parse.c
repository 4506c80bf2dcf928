/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

int parse_u64(const char *text, int base, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	/* strtoull() takes blanks and signs, and even "0x" alone counts as a zero. */
	if (base == 16 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	if (base == 16 ? !isxdigit((unsigned char)*text) : !isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, base);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_scaled(const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t whole = 0, fraction = 0, scale = 1, value, part;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *text - '0', &whole))
			return -ERANGE;
	if (*text == '.') {
		if (!isdigit((unsigned char)*++text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text); text++)
			if (scale < 1000000) { /* more digits than that change nothing */
				fraction = fraction * 10 + (uint64_t)(*text - '0');
				scale *= 10;
			}
	}
	for (; units->name; units++)
		if (strcasecmp(text, units->name) == 0)
			break;
	if (!units->name)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, units->factor, &value) ||
	    __builtin_mul_overflow(fraction, units->factor, &part) ||
	    __builtin_add_overflow(value, part / scale, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_bytes(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = { { "", 1 },
					     { "B", 1 },
					     { "K", 1ull << 10 },
					     { "KB", 1ull << 10 },
					     { "KiB", 1ull << 10 },
					     { "M", 1ull << 20 },
					     { "MB", 1ull << 20 },
					     { "MiB", 1ull << 20 },
					     { "G", 1ull << 30 },
					     { "GB", 1ull << 30 },
					     { "GiB", 1ull << 30 },
					     { "T", 1ull << 40 },
					     { "TB", 1ull << 40 },
					     { "TiB", 1ull << 40 },
					     {} };

	return parse_scaled(text, units, ret_bytes);
}

int parse_usec(const char *text, uint64_t default_unit_usec, uint64_t *ret_usec)
{
	const struct unit units[] = { { "", default_unit_usec },
				      { "us", 1 },
				      { "usec", 1 },
				      { "ms", 1000 },
				      { "msec", 1000 },
				      { "s", 1000000 },
				      { "sec", 1000000 },
				      { "m", 60000000 },
				      { "min", 60000000 },
				      { "h", 3600000000 },
				      {} };

	return parse_scaled(text, units, ret_usec);
}
