/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of ranges between selection and advice. */
#ifndef LIB_RANGES_H
#define LIB_RANGES_H

#include "exec-marks.h"

#include <memhint/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start;
	uint64_t length;
};

/* How ranges were selected, so that the same can be done again. */
struct origin {
	struct memhint_filter
		filter; /* as taken: no defaults left; the pattern is a copy of its own */
	int advice;
	uint32_t want;		 /* MEMHINT_MAP_*: what the snapshot was asked for */
	uint64_t cookie;	 /* of the snapshot */
	struct exec_marks marks; /* of the process then */
};

struct memhint_ranges {
	struct range *items;
	size_t count;
	size_t capacity;
	bool is_ascending; /* sorted and without overlap */
	struct memhint_amount total;
	struct memhint_amount skipped[MEMHINT_SKIP_COUNT];
	struct origin *origin; /* NULL: made by hand, or added to */
};

/* Appends without a check: 0 or -ENOMEM. */
int ranges_append(struct memhint_ranges *ranges, uint64_t start, uint64_t length);

/* Empties it and keeps the memory and the origin. */
void ranges_clear(struct memhint_ranges *ranges);

static inline void amount_add(struct memhint_amount *amount, uint64_t bytes, uint64_t ranges)
{
	amount->bytes += bytes;
	amount->ranges += ranges;
}

static inline void ranges_skip(struct memhint_ranges *ranges, enum memhint_skip reason,
			       uint64_t bytes)
{
	amount_add(&ranges->skipped[reason], bytes, 1);
}

#endif
