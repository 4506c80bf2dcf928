/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard.h"

#include "batch.h"
#include "cleanup.h"
#include "clock.h"
#include "exec-marks.h"
#include "freeze.h"
#include "ranges.h"
#include "run.h"
#include "sharers.h"

#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>

const char *memhint_guard_name(enum memhint_guard guard)
{
	static const char *const names[] = { "none", "follow", "cookie", "freeze" };

	return (unsigned int)guard < sizeof(names) / sizeof(names[0]) ? names[guard] : NULL;
}

/* Whether the process has replaced its address space since the selection: 1, 0 or a negative errno. */
static int has_execed_since(const struct memhint_process *process, const struct origin *origin)
{
	_cleanup_close_ int fd = exec_marks_open(process);
	struct exec_marks marks;
	int r = fd < 0 ? fd : exec_marks_read(fd, &marks);

	return r < 0 ? r : !exec_marks_are_same(&marks, &origin->marks);
}

static int stop_target(struct guard *guard, struct run *run)
{
	const struct memhint_freeze_options options = {
		.size = sizeof(options),
		.flags = run->options.flags & MEMHINT_ADVISE_FORCE ? MEMHINT_FREEZE_FORCE : 0,
	};
	uint64_t now, ignored;
	int r;

	if (guard->freeze || run_is_dry(run))
		return 0;
	/* What a reading takes is opened while the target still runs: loading BPF programs takes long. */
	memhint_process_cookie(run->process, &ignored);
	now = clock_usec();
	r = memhint_freeze_open(&run->process, 1, &options, &guard->own);
	if (r < 0)
		return r;
	guard->freeze = guard->own;
	if (memhint_freeze_way(guard->own, 0) != MEMHINT_FREEZE_ALREADY)
		guard->frozen_usec = now;
	return 0;
}

/* The state that the ranges are of, 0 if nobody knows. */
static uint64_t reference_of(const struct run *run)
{
	const struct origin *origin = run->ranges->origin;

	if (run->options.cookie)
		return run->options.cookie;
	if (origin)
		return origin->cookie;
	if (run->options.guard == MEMHINT_GUARD_FREEZE && run->options.map)
		return memhint_map_cookie(run->options.map);
	return 0;
}

/* Nothing depends on it: only to tell afterwards, where that costs next to nothing. */
static void watch_unguarded(struct guard *guard, struct run *run, enum watch_moves moves)
{
	uint64_t reference = reference_of(run);
	int r;

	if (run->is_self || moves != WATCH_STILL)
		return;
	if (memhint_cookie_kind(reference) != MEMHINT_COOKIE_EXACT)
		reference = 0;
	r = watch_begin(&guard->watch, run->process, moves, reference, &guard->follow.state);
	if (r < 0)
		guard->watch.kind = MEMHINT_COOKIE_INVALID;
	else if (r > 0)
		run->result->map_changed = true;
}

/*
 * Another process on the same memory runs on while the target is held, and could put something in the place
 * of what is about to be destroyed: between the comparison and the call nobody would see it.
 */
static int check_sharers(const struct guard *guard, const struct run *run)
{
	int r;

	if (run->is_self || run_is_dry(run) || !memhint_advice_is_destructive(run->advice))
		return 0;
	r = sharers_look(run->process, guard->freeze);
	return r > 0 ? -EBUSY : r;
}

/* The target stands still, but not as it was selected from. */
static int select_anew(struct guard *guard, struct run *run)
{
	if (!guard->follow.origin)
		return -ESTALE;
	return follow_look(&guard->follow, run, &guard->watch, UINT64_MAX, true);
}

static int begin_watch(struct guard *guard, struct run *run, enum watch_moves moves)
{
	enum memhint_guard kind = run->options.guard;
	uint64_t reference = reference_of(run);
	int r;

	if (kind == MEMHINT_GUARD_NONE) {
		watch_unguarded(guard, run, moves);
		return 0;
	}
	r = watch_begin(&guard->watch, run->process, moves, reference, &guard->follow.state);
	/* A target that stands still needs no comparing, if there is nothing to compare it with. */
	if (r == -EOPNOTSUPP && kind == MEMHINT_GUARD_FREEZE && !reference)
		return 0;
	if (r <= 0 || kind == MEMHINT_GUARD_FOLLOW) /* which sees it before its first call */
		return r < 0 ? r : 0;
	return kind == MEMHINT_GUARD_FREEZE ? select_anew(guard, run) : -ESTALE;
}

int guard_begin(struct guard *guard, struct run *run, enum memhint_via way)
{
	const struct origin *origin = run->ranges->origin;
	enum watch_moves moves = watch_moves_of(run->advice, run->is_inside);
	int r = 0;

	*guard = (struct guard){};
	follow_init(&guard->follow, origin, 0);
	if (way == MEMHINT_VIA_INJECT && moves != WATCH_STILL)
		moves = WATCH_CHANGES;
	if (run->options.freeze && freeze_has(run->options.freeze, run->process))
		guard->freeze = run->options.freeze;
	if (run->options.guard == MEMHINT_GUARD_FREEZE)
		r = stop_target(guard, run);
	if (r == 0 && run->options.guard == MEMHINT_GUARD_FREEZE)
		r = check_sharers(guard, run);
	if (r < 0)
		return r;
	if (origin) {
		r = has_execed_since(run->process, origin);
		guard->saw_exec = r > 0;
		if (r > 0)
			r = run->options.guard == MEMHINT_GUARD_COOKIE ? -ESTALE : -ESRCH;
		if (r < 0)
			return r;
	}
	r = begin_watch(guard, run, moves);
	/* A dry run stops nobody, so it cannot demand that nothing moves. */
	if (run->options.guard == MEMHINT_GUARD_FREEZE && run_is_dry(run))
		guard->watch.kind = MEMHINT_COOKIE_INVALID;
	return r;
}

/* Guard FOLLOW: 0 or a negative errno, as guard_check(). */
static int follow_check(struct guard *guard, struct run *run, struct batch *batch)
{
	struct follow *follow = &guard->follow;
	uint64_t reach = UINT64_MAX;
	int r = watch_before(&guard->watch, follow->state);

	if (r < 0 || (r == 0 && !follow_wants_look(follow, run)))
		return r;
	/* As far as the call would have reached; after the last of the ranges as far as the filter. */
	if (run->list != run->ranges)
		reach = follow->found_end;
	else if (!run_is_over(run))
		reach = run_passed(run);
	if (batch->count)
		batch_settle(batch, run, 0);
	batch->count = 0;
	batch->split_end = 0;
	if (clock_usec() < follow->ready_usec)
		return -EAGAIN;
	r = follow_look(follow, run, &guard->watch, reach, false);
	/* What the call moves by itself is told apart only from a state that was just seen. */
	if (r == 0 && guard->watch.moves != WATCH_STILL)
		r = watch_before(&guard->watch, follow->state);
	if (r < 0)
		return r;
	return run_is_over(run) ? 0 : batch_fill(batch, run);
}

int guard_check(struct guard *guard, struct run *run, struct batch *batch)
{
	int r;

	if (run->options.guard == MEMHINT_GUARD_NONE || guard->watch.kind == MEMHINT_COOKIE_INVALID)
		return 0;
	if (run->options.guard == MEMHINT_GUARD_FOLLOW)
		return follow_check(guard, run, batch);
	/* With COOKIE the target has run since the last call. */
	r = run->options.guard == MEMHINT_GUARD_COOKIE ? check_sharers(guard, run) : 0;
	if (r == 0)
		r = watch_before(&guard->watch, guard->follow.state);
	return r > 0 ? -ESTALE : r;
}

int guard_after(struct guard *guard, struct run *run)
{
	int r;

	if (run->options.guard == MEMHINT_GUARD_NONE || guard->watch.kind == MEMHINT_COOKIE_INVALID)
		return 0;
	r = watch_after(&guard->watch, &guard->follow.state);
	if (run->options.guard == MEMHINT_GUARD_FOLLOW) /* the next comparison will say so, too */
		return r < 0 ? r : 0;
	return r > 0 ? -ESTALE : r;
}

int guard_finish(struct guard *guard, struct run *run, int r)
{
	enum memhint_guard kind = run->options.guard;
	uint64_t state;
	int seen;

	if (guard->watch.kind == MEMHINT_COOKIE_INVALID)
		return r;
	seen = watch_read(&guard->watch, &state);
	if (seen < 0)
		return r == 0 && kind != MEMHINT_GUARD_NONE ? seen : r;
	if (state == guard->follow.state)
		return r;
	run->result->map_changed = true;
	if (r == 0 && (kind == MEMHINT_GUARD_COOKIE || kind == MEMHINT_GUARD_FREEZE))
		return -ESTALE;
	return r;
}

void guard_end(struct guard *guard, struct run *run)
{
	follow_done(&guard->follow);
	memhint_freeze_close(guard->own);
	if (guard->frozen_usec)
		run->result->frozen_usec += clock_usec() - guard->frozen_usec;
	guard->own = guard->freeze = NULL;
}
