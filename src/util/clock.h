/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The time since some moment in the past, and short pauses. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_nsec(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_nsec(void)
{
	return clock_read_nsec(CLOCK_MONOTONIC);
}

static inline uint64_t clock_usec(void)
{
	return clock_nsec() / 1000;
}

/* Sleeps, through signals too. */
static inline void clock_pause(uint64_t usec)
{
	struct timespec left = { .tv_sec = (time_t)(usec / 1000000),
				 .tv_nsec = (long)(usec % 1000000) * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

#endif
