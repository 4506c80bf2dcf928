/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that can be paged out to the last page. The kernel collects new pages in batches, one for each
 * processor, before it puts them on its lists (mm/swap.c, folio_add_lru()), and PAGEOUT passes over pages
 * in the batch of another processor. So: touch on one processor, and then enough to fill the batch.
 */
#ifndef TESTS_SETTLE_H
#define TESTS_SETTLE_H

#include <sched.h>
#include <sys/mman.h>

#define SETTLE_BYTES (512ul << 10) /* several batches of 31 pages */

static inline void settle_begin(cpu_set_t *ret_before)
{
	cpu_set_t one;

	sched_getaffinity(0, sizeof(*ret_before), ret_before);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static inline void settle_end(const cpu_set_t *before)
{
	char *memory = mmap(NULL, SETTLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory != MAP_FAILED) {
		for (unsigned long i = 0; i < SETTLE_BYTES; i += 4096)
			((volatile char *)memory)[i] = 1;
		munmap(memory, SETTLE_BYTES);
	}
	sched_setaffinity(0, sizeof(*before), before);
}

#endif
