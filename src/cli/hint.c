/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hint.h"

#include "cleanup.h"
#include "interrupt.h"
#include "log.h"
#include "swap.h"
#include "term.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(struct memhint_map *, memhint_map_close)
DEFINE_CLEANUP(struct memhint_ranges *, memhint_ranges_free)

int hint_prepare(const struct hint *hint, struct hint_run *ret_run)
{
	struct hint_run run = { .hint = hint, .max_bytes_left = hint->max_bytes };
	size_t refused = 0;
	int status, first = 0;

	status = targets_open(&hint->targets, &run.list);
	if (status != 0)
		return status;
	if (hint->cookie && run.list.count > 1) {
		log_error("a cookie is of one process, but %zu are meant", run.list.count);
		hint_run_done(&run);
		return EXIT_USAGE;
	}
	run.outcomes = calloc(run.list.count, sizeof(*run.outcomes));
	if (!run.outcomes) {
		log_error("out of memory");
		hint_run_done(&run);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < run.list.count; i++) {
		struct hint_outcome *outcome = &run.outcomes[i];

		outcome->target = &run.list.targets[i];
		hint_check_target(hint, outcome);
		run.list.targets[i].left_out = outcome->error != 0;
		if (outcome->error == 0)
			continue;
		refused++;
		/* A process that was named must be right; what a pattern found may be refused. */
		if (outcome->target->by_pid)
			status = hint_complain(hint, outcome);
		if (first == 0)
			first = hint_outcome_status(outcome);
		if (status != 0 && outcome->target->by_pid)
			first = status;
	}
	if (status == 0 && refused == run.list.count) {
		hint_complain(hint, &run.outcomes[0]);
		status = first;
	} else if (status != 0) {
		status = first;
	}
	if (status == 0)
		status = hint_check_swap(hint);
	if (status != 0) {
		hint_run_done(&run);
		return status;
	}
	/* From here on there is a result to be told, whatever comes. */
	interrupt_catch(hint->timeout_usec);
	*ret_run = run;
	return 0;
}

void hint_run_done(struct hint_run *run)
{
	for (size_t i = 0; run->outcomes && i < run->list.count; i++) {
		for (size_t k = 0; k < run->outcomes[i].failure_count; k++)
			free(run->outcomes[i].failures[k].name);
		free(run->outcomes[i].failures);
	}
	free(run->outcomes);
	target_list_done(&run->list);
	*run = (struct hint_run){};
}

/* What the callbacks of the library need. */
struct hint_step {
	struct hint_run *run;
	struct hint_outcome *outcome;
	const struct memhint_map *map;
	size_t number; /* of this process, from 1 */
	struct term term;
};

static int on_progress(const struct memhint_progress *progress, void *userdata)
{
	struct hint_step *step = userdata;
	const struct hint *hint = step->run->hint;
	const struct target *target = step->outcome->target;
	uint64_t free_bytes;
	struct swap swap;

	if (hint_needs_swap(hint) && !hint->force && !hint->dry_run &&
	    swap_read_free(&free_bytes) == 0 && swap_read_system(&swap) == 0 &&
	    free_bytes < hint_swap_floor(hint, swap.total_bytes)) {
		step->run->at_swap_floor = true;
		return 1;
	}
	/*
	 * What is over in no time needs no progress line; and one might wait for a terminal that waits
	 * for what is frozen.
	 */
	if (progress->elapsed_usec < 300000 || target->freeze || !progress_is_shown() ||
	    progress->total_bytes == 0)
		return 0;
	progress_show("%s %d (%s)%s %s %3.0f%%  %s of %s  %s", memhint_advice_name(hint->advice),
		      memhint_process_pid(target->process), target->stat.comm,
		      step->run->list.count > 1 ? "," : "",
		      term_bar(&step->term, 20, progress->done_bytes, 0, progress->total_bytes,
			       progress->total_bytes)
			      .text,
		      100.0 * (double)progress->done_bytes / (double)progress->total_bytes,
		      unit_bytes(progress->done_bytes).text, unit_bytes(progress->total_bytes).text,
		      unit_rate(progress->done_bytes, progress->elapsed_usec).text);
	return 0;
}

static void on_failure(const struct memhint_failure *failure, void *userdata)
{
	struct hint_step *step = userdata;
	struct hint_outcome *outcome = step->outcome;
	const struct memhint_vma *vma = memhint_map_find(step->map, failure->start);
	struct hint_failure *failures;

	if (outcome->failure_count == HINT_FAILURES_MAX)
		return;
	failures = reallocarray(outcome->failures, outcome->failure_count + 1, sizeof(*failures));
	if (!failures)
		return;
	outcome->failures = failures;
	failures[outcome->failure_count++] = (struct hint_failure){
		.failure = *failure,
		.name = vma && vma->start <= failure->start && vma->name ? strdup(vma->name) : NULL,
	};
}

static int advise_target(struct hint_run *run, struct hint_outcome *outcome, size_t number)
{
	_cleanup_(memhint_map_closep) struct memhint_map *map = NULL;
	_cleanup_(memhint_ranges_freep) struct memhint_ranges *ranges = NULL;
	const struct hint *hint = run->hint;
	struct memhint_process *process = outcome->target->process;
	struct memhint_filter filter = hint->filter;
	struct memhint_map_options map_options = {
		.size = sizeof(map_options),
		.want = MEMHINT_MAP_NAMES | (hint->need_flags ? MEMHINT_MAP_FLAGS : 0),
	};
	struct hint_step step = { .run = run, .outcome = outcome, .number = number };
	struct memhint_advise_options options = {
		.size = sizeof(options),
		.flags = MEMHINT_ADVISE_MEASURE | (hint->dry_run ? MEMHINT_ADVISE_DRY_RUN : 0) |
			 (hint->destructive ? MEMHINT_ADVISE_DESTRUCTIVE : 0) |
			 (hint->force ? MEMHINT_ADVISE_FORCE : 0),
		.pace = hint->pace,
		.pace_usec = hint->pace_usec,
		.max_bytes = run->max_bytes_left,
		.bytes_per_second = hint->bytes_per_second,
		.cancel = &interrupted,
		.progress = on_progress,
		.failure = on_failure,
		.userdata = &step,
		.guard = hint->guard,
		.via = hint->via,
		.cookie = hint->cookie,
		.freeze = outcome->target->freeze,
	};
	int r;

	if (hint->pace == MEMHINT_PACE_NONE || memhint_process_is_stopped(process)) {
		map_options.want |= MEMHINT_MAP_UNPACED;
		filter.flags |= MEMHINT_FILTER_UNPACED;
	}
	r = memhint_map_open(process, &map_options, &map);
	if (r < 0)
		return r;
	outcome->reader = memhint_map_reader(map);
	outcome->flags_known = memhint_map_flags_known(map);
	outcome->cookie = hint->cookie ? hint->cookie : memhint_map_cookie(map);
	r = memhint_select(process, map, &filter, hint->advice, &ranges);
	if (r < 0)
		return r;
	if (!outcome->target->freeze)
		log_verbose("process %d (%s): %zu mappings read by %s, %s to advise in %" PRIu64
			    " ranges%s",
			    memhint_process_pid(process), outcome->target->stat.comm,
			    memhint_map_count(map), memhint_reader_name(outcome->reader),
			    unit_bytes(memhint_ranges_total(ranges).bytes).text,
			    memhint_ranges_total(ranges).ranges,
			    outcome->flags_known
				    ? ""
				    : "; which of it is locked or droppable is not known");
	term_init(&step.term, STDERR_FILENO);
	step.map = map;
	options.map = map;
	outcome->was_tried = true;
	r = memhint_advise(process, ranges, hint->advice, &options, &outcome->result);
	progress_clear();
	return r;
}

/* Whether the byte budget for all is used up. */
static bool is_used_up(const struct hint_run *run)
{
	return run->hint->max_bytes && run->max_bytes_left == 0;
}

static void say_why_stopped(const struct hint_run *run)
{
	if (run->timed_out)
		log_error("stopped after %s, as --timeout asked",
			  unit_usec(run->hint->timeout_usec).text);
	else if (run->signal)
		log_error("stopped by %s; what was done until then stays done", interrupt_name());
	else if (run->at_swap_floor)
		log_error("stopped, since free swap has fallen to the floor; --swap-floor sets it");
}

/* A misspelt pattern is no error, as there may just be nothing today, but must not look like a success. */
static void say_if_nothing_matched(const struct hint_run *run)
{
	for (size_t i = 0; i < run->list.count; i++)
		if (!run->outcomes[i].was_tried || run->outcomes[i].result.requested.bytes > 0)
			return;
	log_warning(
		"no mapping matches what was asked for, so nothing was done; 'memhint map' shows "
		"what there is");
}

/*
 * Whether the targets are to be frozen as one, so that none changes while another is advised. A dry run
 * stops nobody.
 */
static bool is_group(const struct hint *hint)
{
	return hint->guard == MEMHINT_GUARD_FREEZE && !hint->dry_run &&
	       (hint->targets.pid_count > 1 || hint->targets.pattern_count > 0 ||
		hint->targets.children);
}

/* Those that appeared while the others were frozen are targets, too. */
static int adopt_new(struct hint_run *run, size_t known)
{
	struct hint_outcome *outcomes =
		reallocarray(run->outcomes, run->list.count, sizeof(*outcomes));

	if (!outcomes)
		return -ENOMEM;
	run->outcomes = outcomes;
	memset(outcomes + known, 0, (run->list.count - known) * sizeof(*outcomes));
	for (size_t i = 0; i < run->list.count; i++) {
		outcomes[i].target = &run->list.targets[i];
		if (outcomes[i].error == 0 && run->list.targets[i].left_out)
			outcomes[i].error = -ESRCH;
	}
	return 0;
}

/* 0, or the exit status after a sentence; nothing was done then. */
static int freeze_all(struct hint_run *run)
{
	const struct hint *hint = run->hint;
	struct memhint_freeze_options options = {
		.size = sizeof(options),
		.flags = hint->force ? MEMHINT_FREEZE_FORCE : 0,
		.way = hint_is_injected(hint) ? MEMHINT_FREEZE_TRACE : MEMHINT_FREEZE_AUTO,
	};
	size_t known = run->list.count;
	int r, error;

	/* What looking takes is loaded while they still run. */
	memhint_probe(MEMHINT_FEATURE_BPF_VMA);
	memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE);
	error = group_freeze(&hint->targets, &run->list, &options, &run->group);
	r = adopt_new(run, known);
	if (error == 0 && r < 0) {
		error = r;
		group_close(&run->group, &run->list);
	}
	if (error == 0)
		return 0;
	for (size_t i = 0; r == 0 && i < run->list.count; i++)
		if (run->outcomes[i].error == 0)
			run->outcomes[i].error = error;
	return error == -ECANCELED
		       ? EXIT_PARTLY
		       : group_failed(&run->list, error, hint_instead(hint), "nothing was done");
}

static void thaw_all(struct hint_run *run)
{
	uint64_t stood_usec = group_close(&run->group, &run->list);

	/* It began to stand before its own turn, and did to the end of the last one's. */
	for (size_t i = 0; i < run->list.count; i++)
		if (run->outcomes[i].was_tried)
			run->outcomes[i].result.frozen_usec = stood_usec;
}

static void advise_one(struct hint_run *run, size_t number)
{
	struct hint_outcome *outcome = &run->outcomes[number];
	uint64_t used;

	if (outcome->error == 0) {
		outcome->stage = HINT_RUN;
		if (interrupted || run->at_swap_floor)
			outcome->error = -ECANCELED;
		else if (!is_used_up(run))
			outcome->error = advise_target(run, outcome, number + 1);
	}
	used = outcome->result.advised.bytes +
	       outcome->result.skipped_by[MEMHINT_SKIP_DRY_RUN].bytes;
	if (run->hint->max_bytes)
		run->max_bytes_left -= used < run->max_bytes_left ? used : run->max_bytes_left;
}

static int sum_status(const struct hint_run *run)
{
	int status = hint_outcome_status(&run->outcomes[0]);

	for (size_t i = 1; i < run->list.count; i++)
		if (status != hint_outcome_status(&run->outcomes[i]))
			status = EXIT_PARTLY;
	return status;
}

static void tell_error(const struct hint_run *run, const struct hint_outcome *outcome)
{
	if (outcome->error != 0 && outcome->error != -ECANCELED)
		hint_complain(run->hint, outcome);
}

static int execute_group(struct hint_run *run)
{
	int status = freeze_all(run);

	if (status != 0)
		return status;
	for (size_t i = 0; i < run->list.count; i++)
		advise_one(run, i);
	thaw_all(run);
	/* Only now: a reader that does not read must not keep them from running. */
	for (size_t i = 0; i < run->list.count; i++)
		tell_error(run, &run->outcomes[i]);
	return sum_status(run);
}

static int execute_each(struct hint_run *run)
{
	for (size_t i = 0; i < run->list.count; i++) {
		advise_one(run, i);
		tell_error(run, &run->outcomes[i]);
	}
	return sum_status(run);
}

int hint_execute(struct hint_run *run)
{
	int status = is_group(run->hint) ? execute_group(run) : execute_each(run);

	run->timed_out = interrupted == SIGALRM;
	run->signal = run->timed_out ? 0 : interrupted;
	say_why_stopped(run);
	say_if_nothing_matched(run);
	return run->timed_out && status != 0 ? EXIT_TIMED_OUT : status;
}
