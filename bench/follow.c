/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target with 512 MiB of cold memory that maps and unmaps about 20,000 times a second: how much of the cold
 * memory a pass (snapshot, select, PAGEOUT) gets out under each guard, how long it takes, how often what is
 * left was looked at again, and what the manager spends. Interleaved, medians. The control is as long as
 * the pass before it, and asks for nothing.
 *
 * usage: bench-follow [ROUNDS]
 */
#include "bench.h"
#include "memory.h"

#include "child.h"
#include "test-swap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define COLD_BYTES (512ull << 20)
#define CHANGES_A_SECOND 20000ull
#define SWAP_BYTES (2048ull << 20)

/* Shared with the child. */
struct beat {
	_Atomic uint64_t turns; /* a mapping made and removed */
	_Atomic int on;
};

static struct beat *beat;

/* Each turn has its moment; one that comes too late does not wait, so that the rate is kept. */
static void *map_all_the_time(void *unused)
{
	const long period_nsec = (long)(1000000000 / CHANGES_A_SECOND);
	struct timespec next;

	prctl(PR_SET_TIMERSLACK, 1);
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (beat->on) {
		char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (page == MAP_FAILED)
			_exit(3);
		*(volatile char *)page = 1;
		munmap(page, 4096);
		beat->turns++;
		next.tv_nsec += period_nsec;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return NULL;
}

enum { TELL_REFILL, TELL_START, TELL_STOP };

static long obey(int what, struct child_shared *shared)
{
	static pthread_t thread;

	if (what == TELL_START) {
		beat->on = 1;
		return pthread_create(&thread, NULL, map_all_the_time, NULL);
	}
	if (what == TELL_STOP) {
		beat->on = 0;
		return pthread_join(thread, NULL);
	}
	if (shared->address[0])
		munmap((void *)shared->address[0], COLD_BYTES);
	shared->address[0] = (uint64_t)mmap(NULL, COLD_BYTES, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)shared->address[0], COLD_BYTES, MADV_NOHUGEPAGE);
	memory_fill((char *)shared->address[0], COLD_BYTES, 88172645463325252ull);
	return 0;
}

struct way {
	const char *name;
	bool is_control;
	enum memhint_guard guard;
	struct samples shares;
	struct samples seconds;
	struct samples looks;
	struct samples rates;
	struct samples cpu_msec;
	struct samples calls;
	uint64_t failures; /* passes that did not return 0 */
	int first_error;
};

static double cpu_msec(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static uint64_t swapped_bytes(struct child *child, struct memhint_process *process)
{
	const struct memhint_map_options options = { .size = sizeof(options),
						     .want = MEMHINT_MAP_PAGES };
	const struct memhint_vma *vma;
	struct memhint_map *map;
	uint64_t bytes;

	need(memhint_map_open(process, &options, &map) == 0, "map");
	vma = memhint_map_find(map, child->shared->address[0]);
	need(vma && vma->start <= child->shared->address[0], "cold memory");
	bytes = vma->swapped_bytes;
	memhint_map_close(map);
	return bytes;
}

static int pass(struct memhint_process *process, enum memhint_guard guard,
		struct memhint_result *result)
{
	struct memhint_advise_options options = { .size = sizeof(options), .guard = guard };
	struct memhint_ranges *ranges = NULL;
	struct memhint_map *map;
	int r;

	need(memhint_map_open(process, NULL, &map) == 0, "map");
	r = memhint_select(process, map, NULL, MADV_PAGEOUT, &ranges);
	if (r == 0) {
		options.map = map;
		r = memhint_advise(process, ranges, MADV_PAGEOUT, &options, result);
	}
	memhint_ranges_free(ranges);
	memhint_map_close(map);
	return r;
}

static void run_way(struct child *child, struct memhint_process *process, struct way *way)
{
	static double last_seconds = 1;
	struct memhint_result result = {};
	double start, seconds, cpu;
	uint64_t turns;
	int r = 0;

	need(child_tell(child, TELL_REFILL) == 0, "fill");
	need(child_tell(child, TELL_START) == 0, "start");
	while (beat->turns % 1000 < 500) /* it is under way */
		usleep(1000);
	turns = beat->turns;
	start = now_usec();
	cpu = cpu_msec();
	if (way->is_control)
		usleep((useconds_t)(last_seconds * 1e6));
	else
		r = pass(process, way->guard, &result);
	seconds = (now_usec() - start) / 1e6;
	samples_add(&way->cpu_msec, cpu_msec() - cpu);
	samples_add(&way->rates, (double)(beat->turns - turns) / seconds);
	need(child_tell(child, TELL_STOP) == 0, "stop");
	last_seconds = seconds;
	samples_add(&way->seconds, seconds);
	samples_add(&way->looks, result.looks);
	samples_add(&way->calls, (double)result.syscalls);
	samples_add(&way->shares, (double)swapped_bytes(child, process) / (double)COLD_BYTES);
	if (r < 0) {
		way->failures++;
		way->first_error = way->first_error ? way->first_error : r;
	}
}

static void print_way(struct way *way)
{
	printf(",\"%s\":{\"out_share\":%.4f,\"out_share_least\":%.4f,\"seconds\":%.3f,\"maps_a_second\":%.0f",
	       way->name, samples_quantile(&way->shares, 0.5), samples_quantile(&way->shares, 0),
	       samples_quantile(&way->seconds, 0.5), samples_quantile(&way->rates, 0.5));
	printf(",\"looks\":%.0f,\"system_calls\":%.0f,\"manager_cpu_msec\":%.1f,\"failures\":%llu",
	       samples_quantile(&way->looks, 0.5), samples_quantile(&way->calls, 0.5),
	       samples_quantile(&way->cpu_msec, 0.5), (unsigned long long)way->failures);
	if (way->failures)
		printf(",\"first_error\":\"%s\"", strerrorname_np(-way->first_error));
	printf("}");
	samples_free(&way->shares);
	samples_free(&way->seconds);
	samples_free(&way->looks);
	samples_free(&way->rates);
	samples_free(&way->cpu_msec);
	samples_free(&way->calls);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 11;
	static struct way ways[] = {
		{ .name = "none", .guard = MEMHINT_GUARD_NONE },
		{ .name = "follow", .guard = MEMHINT_GUARD_FOLLOW },
		{ .name = "freeze", .guard = MEMHINT_GUARD_FREEZE },
		{ .name = "control", .is_control = true },
	};
	const size_t count = sizeof(ways) / sizeof(ways[0]);
	struct memhint_process *process;
	struct child child;

	beat = mmap(NULL, sizeof(*beat), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(beat != MAP_FAILED, "memory");
	swap_begin_bytes(SWAP_BYTES);
	child_start(&child, NULL, obey);
	need(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0, "open");
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < count; i++)
			run_way(&child, process, &ways[i]);
	printf("{\"benchmark\":\"follow\",\"cold_bytes\":%llu,\"rounds\":%d",
	       (unsigned long long)COLD_BYTES, rounds);
	for (size_t i = 0; i < count; i++)
		print_way(&ways[i]);
	printf("}\n");
	memhint_process_close(process);
	child_end(&child);
	swap_end();
	return 0;
}
