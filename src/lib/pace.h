/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much advice one system call carries. A hint holds the target's mmap lock for the whole call, so
 * the length of a call is the stall of a target that wants to map something meanwhile. And a waiting
 * writer gets in only if there is a gap between two calls.
 */
#ifndef LIB_PACE_H
#define LIB_PACE_H

#include <memhint/advise.h>
#include <stdbool.h>
#include <stdint.h>

struct pacer {
	const struct memhint_process *process;
	enum memhint_pace pace;
	int advice;
	uint64_t bound_usec;  /* of a target that runs */
	uint64_t enough_usec; /* no call needs to last longer */
	uint64_t call_usec;   /* how long a call should last now */
	uint64_t gap_usec;    /* 0: none */
	uint64_t bytes;	      /* for the next call */
	uint64_t max_bytes;   /* never more */
	uint64_t check_usec;  /* when to look again whether the target runs */
};

void pacer_init(struct pacer *pacer, const struct memhint_process *process, enum memhint_pace pace,
		uint64_t bound_usec, int advice);

/* Tells what the last call took: adapts bytes, and now and then looks whether the target runs. */
void pacer_account(struct pacer *pacer, uint64_t bytes, uint64_t spent_usec);

/* Lets a waiting writer in. */
void pacer_gap(const struct pacer *pacer);

#endif
