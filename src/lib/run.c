/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include "clock.h"
#include "page-size.h"
#include "usage.h"

/* No pause is longer than this between two looks at the cancel flag. */
#define CANCEL_CHECK_USEC 10000u

bool run_is_over(const struct run *run)
{
	return run->at.index == run->list->count;
}

static const struct range *run_range(const struct run *run)
{
	return &run->list->items[run->at.index];
}

uint64_t run_address(const struct run *run)
{
	return run_range(run)->start + run->at.offset;
}

uint64_t run_range_end(const struct run *run)
{
	return run_range(run)->start + run_range(run)->length;
}

uint64_t run_passed(const struct run *run)
{
	const struct range *last;
	uint64_t passed = 0;

	if (run->at.offset) {
		passed = run_address(run);
	} else if (run->at.index) {
		last = &run->list->items[run->at.index - 1];
		passed = last->start + last->length;
	}
	return passed > run->floor ? passed : run->floor;
}

bool run_turn_back(struct run *run)
{
	if (run->list == run->ranges)
		return false;
	run->list = run->ranges;
	run->at = run->rest;
	return true;
}

void run_advance(struct run *run, uint64_t bytes)
{
	run->at.offset += bytes;
	if (run->at.offset == run_range(run)->length) {
		run->at.index++;
		run->at.offset = 0;
	}
}

void run_fail(struct run *run, uint64_t bytes, int error)
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

void run_skip_rest(struct run *run, enum memhint_skip reason)
{
	do {
		while (!run_is_over(run)) {
			uint64_t bytes = run_range_end(run) - run_address(run);

			amount_add(&run->result->skipped_by[reason], bytes, 1);
			run_advance(run, bytes);
		}
	} while (run_turn_back(run));
}

bool run_is_dry(const struct run *run)
{
	return run->options.flags & MEMHINT_ADVISE_DRY_RUN;
}

/* What counts against the limits. */
static uint64_t run_used_bytes(const struct run *run)
{
	return run->result->advised.bytes + run->result->skipped_by[MEMHINT_SKIP_DRY_RUN].bytes;
}

bool run_is_cancelled(const struct run *run)
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

bool run_tell_progress(struct run *run, uint64_t now)
{
	struct memhint_progress progress = {
		.done_bytes = run_done_bytes(run),
		.total_bytes = run->ranges->total.bytes + run->found_bytes,
		.elapsed_usec = now - run->start_usec,
	};

	if (!run->options.progress)
		return true;
	run->progress_usec = now + PROGRESS_USEC;
	return run->options.progress(&progress, run->options.userdata) == 0;
}

bool run_pause_until(struct run *run, uint64_t until_usec)
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

uint64_t run_budget(const struct run *run)
{
	return run->options.max_bytes ? run->options.max_bytes - run_used_bytes(run) : UINT64_MAX;
}

uint64_t run_allowance(const struct run *run)
{
	uint64_t bytes = run->pacer.bytes, rate = run->options.bytes_per_second;

	if (rate && rate / 20 < bytes) /* 50 ms worth, so that the rate is smooth */
		bytes = rate / 20 < page_size() ? page_size() : rate / 20;
	return bytes < run_budget(run) ? bytes : run_budget(run);
}

bool run_may_exceed(const struct run *run)
{
	return run_budget(run) >= (huge_page_size() ? huge_page_size() : page_size());
}

bool run_wait_for_rate(struct run *run)
{
	uint64_t rate = run->options.bytes_per_second;

	if (!rate || run_is_dry(run))
		return true;
	return run_pause_until(
		run, run->start_usec +
			     (uint64_t)((__uint128_t)run->result->advised.bytes * 1000000 / rate));
}

bool run_target_is_same(const struct run *run)
{
	return run->pages.fd < 0 || pages_are_current(&run->pages);
}
