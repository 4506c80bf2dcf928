/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving one advice for many ranges, with an exact account. */
#include "batch.h"
#include "clock.h"
#include "follow.h"
#include "guard.h"
#include "map-internal.h"
#include "pace.h"
#include "pages.h"
#include "procfile.h"
#include "ranges.h"
#include "run.h"
#include "sized.h"
#include "stopwatch.h"
#include "usage.h"
#include "via.h"
#include "state-watch.h"

#include <memhint/advise.h>
#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>

/* So long may short calls go on without a gap: little beside the bound. */
#define UNGAPPED_USEC 100u

/* A run, what it is about to call for, what guards it, and who makes the calls. */
struct advising {
	struct run run;
	struct batch batch;
	struct guard guard;
	struct via via;
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

/* How many ranges of a batch the kernel was asked for to do @done bytes of it. */
static size_t ranges_asked(const struct batch *batch, ssize_t done)
{
	uint64_t left = done > 0 ? (uint64_t)done : 0;
	size_t asked = 0;

	while (asked < batch->count && batch->ranges[asked].iov_len <= left)
		left -= batch->ranges[asked++].iov_len;
	return asked < batch->count ? asked + 1 : asked;
}

/* The target is held, if the way is INJECT. Bytes, or a negative errno. */
static ssize_t advising_call(struct advising *advising, uint64_t *ret_own_usec)
{
	const struct batch *batch = &advising->batch;
	struct memhint_result *result = advising->run.result;
	struct stopwatch watch;
	ssize_t n;

	stopwatch_start(&watch);
	n = via_advise(&advising->via, batch->ranges, batch->count);
	advising->call_usec = clock_usec() - watch.start_usec;
	*ret_own_usec = stopwatch_own_usec(&watch);
	result->via = advising->via.way;
	result->syscalls += advising->via.way == MEMHINT_VIA_INJECT ? ranges_asked(batch, n) : 1;
	if (advising->call_usec > result->longest_call_usec)
		result->longest_call_usec = advising->call_usec;
	return n;
}

/* How the next call is made, after what this one took. The target is not held by it any more. */
static void advising_adapt(struct advising *advising, ssize_t done, uint64_t own_usec)
{
	struct pacer *pacer = &advising->run.pacer;

	if (done <= 0)
		return;
	pacer_account(pacer, (uint64_t)done, own_usec);
	via_account(&advising->via, ranges_asked(&advising->batch, done), own_usec,
		    pacer->call_usec);
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

/*
 * The batch is given as the guard allows, and what it holds may change for that; @ret_done is what came of
 * it, 0 without a call. 0 or a negative errno, of the guard or of holding the target.
 */
static int advising_give(struct advising *advising, ssize_t *ret_done)
{
	struct batch *batch = &advising->batch;
	struct run *run = &advising->run;
	uint64_t own_usec = 0;
	ssize_t n = 0;
	int r = run_is_dry(run) ? 0 : via_hold(&advising->via);

	if (r == 0)
		r = guard_check(&advising->guard, run, batch);
	if (r < 0 || !batch->count) {
		run->result->frozen_usec += via_release(&advising->via);
		return r;
	}
	if (run_is_dry(run)) {
		*ret_done = (ssize_t)batch->bytes;
		return 0;
	}
	n = advising_call(advising, &own_usec);
	r = guard_after(&advising->guard, run);
	run->result->frozen_usec += via_release(&advising->via);
	advising_adapt(advising, n, own_usec);
	*ret_done = n;
	return r;
}

/* It cannot be given just now. 0: try again, or a negative errno that ends the run. */
static int advising_postpone(struct advising *advising, int error)
{
	struct run *run = &advising->run;

	if (error != -EAGAIN)
		return error;
	if (clock_usec() < advising->guard.follow.ready_usec)
		return run_pause_until(run, advising->guard.follow.ready_usec) ? 0 : -ECANCELED;
	return batch_retry(run) ? 0 : -EBUSY;
}

/* One call and its account. 0: go on, or a negative errno that ends the run. */
static int advising_step(struct advising *advising)
{
	struct batch *batch = &advising->batch;
	struct run *run = &advising->run;
	ssize_t n = 0;
	int r, guarded;

	if (run_is_cancelled(run) || !run_wait_for_rate(run))
		return -ECANCELED;
	if (!run_budget(run))
		return -EDQUOT;
	if (!run_target_is_same(run))
		return -ESRCH;
	batch->count = 0;
	batch->max_count = advising->via.max_count;
	if (!run_is_over(run)) {
		r = batch_fill(batch, run);
		if (r < 0 || !batch->count)
			return r;
	}
	guarded = advising_give(advising, &n);
	if (!batch->count)
		return guarded < 0 ? advising_postpone(advising, guarded) : 0;
	if (n > 0) {
		run->retries = 0;
		batch_settle(batch, run, (uint64_t)n);
	} else {
		uint64_t length = batch->ranges[0].iov_len;

		batch_settle(batch, run, 0);
		if (n == 0 && guarded < 0)
			return advising_postpone(advising, guarded);
		r = batch_refused(batch, run, length, n < 0 ? (int)-n : EINVAL);
		if (r < 0)
			return r;
	}
	if (guarded < 0)
		return guarded;
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

	while (r == 0 && follow_has_more(&advising->guard.follow, run))
		r = advising_step(advising);
	if (r == -ESTALE) {
		run->result->map_changed = true;
		run_skip_rest(run, MEMHINT_SKIP_CHANGED);
	} else if (r == -EDQUOT) {
		run_skip_rest(run, MEMHINT_SKIP_BUDGET);
	} else if (r == -ECANCELED) {
		run_skip_rest(run, MEMHINT_SKIP_CANCELLED);
	} else if (r < 0) {
		run_skip_rest(run, MEMHINT_SKIP_STOPPED);
	}
	/*
	 * Advice given after the last look went to the new address space, if there is one; and in one
	 * that is just being made or given back there is no code to run advice with.
	 */
	if ((r == 0 || r == -EOPNOTSUPP) && !run_target_is_same(run))
		r = -ESRCH;
	if (r == -EDQUOT)
		r = 0;
	r = guard_finish(&advising->guard, run, r);
	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

#define FLAGS_ALL                                                                       \
	(MEMHINT_ADVISE_DRY_RUN | MEMHINT_ADVISE_MEASURE | MEMHINT_ADVISE_DESTRUCTIVE | \
	 MEMHINT_ADVISE_FORCE)

static int options_take(const struct memhint_advise_options *options,
			struct memhint_advise_options *ret)
{
	struct memhint_advise_options taken;
	int r = sized_take(options, &taken, sizeof(taken));

	if (r < 0)
		return r;
	if ((taken.flags & ~FLAGS_ALL) || taken.pace > MEMHINT_PACE_BOUND ||
	    (taken.pace == MEMHINT_PACE_BOUND && !taken.pace_usec) ||
	    taken.guard > MEMHINT_GUARD_FREEZE || taken.via > MEMHINT_VIA_INJECT ||
	    (taken.cookie && taken.guard != MEMHINT_GUARD_COOKIE))
		return -EINVAL;
	*ret = taken;
	return 0;
}

/* Whether guard and advice may be asked for, of these ranges. 0 or -EINVAL. */
static int options_check(const struct run *run)
{
	const struct memhint_advise_options *options = &run->options;
	const struct origin *origin = run->ranges->origin;
	bool holds =
		options->guard == MEMHINT_GUARD_COOKIE || options->guard == MEMHINT_GUARD_FREEZE;

	if (!memhint_advice_name(run->advice))
		return -EINVAL;
	if (options->guard == MEMHINT_GUARD_FOLLOW && !origin)
		return -EINVAL;
	if (options->guard == MEMHINT_GUARD_COOKIE && !options->cookie && !origin)
		return -EINVAL;
	/* On oneself it is the caller's own memory that is lost. */
	if (memhint_advice_is_destructive(run->advice) && !run->is_self &&
	    (!holds || !(options->flags & MEMHINT_ADVISE_DESTRUCTIVE)))
		return -EINVAL;
	return 0;
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

static int advising_begin(struct advising *advising)
{
	struct run *run = &advising->run;
	const struct memhint_map *map = run->options.map;
	enum memhint_via way;
	int r;

	r = pages_open(run->process, MEMHINT_PAGES_AUTO, run->pacer.gap_usec != 0, &run->pages);
	if (r == -ESRCH)
		return r;
	if (r < 0 && run->options.guard != MEMHINT_GUARD_NONE && run->ranges->origin)
		return r; /* they may have to be selected again */
	if (r < 0)
		run->pages.fd = -1; /* no measuring, then; the kernel decides about the advice */
	if (map && !memhint_map_is_current(map))
		return -ESRCH;
	r = via_choose(run->options.via, run->advice, run->is_self, &way);
	if (r < 0)
		return r;
	run->is_inside = run->is_self || way == MEMHINT_VIA_INJECT;
	run->result->was_frozen = !run->is_self && memhint_process_is_stopped(run->process);
	r = via_open(&advising->via, way, run->process, run->advice, run->is_self);
	if (r == 0)
		r = guard_begin(&advising->guard, run, way);
	advising->via.freeze = advising->guard.freeze;
	return r;
}

/* Everybody is let go, on whatever way the run has come here. */
static void advising_end(struct advising *advising)
{
	struct run *run = &advising->run;
	bool is_held = advising->guard.freeze != NULL;

	run->result->was_frozen =
		is_held || (run->result->was_frozen && memhint_process_is_stopped(run->process));
	via_close(&advising->via);
	guard_end(&advising->guard, run);
	pages_done(&run->pages);
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
	enum watch_moves moves = watch_moves_of(run->advice, run->is_inside);

	if (run->result->measured)
		run->result->measured =
			usage_measure(&run->pages, run->ranges, NULL, &run->result->after) == 0;
	/* What the advice changes by itself is no news. */
	if ((run->options.flags & MEMHINT_ADVISE_MEASURE) && map &&
	    (moves == WATCH_STILL ||
	     (moves == WATCH_LOCKS &&
	      memhint_cookie_kind(memhint_map_cookie(map)) == MEMHINT_COOKIE_FINGERPRINT)) &&
	    map_is_unchanged(map) == 0)
		run->result->map_changed = true;
}

int memhint_advise(struct memhint_process *process, const struct memhint_ranges *ranges, int advice,
		   const struct memhint_advise_options *options, struct memhint_result *ret_result)
{
	struct advising advising = {
		.run = {
			.process = process,
			.ranges = ranges,
			.list = ranges,
			.advice = advice,
			.is_self = memhint_process_is_self(process),
			.result = ret_result,
			.pages = PAGES_CLOSED,
		},
	};
	struct run *run = &advising.run;
	enum memhint_pace pace;
	int r;

	result_begin(ret_result, ranges);
	r = options_take(options, &run->options);
	if (r == 0)
		r = options_check(run);
	if (r < 0) {
		run_skip_rest(run, MEMHINT_SKIP_STOPPED);
		result_end(ret_result);
		return r;
	}
	run->came_from_map = run->options.map != NULL || ranges->origin;
	pace = run->options.guard == MEMHINT_GUARD_FREEZE || run->is_self ? MEMHINT_PACE_NONE
									  : run->options.pace;
	pacer_init(&run->pacer, process, pace, run->options.pace_usec, advice);
	r = advising_begin(&advising);
	if (r == 0)
		r = run_measure_before(run);
	run->start_usec = clock_usec();
	run->progress_usec = run->start_usec + PROGRESS_USEC;
	r = advise_all(&advising, r);
	ret_result->elapsed_usec = clock_usec() - run->start_usec;
	run_measure_after(run);
	ret_result->exec_seen = advising.guard.saw_exec || (r == -ESRCH && has_execed(process));
	advising_end(&advising);
	run_tell_progress(run, clock_usec());
	result_end(ret_result);
	return r;
}
