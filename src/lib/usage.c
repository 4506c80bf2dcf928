/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include "pages.h"
#include "ranges.h"

/* Ranges with no more than this between them are looked at in one go: 10 pages cost less than a call. */
#define NEAR_BYTES (64u << 10)

struct measure {
	const struct range *ranges;
	size_t count;			/* of those looked at in one go */
	size_t index;			/* the first that the runs have not passed */
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
		bytes = (end < run->end ? end : run->end) - (start > run->start ? start : run->start);
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
	       ranges->items[next].start - ranges->items[next - 1].start - ranges->items[next - 1].length <=
		       NEAR_BYTES)
		next++;
	return next - first;
}

int usage_measure(const struct pages *pages, const struct memhint_ranges *ranges, struct memhint_usage *ret_usage)
{
	struct memhint_usage usage = {};

	for (size_t first = 0, count; first < ranges->count; first += count) {
		struct measure measure = { .ranges = &ranges->items[first] };
		const struct range *last;
		int r;

		count = near_ranges(ranges, first);
		measure.count = count;
		last = &ranges->items[first + count - 1];
		r = pages_scan(pages, ranges->items[first].start, last->start + last->length, see_run, &measure);
		if (r < 0)
			return r;
		usage.rss_bytes += measure.usage.rss_bytes;
		usage.swap_bytes += measure.usage.swap_bytes;
		usage.huge_bytes += measure.usage.huge_bytes;
	}
	*ret_usage = usage;
	return 0;
}
