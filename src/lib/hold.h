/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gaps in a long reading, in which a target that runs can take its mmap lock. */
#ifndef LIB_HOLD_H
#define LIB_HOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* After the lock was held for so long in sum comes a gap, in which a waiting writer gets in. */
#define HOLD_NSEC 150000u
#define HOLD_GAP_NSEC 100000u

/* Time with the target's mmap lock held since the last gap. */
struct hold {
	bool gaps;
	uint64_t sum_nsec;
};

/* Accounts for one call that held the lock; pauses if it is time and @more calls are to come. */
static inline void hold_add(struct hold *hold, uint64_t nsec, bool more)
{
	hold->sum_nsec += nsec;
	if (!hold->gaps || !more || hold->sum_nsec < HOLD_NSEC)
		return;
	nanosleep(&(struct timespec){ .tv_nsec = HOLD_GAP_NSEC }, NULL);
	hold->sum_nsec = 0;
}

#endif
