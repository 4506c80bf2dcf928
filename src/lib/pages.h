/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which pages of a process are resident, swapped out or huge. */
#ifndef LIB_PAGES_H
#define LIB_PAGES_H

#include <memhint/map.h>
#include <stdbool.h>
#include <stdint.h>

struct memhint_process;

enum page_state {
	PAGE_RESIDENT = 1 << 0, /* present; the shared zero page counts as nothing at all */
	PAGE_SWAPPED = 1 << 1,	/* a swap entry; guard markers and the like count as nothing */
	PAGE_HUGE = 1 << 2,	/* with PAGE_RESIDENT: mapped by a transparent huge page */
	PAGE_SHARED =
		1 << 3, /* with PAGE_RESIDENT: page of a file or of shared memory; if asked for */
};

/* Neighbouring pages in the same state. */
struct page_run {
	uint64_t start;
	uint64_t end;
	uint32_t state; /* enum page_state, never 0 */
};

struct pages {
	int fd; /* of /proc/PID/pagemap: keeps the address space that it was opened on */
	enum memhint_pages_reader reader;
	uint32_t supported; /* scan: the kernel's categories; pagemap: 0, so no PAGE_HUGE */
	bool shared; /* tell PAGE_SHARED: set after opening; makes a scan five times slower */
	bool gaps;   /* pause between pieces, so that the target can take its mmap lock */
	uint64_t zero_frame; /* pagemap: frame of the shared zero page; 0 unknown */
	int frame_flags_fd;  /* pagemap: of /proc/kpageflags, knows the huge zero page; -1 none */
};

/* Of one that is not open yet: 0 would be somebody's descriptor. */
#define PAGES_CLOSED                           \
	{                                      \
		.fd = -1, .frame_flags_fd = -1 \
	}

/*
 * Opens a process's page table for reading. @reader AUTO: PAGEMAP_SCAN, else pagemap. SMAPS is not
 * for this function (-EOPNOTSUPP). 0 or a negative errno: -ESRCH it has ended or has no memory.
 */
int pages_open(const struct memhint_process *process, enum memhint_pages_reader reader, bool gaps,
	       struct pages *ret_pages);

/* Closes what pages_open() opened; more than once does no harm. */
void pages_done(struct pages *pages);

/*
 * What the two readers cannot tell: pagemap knows no PAGE_HUGE; without CAP_SYS_ADMIN it counts the
 * zero pages as resident, and both then count markers of userfaultfd write protection (and before 6.14
 * guard regions) as swapped.
 */

/*
 * Calls @sink for the runs of [start, end) in order of address; what is neither resident nor
 * swapped is left out. Reads in pieces of bounded size, so that the mmap lock is not held for long.
 * Stops when @sink returns non-zero and returns that. 0 or a negative errno; -ESRCH when the address
 * space is gone. A scan skips what is not mapped or never touched; pagemap takes some 2 ns for each
 * page of it, and wants to be called for mapped ranges only.
 */
int pages_scan(const struct pages *pages, uint64_t start, uint64_t end,
	       int (*sink)(const struct page_run *run, void *userdata), void *userdata);

/* Whether the address space that was opened still exists: false after exit or exec. About 1 us. */
bool pages_are_current(const struct pages *pages);

/* The end of what this process can have mapped: pagemap has no entries from there on. */
uint64_t pages_end(const struct pages *pages);

#endif
