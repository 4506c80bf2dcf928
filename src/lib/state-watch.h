/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing the state of an address space before and after calls that may move its cookie themselves. */
#ifndef LIB_STATE_WATCH_H
#define LIB_STATE_WATCH_H

#include <memhint/guard.h>
#include <stdbool.h>
#include <stdint.h>

struct memhint_process;

/* What the calls do to the cookie by themselves. */
enum watch_moves {
	WATCH_STILL, /* nothing: COLD, PAGEOUT, WILLNEED and others */
	/*
	 * They move the exact cookie and change no mapping, as COLLAPSE does, which takes the mmap lock
	 * for writing. Then a fingerprint says whether anybody else changed something meanwhile.
	 */
	WATCH_LOCKS,
	/*
	 * They change mappings. The cookie is taken anew after each: nobody else can have moved it while the
	 * target is held, and on oneself it cannot be told.
	 */
	WATCH_CHANGES,
};

struct watch {
	struct memhint_process *process;
	enum memhint_cookie_kind kind; /* that is compared; INVALID: none can be */
	enum watch_moves moves;
	uint64_t fingerprint; /* WATCH_LOCKS: from before the call */
};

/* What @advice, given for another process by the kernel or from inside, does to the cookie. */
enum watch_moves watch_moves_of(int advice, bool is_inside);

/*
 * Begins to watch. @reference is what the caller knows, or 0 for the present state; in @ret_state is what
 * to hand to the other functions: exact where that can be had. 0 it is as @reference says, 1 it has
 * changed since, or a negative errno: -EINVAL no cookie, -EOPNOTSUPP it is exact, and exact ones
 * cannot be read here, or there is none and only fingerprints can; those of memhint_process_cookie().
 */
int watch_begin(struct watch *watch, struct memhint_process *process, enum watch_moves moves,
		uint64_t reference, uint64_t *ret_state);

/* The present state: 0 or a negative errno. */
int watch_read(const struct watch *watch, uint64_t *ret_state);

/* Whether it still is the state @state, before a call: 0 yes, 1 no, or a negative errno. */
int watch_before(struct watch *watch, uint64_t state);

/*
 * After a call that watch_before() had found in state @state: 0, and the state that it left behind, 1 if
 * somebody else changed something, or a negative errno.
 */
int watch_after(const struct watch *watch, uint64_t *state);

#endif
