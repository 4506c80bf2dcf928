/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freezing and thawing a process of 1, 10 and 100 threads: how long it takes until all stand still, and
 * how long the target stands, as it sees it itself: one of its threads reads the clock without pause
 * and keeps the longest gap; the others wait. By memhint's three ways, which write records where they
 * need them, and by SIGSTOP and the freezer alone, in turns; "none" is the longest gap in as much time
 * with nothing done, which is what the machine adds.
 *
 * usage: bench-freeze [ROUNDS]
 */
#include "bench.h"

#include "cgroup.h"

#include <memhint/guard.h>
#include <memhint/process.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_ROUNDS 301

struct gap {
	_Atomic uint64_t readings;
	_Atomic uint64_t longest_nsec; /* reset by the bench */
	int threads;
};

static struct gap *gap;
static char run_directory[] = "/tmp/memhint-bench-freeze-XXXXXX";

static void *read_clock(void *unused)
{
	double last = now_usec();

	for (;;) {
		double now = now_usec();
		uint64_t nsec = (uint64_t)((now - last) * 1000);

		if (nsec > gap->longest_nsec)
			gap->longest_nsec = nsec;
		gap->readings++;
		last = now;
	}
	return unused;
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

__attribute__((noreturn)) static void run_target(void)
{
	pthread_t thread;

	for (int i = 2; i < gap->threads; i++)
		if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
			_exit(3);
	if (gap->threads > 1) {
		if (pthread_create(&thread, NULL, read_clock, NULL) != 0)
			_exit(3);
		wait_for_ever(NULL);
	}
	read_clock(NULL);
	_exit(3);
}

enum way {
	WAY_NONE,
	WAY_TRACE = MEMHINT_FREEZE_TRACE,
	WAY_CGROUP = MEMHINT_FREEZE_CGROUP,
	WAY_SIGNAL = MEMHINT_FREEZE_SIGNAL,
	WAY_BARE_SIGNAL,
	WAY_BARE_CGROUP,
	WAY_COUNT,
};

static const char *const names[WAY_COUNT] = { "none",	"trace",	 "cgroup",
					      "signal", "sigstop_alone", "freezer_alone" };

struct target {
	pid_t pid;
	struct memhint_process *process;
	struct cgroup cgroup;
};

static void memhint_freeze(struct target *target, enum memhint_freeze_way way, double *ret_held)
{
	const struct memhint_freeze_options options = {
		.size = sizeof(options),
		.way = way,
		.timeout_usec = 10000000,
		.run_directory = run_directory,
	};
	struct memhint_freeze *freeze;

	need(memhint_freeze_open(&target->process, 1, &options, &freeze) == 0, "freeze");
	*ret_held = now_usec();
	memhint_freeze_close(freeze);
}

/* Freezes and thaws it; when it stood still. */
static double freeze_once(struct target *target, enum way way)
{
	double held = 0;

	switch (way) {
	case WAY_TRACE:
	case WAY_CGROUP:
	case WAY_SIGNAL:
		memhint_freeze(target, (enum memhint_freeze_way)way, &held);
		break;
	case WAY_BARE_SIGNAL:
		kill(target->pid, SIGSTOP);
		need(waitpid(target->pid, NULL, WUNTRACED) == target->pid, "SIGSTOP");
		held = now_usec();
		kill(target->pid, SIGCONT);
		break;
	case WAY_BARE_CGROUP:
		need(cgroup_write(&target->cgroup, "cgroup.freeze", "1") &&
			     cgroup_wait(&target->cgroup, "frozen 1"),
		     "the freezer");
		held = now_usec();
		cgroup_write(&target->cgroup, "cgroup.freeze", "0");
		break;
	case WAY_NONE:
	case WAY_COUNT:
		held = now_usec();
	}
	return held;
}

static void wait_for_reading(void)
{
	uint64_t readings = gap->readings;

	/* The one under way may have begun before. */
	while (gap->readings < readings + 2)
		sched_yield();
}

static void start(struct target *target, int threads)
{
	gap->threads = threads;
	gap->readings = 0;
	fflush(NULL);
	target->pid = fork();
	need(target->pid >= 0, "fork");
	if (target->pid == 0)
		run_target();
	wait_for_reading();
	need(memhint_process_open(P_PID, (id_t)target->pid, &target->process) == 0, "open");
	need(cgroup_make(&target->cgroup, "bench-freeze") &&
		     cgroup_add(&target->cgroup, target->pid),
	     "a cgroup v2");
}

static void end(struct target *target)
{
	memhint_process_close(target->process);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
	need(cgroup_end(&target->cgroup), "remove the cgroup");
}

static void measure(int threads, size_t rounds, bool is_last)
{
	struct samples hold[WAY_COUNT] = {}, stop[WAY_COUNT] = {};
	struct target target;

	start(&target, threads);
	for (size_t round = 0; round < rounds; round++)
		for (int way = 0; way < WAY_COUNT; way++) {
			double begin, held;

			wait_for_reading();
			gap->longest_nsec = 0;
			begin = now_usec();
			held = freeze_once(&target, (enum way)way);
			wait_for_reading();
			samples_add(&hold[way], held - begin);
			samples_add(&stop[way], (double)gap->longest_nsec / 1000);
		}
	end(&target);
	printf("\"threads_%d\": {", threads);
	for (int way = 0; way < WAY_COUNT; way++) {
		printf("%s\"%s\": {\"until_held_median_usec\": %.1f, \"until_held_p99_usec\": %.1f, "
		       "\"stopped_median_usec\": %.1f, \"stopped_p99_usec\": %.1f}",
		       way ? ", " : "", names[way], samples_quantile(&hold[way], 0.5),
		       samples_quantile(&hold[way], 0.99), samples_quantile(&stop[way], 0.5),
		       samples_quantile(&stop[way], 0.99));
		samples_free(&hold[way]);
		samples_free(&stop[way]);
	}
	printf("}%s", is_last ? "}\n" : ", ");
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : DEFAULT_ROUNDS;

	need(rounds > 0, "no rounds");
	gap = mmap(NULL, sizeof(*gap), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(gap != MAP_FAILED && mkdtemp(run_directory), "set up");
	printf("{\"benchmark\": \"freeze\", \"rounds\": %zu, ", rounds);
	measure(1, rounds, false);
	measure(10, rounds, false);
	measure(100, rounds, true);
	need(rmdir(run_directory) == 0, "records are left");
	return 0;
}
