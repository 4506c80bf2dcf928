/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

void json_init(struct json *json, FILE *file)
{
	*json = (struct json){ .file = file };
}

void json_reopen(struct json *json)
{
	json->levels[json->depth++] = (struct json_level){};
}

/* The length of the UTF-8 sequence at @text, 0 if it is none. Source: RFC 3629, section 4. */
static int utf8_length(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	int length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf) {
		length = 2;
	} else if (text[0] >= 0xe0 && text[0] <= 0xef) {
		length = 3;
		if (text[0] == 0xe0)
			low = 0xa0;
		if (text[0] == 0xed)
			high = 0x9f; /* no surrogates */
	} else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
		length = 4;
		if (text[0] == 0xf0)
			low = 0x90;
		if (text[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	for (int i = 1; i < length; i++) {
		if (text[i] < low || text[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

static void write_string(FILE *file, const char *value)
{
	const unsigned char *text = (const unsigned char *)value;

	putc('"', file);
	while (*text) {
		int length = utf8_length(text);

		if (length == 0) {
			fputs("\\ufffd", file);
			text++;
			continue;
		}
		switch (*text) {
		case '"':
			fputs("\\\"", file);
			break;
		case '\\':
			fputs("\\\\", file);
			break;
		case '\n':
			fputs("\\n", file);
			break;
		case '\t':
			fputs("\\t", file);
			break;
		default:
			if (*text < 0x20 || *text == 0x7f)
				fprintf(file, "\\u%04x", *text);
			else
				fwrite(text, 1, (size_t)length, file);
		}
		text += length;
	}
	putc('"', file);
}

static void begin_value(struct json *json, const char *key)
{
	struct json_level *level;

	if (json->depth == 0) {
		assert(!key);
		return;
	}
	level = &json->levels[json->depth - 1];
	assert(level->is_array == !key);
	if (level->has_items)
		putc(',', json->file);
	/* A line for each element of the outer arrays: people read this too, and grep. */
	if (level->is_array && json->depth <= 2)
		putc('\n', json->file);
	level->has_items = true;
	if (key) {
		write_string(json->file, key);
		putc(':', json->file);
	}
}

static void begin_level(struct json *json, const char *key, bool is_array)
{
	begin_value(json, key);
	assert(json->depth < JSON_DEPTH_MAX);
	json->levels[json->depth++] = (struct json_level){ .is_array = is_array };
	putc(is_array ? '[' : '{', json->file);
}

void json_object(struct json *json, const char *key)
{
	begin_level(json, key, false);
}

void json_array(struct json *json, const char *key)
{
	begin_level(json, key, true);
}

void json_end(struct json *json)
{
	const struct json_level *level;

	assert(json->depth > 0);
	level = &json->levels[--json->depth];
	putc(level->is_array ? ']' : '}', json->file);
	if (json->depth == 0)
		putc('\n', json->file);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	begin_value(json, key);
	write_string(json->file, value);
}

void json_format(struct json *json, const char *key, const char *format, ...)
{
	va_list list;
	char *text;
	int n;

	va_start(list, format);
	n = vasprintf(&text, format, list);
	va_end(list);
	json_string(json, key, n < 0 ? NULL : text);
	if (n >= 0)
		free(text);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->file, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	fprintf(json->file, "%" PRId64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->file);
}

void json_null(struct json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->file);
}

void json_decimal(struct json *json, const char *key, double value, int digits)
{
	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	begin_value(json, key);
	fprintf(json->file, "%.*f", digits, value);
}

void json_address(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->file, "\"0x%" PRIx64 "\"", value);
}
