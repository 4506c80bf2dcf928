/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guard of one run of memhint_advise(): holds the target still, or compares its state before calls. */
#ifndef LIB_GUARD_H
#define LIB_GUARD_H

#include "follow.h"
#include "state-watch.h"

#include <memhint/advise.h>
#include <stdbool.h>
#include <stdint.h>

struct batch;
struct run;

struct guard {
	struct watch watch;
	struct follow follow;	       /* and the state of the list in use, whatever the guard */
	struct memhint_freeze *freeze; /* the caller's or its own, if that holds the target */
	struct memhint_freeze *own;
	uint64_t frozen_usec; /* since when by its own */
	bool saw_exec;	      /* since the ranges were selected */
};

/*
 * Stops the target if that is the guard, and compares it with the ranges. 0 or a negative errno that
 * ends the run before it begins. guard_end() in any case.
 */
int guard_begin(struct guard *guard, struct run *run, enum memhint_via way);

/*
 * Just before the call for @batch. 0: call, for what the batch holds now, which may be nothing; -EAGAIN:
 * not before follow.ready_usec, and the run is back where the batch began; another negative errno ends
 * the run, -ESTALE: the mappings have changed.
 */
int guard_check(struct guard *guard, struct run *run, struct batch *batch);

/* Just after it. 0 or a negative errno that ends the run. */
int guard_after(struct guard *guard, struct run *run);

/* After the last one, if @r is 0: that, or a negative errno. */
int guard_finish(struct guard *guard, struct run *run, int r);

/* Lets the target go. */
void guard_end(struct guard *guard, struct run *run);

#endif
