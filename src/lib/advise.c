/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving one advice for many ranges, with an exact account. */
#include "batch.h"
#include "clock.h"
#include "map-internal.h"
#include "pace.h"
#include "pages.h"
#include "procfile.h"
#include "ranges.h"
#include "run.h"
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

/* So long may short calls go on without a gap: little beside the bound. */
#define UNGAPPED_USEC 100u

/* A run and the call that it is about to make. */
struct advising {
	struct run run;
	struct batch batch;
	uint64_t call_usec;	/* what the last call took */
	uint64_t ungapped_usec; /* what those since the last gap took */
};

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

static ssize_t advising_call(struct advising *advising)
{
	const struct batch *batch = &advising->batch;
	struct run *run = &advising->run;
	struct stopwatch watch;
	ssize_t n;

	if (run_is_dry(run))
		return (ssize_t)batch->bytes;
	stopwatch_start(&watch);
	n = vector_advise(memhint_process_pidfd(run->process), run->is_self, batch->ranges,
			  batch->count, run->advice);
	advising->call_usec = clock_usec() - watch.start_usec;
	run->result->syscalls++;
	if (advising->call_usec > run->result->longest_call_usec)
		run->result->longest_call_usec = advising->call_usec;
	if (n > 0)
		pacer_account(&run->pacer, (uint64_t)n, stopwatch_own_usec(&watch));
	return n;
}

/* Lets the target in; where ranges are torn to pieces, with calls of a microsecond, after many. */
static void advising_gap(struct advising *advising)
{
	const struct pacer *pacer = &advising->run.pacer;

	advising->ungapped_usec += advising->call_usec;
	if (advising->ungapped_usec < UNGAPPED_USEC && advising->ungapped_usec < pacer->call_usec)
		return;
	pacer_gap(pacer);
	advising->ungapped_usec = 0;
}

/* One call and its account. 0: go on, or a negative errno that ends the run. */
static int advising_step(struct advising *advising)
{
	struct batch *batch = &advising->batch;
	struct run *run = &advising->run;
	ssize_t n;
	int r;

	if (run_is_cancelled(run) || !run_wait_for_rate(run))
		return -ECANCELED;
	if (!run_budget(run))
		return -EDQUOT;
	if (!run_target_is_same(run))
		return -ESRCH;
	r = batch_fill(batch, run);
	if (r < 0 || !batch->count)
		return r;
	n = advising_call(advising);
	if (n > 0) {
		run->retries = 0;
		batch_settle(batch, run, (uint64_t)n);
	} else {
		uint64_t length = batch->ranges[0].iov_len;

		batch_settle(batch, run, 0);
		r = batch_refused(batch, run, length, n < 0 ? (int)-n : EINVAL);
		if (r < 0)
			return r;
	}
	if (clock_usec() >= run->progress_usec && !run_tell_progress(run, clock_usec()))
		return -ECANCELED;
	if (!run_is_over(run) && !run_is_dry(run))
		advising_gap(advising);
	return 0;
}

/* Advises everything, unless @r says that it cannot begin, and accounts for what is left. */
static int advise_all(struct advising *advising, int r)
{
	struct run *run = &advising->run;

	while (r == 0 && !run_is_over(run))
		r = advising_step(advising);
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
	struct advising advising = {
		.run = {
			.process = process,
			.ranges = ranges,
			.advice = advice,
			.is_self = memhint_process_is_self(process),
			.result = ret_result,
			.pages = { .fd = -1 },
		},
	};
	struct run *run = &advising.run;
	int r;

	result_begin(ret_result, ranges);
	r = options_take(options, &run->options);
	if (r == 0 && !memhint_advice_name(advice))
		r = -EINVAL;
	if (r < 0) {
		run_skip_rest(run, MEMHINT_SKIP_STOPPED);
		result_end(ret_result);
		return r;
	}
	run->came_from_map = run->options.map != NULL;
	pacer_init(&run->pacer, process, run->is_self ? MEMHINT_PACE_NONE : run->options.pace,
		   run->options.pace_usec, advice);
	r = run_begin(run);
	if (r == 0)
		r = run_measure_before(run);
	run->start_usec = clock_usec();
	run->progress_usec = run->start_usec + PROGRESS_USEC;
	r = advise_all(&advising, r);
	ret_result->elapsed_usec = clock_usec() - run->start_usec;
	run_measure_after(run);
	ret_result->exec_seen = r == -ESRCH && has_execed(process);
	run_tell_progress(run, clock_usec());
	pages_done(&run->pages);
	result_end(ret_result);
	return r;
}
