/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chaos run: targets that change their address spaces as fast as they can, and one manager that hints
 * them without pause. The account says what it saw, and what must never be seen.
 */
#ifndef TESTS_CHAOS_H
#define TESTS_CHAOS_H

#include <memhint/advise.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAOS_TARGETS 8 /* at most */

struct chaos_options {
	size_t targets;
	bool is_control; /* no calls at all, for comparison */
	enum memhint_guard guard;
	enum memhint_via via;
	/*
	 * By way of KERNEL PAGEOUT and COLD in turns, by way of INJECT NOHUGEPAGE and DONTDUMP.
	 * Every so many calls the manager waits, between selection and advice, until the target has put
	 * canaries where other memory was. 0: it never waits, and leaves it to luck.
	 */
	unsigned int provoke_every;
	/* It ends when both are over. */
	uint64_t count; /* of calls; without calls, of canaries */
	uint64_t usec;
};

struct chaos_account {
	uint64_t elapsed_usec;
	uint64_t manager_cpu_usec;

	uint64_t calls; /* of memhint_advise() */
	uint64_t system_calls;
	uint64_t advised_bytes;
	uint64_t stale_before;	/* -ESTALE, nothing done */
	uint64_t stale_after;	/* -ESTALE, and something done */
	uint64_t looks;		/* guard FOLLOW */
	uint64_t changed_bytes; /* MEMHINT_SKIP_CHANGED */
	uint64_t held_back;	/* not called, so that no canary meets two calls */
	uint64_t frozen_usec;
	uint64_t execs_seen;
	uint64_t exits_seen;
	uint64_t timeouts; /* -ETIMEDOUT: it did not come to a stop soon enough */
	uint64_t errors;   /* other than these */
	int first_error;

	uint64_t canaries;
	uint64_t provoked;	     /* calls that waited for canaries */
	uint64_t wrong_ranges;	     /* canaries advised by calls that said nothing of it */
	uint64_t wrong_unprovoked;   /* part of these, by calls that had not waited for canaries */
	uint64_t raced_and_reported; /* canaries advised by calls that failed with -ESTALE */

	uint64_t operations; /* of the targets */
	uint64_t forks;
	uint64_t execs;
	uint64_t threads;
	uint64_t verified_bytes;
	uint64_t contents_lost;
	uint64_t crashes; /* targets and children of theirs that ended otherwise than they should */
	uint64_t left_stopped;
};

/* Makes the targets, hints them, and ends them all. Exits with a message if it cannot. */
void chaos_run(const struct chaos_options *options, struct chaos_account *ret_account);

#endif
