/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who makes the advice calls of a run: the caller, or the target while it is held. */
#ifndef LIB_VIA_H
#define LIB_VIA_H

#include "trace.h"

#include <memhint/advise.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct injector;
struct memhint_freeze;
struct memhint_process;

struct via {
	enum memhint_via way; /* KERNEL or INJECT */
	struct memhint_process *process;
	bool is_self;
	int advice;
	struct injector *injector;
	const struct memhint_freeze *freeze; /* what holds the target beside this; or NULL */
	struct trace own;		     /* while it is held, unless the freeze holds it */
	bool is_held;
	bool is_ready;	    /* a thread is prepared */
	uint64_t held_usec; /* since when */
	size_t max_count;   /* ranges for the next call; 0: as many as fit */
};

/* What the caller asks for: 0 and the way, or a negative errno: -EOPNOTSUPP. */
int via_choose(enum memhint_via wanted, int advice, bool is_self, enum memhint_via *ret_way);

/* 0 or a negative errno, that of inject_open(). */
int via_open(struct via *via, enum memhint_via way, struct memhint_process *process, int advice,
	     bool is_self);

/*
 * INJECT: stops the target, unless the freeze has, and prepares it. 0, also for KERNEL, or a negative
 * errno: -EAGAIN no thread can be used just now; -EBUSY it is traced by somebody else; -ETIMEDOUT;
 * -ESRCH; -EPERM, -ENOMEM.
 */
int via_hold(struct via *via);

/* One call, as vector_advise(). */
ssize_t via_advise(struct via *via, const struct iovec *ranges, size_t count);

/* Lets the target go as it was; also if it was not held. How long it was kept from running, in us. */
uint64_t via_release(struct via *via);

/* INJECT: every range costs the target a stop of its own, so their number follows the time, too. */
void via_account(struct via *via, size_t count, uint64_t spent_usec, uint64_t call_usec);

void via_close(struct via *via);

#endif
