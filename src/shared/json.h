/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing JSON as a stream. The caller keeps the order right; commas and escapes are done here. */
#ifndef SHARED_JSON_H
#define SHARED_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16

struct json {
	FILE *file;
	unsigned depth;
	struct json_level {
		bool is_array;
		bool has_items;
	} levels[JSON_DEPTH_MAX];
};

/* Write errors stay in @file, as ferror() tells. */
void json_init(struct json *json, FILE *file);

/* Goes on inside an object whose opening brace was written already, with nothing after it. */
void json_reopen(struct json *json);

/* In an object every value has a key; in an array, and at the top, @key is NULL. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end(
	struct json *json); /* of the innermost object or array; at the top a newline follows */

/* Any bytes: what is not UTF-8 becomes U+FFFD. NULL is written as null. */
void json_string(struct json *json, const char *key, const char *value);
__attribute__((format(printf, 3, 4))) void json_format(struct json *json, const char *key,
						       const char *format, ...);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
void json_decimal(struct json *json, const char *key, double value,
		  int digits);					       /* null if not finite */
void json_address(struct json *json, const char *key, uint64_t value); /* "0x7f00", as a string */

#endif
