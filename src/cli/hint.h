/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One advice for one or more processes: what was asked for, what came of it. */
#ifndef CLI_HINT_H
#define CLI_HINT_H

#include "group.h"
#include "targets.h"

#include <memhint/memhint.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ranges that failed are named one by one up to this many a process. */
#define HINT_FAILURES_MAX 256

struct hint {
	int advice;
	struct targets targets;
	struct memhint_filter filter;
	enum memhint_pace pace;
	uint64_t pace_usec;
	uint64_t max_bytes;
	uint64_t bytes_per_second;
	uint64_t timeout_usec; /* 0: none */
	uint64_t cookie;       /* 0: that of the look */
	enum memhint_guard guard;
	enum memhint_via via;
	uint64_t swap_floor_bytes;
	unsigned swap_floor_percent; /* of all swap; 0: the bytes count */
	bool has_range;
	bool need_flags;
	bool dry_run;
	bool json;
	bool force;
	bool destructive;
};

struct hint_failure {
	struct memhint_failure failure;
	char *name; /* of the mapping, or NULL */
};

/* What an error is about. */
enum hint_stage {
	HINT_RIGHT, /* who may give this advice, and how */
	HINT_RANGE, /* whether there is what was asked for */
	HINT_GUARD, /* the state it is in */
	HINT_RUN,   /* giving it */
};

/* What came of one process. */
struct hint_outcome {
	const struct target *target;
	bool was_tried; /* the advice was begun: result holds numbers */
	int error;	/* 0, or the negative errno that ended it */
	enum hint_stage stage;
	uint64_t cookie; /* of the state that its ranges were found in; 0: none was taken */
	struct memhint_result result;
	enum memhint_reader reader;
	bool flags_known;
	size_t failure_count; /* those kept, at most HINT_FAILURES_MAX */
	struct hint_failure *failures;
};

struct hint_run {
	const struct hint *hint;
	struct target_list list;
	struct hint_outcome *outcomes; /* one for each target */
	struct group group;	       /* guard freeze on several */
	bool timed_out;
	bool at_swap_floor;	 /* stopped, since free swap had fallen that far */
	int signal;		 /* that stopped it; 0: none */
	uint64_t max_bytes_left; /* of hint->max_bytes */
};

/*
 * Takes hold of the targets and checks all that can be checked, nothing being done yet: 0, or the
 * exit status after sentences about what is wrong.
 */
int hint_prepare(const struct hint *hint, struct hint_run *ret_run);

/* Gives the advice to one process after the other. The exit status. */
int hint_execute(struct hint_run *run);

void hint_run_done(struct hint_run *run);

/* Whether the advice is to be run inside the targets, where the kernel has the choice of neither. */
bool hint_is_injected(const struct hint *hint);

/* Whether the advice moves pages that can only go to swap, and how much of it is to stay free. */
bool hint_needs_swap(const struct hint *hint);
uint64_t hint_swap_floor(const struct hint *hint, uint64_t total_bytes);

/* Before anything is done: 0, or the exit status after a sentence. */
int hint_check_swap(const struct hint *hint);

/* All that can be checked beforehand about one process; sets error and stage of the outcome. */
void hint_check_target(const struct hint *hint, struct hint_outcome *outcome);

/* A sentence about what went wrong with one process. The exit status. */
int hint_complain(const struct hint *hint, const struct hint_outcome *outcome);

/* What one process contributes to the exit status. */
int hint_outcome_status(const struct hint_outcome *outcome);

/* What else can be done where a tracer is in the way. */
const char *hint_instead(const struct hint *hint);

/* What came of it, on stdout; hint_report_begin() finds out before whether that can be written. */
int hint_report_begin(const struct hint_run *run);
int hint_report(const struct hint_run *run);

#endif
