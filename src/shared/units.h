/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes and times as people read them. */
#ifndef SHARED_UNITS_H
#define SHARED_UNITS_H

#include <stdint.h>

struct unit_text {
	char text[24];
};

/* "0", "512", "4K", "3.0M", "12.3M", "120M", "1.2G": powers of 1,024, two or three digits. */
struct unit_text unit_bytes(uint64_t bytes);

/* "850us", "12.3ms", "1.23s", "2m05s", "3h12m", "5d04h". */
struct unit_text unit_usec(uint64_t usec);

/* "812M/s"; "-" for nothing, or in no time. */
struct unit_text unit_rate(uint64_t bytes, uint64_t usec);

#endif
