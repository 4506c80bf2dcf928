/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a snapshot to ranges: what matches, what of it is worth advising, and why the rest is not. */
#include "cleanup.h"
#include "filter-internal.h"
#include "map-internal.h"
#include "match.h"
#include "obstacle.h"
#include "page-size.h"
#include "pages.h"
#include "ranges.h"
#include "sized.h"
#include "uapi.h"

#include <memhint/advise.h>
#include <memhint/filter.h>
#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Below this size a look at the pages of a mapping (0.3 us and 6 ns a page) costs as much as giving
 * COLD unseen (0.35 us and 10 ns a page).
 */
#define LOOK_MIN_BYTES (64u << 10)

DEFINE_CLEANUP(struct memhint_ranges *, memhint_ranges_free)

/* What an advice wants of the pages that it is given for. */
enum want {
	WANT_ALL,	  /* whole mappings, unseen */
	WANT_RESIDENT,	  /* COLD, PAGEOUT */
	WANT_SWAPPED,	  /* WILLNEED on private memory */
	WANT_COLLAPSIBLE, /* COLLAPSE */
	WANT_ANYTHING,	  /* DONTNEED, FREE: resident or swapped out */
};

struct selection {
	const struct memhint_map *map;
	struct memhint_filter filter;
	int advice;
	struct memhint_ranges *ranges;
	struct pages pages;

	/* The candidates that are being looked at: their place in the map, and how far the look is. */
	size_t index;
	size_t last;
	uint64_t done; /* all below is accounted for */

	/* The range that the last run may go on. */
	uint64_t open_start;
	uint64_t open_end; /* 0: none */

	/* COLLAPSE: of the huge page at block, how much is there and how much of that is huge. */
	uint64_t block;
	uint64_t block_there;
	uint64_t block_huge;
};

static void selection_done(struct selection *selection)
{
	pages_done(&selection->pages);
}

static bool vma_matches(const struct memhint_filter *filter, const struct memhint_vma *vma)
{
	return (vma->kind & filter->kinds) && vma->end > filter->start &&
	       vma->start < filter->end && vma->end - vma->start >= filter->min_bytes &&
	       (!filter->mapping || (vma->name && match_path(filter->mapping, vma->name)));
}

static uint64_t clip_start(const struct selection *selection, const struct memhint_vma *vma)
{
	return vma->start > selection->filter.start ? vma->start : selection->filter.start;
}

static uint64_t clip_end(const struct selection *selection, const struct memhint_vma *vma)
{
	return vma->end < selection->filter.end ? vma->end : selection->filter.end;
}

static enum want vma_want(const struct selection *selection, size_t index,
			  const struct memhint_vma *vma)
{
	bool is_private_anon = vma->kind & MEMHINT_KIND_PRIVATE;
	uint64_t size = vma->end - vma->start;

	switch (selection->advice) {
	case MADV_COLD:
		if (size < LOOK_MIN_BYTES && !(selection->filter.flags & MEMHINT_FILTER_EXACT) &&
		    !map_is_untouched(selection->map, index) && !map_has_pages(selection->map))
			return WANT_ALL;
		return WANT_RESIDENT;
	case MADV_PAGEOUT:
		return WANT_RESIDENT;
	case MADV_DONTNEED:
	case MADV_FREE:
		return is_private_anon ? WANT_ANYTHING : WANT_ALL;
	case MADV_WILLNEED:
		/* The page table does not show which pages of files and shared memory are missing. */
		return is_private_anon ? WANT_SWAPPED : WANT_ALL;
	case MADV_COLLAPSE:
		return huge_page_size() ? WANT_COLLAPSIBLE : WANT_ALL;
	default:
		return WANT_ALL;
	}
}

static int close_open_range(struct selection *selection)
{
	uint64_t start = selection->open_start, end = selection->open_end;

	if (!end)
		return 0;
	selection->open_end = 0;
	return ranges_append(selection->ranges, start, end - start);
}

/* Takes [start, end) of one mapping into the ranges, or counts it as dropped. */
static int take(struct selection *selection, uint64_t start, uint64_t end)
{
	int r;

	if (selection->open_end == start) {
		selection->open_end = end;
		return 0;
	}
	r = close_open_range(selection);
	selection->open_start = start;
	selection->open_end = end;
	return r;
}

static void drop(struct selection *selection, enum memhint_skip reason, uint64_t start,
		 uint64_t end)
{
	if (start < end)
		ranges_skip(selection->ranges, reason, end - start);
}

/* COLLAPSE: all pages of the current huge page have been seen. */
static int finish_block(struct selection *selection)
{
	uint64_t start = selection->block, end = start + huge_page_size();

	if (!start)
		return 0;
	selection->block = 0;
	if (!selection->block_there)
		drop(selection, MEMHINT_SKIP_EMPTY, start, end);
	else if (selection->block_huge == huge_page_size())
		drop(selection, MEMHINT_SKIP_HUGE, start, end);
	else
		return take(selection, start, end);
	return 0;
}

/* COLLAPSE: pages [start, end) are in @state, 0 for nothing there. */
static int collapse_pages(struct selection *selection, uint64_t start, uint64_t end, uint32_t state)
{
	uint64_t huge = huge_page_size();
	int r;

	while (start < end) {
		uint64_t block = align_down(start, huge),
			 stop = block + huge < end ? block + huge : end;

		if (block != selection->block) {
			r = finish_block(selection);
			if (r < 0)
				return r;
			selection->block = block;
			selection->block_there = selection->block_huge = 0;
		}
		if (state)
			selection->block_there += stop - start;
		if (state & PAGE_HUGE)
			selection->block_huge += stop - start;
		start = stop;
	}
	return 0;
}

/* Pages [start, end) of the current candidate are in @state, 0 for nothing there. */
static int account_pages(struct selection *selection, uint64_t start, uint64_t end, uint32_t state)
{
	enum want want = vma_want(selection, selection->index,
				  memhint_map_get(selection->map, selection->index));

	if (start >= end)
		return 0;
	if (want == WANT_COLLAPSIBLE)
		return collapse_pages(selection, start, end, state);
	if (!state)
		drop(selection, MEMHINT_SKIP_EMPTY, start, end);
	else if (state & PAGE_RESIDENT && want == WANT_SWAPPED)
		drop(selection, MEMHINT_SKIP_RESIDENT, start, end);
	else if (state & PAGE_SWAPPED && want == WANT_RESIDENT)
		drop(selection, MEMHINT_SKIP_SWAPPED, start, end);
	else
		return take(selection, start, end);
	return 0;
}

/* The part of a candidate that is looked at: for COLLAPSE whole huge pages only. */
static void look_bounds(const struct selection *selection, const struct memhint_vma *vma,
			uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t start = clip_start(selection, vma), end = clip_end(selection, vma);

	if (selection->advice == MADV_COLLAPSE) {
		start = align_up(start, huge_page_size());
		end = align_down(end, huge_page_size());
		if (start >= end)
			start = end = clip_end(selection, vma);
	}
	*ret_start = start;
	*ret_end = end;
}

static void begin_candidate(struct selection *selection)
{
	const struct memhint_vma *vma = memhint_map_get(selection->map, selection->index);
	uint64_t end;

	look_bounds(selection, vma, &selection->done, &end);
	drop(selection, MEMHINT_SKIP_UNALIGNED, clip_start(selection, vma), selection->done);
}

static int finish_candidate(struct selection *selection)
{
	const struct memhint_vma *vma = memhint_map_get(selection->map, selection->index);
	uint64_t start, end;
	int r;

	look_bounds(selection, vma, &start, &end);
	r = account_pages(selection, selection->done, end, 0);
	if (r == 0)
		r = finish_block(selection);
	/* A range never reaches over the edge of a mapping: the kernel refuses mapping by mapping. */
	if (r == 0)
		r = close_open_range(selection);
	drop(selection, MEMHINT_SKIP_UNALIGNED, end, clip_end(selection, vma));
	return r;
}

/* One run of pages; it may cover several neighbouring candidates. */
static int see_run(const struct page_run *run, void *userdata)
{
	struct selection *selection = userdata;
	int r = 0;

	while (r == 0) {
		const struct memhint_vma *vma = memhint_map_get(selection->map, selection->index);
		uint64_t bound_start, bound_end, start, end;

		look_bounds(selection, vma, &bound_start, &bound_end);
		start = run->start > bound_start ? run->start : bound_start;
		end = run->end < bound_end ? run->end : bound_end;
		if (start < end) {
			r = account_pages(selection, selection->done, start, 0);
			if (r == 0)
				r = account_pages(selection, start, end, run->state);
			selection->done = end;
		}
		if (r < 0 || run->end <= vma->end || selection->index == selection->last)
			return r;
		r = finish_candidate(selection);
		selection->index++;
		begin_candidate(selection);
	}
	return r;
}

/* Looks at the pages of candidates first..last, which have no other mapping between them. */
static int look_at(struct selection *selection, size_t first, size_t last)
{
	const struct memhint_vma *from = memhint_map_get(selection->map, first);
	const struct memhint_vma *to = memhint_map_get(selection->map, last);
	int r;

	selection->index = first;
	selection->last = last;
	begin_candidate(selection);
	r = pages_scan(&selection->pages, clip_start(selection, from), clip_end(selection, to),
		       see_run, selection);
	for (; r == 0; begin_candidate(selection)) {
		r = finish_candidate(selection);
		if (selection->index == last)
			break;
		selection->index++;
	}
	return r;
}

/* Whether the pages of a candidate can stay unseen. */
static bool is_clear(const struct selection *selection, size_t index, const struct memhint_vma *vma)
{
	enum want want = vma_want(selection, index, vma);

	return want == WANT_ALL ||
	       (want != WANT_COLLAPSIBLE && map_is_untouched(selection->map, index) &&
		(vma->kind & MEMHINT_KIND_PRIVATE));
}

static int take_or_drop_unseen(struct selection *selection, size_t index,
			       const struct memhint_vma *vma)
{
	uint64_t start = clip_start(selection, vma), end = clip_end(selection, vma);

	if (vma_want(selection, index, vma) == WANT_ALL)
		return ranges_append(selection->ranges, start, end - start);
	drop(selection, MEMHINT_SKIP_EMPTY, start, end);
	return 0;
}

static int select_all(struct selection *selection)
{
	size_t count = memhint_map_count(selection->map), first = 0, pending = 0;
	int r;

	for (size_t i = 0; i <= count; i++) {
		const struct memhint_vma *vma = memhint_map_get(selection->map, i);
		bool matches = vma && vma_matches(&selection->filter, vma);
		enum memhint_skip obstacle = MEMHINT_SKIP_COUNT;

		if (matches)
			obstacle = obstacle_of(vma, selection->advice,
					       memhint_map_flags_known(selection->map));
		if (matches && obstacle == MEMHINT_SKIP_COUNT && !is_clear(selection, i, vma)) {
			if (!pending++)
				first = i;
			continue;
		}
		/* In order of address: first what waits for a look. */
		if (pending) {
			r = look_at(selection, first, first + pending - 1);
			if (r < 0)
				return r;
			pending = 0;
		}
		if (!matches)
			continue;
		if (obstacle != MEMHINT_SKIP_COUNT) {
			drop(selection, obstacle, clip_start(selection, vma),
			     clip_end(selection, vma));
			continue;
		}
		r = take_or_drop_unseen(selection, i, vma);
		if (r < 0)
			return r;
	}
	return 0;
}

static int filter_take(const struct memhint_filter *filter, struct memhint_filter *ret)
{
	uint64_t page = page_size();
	int r = sized_take(filter, ret, sizeof(*ret));

	if (r < 0)
		return r;
	if (!ret->kinds)
		ret->kinds = MEMHINT_KIND_PRIVATE;
	if (!ret->start && !ret->end)
		ret->end = UINT64_MAX - page + 1;
	if ((ret->kinds & ~MEMHINT_KIND_ALL) ||
	    (ret->flags & ~(MEMHINT_FILTER_EXACT | MEMHINT_FILTER_UNPACED)) || ret->start % page ||
	    ret->end % page || ret->start >= ret->end)
		return -EINVAL;
	return 0;
}

static struct origin *origin_new(const struct memhint_map *map, const struct memhint_filter *filter,
				 int advice)
{
	_cleanup_free_ char *mapping = NULL;
	struct origin *origin;

	if (filter->mapping) {
		mapping = strdup(filter->mapping);
		if (!mapping)
			return NULL;
	}
	origin = malloc(sizeof(*origin));
	if (!origin)
		return NULL;
	*origin = (struct origin){
		.filter = *filter,
		.advice = advice,
		.want = map_want(map),
		.cookie = memhint_map_cookie(map),
		.marks = map_exec_marks(map),
	};
	origin->filter.mapping = take_pointer(mapping);
	return origin;
}

int memhint_select(struct memhint_process *process, const struct memhint_map *map,
		   const struct memhint_filter *filter, int advice,
		   struct memhint_ranges **ret_ranges)
{
	_cleanup_(memhint_ranges_freep) struct memhint_ranges *ranges = NULL;
	_cleanup_(selection_done) struct selection selection = {
		.map = map,
		.advice = advice,
		.pages = PAGES_CLOSED,
	};
	bool gaps;
	int r;

	if (!memhint_advice_name(advice))
		return -EINVAL;
	r = filter_take(filter, &selection.filter);
	if (r < 0)
		return r;
	if (selection.filter.mapping && !map_has_names(map))
		return -EOPNOTSUPP;
	r = memhint_ranges_new(&ranges);
	if (r < 0)
		return r;
	selection.ranges = ranges;
	gaps = !(selection.filter.flags & MEMHINT_FILTER_UNPACED) &&
	       !memhint_process_is_stopped(process);
	r = pages_open(process, MEMHINT_PAGES_AUTO, gaps, &selection.pages);
	if (r < 0)
		return r;
	/* From here on both the snapshot and the page table are of the same address space. */
	if (!memhint_map_is_current(map))
		return -ESRCH;
	r = select_all(&selection);
	if (r < 0)
		return r;
	ranges->origin = origin_new(map, &selection.filter, advice);
	if (!ranges->origin)
		return -ENOMEM;
	*ret_ranges = take_pointer(ranges);
	return 0;
}

int select_again(const struct origin *origin, const struct memhint_map *map,
		 const struct pages *pages, uint64_t start, uint64_t end,
		 struct memhint_ranges *ranges)
{
	struct selection selection = {
		.map = map,
		.filter = origin->filter,
		.advice = origin->advice,
		.ranges = ranges,
		.pages = *pages,
	};

	if (start > selection.filter.start)
		selection.filter.start = start;
	if (end < selection.filter.end)
		selection.filter.end = end;
	/* With the pages in the snapshot, nothing was given the advice unseen. */
	if (origin->want & MEMHINT_MAP_PAGES)
		selection.filter.flags |= MEMHINT_FILTER_EXACT;
	if (selection.filter.start >= selection.filter.end)
		return 0;
	return select_all(&selection);
}
