/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monotonic time and short pauses. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Sleeps, through signals too. */
static inline void clock_pause(uint64_t usec)
{
	struct timespec left = { .tv_sec = (time_t)(usec / 1000000), .tv_nsec = (long)(usec % 1000000) * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

#endif
