/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of memhint_advise(): how far it is, what its limits allow, and its account. */
#ifndef LIB_RUN_H
#define LIB_RUN_H

#include "pace.h"
#include "pages.h"
#include "ranges.h"

#include <memhint/advise.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memhint_process;

#define PROGRESS_USEC 50000u

/* A place in a list of ranges: the range, and how much of it is done. */
struct place {
	size_t index;
	uint64_t offset;
};

struct run {
	struct memhint_process *process;
	const struct memhint_ranges *ranges; /* the caller's */
	int advice;
	bool is_self;
	bool is_inside; /* the calls are made by the target itself */
	struct memhint_advise_options options;
	struct memhint_result *result;
	struct pages pages; /* for measuring, for huge pages, and to notice exec; fd -1: none */
	struct pacer pacer;
	uint64_t start_usec;
	uint64_t progress_usec; /* when to tell next */
	int retries;		/* in a row */

	const struct memhint_ranges
		*list;	      /* in use: the caller's, or what a fresh look has found */
	struct place at;      /* in the list: what comes next */
	struct place rest;    /* where the caller's ranges go on after a fresh look */
	uint64_t floor;	      /* all below this address is done with */
	uint64_t found_bytes; /* by fresh looks, beyond the caller's ranges */
	bool came_from_map;
};

/* The place in the list. */
bool run_is_over(const struct run *run);
uint64_t run_address(const struct run *run);
uint64_t run_range_end(const struct run *run);

/* Up to where all is done with; the list must be ascending. */
uint64_t run_passed(const struct run *run);

/* From a list that is over back to the caller's ranges: false if it was that one. */
bool run_turn_back(struct run *run);

/* Moves on by @bytes within the current range. */
void run_advance(struct run *run, uint64_t bytes);

/* The next @bytes of the current range have failed with the positive errno @error. */
void run_fail(struct run *run, uint64_t bytes, int error);

/* Everything that is left, in the list and after it, is not tried, for @reason. */
void run_skip_rest(struct run *run, enum memhint_skip reason);

bool run_is_dry(const struct run *run);
bool run_is_cancelled(const struct run *run);

/* Whether the target still has the address space that the run began with. */
bool run_target_is_same(const struct run *run);

/* What is left of the byte budget. */
uint64_t run_budget(const struct run *run);

/* How much the limits allow for the next call. */
uint64_t run_allowance(const struct run *run);

/* Whether a call may exceed its allowance to get on at all: not the byte budget, which is kept. */
bool run_may_exceed(const struct run *run);

/* Waits, looking at the cancel flag and telling progress. False: cancelled. */
bool run_pause_until(struct run *run, uint64_t until_usec);

/* Waits until the rate allows more. False: cancelled. */
bool run_wait_for_rate(struct run *run);

/* False when the callback wants no more. */
bool run_tell_progress(struct run *run, uint64_t now);

#endif
