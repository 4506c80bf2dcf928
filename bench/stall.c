/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stall of a target that runs: it maps, touches and unmaps a page in a loop and times each turn,
 * while memory of it is hinted. Undisturbed, then by memhint at its default pace, then by one bare
 * call, in turns; the quantiles are over all turns of a way. A turn also grows when the target, woken,
 * has to wait for a processor, which on a virtual machine that others share can take milliseconds:
 * max_lock_usec is the longest turn without that. median_max_usec is the median of the rounds' longest
 * turns, which a machine's hiccup in one of them does not move.
 *
 * usage: bench-stall [ROUNDS [WAY]]
 */
#include "bench.h"
#include "memory.h"

#include "child.h"
#include "test-swap.h"
#include "uapi.h"

#include <memhint/memhint.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define TURNS_MAX (4u << 20)

/* Shared with the child: how long each turn took, in nanoseconds. */
struct turns {
	_Atomic uint32_t count;
	_Atomic int on;
	uint32_t nsec[TURNS_MAX];
	uint32_t waited_nsec[TURNS_MAX]; /* part of it: ready to run, but without a processor */
};

static struct turns *turns;

enum { TELL_LOOP = 1 << 20 }; /* below that: a size to fill, in MiB */

/* How long this thread has waited for a processor. Source: Documentation/scheduler/sched-stats.rst. */
static uint64_t waited_nsec(int schedstat)
{
	unsigned long long ran, waited = 0;
	char text[64] = "";

	if (pread(schedstat, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%llu %llu", &ran, &waited) != 2)
		_exit(3);
	return waited;
}

static void *loop(void *unused)
{
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	uint64_t waited = waited_nsec(schedstat), before;

	while (turns->on) {
		uint32_t index = turns->count;
		double start = now_usec();
		char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (page == MAP_FAILED)
			_exit(3);
		*(volatile char *)page = 1;
		munmap(page, 4096);
		if (index < TURNS_MAX) {
			turns->nsec[index] = (uint32_t)((now_usec() - start) * 1000);
			before = waited;
			waited = waited_nsec(schedstat);
			turns->waited_nsec[index] = (uint32_t)(waited - before);
			turns->count = index + 1;
		}
	}
	close(schedstat);
	return NULL;
}

static long obey(int what, struct child_shared *shared)
{
	static pthread_t thread;

	if (what == TELL_LOOP) {
		turns->on = 1;
		return pthread_create(&thread, NULL, loop, NULL);
	}
	if (what == -TELL_LOOP) {
		turns->on = 0;
		return pthread_join(thread, NULL);
	}
	if (shared->address[0])
		munmap((void *)shared->address[0], shared->number[0]);
	shared->number[0] = (uint64_t)what * MIB;
	shared->address[0] = (uint64_t)mmap(NULL, shared->number[0], PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)shared->address[0], shared->number[0], MADV_NOHUGEPAGE);
	memory_fill((char *)shared->address[0], shared->number[0], 88172645463325252ull);
	return 0;
}

struct scene {
	uint64_t longest_call_usec; /* of memhint's, in this turn */
	struct child child;
	struct memhint_process *process;
};

static void hint(struct scene *scene, int advice)
{
	const struct memhint_advise_options options = { .size = sizeof(options) };
	struct memhint_ranges *ranges;
	struct memhint_result result;

	need(memhint_ranges_new(&ranges) == 0, "ranges");
	need(memhint_ranges_add(ranges, scene->child.shared->address[0],
				scene->child.shared->number[0]) == 0,
	     "range");
	need(memhint_advise(scene->process, ranges, advice, &options, &result) == 0, "advise");
	need(result.advised.bytes == scene->child.shared->number[0], "all advised");
	scene->longest_call_usec = result.longest_call_usec;
	memhint_ranges_free(ranges);
}

static void bare(struct scene *scene, int advice)
{
	struct iovec range = { (void *)scene->child.shared->address[0],
			       scene->child.shared->number[0] };

	need(syscall(SYS_process_madvise, memhint_process_pidfd(scene->process), &range, 1, advice,
		     0) > 0,
	     "process_madvise");
}

static void snapshot(struct scene *scene, int unused)
{
	const struct memhint_map_options options = {
		.size = sizeof(options),
		.want = MEMHINT_MAP_PAGES | MEMHINT_MAP_FLAGS,
	};
	struct memhint_map *map;

	need(memhint_map_open(scene->process, &options, &map) == 0, "map");
	memhint_map_close(map);
}

/* The control: as long as hinting takes, but nothing is done. */
static void nothing(struct scene *scene, int usec)
{
	usleep((useconds_t)usec);
}

struct way {
	const char *name;
	int mib;
	void (*run)(struct scene *scene, int argument);
	int argument;
	int rounds;
	struct samples turns;
	struct samples round_max;
	struct samples lock_turns; /* less the wait for a processor */
	struct samples seconds;
	struct samples longest_calls;
};

static void run_way(struct scene *scene, struct way *way)
{
	uint32_t first, last;
	double start, longest = 0;

	if (child_tell(&scene->child, way->mib) != 0)
		bench_die("fill");
	turns->count = 0;
	child_tell(&scene->child, TELL_LOOP);
	while (turns->count < 1000) /* the loop is warm */
		;
	first = turns->count;
	start = now_usec();
	scene->longest_call_usec = 0;
	way->run(scene, way->argument);
	samples_add(&way->seconds, (now_usec() - start) / 1e6);
	samples_add(&way->longest_calls, (double)scene->longest_call_usec);
	while ((last = turns->count) < first + 100) /* short ways: some turns at least */
		;
	child_tell(&scene->child, -TELL_LOOP);
	need(last < TURNS_MAX, "room for turns");
	for (uint32_t i = first; i < last; i++) {
		double waited = turns->waited_nsec[i] < turns->nsec[i] ? turns->waited_nsec[i] : 0;

		longest = longest > turns->nsec[i] / 1000.0 ? longest : turns->nsec[i] / 1000.0;
		samples_add(&way->turns, turns->nsec[i] / 1000.0);
		samples_add(&way->lock_turns, (turns->nsec[i] - waited) / 1000.0);
	}
	samples_add(&way->round_max, longest);
}

static void print_way(struct way *way, const char *separator)
{
	double seconds = samples_quantile(&way->seconds, 0.5);

	printf("%s\"%s\":{\"mib\":%d,\"rounds\":%d,\"turns\":%zu,\"p50_usec\":%.1f,\"p99_usec\":%.1f,"
	       "\"p999_usec\":%.1f,\"max_usec\":%.1f,\"max_lock_usec\":%.1f,\"median_max_usec\":%.1f,\"median_seconds\":%.4f,\"gib_per_second\":%.3f,\"longest_call_usec\":%.0f}",
	       separator, way->name, way->mib, way->rounds, way->turns.count,
	       samples_quantile(&way->turns, 0.5), samples_quantile(&way->turns, 0.99),
	       samples_quantile(&way->turns, 0.999), samples_quantile(&way->turns, 1),
	       samples_quantile(&way->lock_turns, 1), samples_quantile(&way->round_max, 0.5),
	       seconds, way->mib / 1024.0 / seconds, samples_quantile(&way->longest_calls, 1));
	samples_free(&way->turns);
	samples_free(&way->lock_turns);
	samples_free(&way->round_max);
	samples_free(&way->seconds);
	samples_free(&way->longest_calls);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 31;
	struct way ways[] = {
		{ "control", 256, nothing, 400000, rounds, {}, {}, {}, {}, {} },
		{ "pageout_paced", 256, hint, MADV_PAGEOUT, rounds, {}, {}, {}, {}, {} },
		{ "pageout_bare_call", 256, bare, MADV_PAGEOUT, rounds, {}, {}, {}, {}, {} },
		{ "cold_paced", 1024, hint, MADV_COLD, rounds, {}, {}, {}, {}, {} },
		{ "cold_bare_call", 1024, bare, MADV_COLD, rounds, {}, {}, {}, {}, {} },
		{ "snapshot", 1024, snapshot, 0, rounds, {}, {}, {}, {}, {} },
	};
	const size_t count = sizeof(ways) / sizeof(ways[0]);
	struct scene scene;

	turns = mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	need(turns != MAP_FAILED, "memory");
	swap_begin_bytes(3ull << 30);
	child_start(&scene.child, NULL, obey);
	need(memhint_process_open(P_PID, (id_t)scene.child.pid, &scene.process) == 0, "open");
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < count; i++)
			if (argc < 3 || strcmp(ways[i].name, argv[2]) == 0)
				run_way(&scene, &ways[i]);
	for (size_t i = 0; i < count; i++)
		print_way(&ways[i], i ? "," : "{\"benchmark\":\"stall\",");
	printf("}\n");
	memhint_process_close(scene.process);
	child_end(&scene.child);
	swap_end();
	return 0;
}
