/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monotonic time and short pauses. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t clock_read_usec(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t clock_usec(void)
{
	return clock_read_usec(CLOCK_MONOTONIC);
}

/* Sleeps, through signals too. */
static inline void clock_pause(uint64_t usec)
{
	struct timespec left = { .tv_sec = (time_t)(usec / 1000000),
				 .tv_nsec = (long)(usec % 1000000) * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

/* Tells what a call took by itself from what it took because another program got the processor. */
struct stopwatch {
	uint64_t start_usec;
	uint64_t start_cpu_usec;
	long preemptions;
};

static inline long clock_preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static inline void stopwatch_start(struct stopwatch *watch)
{
	watch->preemptions = clock_preemptions();
	watch->start_cpu_usec = clock_read_usec(CLOCK_THREAD_CPUTIME_ID);
	watch->start_usec = clock_usec();
}

/* Wall time, waiting for disks included; processor time alone if the processor was taken away. */
static inline uint64_t stopwatch_own_usec(const struct stopwatch *watch)
{
	if (clock_preemptions() != watch->preemptions)
		return clock_read_usec(CLOCK_THREAD_CPUTIME_ID) - watch->start_cpu_usec;
	return clock_usec() - watch->start_usec;
}

#endif
