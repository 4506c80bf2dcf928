/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to advise: from a filter and a snapshot to ranges. */
#ifndef MEMHINT_FILTER_H
#define MEMHINT_FILTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memhint_process;
struct memhint_map;
struct memhint_ranges;

/* Why something that was asked for was not advised. New reasons go to the end. */
enum memhint_skip {
	MEMHINT_SKIP_LOCKED,	 /* mlock(2): the kernel refuses */
	MEMHINT_SKIP_HUGETLB,	 /* the kernel refuses */
	MEMHINT_SKIP_PFNMAP,	 /* no pages behind it: the kernel refuses */
	MEMHINT_SKIP_IO,	 /* device memory: the kernel refuses */
	MEMHINT_SKIP_DROPPABLE,	 /* would lose its content */
	MEMHINT_SKIP_SPECIAL,	 /* vdso, vvar, vsyscall */
	MEMHINT_SKIP_NO_ACCESS,	 /* PROT_NONE */
	MEMHINT_SKIP_EMPTY,	 /* nothing there for this advice */
	MEMHINT_SKIP_SWAPPED,	 /* PAGEOUT: out already */
	MEMHINT_SKIP_RESIDENT,	 /* WILLNEED: there already */
	MEMHINT_SKIP_HUGE,	 /* COLLAPSE: a huge page already */
	MEMHINT_SKIP_UNALIGNED,	 /* COLLAPSE: the part outside whole huge pages */
	MEMHINT_SKIP_BUDGET,	 /* max_bytes was reached */
	MEMHINT_SKIP_CANCELLED,	 /* the caller cancelled */
	MEMHINT_SKIP_DRY_RUN,	 /* would have been advised */
	MEMHINT_SKIP_STOPPED,	 /* the run ended early: the target is gone, or no permission */
	MEMHINT_SKIP_CHANGED,	 /* no longer what it was when it was selected */
	MEMHINT_SKIP_UNSUITABLE, /* not the sort of memory: the kernel refuses, or it does nothing */
	MEMHINT_SKIP_ALREADY,	 /* the mapping is marked that way already */
	MEMHINT_SKIP_COUNT	 /* how many this version knows */
};
#define MEMHINT_SKIP_MAX 32 /* there never will be more */

/** struct memhint_amount - how much of something. */
struct memhint_amount {
	uint64_t bytes;
	uint64_t ranges;
};

/** memhint_skip_name() - "locked", "no_access", ... : the key in JSON. Since: 0.1. */
const char *memhint_skip_name(enum memhint_skip reason);

/* Look at every page, also where that costs more than it saves. */
#define MEMHINT_FILTER_EXACT (1u << 0)
/* No gaps between the pieces of a page scan. */
#define MEMHINT_FILTER_UNPACED (1u << 1)

/** struct memhint_filter - what to select. Zero selects all private anonymous memory. */
struct memhint_filter {
	size_t size;	     /* of this structure */
	uint32_t kinds;	     /* enum memhint_kind; 0: MEMHINT_KIND_PRIVATE */
	uint32_t flags;	     /* MEMHINT_FILTER_* */
	const char *mapping; /* fnmatch(3) pattern on the name or its last part, or NULL; the
					 * map needs names */
	uint64_t start;	     /* only what lies in [start, end); both 0: everything */
	uint64_t end;
	uint64_t min_bytes; /* only mappings of at least this size */
};

/**
 * memhint_select() - choose the ranges that an advice is worth giving for
 * @process: whose memory.
 * @map: its snapshot.
 * @filter: or NULL for the default.
 * @advice: MADV_*: decides what counts as useless (PAGEOUT: what is out already; ...).
 * @ret_ranges: what to advise and what was dropped, counted by reason.
 *
 * What the kernel would refuse and what would do nothing is dropped here, before it costs a system
 * call. Where the snapshot has no pages (no MEMHINT_MAP_PAGES) the pages of candidates are looked at
 * here, for COLD only in mappings of 64 KiB and more, since below that the look costs as much as the
 * advice; MEMHINT_FILTER_EXACT looks at all. A range is never cut inside a huge page. The ranges are
 * in order of address, and remember the cookie of the snapshot and how they were selected, for the
 * guards of memhint_advise().
 *
 * Context: any thread; blocks as memhint_map_open() with MEMHINT_MAP_PAGES.
 * Errors: -EINVAL unknown advice or flag, reversed or unaligned range; -EOPNOTSUPP @filter->mapping
 * with a snapshot without names, or a kernel without /proc/PID/pagemap; -ESRCH the process has ended,
 * or has replaced its address space since the snapshot; -EACCES ptrace access is refused; -EMFILE,
 * -ENFILE, -ENOMEM; -EIO.
 * Return: 0 (also when nothing was selected) or a negative errno. Since: 0.1.
 */
int memhint_select(struct memhint_process *process, const struct memhint_map *map,
		   const struct memhint_filter *filter, int advice,
		   struct memhint_ranges **ret_ranges);

/**
 * memhint_ranges_new() - an empty list, to be filled by hand
 * Errors: -ENOMEM. Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_ranges_new(struct memhint_ranges **ret_ranges);

/**
 * memhint_ranges_add() - append a range; it is advised as it stands, unseen
 * What was selected can no longer be selected again then: guard FOLLOW refuses it.
 * Errors: -EINVAL empty, wraps around, or the start is not page aligned; -ENOMEM.
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_ranges_add(struct memhint_ranges *ranges, uint64_t start, uint64_t length_bytes);

/** memhint_ranges_free() - NULL is accepted. Since: 0.1. */
void memhint_ranges_free(struct memhint_ranges *ranges);

/** memhint_ranges_total() - what there is to advise. Since: 0.1. */
struct memhint_amount memhint_ranges_total(const struct memhint_ranges *ranges);

/** memhint_ranges_skipped() - what the selection dropped for @reason. Since: 0.1. */
struct memhint_amount memhint_ranges_skipped(const struct memhint_ranges *ranges,
					     enum memhint_skip reason);

/** memhint_ranges_get() - range number @index: 0, or -ENOENT past the end. Since: 0.1. */
int memhint_ranges_get(const struct memhint_ranges *ranges, size_t index, uint64_t *ret_start,
		       uint64_t *ret_length_bytes);

#ifdef __cplusplus
}
#endif
#endif
