/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ranges.h"

#include "page-size.h"

#include <errno.h>
#include <stdlib.h>

int memhint_ranges_new(struct memhint_ranges **ret_ranges)
{
	struct memhint_ranges *ranges = calloc(1, sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	ranges->is_ascending = true;
	*ret_ranges = ranges;
	return 0;
}

static void origin_free(struct origin *origin)
{
	if (!origin)
		return;
	free((char *)origin->filter.mapping);
	free(origin);
}

void memhint_ranges_free(struct memhint_ranges *ranges)
{
	if (!ranges)
		return;
	origin_free(ranges->origin);
	free(ranges->items);
	free(ranges);
}

void ranges_clear(struct memhint_ranges *ranges)
{
	ranges->count = 0;
	ranges->is_ascending = true;
	ranges->total = (struct memhint_amount){};
	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++)
		ranges->skipped[i] = (struct memhint_amount){};
}

int ranges_append(struct memhint_ranges *ranges, uint64_t start, uint64_t length)
{
	if (ranges->count == ranges->capacity) {
		size_t capacity = ranges->capacity ? 2 * ranges->capacity : 256;
		struct range *items = reallocarray(ranges->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		ranges->items = items;
		ranges->capacity = capacity;
	}
	if (ranges->count) {
		const struct range *last = &ranges->items[ranges->count - 1];

		ranges->is_ascending &= last->start + last->length <= start;
	}
	ranges->items[ranges->count++] = (struct range){ start, length };
	amount_add(&ranges->total, length, 1);
	return 0;
}

int memhint_ranges_add(struct memhint_ranges *ranges, uint64_t start, uint64_t length_bytes)
{
	uint64_t page = page_size(), end;
	int r;

	/* The kernel rounds a length up; do the same here, so that counts are of whole pages. */
	if (start % page || length_bytes == 0 ||
	    __builtin_add_overflow(length_bytes, page - 1, &length_bytes))
		return -EINVAL;
	length_bytes -= length_bytes % page;
	if (__builtin_add_overflow(start, length_bytes, &end) ||
	    __builtin_add_overflow(ranges->total.bytes, length_bytes, &end))
		return -EINVAL;
	r = ranges_append(ranges, start, length_bytes);
	if (r < 0)
		return r;
	/* No selection would find it again. */
	origin_free(ranges->origin);
	ranges->origin = NULL;
	return 0;
}

struct memhint_amount memhint_ranges_total(const struct memhint_ranges *ranges)
{
	return ranges->total;
}

struct memhint_amount memhint_ranges_skipped(const struct memhint_ranges *ranges,
					     enum memhint_skip reason)
{
	if ((unsigned int)reason >= MEMHINT_SKIP_COUNT)
		return (struct memhint_amount){};
	return ranges->skipped[reason];
}

int memhint_ranges_get(const struct memhint_ranges *ranges, size_t index, uint64_t *ret_start,
		       uint64_t *ret_length_bytes)
{
	if (index >= ranges->count)
		return -ENOENT;
	*ret_start = ranges->items[index].start;
	*ret_length_bytes = ranges->items[index].length;
	return 0;
}

const char *memhint_skip_name(enum memhint_skip reason)
{
	static const char *const names[MEMHINT_SKIP_COUNT] = {
		[MEMHINT_SKIP_LOCKED] = "locked",	[MEMHINT_SKIP_HUGETLB] = "hugetlb",
		[MEMHINT_SKIP_PFNMAP] = "pfnmap",	[MEMHINT_SKIP_IO] = "io",
		[MEMHINT_SKIP_DROPPABLE] = "droppable", [MEMHINT_SKIP_SPECIAL] = "special",
		[MEMHINT_SKIP_NO_ACCESS] = "no_access", [MEMHINT_SKIP_EMPTY] = "empty",
		[MEMHINT_SKIP_SWAPPED] = "swapped",	[MEMHINT_SKIP_RESIDENT] = "resident",
		[MEMHINT_SKIP_HUGE] = "huge",		[MEMHINT_SKIP_UNALIGNED] = "unaligned",
		[MEMHINT_SKIP_BUDGET] = "budget",	[MEMHINT_SKIP_CANCELLED] = "cancelled",
		[MEMHINT_SKIP_DRY_RUN] = "dry_run",	[MEMHINT_SKIP_STOPPED] = "stopped",
		[MEMHINT_SKIP_CHANGED] = "changed",	[MEMHINT_SKIP_UNSUITABLE] = "unsuitable",
		[MEMHINT_SKIP_ALREADY] = "already",
	};

	return (unsigned int)reason < MEMHINT_SKIP_COUNT ? names[reason] : NULL;
}
