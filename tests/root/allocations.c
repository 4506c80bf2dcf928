/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The advice path takes no heap memory for a range: linked so that every allocation is counted. */
#include "child.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull
#define MAPPINGS 5000

static int allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations++;
	return __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	allocations++;
	return __real_reallocarray(old, count, size);
}

static void set_up(struct child_shared *shared)
{
	char *block = mmap(NULL, 2 * MAPPINGS * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < MAPPINGS; i++) {
		if (mprotect(block + 2 * i * P, P, PROT_READ | PROT_WRITE) < 0)
			_exit(3);
		block[2 * i * P] = 1;
	}
}

int main(void)
{
	struct memhint_advise_options options = { .size = sizeof(options),
						  .flags = MEMHINT_ADVISE_MEASURE };
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_map *map;
	struct child child;

	child_start(&child, set_up, NULL);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	allocations = 0;
	must(memhint_map_open(process, NULL, &map) == 0);
	ok(allocations > 0, "allocations are counted at all");
	must(memhint_map_refresh(map) == 0); /* makes the second of the two buffers that it keeps */
	allocations = 0;
	must(memhint_map_refresh(map) == 0);
	is(allocations, 0, "reading a snapshot again: none");
	allocations = 0;
	must(memhint_select(process, map, NULL, MADV_COLD, &ranges) == 0);
	ok(allocations < 20, "selecting %llu ranges: %d allocations, the list growing by doubling",
	   (unsigned long long)memhint_ranges_total(ranges).ranges, allocations);
	options.map = map;
	/* The first time the handle gets what it keeps for reading cookies. */
	must(memhint_advise(process, ranges, MADV_COLD, &options, &result) == 0);
	allocations = 0;
	must(memhint_advise(process, ranges, MADV_COLD, &options, &result) == 0);
	ok(result.advised.ranges >= MAPPINGS, "advised %llu ranges",
	   (unsigned long long)result.advised.ranges);
	is(allocations, 0, "advising them: none");
	memhint_ranges_free(ranges);
	memhint_map_close(map);
	memhint_process_close(process);
	child_end(&child);
	return done_testing();
}
