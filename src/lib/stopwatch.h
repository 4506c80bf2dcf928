/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells what a call took by itself from what it took because another program got the processor. */
#ifndef LIB_STOPWATCH_H
#define LIB_STOPWATCH_H

#include "clock.h"

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

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
	watch->start_cpu_usec = clock_read_nsec(CLOCK_THREAD_CPUTIME_ID) / 1000;
	watch->start_usec = clock_usec();
}

/* Wall time, waiting for disks included; processor time alone if the processor was taken away. */
static inline uint64_t stopwatch_own_usec(const struct stopwatch *watch)
{
	if (clock_preemptions() != watch->preemptions)
		return clock_read_nsec(CLOCK_THREAD_CPUTIME_ID) / 1000 - watch->start_cpu_usec;
	return clock_usec() - watch->start_usec;
}

#endif
