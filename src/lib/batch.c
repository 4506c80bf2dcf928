/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batch.h"

#include "clock.h"
#include "page-size.h"

#include <memhint/map.h>

#include <errno.h>

/* After EAGAIN and the like: so many tries, the pause doubling from 100 us on (25 ms in all). */
#define RETRY_MAX 8
#define RETRY_PAUSE_USEC 100u

static int see_huge(const struct page_run *run, void *userdata)
{
	bool *found = userdata;

	*found |= run->state & PAGE_HUGE;
	return *found;
}

bool cut_splits_huge_page(const struct run *run, uint64_t address)
{
	uint64_t huge = huge_page_size(), block;
	bool found = false;

	if (!huge || address % huge == 0)
		return false;
	if (run->advice == MADV_COLLAPSE || run->pages.fd < 0 ||
	    run->pages.reader != MEMHINT_PAGES_SCAN)
		return true;
	block = align_down(address, huge);
	return pages_scan(&run->pages, block, block + huge, see_huge, &found) < 0 || found;
}

/*
 * How much of the current range to take, with room for @room bytes: all of it, or up to a place where
 * no huge page is cut. @must: at least one page or huge page, whatever the room. 0: nothing fits.
 */
static uint64_t run_piece(struct run *run, uint64_t end, uint64_t room, bool must)
{
	uint64_t start = run_address(run), huge = huge_page_size(), page = page_size(), cut;

	if (end - start <= room)
		return end - start;
	cut = align_down(start + room, page);
	/* Between whole huge pages there is no need to look, and they are small beside much room. */
	if ((huge && room >= 8 * huge) || (cut > start && cut_splits_huge_page(run, cut)))
		cut = align_down(cut, huge);
	if (cut > start)
		return cut - start;
	if (!must)
		return 0;
	cut = start + page;
	if (cut < end && cut_splits_huge_page(run, cut))
		cut = align_up(cut, huge);
	return (cut < end ? cut : end) - start;
}

static void batch_add(struct batch *batch, struct run *run, uint64_t bytes)
{
	batch->places[batch->count] = run->at;
	batch->ranges[batch->count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)run_address(run),
		.iov_len = (size_t)bytes,
	};
	batch->bytes += bytes;
	run_advance(run, bytes);
}

/*
 * In a range that was refused: the next call is for one mapping alone, and what is not mapped has
 * failed, with nothing to call for. 0, -EDQUOT when not even a page fits, or a negative errno.
 */
static int batch_fill_split(struct batch *batch, struct run *run)
{
	struct memhint_vma vma;
	uint64_t address = run_address(run), end = run_range_end(run), bytes;
	int r = memhint_map_lookup(run->process, address, &vma);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT || vma.start > address) {
		uint64_t hole_end = r == -ENOENT || vma.start > end ? end : vma.start;

		if (run->came_from_map)
			run->result->map_changed = true;
		run_fail(run, hole_end - address, ENOMEM);
		return 0;
	}
	bytes = run_piece(run, vma.end < end ? vma.end : end, run_allowance(run),
			  run_may_exceed(run));
	if (!bytes)
		return -EDQUOT;
	batch_add(batch, run, bytes);
	return 0;
}

int batch_fill(struct batch *batch, struct run *run)
{
	size_t most = batch->max_count ? batch->max_count : KERNEL_IOV_MAX;
	uint64_t allowance = run_allowance(run);

	batch->count = 0;
	batch->bytes = 0;
	if (run_address(run) < batch->split_end)
		return batch_fill_split(batch, run);
	batch->split_end = 0;
	while (!run_is_over(run) && batch->count < most) {
		uint64_t room = allowance > batch->bytes ? allowance - batch->bytes : 0;
		uint64_t bytes = run_piece(run, run_range_end(run), room,
					   batch->count == 0 && run_may_exceed(run));

		if (!bytes)
			break;
		batch_add(batch, run, bytes);
	}
	return batch->count ? 0 : -EDQUOT;
}

void batch_settle(struct batch *batch, struct run *run, uint64_t done)
{
	size_t whole = 0;
	uint64_t bytes = 0;

	while (whole < batch->count && bytes + batch->ranges[whole].iov_len <= done)
		bytes += batch->ranges[whole++].iov_len;
	amount_add(run_is_dry(run) ? &run->result->skipped_by[MEMHINT_SKIP_DRY_RUN]
				   : &run->result->advised,
		   done, whole + (bytes < done));
	if (whole < batch->count) {
		run->at = batch->places[whole];
		run->at.offset += done - bytes;
	}
}

bool batch_retry(struct run *run)
{
	if (run->retries == RETRY_MAX)
		return false;
	run->result->retries++;
	run_pause_until(run, clock_usec() + (RETRY_PAUSE_USEC << run->retries++));
	return true;
}

int batch_refused(struct batch *batch, struct run *run, uint64_t length, int error)
{
	uint64_t start = run_address(run), end = start + length;
	struct memhint_vma vma;
	int r;

	switch (error) {
	case EINTR:
	case EAGAIN:
	case EBUSY:
		if (batch_retry(run))
			return 0;
		break;
	case ESRCH:
	case ENOSYS:
		return -error;
	case EBADF:
	case EPERM:
	case EACCES:
		/* From madvise(2) they are about the range: one without a file, a sealed mapping. */
		if (!run->is_inside)
			return -error;
		break;
	}
	run->retries = 0;
	/* Not refused by one mapping for itself? Then mapping by mapping, to know which. */
	r = memhint_map_lookup(run->process, start, &vma);
	if (r == -ESRCH)
		return r;
	if (r == 0 && vma.start <= start) {
		if (vma.end >= end) {
			/* The whole mapping refuses for EINVAL: no need to ask again piece by piece. */
			uint64_t stop = error == EINVAL && vma.end < run_range_end(run) ? vma.end
					: error == EINVAL ? run_range_end(run)
							  : end;

			run_fail(run, stop - start, error);
			return 0;
		}
	} else if (r < 0 && r != -ENOENT) {
		run_fail(run, length, error);
		return 0;
	}
	batch->split_end = run_range_end(run);
	return 0;
}
