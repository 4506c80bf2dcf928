/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hint.h"

#include "cleanup.h"
#include "log.h"
#include "swap.h"
#include "term.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>

DEFINE_CLEANUP(struct memhint_map *, memhint_map_close)
DEFINE_CLEANUP(struct memhint_ranges *, memhint_ranges_free)

/* Set by signals; the library looks at it. The number of the signal. */
static volatile int cancelled;

static void cancel(int number)
{
	cancelled = number;
}

/* The first signal ends the work in good order, a second one ends memhint at once. */
static void catch_signals(uint64_t timeout_usec)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = cancel, .sa_flags = (int)SA_RESETHAND }, old;
	struct itimerval timer = {};

	/* What is ignored stays so: nohup(1) means it. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	if (!timeout_usec)
		return;
	sigaction(SIGALRM, &action, NULL);
	timer.it_value.tv_sec = (time_t)(timeout_usec / 1000000);
	timer.it_value.tv_usec = (suseconds_t)(timeout_usec % 1000000);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Whether the advice moves pages that can only go to swap. */
static bool needs_swap(const struct hint *hint)
{
	return hint->advice == MADV_PAGEOUT &&
	       (hint->filter.kinds & (MEMHINT_KIND_PRIVATE | MEMHINT_KIND_SHMEM));
}

static uint64_t swap_floor(const struct hint *hint, uint64_t total_bytes)
{
	return hint->swap_floor_percent ? total_bytes / 100 * hint->swap_floor_percent
					: hint->swap_floor_bytes;
}

/* Before anything is done: 0, or the exit status after a sentence. */
static int check_swap(const struct hint *hint)
{
	struct swap swap;
	uint64_t floor;

	if (!needs_swap(hint) || swap_read_system(&swap) < 0)
		return 0;
	floor = swap_floor(hint, swap.total_bytes);
	if (swap.total_bytes == 0)
		log_warning(
			"there is no swap, so anonymous memory cannot be paged out: this frees next to "
			"nothing; 'memhint doctor' says how to get swap");
	if (hint->force || swap.free_bytes >= floor)
		return 0;
	log_error(
		"only %s of %s swap are free, which is below the floor of %s; nothing was done. Lower it "
		"with --swap-floor, or go on with --force",
		unit_bytes(swap.free_bytes).text, unit_bytes(swap.total_bytes).text,
		unit_bytes(floor).text);
	return EXIT_FAILURE;
}

/*
 * Whether the kernel would let us: an empty vector goes through all of its checks and does nothing.
 * 0 or a negative errno.
 */
static int check_permission(const struct hint *hint, const struct target *target)
{
	struct iovec nothing = {};

	if (memhint_process_madvise(memhint_process_pidfd(target->process), &nothing, 0,
				    hint->advice, 0) >= 0)
		return 0;
	/* That this kernel does not take it from outside at all is no fault of the ranges. */
	return errno == EINVAL ? -EOPNOTSUPP : -errno;
}

/* Whether anything is mapped in the range that was asked for. 0 or a negative errno; -ENXIO: nothing. */
static int check_range(const struct hint *hint, const struct target *target)
{
	struct memhint_vma vma;
	int r;

	if (!hint->has_range)
		return 0;
	r = memhint_map_lookup(target->process, hint->filter.start, &vma);
	if (r == -ENOENT || (r == 0 && vma.start >= hint->filter.end))
		return -ENXIO;
	return r;
}

static int check_target(const struct hint *hint, const struct target *target)
{
	int r = check_permission(hint, target);

	return r == 0 ? check_range(hint, target) : r;
}

static int complain(const struct hint *hint, const struct target *target, int error)
{
	if (error == -ENXIO) {
		log_error("process %d (%s) has nothing mapped at 0x%" PRIx64 "-0x%" PRIx64,
			  memhint_process_pid(target->process), target->stat.comm,
			  hint->filter.start, hint->filter.end);
		return EXIT_FAILURE;
	}
	if (error == -EOPNOTSUPP) {
		log_error(
			"this kernel does not take the advice %s for another process; 'memhint doctor' shows "
			"what it takes",
			memhint_advice_name(hint->advice));
		return EXIT_UNSUPPORTED;
	}
	return target_failed(target, error);
}

int hint_prepare(const struct hint *hint, struct hint_run *ret_run)
{
	struct hint_run run = { .hint = hint, .max_bytes_left = hint->max_bytes };
	size_t refused = 0;
	int status, first = 0;

	status = targets_open(&hint->targets, &run.list);
	if (status != 0)
		return status;
	run.outcomes = calloc(run.list.count, sizeof(*run.outcomes));
	if (!run.outcomes) {
		log_error("out of memory");
		hint_run_done(&run);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < run.list.count; i++) {
		struct hint_outcome *outcome = &run.outcomes[i];

		outcome->target = &run.list.targets[i];
		outcome->error = check_target(hint, outcome->target);
		if (outcome->error == 0)
			continue;
		refused++;
		/* A process that was named must be right; what a pattern found may be refused. */
		if (outcome->target->by_pid)
			status = complain(hint, outcome->target, outcome->error);
		if (first == 0)
			first = target_status(outcome->error);
		if (status != 0 && outcome->target->by_pid)
			first = status;
	}
	if (status == 0 && refused == run.list.count) {
		complain(hint, run.outcomes[0].target, run.outcomes[0].error);
		status = first;
	} else if (status != 0) {
		status = first;
	}
	if (status == 0)
		status = check_swap(hint);
	if (status != 0) {
		hint_run_done(&run);
		return status;
	}
	/* From here on there is a result to be told, whatever comes. */
	catch_signals(hint->timeout_usec);
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

	if (needs_swap(hint) && !hint->force && !hint->dry_run &&
	    swap_read_free(&free_bytes) == 0 && swap_read_system(&swap) == 0 &&
	    free_bytes < swap_floor(hint, swap.total_bytes)) {
		step->run->at_swap_floor = true;
		return 1;
	}
	/* What is over in no time needs no progress line. */
	if (progress->elapsed_usec < 300000 || !progress_is_shown() || progress->total_bytes == 0)
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
		.flags = MEMHINT_ADVISE_MEASURE | (hint->dry_run ? MEMHINT_ADVISE_DRY_RUN : 0),
		.pace = hint->pace,
		.pace_usec = hint->pace_usec,
		.max_bytes = run->max_bytes_left,
		.bytes_per_second = hint->bytes_per_second,
		.cancel = &cancelled,
		.progress = on_progress,
		.failure = on_failure,
		.userdata = &step,
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
	r = memhint_select(process, map, &filter, hint->advice, &ranges);
	if (r < 0)
		return r;
	log_verbose(
		"process %d (%s): %zu mappings read by %s, %s to advise in %" PRIu64 " ranges%s",
		memhint_process_pid(process), outcome->target->stat.comm, memhint_map_count(map),
		memhint_reader_name(outcome->reader),
		unit_bytes(memhint_ranges_total(ranges).bytes).text,
		memhint_ranges_total(ranges).ranges,
		outcome->flags_known ? "" : "; which of it is locked or droppable is not known");
	term_init(&step.term, STDERR_FILENO);
	step.map = map;
	options.map = map;
	outcome->was_tried = true;
	r = memhint_advise(process, ranges, hint->advice, &options, &outcome->result);
	progress_clear();
	return r;
}

/* What one process contributes to the exit status. */
static int outcome_status(const struct hint_outcome *outcome)
{
	if (outcome->error != 0)
		return target_status(outcome->error);
	if (outcome->result.failed.bytes == 0)
		return EXIT_SUCCESS;
	return outcome->result.advised.bytes > 0 ? EXIT_PARTLY : EXIT_FAILURE;
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
		log_error("stopped by %s; what was done until then stays done",
			  sigabbrev_np(run->signal) ? sigabbrev_np(run->signal) : "a signal");
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

int hint_execute(struct hint_run *run)
{
	int status = 0;

	for (size_t i = 0; i < run->list.count; i++) {
		struct hint_outcome *outcome = &run->outcomes[i];
		uint64_t used;

		if (outcome->error == 0) {
			if (cancelled || run->at_swap_floor)
				outcome->error = -ECANCELED;
			else if (!is_used_up(run))
				outcome->error = advise_target(run, outcome, i + 1);
		}
		used = outcome->result.advised.bytes +
		       outcome->result.skipped_by[MEMHINT_SKIP_DRY_RUN].bytes;
		if (run->hint->max_bytes)
			run->max_bytes_left -=
				used < run->max_bytes_left ? used : run->max_bytes_left;
		if (outcome->error != 0 && outcome->error != -ECANCELED)
			complain(run->hint, outcome->target, outcome->error);
		if (i == 0)
			status = outcome_status(outcome);
		else if (status != outcome_status(outcome))
			status = EXIT_PARTLY;
	}
	run->timed_out = cancelled == SIGALRM;
	run->signal = run->timed_out ? 0 : cancelled;
	say_why_stopped(run);
	say_if_nothing_matched(run);
	return run->timed_out && status != 0 ? EXIT_TIMED_OUT : status;
}
