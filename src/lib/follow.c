/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow.h"

#include "batch.h"
#include "clock.h"
#include "filter-internal.h"
#include "map-internal.h"
#include "page-size.h"
#include "ranges.h"
#include "run.h"
#include "state-watch.h"

#include <memhint/map.h>

#include <errno.h>

/* At most 1,000 looks a second. */
#define LOOK_INTERVAL_USEC 1000u

/* One look takes in no more than this: some 0.2 ms of mappings, 0.1 ms of pages. */
#define LOOK_VMAS 1024u
#define LOOK_BYTES (64ull << 20)

void follow_init(struct follow *follow, const struct origin *origin, uint64_t state)
{
	*follow = (struct follow){ .origin = origin, .state = state };
}

void follow_done(struct follow *follow)
{
	memhint_map_close(follow->map);
	memhint_ranges_free(follow->found);
	memhint_ranges_free(follow->spare);
	*follow = (struct follow){};
}

bool follow_wants_look(const struct follow *follow, const struct run *run)
{
	return follow->is_stale && run->list == run->ranges;
}

bool follow_has_more(struct follow *follow, struct run *run)
{
	if (!run_is_over(run))
		return true;
	if (run->list != run->ranges) {
		run->floor = follow->found_end;
		run_turn_back(run);
	}
	if (!run_is_over(run))
		return true;
	/* Past the last of the caller's ranges there may be something new. */
	return follow->is_stale && run_passed(run) < follow->origin->filter.end;
}

/* A fresh list of the mappings from @start on, as many as a look takes in; or all. */
static int look_at_mappings(struct follow *follow, struct run *run, uint64_t start, bool whole)
{
	const struct memhint_map_options options = {
		.size = sizeof(options),
		.want = follow->origin->want & (MEMHINT_MAP_NAMES | MEMHINT_MAP_FLAGS),
	};
	struct exec_marks marks;
	int r;

	if (follow->map)
		return map_refresh_window(follow->map, start, whole ? 0 : LOOK_VMAS);
	r = memhint_map_open(run->process, &options, &follow->map);
	if (r < 0)
		return r;
	marks = map_exec_marks(follow->map);
	return exec_marks_are_same(&marks, &follow->origin->marks) ? 0 : -ESRCH;
}

static uint64_t lower_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where a look that began at @start ends, for what lies there. */
static uint64_t look_end(const struct follow *follow, const struct run *run, uint64_t start,
			 uint64_t reach)
{
	uint64_t bytes = 0, huge = huge_page_size(), from, end;
	const struct memhint_vma *vma;
	size_t seen = 0;

	for (size_t i = 0; (vma = memhint_map_get(follow->map, i)); i++) {
		if (vma->end <= start)
			continue;
		if (vma->start >= reach)
			break;
		from = vma->start > start ? vma->start : start;
		if (vma->kind & follow->origin->filter.kinds)
			bytes += vma->end - from;
		if (bytes > LOOK_BYTES) {
			end = vma->end - (bytes - LOOK_BYTES);
			if (huge)
				end = align_up(end, huge);
			return lower_of(end, lower_of(vma->end, reach));
		}
		if (++seen == LOOK_VMAS)
			return lower_of(vma->end, reach);
	}
	return reach;
}

/* Part of [start, end) that is also in @range; nothing if the ends are reversed. */
static struct range clipped(const struct range *range, uint64_t start, uint64_t end)
{
	uint64_t range_end = range->start + range->length;
	struct range part = { range->start > start ? range->start : start, 0 };

	range_end = range_end < end ? range_end : end;
	part.length = range_end > part.start ? range_end - part.start : 0;
	return part;
}

/* Adds up what of @left lies in [start, end) and is not in @right, from these places in them on. */
static struct memhint_amount difference(const struct memhint_ranges *left, size_t left_from,
					const struct memhint_ranges *right, size_t right_from,
					uint64_t start, uint64_t end)
{
	struct memhint_amount amount = {};
	size_t other = right_from;

	for (size_t i = left_from; i < left->count && left->items[i].start < end; i++) {
		struct range part = clipped(&left->items[i], start, end);
		uint64_t at = part.start, stop = part.start + part.length;

		while (at < stop) {
			const struct range *cover;
			uint64_t next;

			while (other < right->count &&
			       right->items[other].start + right->items[other].length <= at)
				other++;
			cover = other < right->count ? &right->items[other] : NULL;
			next = cover && cover->start < stop ? cover->start : stop;
			if (at < next)
				amount_add(&amount, next - at, 1);
			at = next;
			if (at < stop) {
				next = cover->start + cover->length;
				at = next < stop ? next : stop;
			}
		}
	}
	return amount;
}

/* Accounts for what is found in place of what was to be done in [start, end). */
static void account(const struct follow *follow, struct run *run, uint64_t start, uint64_t end)
{
	/* What an earlier look had found is given up as a whole; what it has past @end is found again. */
	uint64_t old_end = run->list == run->ranges ? end : UINT64_MAX;
	struct memhint_amount gone, added;

	gone = difference(run->list, run->at.index, follow->spare, 0, start, old_end);
	added = difference(follow->spare, 0, run->list, run->at.index, start, end);
	amount_add(&run->result->skipped_by[MEMHINT_SKIP_CHANGED], gone.bytes, gone.ranges);
	run->result->requested.bytes += added.bytes;
	run->found_bytes += added.bytes;
}

/* Passes over what of the list in use lies below @end. */
static void pass(struct run *run, uint64_t end)
{
	while (!run_is_over(run) && run_range_end(run) <= end)
		run_advance(run, run_range_end(run) - run_address(run));
	if (!run_is_over(run) && run_address(run) < end)
		run_advance(run, end - run_address(run));
}

/* What is done may have become part of a huge page meanwhile, whose rest is left alone then. */
static uint64_t past_huge_page(const struct run *run, uint64_t start)
{
	if (run->pages.reader != MEMHINT_PAGES_SCAN || !run_passed(run) ||
	    !cut_splits_huge_page(run, start))
		return start;
	return align_up(start, huge_page_size());
}

static int ranges_ready(struct memhint_ranges **ranges)
{
	if (!*ranges)
		return memhint_ranges_new(ranges);
	ranges_clear(*ranges);
	return 0;
}

int follow_look(struct follow *follow, struct run *run, const struct watch *watch, uint64_t reach,
		bool whole)
{
	uint64_t start = run_passed(run), end, state;
	struct memhint_ranges *found;
	int r;

	if (start < follow->origin->filter.start)
		start = follow->origin->filter.start;
	if (reach > follow->origin->filter.end)
		reach = follow->origin->filter.end;
	run->result->looks++;
	run->result->map_changed = true;
	follow->ready_usec = clock_usec() + LOOK_INTERVAL_USEC;
	/* First, so that a change during the look is seen before the next call. */
	r = watch_read(watch, &state);
	if (r == 0)
		r = look_at_mappings(follow, run, start, whole);
	if (r == 0)
		r = ranges_ready(&follow->spare);
	if (r < 0)
		return r;
	end = whole ? reach : look_end(follow, run, start, reach);
	r = select_again(follow->origin, follow->map, &run->pages, past_huge_page(run, start), end,
			 follow->spare);
	if (r < 0)
		return r;
	account(follow, run, start, end);
	if (run->list == run->ranges) {
		pass(run, end);
		run->rest = run->at;
	}
	found = follow->spare;
	follow->spare = follow->found;
	follow->found = found;
	follow->found_end = end;
	follow->state = state;
	follow->is_stale = true;
	run->list = found;
	run->at = (struct place){};
	run->floor = start;
	return 0;
}
