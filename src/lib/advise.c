/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving one advice for many ranges, with an exact account. */
#include "clock.h"
#include "map-internal.h"
#include "pace.h"
#include "page-size.h"
#include "pages.h"
#include "procfile.h"
#include "ranges.h"
#include "sized.h"
#include "stopwatch.h"
#include "uapi.h"
#include "usage.h"
#include "vector.h"

#include <memhint/advise.h>
#include <memhint/map.h>
#include <memhint/probe.h>
#include <memhint/process.h>

#include <errno.h>

/* After EAGAIN and the like: so many tries, the pause doubling from 100 us on (25 ms in all). */
#define RETRY_MAX 8
#define RETRY_PAUSE_USEC 100u

/* No pause is longer than this between two looks at the cancel flag. */
#define CANCEL_CHECK_USEC 10000u

#define PROGRESS_USEC 50000u

struct place {
	size_t index;
	uint64_t offset;
};

struct run {
	struct memhint_process *process;
	const struct memhint_ranges *ranges;
	int advice;
	bool is_self;
	struct memhint_advise_options options;
	struct memhint_result *result;
	struct pages pages; /* for measuring, for huge pages, and to notice exec; fd -1: none */
	struct pacer pacer;
	uint64_t start_usec;
	uint64_t progress_usec; /* when to tell next */
	int retries;		/* in a row */

	size_t index; /* the next range, and how much of it is done */
	uint64_t offset;
	uint64_t split_end; /* up to here, go mapping by mapping: something in it refuses */
	bool came_from_map;

	struct iovec batch[KERNEL_IOV_MAX];
	struct place places[KERNEL_IOV_MAX]; /* where each entry of the batch came from */
	size_t batch_count;
	uint64_t batch_bytes;
};

static bool run_is_over(const struct run *run)
{
	return run->index == run->ranges->count;
}

static uint64_t run_address(const struct run *run)
{
	return run->ranges->items[run->index].start + run->offset;
}

static uint64_t run_range_end(const struct run *run)
{
	return run->ranges->items[run->index].start + run->ranges->items[run->index].length;
}

/* Moves on by @bytes within the current range. */
static void run_advance(struct run *run, uint64_t bytes)
{
	run->offset += bytes;
	if (run->offset == run->ranges->items[run->index].length) {
		run->index++;
		run->offset = 0;
	}
}

static void run_fail(struct run *run, uint64_t bytes, int error)
{
	struct memhint_failure failure = {
		.start = run_address(run),
		.end = run_address(run) + bytes,
		.error = error,
	};

	amount_add(&run->result->failed, bytes, 1);
	if (!run->result->first_failure.error)
		run->result->first_failure = failure;
	if (run->options.failure)
		run->options.failure(&failure, run->options.userdata);
	run_advance(run, bytes);
}

/* Everything that is left is not tried, for @reason. */
static void run_skip_rest(struct run *run, enum memhint_skip reason)
{
	while (!run_is_over(run)) {
		uint64_t bytes = run_range_end(run) - run_address(run);

		amount_add(&run->result->skipped_by[reason], bytes, 1);
		run_advance(run, bytes);
	}
}

static bool run_is_dry(const struct run *run)
{
	return run->options.flags & MEMHINT_ADVISE_DRY_RUN;
}

/* What counts against the limits. */
static uint64_t run_used_bytes(const struct run *run)
{
	return run->result->advised.bytes + run->result->skipped_by[MEMHINT_SKIP_DRY_RUN].bytes;
}

static bool run_is_cancelled(const struct run *run)
{
	return cancel_is_set(run->options.cancel);
}

static uint64_t run_done_bytes(const struct run *run)
{
	const struct memhint_result *result = run->result;
	uint64_t done = result->advised.bytes + result->failed.bytes;

	/* What the selection had dropped was never to be done. */
	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++)
		done += result->skipped_by[i].bytes - run->ranges->skipped[i].bytes;
	return done;
}

/* False when the callback wants no more. */
static bool run_tell_progress(struct run *run, uint64_t now)
{
	struct memhint_progress progress = {
		.done_bytes = run_done_bytes(run),
		.total_bytes = run->ranges->total.bytes,
		.elapsed_usec = now - run->start_usec,
	};

	if (!run->options.progress)
		return true;
	run->progress_usec = now + PROGRESS_USEC;
	return run->options.progress(&progress, run->options.userdata) == 0;
}

/* Waits, looking at the cancel flag and telling progress. False: cancelled. */
static bool run_pause_until(struct run *run, uint64_t until_usec)
{
	uint64_t now;

	while (!run_is_cancelled(run) && (now = clock_usec()) < until_usec) {
		if (now >= run->progress_usec && !run_tell_progress(run, now))
			return false;
		clock_pause(until_usec - now < CANCEL_CHECK_USEC ? until_usec - now
								 : CANCEL_CHECK_USEC);
	}
	return !run_is_cancelled(run);
}

/* What is left of the byte budget. */
static uint64_t run_budget(const struct run *run)
{
	return run->options.max_bytes ? run->options.max_bytes - run_used_bytes(run) : UINT64_MAX;
}

/* How much the limits allow for the next call. */
static uint64_t run_allowance(const struct run *run)
{
	uint64_t bytes = run->pacer.bytes, rate = run->options.bytes_per_second;

	if (rate && rate / 20 < bytes) /* 50 ms worth, so that the rate is smooth */
		bytes = rate / 20 < page_size() ? page_size() : rate / 20;
	return bytes < run_budget(run) ? bytes : run_budget(run);
}

/* Whether a call may exceed its allowance to get on at all: not the byte budget, which is kept. */
static bool run_may_exceed(const struct run *run)
{
	return run_budget(run) >= (huge_page_size() ? huge_page_size() : page_size());
}

/* Waits until the rate allows more. False: cancelled. */
static bool run_wait_for_rate(struct run *run)
{
	uint64_t rate = run->options.bytes_per_second;

	if (!rate || run_is_dry(run))
		return true;
	return run_pause_until(
		run, run->start_usec +
			     (uint64_t)((__uint128_t)run->result->advised.bytes * 1000000 / rate));
}

static int see_huge(const struct page_run *run, void *userdata)
{
	bool *found = userdata;

	*found |= run->state & PAGE_HUGE;
	return *found;
}

/* Whether a cut at @address would split a huge page. Unknown counts as yes. */
static bool cut_splits_huge_page(const struct run *run, uint64_t address)
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

static void batch_add(struct run *run, uint64_t bytes)
{
	run->places[run->batch_count] = (struct place){ run->index, run->offset };
	run->batch[run->batch_count++] = (struct iovec){
		.iov_base = (void *)(uintptr_t)run_address(run),
		.iov_len = (size_t)bytes,
	};
	run->batch_bytes += bytes;
	run_advance(run, bytes);
}

/*
 * In a range that was refused: the next call is for one mapping alone, and what is not mapped has
 * failed, with nothing to call for. 0, -EDQUOT when not even a page fits, or a negative errno.
 */
static int batch_fill_split(struct run *run)
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
	batch_add(run, bytes);
	return 0;
}

/* Collects ranges for one call. 0, -EDQUOT when not even a page fits, or a negative errno. */
static int batch_fill(struct run *run)
{
	uint64_t allowance = run_allowance(run);

	run->batch_count = 0;
	run->batch_bytes = 0;
	if (run_address(run) < run->split_end)
		return batch_fill_split(run);
	run->split_end = 0;
	while (!run_is_over(run) && run->batch_count < KERNEL_IOV_MAX) {
		uint64_t room = allowance > run->batch_bytes ? allowance - run->batch_bytes : 0;
		uint64_t bytes = run_piece(run, run_range_end(run), room,
					   run->batch_count == 0 && run_may_exceed(run));

		if (!bytes)
			break;
		batch_add(run, bytes);
	}
	return run->batch_count ? 0 : -EDQUOT;
}

/* The batch was done up to @done bytes: accounts for them and moves back to what was not done. */
static void batch_settle(struct run *run, uint64_t done)
{
	size_t whole = 0;
	uint64_t bytes = 0;

	while (whole < run->batch_count && bytes + run->batch[whole].iov_len <= done)
		bytes += run->batch[whole++].iov_len;
	amount_add(run_is_dry(run) ? &run->result->skipped_by[MEMHINT_SKIP_DRY_RUN]
				   : &run->result->advised,
		   done, whole + (bytes < done));
	if (whole < run->batch_count) {
		run->index = run->places[whole].index;
		run->offset = run->places[whole].offset + (done - bytes);
	}
}

/* What the kernel refused at the current address. 0: go on, or a negative errno that ends the run. */
static int run_refused(struct run *run, uint64_t length, int error)
{
	uint64_t start = run_address(run), end = start + length;
	struct memhint_vma vma;
	int r;

	switch (error) {
	case EINTR:
	case EAGAIN:
	case EBUSY:
		if (run->retries < RETRY_MAX) {
			run->result->retries++;
			run_pause_until(run, clock_usec() + (RETRY_PAUSE_USEC << run->retries++));
			return 0;
		}
		break;
	case ESRCH:
	case ENOSYS:
	case EBADF:
		return -error;
	case EPERM:
	case EACCES:
		if (!run->is_self) /* on oneself it is said of a range, a sealed mapping */
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
	run->split_end = run_range_end(run);
	return 0;
}

/*
 * Its address space is gone: was it replaced? A process that exits gives its memory back some time
 * before its pidfd tells that it has ended, and a kernel thread never had any.
 */
static bool has_execed(const struct memhint_process *process)
{
	struct proc_stat stat;

	return memhint_process_is_alive(process) &&
	       proc_stat_read(memhint_process_dirfd(process), &stat) == 0 &&
	       !(stat.flags & (PROC_FLAG_EXITING | PROC_FLAG_KTHREAD));
}

static bool run_target_is_same(const struct run *run)
{
	return run->pages.fd < 0 || pages_are_current(&run->pages);
}

static ssize_t batch_call(struct run *run)
{
	struct stopwatch watch;
	uint64_t spent;
	ssize_t n;

	if (run_is_dry(run))
		return (ssize_t)run->batch_bytes;
	stopwatch_start(&watch);
	n = vector_advise(memhint_process_pidfd(run->process), run->is_self, run->batch,
			  run->batch_count, run->advice);
	spent = clock_usec() - watch.start_usec;
	run->result->syscalls++;
	if (spent > run->result->longest_call_usec)
		run->result->longest_call_usec = spent;
	if (n > 0)
		pacer_account(&run->pacer, (uint64_t)n, stopwatch_own_usec(&watch));
	return n;
}

/* One call and its account. 0: go on, or a negative errno that ends the run. */
static int run_step(struct run *run)
{
	ssize_t n;
	int r;

	if (run_is_cancelled(run) || !run_wait_for_rate(run))
		return -ECANCELED;
	if (!run_budget(run))
		return -EDQUOT;
	if (!run_target_is_same(run))
		return -ESRCH;
	r = batch_fill(run);
	if (r < 0)
		return r;
	if (!run->batch_count)
		return 0;
	n = batch_call(run);
	if (n > 0) {
		run->retries = 0;
		batch_settle(run, (uint64_t)n);
	} else {
		uint64_t length = run->batch[0].iov_len;

		batch_settle(run, 0);
		r = run_refused(run, length, n < 0 ? (int)-n : EINVAL);
		if (r < 0)
			return r;
	}
	if (clock_usec() >= run->progress_usec && !run_tell_progress(run, clock_usec()))
		return -ECANCELED;
	if (!run_is_over(run) && !run_is_dry(run))
		pacer_gap(&run->pacer);
	return 0;
}

/* Advises everything, unless @r says that it cannot begin, and accounts for what is left. */
static int run_all(struct run *run, int r)
{
	while (r == 0 && !run_is_over(run))
		r = run_step(run);
	if (r == -EDQUOT)
		run_skip_rest(run, MEMHINT_SKIP_BUDGET);
	else if (r == -ECANCELED)
		run_skip_rest(run, MEMHINT_SKIP_CANCELLED);
	else if (r < 0)
		run_skip_rest(run, MEMHINT_SKIP_STOPPED);
	/* Advice given after the last look went to the new address space, if there is one. */
	if (r == 0 && !run_target_is_same(run))
		r = -ESRCH;
	if (r == -EDQUOT)
		return 0;
	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

static int options_take(const struct memhint_advise_options *options,
			struct memhint_advise_options *ret)
{
	struct memhint_advise_options taken;
	int r = sized_take(options, &taken, sizeof(taken));

	if (r < 0)
		return r;
	if ((taken.flags & ~(MEMHINT_ADVISE_DRY_RUN | MEMHINT_ADVISE_MEASURE)) ||
	    taken.pace > MEMHINT_PACE_BOUND ||
	    (taken.pace == MEMHINT_PACE_BOUND && !taken.pace_usec))
		return -EINVAL;
	*ret = taken;
	return 0;
}

/* Whether this kernel gives @advice to another process, with the caller's rights. */
static int advice_is_possible(int advice)
{
	int r;

	switch (advice) {
	case MADV_COLD:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_COLD);
		break;
	case MADV_PAGEOUT:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_PAGEOUT);
		break;
	case MADV_WILLNEED:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_WILLNEED);
		break;
	case MADV_COLLAPSE:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_COLLAPSE);
		break;
	default:
		return -EOPNOTSUPP;
	}
	/* Of the rights over this target only the target's own call can tell. */
	return r == -EINVAL || r == -ENOSYS ? -EOPNOTSUPP : 0;
}

/* What the selection dropped is part of the account. */
static void result_begin(struct memhint_result *result, const struct memhint_ranges *ranges)
{
	*result = (struct memhint_result){ .requested = ranges->total };
	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++) {
		result->skipped_by[i] = ranges->skipped[i];
		amount_add(&result->requested, ranges->skipped[i].bytes, 0);
	}
}

static void result_end(struct memhint_result *result)
{
	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++)
		amount_add(&result->skipped, result->skipped_by[i].bytes,
			   result->skipped_by[i].ranges);
	/* Ranges that were cut count once for each part, so this sum is known only now. */
	result->requested.ranges =
		result->advised.ranges + result->skipped.ranges + result->failed.ranges;
}

static int run_begin(struct run *run)
{
	const struct memhint_map *map = run->options.map;
	int r;

	r = pages_open(run->process, MEMHINT_PAGES_AUTO, run->pacer.gap_usec != 0, &run->pages);
	if (r == -ESRCH)
		return r;
	if (r < 0)
		run->pages.fd = -1; /* no measuring, then; the kernel decides about the advice */
	if (map && !memhint_map_is_current(map))
		return -ESRCH;
	if (!run->is_self)
		return advice_is_possible(run->advice);
	return 0;
}

/* What is where before the first call. Only cancelling is an error: advice goes on unmeasured. */
static int run_measure_before(struct run *run)
{
	int r;

	if (!(run->options.flags & MEMHINT_ADVISE_MEASURE) || run->pages.fd < 0)
		return 0;
	r = usage_measure(&run->pages, run->ranges, run->options.cancel, &run->result->before);
	run->result->measured = r == 0;
	return r == -ECANCELED ? r : 0;
}

/* What is where after the last one, also after a run that was cancelled. */
static void run_measure_after(struct run *run)
{
	const struct memhint_map *map = run->options.map;

	if (run->result->measured)
		run->result->measured =
			usage_measure(&run->pages, run->ranges, NULL, &run->result->after) == 0;
	if ((run->options.flags & MEMHINT_ADVISE_MEASURE) && map && map_is_unchanged(map) == 0)
		run->result->map_changed = true;
}

int memhint_advise(struct memhint_process *process, const struct memhint_ranges *ranges, int advice,
		   const struct memhint_advise_options *options, struct memhint_result *ret_result)
{
	struct run run = {
		.process = process,
		.ranges = ranges,
		.advice = advice,
		.is_self = memhint_process_is_self(process),
		.result = ret_result,
		.pages = { .fd = -1 },
	};
	int r;

	result_begin(ret_result, ranges);
	r = options_take(options, &run.options);
	if (r == 0 && !memhint_advice_name(advice))
		r = -EINVAL;
	if (r < 0) {
		run_skip_rest(&run, MEMHINT_SKIP_STOPPED);
		result_end(ret_result);
		return r;
	}
	run.came_from_map = run.options.map != NULL;
	pacer_init(&run.pacer, process, run.is_self ? MEMHINT_PACE_NONE : run.options.pace,
		   run.options.pace_usec, advice);
	r = run_begin(&run);
	if (r == 0)
		r = run_measure_before(&run);
	run.start_usec = clock_usec();
	run.progress_usec = run.start_usec + PROGRESS_USEC;
	r = run_all(&run, r);
	ret_result->elapsed_usec = clock_usec() - run.start_usec;
	run_measure_after(&run);
	ret_result->exec_seen = r == -ESRCH && has_execed(process);
	run_tell_progress(&run, clock_usec());
	pages_done(&run.pages);
	result_end(ret_result);
	return r;
}
