/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a target of a chaos run and its manager tell each other, in memory that both have mapped. */
#ifndef TESTS_CHAOS_SLOT_H
#define TESTS_CHAOS_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

#define CHAOS_SLOT_FD 3 /* where the target finds it, also after exec */
#define CHAOS_HITS 256
#define CHAOS_HANDOVER_BYTES (128u << 10) /* the largest block */

/* What a canary is looked at for. Calls of even number give the first advice, odd ones the second. */
enum chaos_sign {
	CHAOS_SIGN_NONE,
	CHAOS_SIGN_SWAPPED,	 /* PAGEOUT */
	CHAOS_SIGN_UNREFERENCED, /* COLD */
	CHAOS_SIGN_NOHUGEPAGE,	 /* nh in VmFlags */
	CHAOS_SIGN_DONTDUMP,	 /* dd in VmFlags */
};

struct chaos_hit {
	uint64_t call;	/* that was going on, or the first one after the canary was put there */
	uint64_t start; /* of the canary */
};

struct chaos_slot {
	/* Set by the manager before it starts the target. */
	int manager;
	uint32_t signs[2]; /* enum chaos_sign, for even and odd calls */
	uint64_t seed;

	/*
	 * The manager counts its calls: a call begins before its snapshot. @provoke: the number of a
	 * call that waits, after its selection, for new canaries; the target answers in @provoked and
	 * leaves them there until the call has ended.
	 */
	_Atomic uint64_t call_begun;
	_Atomic uint64_t call_ended;
	_Atomic uint64_t provoke;
	_Atomic uint64_t provoked;

	/*
	 * Odd while canaries are there. The manager begins no second call to the same ones, so that a
	 * canary that was hit names the call.
	 */
	_Atomic uint64_t epoch;
	_Atomic uint64_t canaries; /* how many there have been */
	_Atomic uint64_t hit_count;
	struct chaos_hit hits[CHAOS_HITS]; /* the last ones */

	_Atomic uint64_t operations;
	_Atomic uint64_t forks; /* children that looked at all contents */
	_Atomic uint64_t execs;
	_Atomic uint64_t threads;
	_Atomic uint64_t verified_bytes;

	_Atomic uint64_t lost;	  /* contents that were not what they must be */
	uint64_t lost_address;	  /* of the first */
	_Atomic uint64_t crashes; /* children that ended otherwise than they should */

	_Atomic int failed_line; /* of the target's code: where the last one that gave up did so */
	int failed_error;

	/* Contents that go through an exec. The version is odd while they are being written. */
	_Atomic uint64_t handover_version;
	uint64_t handover_seed;
	uint64_t handover_pages;
	uint64_t handover[CHAOS_HANDOVER_BYTES / sizeof(uint64_t)];
};

#endif
