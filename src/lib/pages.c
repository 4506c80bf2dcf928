/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pages.h"

#include "cleanup.h"
#include "clock.h"
#include "fd.h"
#include "hold.h"
#include "page-size.h"
#include "uapi.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* What one call looks at. At 10 ns a page 64 MiB hold the target's mmap lock for 0.16 ms. */
#define PIECE_BYTES (64ull << 20)
#define PIECE_PAGES (PIECE_BYTES >> 12)

/*
 * Runs of one call: no more than the kernel collects in one walk. With more it walks again inside the
 * call, and if that reaches the end, walk_end still says where the walk before had stopped.
 * Source: fs/proc/task_mmu.c, do_pagemap_scan(), seen on 6.18.
 */
#define VEC_LENGTH 512
#define ENTRIES 4096

/* Where little was found the next piece is so much larger: a reserve of 1 TiB takes 5 calls. */
#define PIECE_GROWTH 8
#define PIECE_FAST_NSEC 20000

/* Of the categories these two came later or may be missing, and are asked for only where known. */
#define CATEGORIES_BASE                                                                           \
	(UAPI_PAGE_IS_WRITTEN | UAPI_PAGE_IS_FILE | UAPI_PAGE_IS_PRESENT | UAPI_PAGE_IS_SWAPPED | \
	 UAPI_PAGE_IS_HUGE)

/* Joins neighbouring runs of the same state before anyone sees them. */
struct joiner {
	int (*sink)(const struct page_run *run, void *userdata);
	void *userdata;
	struct page_run run; /* state 0: none */
};

static int joiner_flush(struct joiner *joiner)
{
	struct page_run run = joiner->run;

	joiner->run.state = 0;
	return run.state ? joiner->sink(&run, joiner->userdata) : 0;
}

static int joiner_add(struct joiner *joiner, uint64_t start, uint64_t end, uint32_t state)
{
	int r;

	if (!state)
		return 0;
	if (joiner->run.state == state && joiner->run.end == start) {
		joiner->run.end = end;
		return 0;
	}
	r = joiner_flush(joiner);
	joiner->run = (struct page_run){ .start = start, .end = end, .state = state };
	return r;
}

/* One page of the page table, from its entry in pagemap. */
struct pagemap_reader {
	const struct pages *pages;
	uint64_t huge_pages;  /* pages of a transparent huge page */
	uint64_t known_frame; /* first frame of the huge page that was asked about last */
	bool known_is_zero;
};

static bool frame_is_huge_zero(struct pagemap_reader *reader, uint64_t frame)
{
	uint64_t first = frame - frame % reader->huge_pages, flags;

	if (reader->pages->frame_flags_fd < 0)
		return false;
	if (first == reader->known_frame)
		return reader->known_is_zero;
	if (pread(reader->pages->frame_flags_fd, &flags, sizeof(flags),
		  (off_t)(first * sizeof(flags))) != sizeof(flags))
		return false;
	reader->known_frame = first;
	reader->known_is_zero = flags & (1ull << UAPI_KPF_ZERO_PAGE);
	return reader->known_is_zero;
}

static uint32_t entry_state(struct pagemap_reader *reader, uint64_t page, uint64_t entry)
{
	uint64_t frame = entry & UAPI_PM_FRAME;

	if (entry & UAPI_PM_PRESENT) {
		/* Frames are 0 to all but the privileged; then the zero pages cannot be told apart. */
		if (frame && frame == reader->pages->zero_frame)
			return 0;
		if (frame && !(entry & UAPI_PM_EXCLUSIVE) &&
		    frame % reader->huge_pages == page % reader->huge_pages &&
		    frame_is_huge_zero(reader, frame))
			return 0;
		if ((entry & UAPI_PM_FILE) && reader->pages->shared)
			return PAGE_RESIDENT | PAGE_SHARED;
		return PAGE_RESIDENT;
	}
	if (!(entry & UAPI_PM_SWAP) || (entry & UAPI_PM_GUARD))
		return 0;
	/* Offset 0 of a swap device is its header, so 0 means here, too, that frames are hidden. */
	if (frame && (frame & UAPI_PM_SWAP_TYPE) == UAPI_SWAP_TYPE_MARKER)
		return 0;
	return PAGE_SWAPPED;
}

static int pagemap_scan(const struct pages *pages, uint64_t start, uint64_t end, uint32_t mask,
			struct hold *hold, struct joiner *joiner)
{
	uint64_t entries[ENTRIES], size = page_size(), before;
	struct pagemap_reader reader = { .pages = pages,
					 .huge_pages = size / sizeof(uint64_t),
					 .known_frame = UINT64_MAX };

	while (start < end) {
		uint64_t page = start / size, count = (end - start + size - 1) / size;
		ssize_t n;

		if (count > ENTRIES)
			count = ENTRIES;
		before = clock_nsec();
		n = pread(pages->fd, entries, count * sizeof(entries[0]),
			  (off_t)(page * sizeof(entries[0])));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		n /= (ssize_t)sizeof(entries[0]);
		if (n == 0)
			break; /* above the end of the address space, or that is gone */
		for (uint64_t i = 0; i < (uint64_t)n; i++) {
			int r = joiner_add(joiner, (page + i) * size, (page + i + 1) * size,
					   entry_state(&reader, page + i, entries[i]) & mask);

			if (r != 0)
				return r;
		}
		start = (page + (uint64_t)n) * size;
		hold_add(hold, clock_nsec() - before, start < end);
	}
	return 0;
}

static int scan_ioctl(int fd, struct uapi_pm_scan_arg *arg)
{
	int n;

	do
		n = ioctl(fd, UAPI_PAGEMAP_SCAN, arg);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Tries @categories on an empty range at @address. */
static int scan_try(int fd, uint64_t categories, uint64_t address)
{
	struct uapi_page_region region;
	struct uapi_pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = address,
		.end = address,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_anyof_mask = categories,
		.return_mask = categories,
	};

	return scan_ioctl(fd, &arg);
}

/*
 * Which categories this kernel knows: 0 and *ret_supported, or a negative errno. The answer is the
 * same for every process, so it is found out once; two threads that do so find the same.
 */
static int scan_supported(int fd, uint32_t *ret_supported)
{
	static _Atomic uint32_t cached;
	uint32_t supported = atomic_load_explicit(&cached, memory_order_relaxed);
	int r;

	if (!supported) {
		r = scan_try(fd, CATEGORIES_BASE, 0);
		if (r < 0)
			return r == -ENOTTY || r == -EINVAL ? -EOPNOTSUPP : r;
		supported = CATEGORIES_BASE;
		if (scan_try(fd, UAPI_PAGE_IS_PFNZERO, 0) == 0)
			supported |= UAPI_PAGE_IS_PFNZERO;
		if (scan_try(fd, UAPI_PAGE_IS_GUARD, 0) == 0)
			supported |= UAPI_PAGE_IS_GUARD;
		atomic_store_explicit(&cached, supported, memory_order_relaxed);
	}
	*ret_supported = supported;
	return 0;
}

/* The end of what a process can have mapped; the call refuses ranges that reach beyond. */
static uint64_t scan_limit(int fd)
{
	static _Atomic uint64_t cached;
	uint64_t limit = atomic_load_explicit(&cached, memory_order_relaxed);

	if (limit)
		return limit;
	for (int bits = 63; bits > 30; bits--) {
		uint64_t size = page_size();

		limit = 1ull << bits;
		if (scan_try(fd, CATEGORIES_BASE, limit) == 0)
			break;
		limit -= size; /* x86 keeps the last page below free */
		if (scan_try(fd, CATEGORIES_BASE, limit) == 0)
			break;
	}
	atomic_store_explicit(&cached, limit, memory_order_relaxed);
	return limit;
}

static uint32_t region_state(uint64_t categories)
{
	uint32_t state = 0;

	if (categories & UAPI_PAGE_IS_PRESENT) {
		state = PAGE_RESIDENT;
		if (categories & UAPI_PAGE_IS_HUGE)
			state |= PAGE_HUGE;
		if (categories & UAPI_PAGE_IS_FILE)
			state |= PAGE_SHARED;
	} else if (categories & UAPI_PAGE_IS_SWAPPED) {
		state = PAGE_SWAPPED;
	}
	return state;
}

/*
 * SWAPPED means "there is an entry, but no page", which covers markers as well. Markers for guard
 * regions have a category of their own on new kernels, and are asked for on old ones; those that
 * userfaultfd leaves for write protection show as not WRITTEN, as swapped pages that are write
 * protected do. pagemap tells them apart.
 */
static bool region_is_doubtful(const struct pages *pages, uint64_t categories)
{
	return (categories & UAPI_PAGE_IS_SWAPPED) && !(categories & UAPI_PAGE_IS_PRESENT) &&
	       (!(pages->supported & UAPI_PAGE_IS_GUARD) || !(categories & UAPI_PAGE_IS_WRITTEN));
}

static int ioctl_scan(const struct pages *pages, uint64_t start, uint64_t end, struct hold *hold,
		      struct joiner *joiner)
{
	uint64_t limit = scan_limit(pages->fd), piece = PIECE_BYTES, before, took;
	uint64_t unwanted = pages->supported & (UAPI_PAGE_IS_PFNZERO | UAPI_PAGE_IS_GUARD);
	/* FILE looks into every page's own structure: 50 ns instead of 10. */
	uint64_t wanted = CATEGORIES_BASE & ~(pages->shared ? 0 : UAPI_PAGE_IS_FILE);
	struct uapi_page_region vec[VEC_LENGTH];
	int n, r;

	if (end > limit)
		end = limit;
	while (start < end) {
		struct uapi_pm_scan_arg arg = {
			.size = sizeof(arg),
			.start = start,
			.end = end - start > piece ? start + piece : end,
			.vec = (uintptr_t)vec,
			.vec_len = VEC_LENGTH,
			.max_pages = PIECE_PAGES,
			.category_inverted = unwanted,
			.category_mask = unwanted,
			.category_anyof_mask = UAPI_PAGE_IS_PRESENT | UAPI_PAGE_IS_SWAPPED,
			.return_mask = wanted,
		};

		before = clock_nsec();
		n = scan_ioctl(pages->fd, &arg);
		took = clock_nsec() - before;
		if (n < 0)
			return n;
		if (arg.walk_end <= start)
			return -EIO;
		for (int i = 0; i < n; i++) {
			if (region_is_doubtful(pages, vec[i].categories))
				r = pagemap_scan(pages, vec[i].start, vec[i].end, PAGE_SWAPPED,
						 hold, joiner);
			else
				r = joiner_add(joiner, vec[i].start, vec[i].end,
					       region_state(vec[i].categories));
			if (r != 0)
				return r;
		}
		start = arg.walk_end;
		if (took < PIECE_FAST_NSEC)
			piece = piece > UINT64_MAX / PIECE_GROWTH ? piece : piece * PIECE_GROWTH;
		else if (took > HOLD_NSEC && piece > PIECE_BYTES)
			piece = PIECE_BYTES;
		hold_add(hold, took, start < end);
	}
	return 0;
}

int pages_scan(const struct pages *pages, uint64_t start, uint64_t end,
	       int (*sink)(const struct page_run *run, void *userdata), void *userdata)
{
	struct joiner joiner = { .sink = sink, .userdata = userdata };
	struct hold hold = { .gaps = pages->gaps };
	int r;

	if (pages->reader == MEMHINT_PAGES_SCAN)
		r = ioctl_scan(pages, start, end, &hold, &joiner);
	else
		r = pagemap_scan(pages, start, end, UINT32_MAX, &hold, &joiner);
	if (r != 0)
		return r;
	r = joiner_flush(&joiner);
	if (r != 0)
		return r;
	/* An address space that is gone reads as an empty one. */
	return pages_are_current(pages) ? 0 : -ESRCH;
}

bool pages_are_current(const struct pages *pages)
{
	uint64_t entry;
	ssize_t n;

	do
		n = pread(pages->fd, &entry, sizeof(entry), 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof(entry);
}

/* The frame of the shared zero page, from a page of our own that was only read; 0 where hidden. */
static uint64_t zero_frame_find(void)
{
	static _Atomic uint64_t cached;
	uint64_t frame = atomic_load_explicit(&cached, memory_order_relaxed), entry = 0;
	_cleanup_close_ int fd = -1;
	size_t size = (size_t)page_size();
	volatile char *page;

	if (frame)
		return frame;
	fd = fd_openat(AT_FDCWD, "/proc/self/pagemap");
	if (fd < 0)
		return 0;
	page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return 0;
	(void)*page;
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)page / size * sizeof(entry))) ==
		    sizeof(entry) &&
	    (entry & UAPI_PM_PRESENT))
		frame = entry & UAPI_PM_FRAME;
	munmap((void *)(uintptr_t)page, size);
	atomic_store_explicit(&cached, frame, memory_order_relaxed);
	return frame;
}

int pages_open(const struct memhint_process *process, enum memhint_pages_reader reader, bool gaps,
	       struct pages *ret_pages)
{
	struct pages pages = { .fd = -1, .frame_flags_fd = -1, .reader = reader, .gaps = gaps };
	_cleanup_close_ int fd = -1;
	int r;

	if (reader != MEMHINT_PAGES_AUTO && reader != MEMHINT_PAGES_SCAN &&
	    reader != MEMHINT_PAGES_PAGEMAP)
		return -EOPNOTSUPP;
	fd = fd_openat(memhint_process_dirfd(process), "pagemap");
	if (fd == -ENOENT && !memhint_process_is_alive(process))
		return -ESRCH;
	if (fd == -ENOENT) /* a kernel without CONFIG_PROC_PAGE_MONITOR */
		return -EOPNOTSUPP;
	if (fd < 0)
		return fd;
	pages.fd = fd;
	if (!pages_are_current(&pages))
		return -ESRCH;
	if (reader != MEMHINT_PAGES_PAGEMAP) {
		r = scan_supported(fd, &pages.supported);
		if (r == 0)
			pages.reader = MEMHINT_PAGES_SCAN;
		else if (reader == MEMHINT_PAGES_SCAN)
			return r;
		else
			pages.reader = MEMHINT_PAGES_PAGEMAP;
	}
	if (pages.reader == MEMHINT_PAGES_PAGEMAP) {
		pages.zero_frame = zero_frame_find();
		pages.frame_flags_fd = fd_openat(AT_FDCWD, "/proc/kpageflags");
	}
	take_fd(&fd);
	*ret_pages = pages;
	return 0;
}

void pages_done(struct pages *pages)
{
	closep(&pages->fd);
	closep(&pages->frame_flags_fd);
	pages->fd = pages->frame_flags_fd = -1;
}
