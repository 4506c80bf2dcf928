/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include "pages.h"
#include "ranges.h"

#include <errno.h>

/* Ranges with no more than this between them are looked at in one go: 10 pages cost less than a call. */
#define NEAR_BYTES (64u << 10)

/* 512 Ki pages: about 3 ms of looking. */
#define PIECE_BYTES (2ull << 30)

struct measure {
	const struct range *ranges;
	size_t count; /* of those looked at in one go */
	size_t index; /* the first that the runs have not passed */
	struct memhint_usage usage;
};

static int see_run(const struct page_run *run, void *userdata)
{
	struct measure *measure = userdata;

	for (size_t i = measure->index; i < measure->count; i++) {
		uint64_t start = measure->ranges[i].start, end = start + measure->ranges[i].length;
		uint64_t bytes;

		if (end <= run->start) {
			measure->index = i + 1;
			continue;
		}
		if (start >= run->end)
			break;
		bytes = (end < run->end ? end : run->end) -
			(start > run->start ? start : run->start);
		if (run->state & PAGE_RESIDENT)
			measure->usage.rss_bytes += bytes;
		if (run->state & PAGE_SWAPPED)
			measure->usage.swap_bytes += bytes;
		if (run->state & PAGE_HUGE)
			measure->usage.huge_bytes += bytes;
	}
	return 0;
}

/* How many ranges from @first on lie near enough to be looked at together. */
static size_t near_ranges(const struct memhint_ranges *ranges, size_t first)
{
	size_t next = first + 1;

	while (ranges->is_ascending && next < ranges->count &&
	       ranges->items[next].start - ranges->items[next - 1].start -
			       ranges->items[next - 1].length <=
		       NEAR_BYTES)
		next++;
	return next - first;
}

/* Looks at [start, end) piece by piece, so that cancelling acts soon. */
static int measure_span(const struct pages *pages, uint64_t start, uint64_t end,
			const volatile int *cancel, struct measure *measure)
{
	int r = 0;

	for (; r == 0 && start < end; start += PIECE_BYTES) {
		if (cancel_is_set(cancel))
			return -ECANCELED;
		r = pages_scan(pages, start, end - start < PIECE_BYTES ? end : start + PIECE_BYTES,
			       see_run, measure);
	}
	return r;
}

int usage_measure(const struct pages *pages, const struct memhint_ranges *ranges,
		  const volatile int *cancel, struct memhint_usage *ret_usage)
{
	struct measure measure = {};

	for (size_t first = 0, count; first < ranges->count; first += count) {
		const struct range *last;
		int r;

		count = near_ranges(ranges, first);
		last = &ranges->items[first + count - 1];
		measure.ranges = &ranges->items[first];
		measure.count = count;
		measure.index = 0;
		r = measure_span(pages, ranges->items[first].start, last->start + last->length,
				 cancel, &measure);
		if (r < 0)
			return r;
	}
	*ret_usage = measure.usage;
	return 0;
}
