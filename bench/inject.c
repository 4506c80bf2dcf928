/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Advice for 2,000 mappings of a page each, whose protections take turns so that they do not merge: by
 * process_madvise(2) with one range a call and with vectors, by memhint_advise() by way of KERNEL, and by
 * way of INJECT, where the target itself calls madvise(2) once for each; at full speed. DONTDUMP, which the
 * kernel takes from nobody else, by INJECT alone. Interleaved, medians. And how long the target stood still.
 *
 * usage: bench-inject [ROUNDS]
 */
#include "bench.h"

#include "child.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define P 4096ull
#define MAPPINGS 2000u
#define VECTOR 1000u

static void set_up(struct child_shared *shared)
{
	char *block = mmap(NULL, MAPPINGS * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (block == MAP_FAILED || madvise(block, MAPPINGS * P, MADV_NOHUGEPAGE) < 0)
		_exit(3);
	for (size_t i = 0; i < MAPPINGS; i++) {
		block[i * P] = 1;
		if (i % 2 && mprotect(block + i * P, P, PROT_READ) < 0)
			_exit(3);
	}
	shared->address[0] = (uint64_t)block;
}

struct scene {
	struct child child;
	struct memhint_process *process;
	struct iovec vector[MAPPINGS];
	struct memhint_ranges *ranges;
	int round;
};

/* What a way did, and how long the target stood still for it; -1: it cannot be done here. */
struct outcome {
	int error;
	uint64_t advised_ranges;
	uint64_t frozen_usec;
	uint64_t system_calls;
};

static struct outcome way_calls(struct scene *scene, size_t ranges_a_call)
{
	struct outcome outcome = {};

	for (size_t i = 0; i < MAPPINGS; i += ranges_a_call) {
		long n = syscall(SYS_process_madvise, memhint_process_pidfd(scene->process),
				 scene->vector + i, ranges_a_call, MADV_COLD, 0);

		need(n == (long)(ranges_a_call * P), "process_madvise");
		outcome.advised_ranges += ranges_a_call;
		outcome.system_calls++;
	}
	return outcome;
}

static struct outcome way_single(struct scene *scene)
{
	return way_calls(scene, 1);
}

static struct outcome way_vector(struct scene *scene)
{
	return way_calls(scene, VECTOR);
}

static struct outcome advise(struct scene *scene, int advice, enum memhint_via via,
			     enum memhint_guard guard)
{
	const struct memhint_advise_options options = {
		.size = sizeof(options), .pace = MEMHINT_PACE_NONE, .guard = guard, .via = via
	};
	struct memhint_result result;
	struct outcome outcome = {};

	outcome.error = memhint_advise(scene->process, scene->ranges, advice, &options, &result);
	outcome.advised_ranges = result.advised.ranges;
	outcome.frozen_usec = result.frozen_usec;
	outcome.system_calls = result.syscalls;
	return outcome;
}

static struct outcome way_memhint(struct scene *scene)
{
	return advise(scene, MADV_COLD, MEMHINT_VIA_KERNEL, MEMHINT_GUARD_NONE);
}

static struct outcome way_inject(struct scene *scene)
{
	return advise(scene, MADV_COLD, MEMHINT_VIA_INJECT, MEMHINT_GUARD_NONE);
}

static struct outcome way_inject_frozen(struct scene *scene)
{
	return advise(scene, MADV_COLD, MEMHINT_VIA_INJECT, MEMHINT_GUARD_FREEZE);
}

/* In turns, as what is set already is not set again. */
static struct outcome way_dump(struct scene *scene)
{
	return advise(scene, scene->round % 2 ? MADV_DODUMP : MADV_DONTDUMP, MEMHINT_VIA_INJECT,
		      MEMHINT_GUARD_NONE);
}

static const struct {
	const char *name;
	struct outcome (*run)(struct scene *scene);
} ways[] = {
	{ "cold_one_range_a_call", way_single },     { "cold_vectors", way_vector },
	{ "cold_memhint_kernel", way_memhint },	     { "cold_inject", way_inject },
	{ "cold_inject_frozen", way_inject_frozen }, { "dontdump_inject", way_dump },
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static void print_way(size_t way, struct samples *times, struct samples *frozen,
		      const struct outcome *outcome)
{
	printf(",\"%s\":{", ways[way].name);
	if (outcome->error) {
		printf("\"error\":\"%s\"}", strerrorname_np(-outcome->error));
		return;
	}
	printf("\"median_usec\":%.1f,\"usec_a_range\":%.3f,\"ranges_advised\":%llu,\"calls\":%llu",
	       samples_quantile(times, 0.5), samples_quantile(times, 0.5) / MAPPINGS,
	       (unsigned long long)outcome->advised_ranges,
	       (unsigned long long)outcome->system_calls);
	printf(",\"stopped_median_usec\":%.1f,\"stopped_max_usec\":%.1f}",
	       samples_quantile(frozen, 0.5), samples_quantile(frozen, 1));
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	struct samples times[WAYS] = {}, frozen[WAYS] = {};
	struct outcome outcomes[WAYS] = {};
	static struct scene scene;
	uint64_t block;

	child_start(&scene.child, set_up, NULL);
	need(memhint_process_open(P_PID, (id_t)scene.child.pid, &scene.process) == 0, "open");
	need(memhint_ranges_new(&scene.ranges) == 0, "ranges");
	block = scene.child.shared->address[0];
	for (size_t i = 0; i < MAPPINGS; i++) {
		scene.vector[i] = (struct iovec){ (void *)(block + i * P), P };
		need(memhint_ranges_add(scene.ranges, block + i * P, P) == 0, "range");
	}
	/* The first round loads what is loaded once, and does not count. */
	for (scene.round = 0; scene.round <= rounds; scene.round++)
		for (size_t way = 0; way < WAYS; way++) {
			double start = now_usec();
			struct outcome outcome = ways[way].run(&scene);

			if (!scene.round)
				continue;
			samples_add(&times[way], now_usec() - start);
			samples_add(&frozen[way], (double)outcome.frozen_usec);
			outcomes[way] = outcome;
		}
	printf("{\"benchmark\":\"inject\",\"mappings\":%u,\"rounds\":%d", MAPPINGS, rounds);
	for (size_t way = 0; way < WAYS; way++) {
		print_way(way, &times[way], &frozen[way], &outcomes[way]);
		samples_free(&times[way]);
		samples_free(&frozen[way]);
	}
	printf("}\n");
	memhint_ranges_free(scene.ranges);
	memhint_process_close(scene.process);
	child_end(&scene.child);
	return 0;
}
