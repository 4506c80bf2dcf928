/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers, strictly: all of the text, no sign, no overflow. */
#ifndef UTIL_PARSE_H
#define UTIL_PARSE_H

#include <stdint.h>

/* @base 10 or 16 (with or without 0x): 0, -EINVAL or -ERANGE. */
int parse_u64(const char *text, int base, uint64_t *ret);

/* "4096", "64K", "1.5GiB", "2m": powers of 1,024. 0, -EINVAL or -ERANGE. */
int parse_bytes(const char *text, uint64_t *ret_bytes);

/* "250us", "2ms", "1.5s", "3m", "1h"; a bare number counts in @default_unit_usec. 0, -EINVAL or -ERANGE. */
int parse_usec(const char *text, uint64_t default_unit_usec, uint64_t *ret_usec);

#endif
