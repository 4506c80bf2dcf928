/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PAGEOUT of 1 GiB of a stopped target: memhint against one bare process_madvise(2) call, interleaved,
 * medians. What memhint reports as gone to swap against the change of the target's VmSwap. And how
 * long a run goes on after it was cancelled.
 */
#include "bench.h"
#include "memory.h"

#include "child.h"
#include "test-swap.h"
#include "uapi.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (1ull << 30)

static long refill(int what, struct child_shared *shared)
{
	char *memory =
		mmap((void *)shared->address[0], SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | (shared->address[0] ? MAP_FIXED : 0), -1, 0);

	if (memory == MAP_FAILED)
		_exit(3);
	madvise(memory, SIZE, MADV_NOHUGEPAGE);
	memory_fill(memory, SIZE, (uint64_t)what + 88172645463325252ull);
	shared->address[0] = (uint64_t)memory;
	return 0;
}

static void stop(struct child *child)
{
	kill(child->pid, SIGSTOP);
	need(waitid(P_PID, (id_t)child->pid, &(siginfo_t){}, WSTOPPED) == 0, "stop");
}

static void go_on(struct child *child)
{
	kill(child->pid, SIGCONT);
	need(waitid(P_PID, (id_t)child->pid, &(siginfo_t){}, WCONTINUED) == 0, "continue");
}

static double bare(struct child *child, struct memhint_process *process)
{
	struct iovec range = { (void *)child->shared->address[0], SIZE };
	double start = now_usec();

	need(syscall(SYS_process_madvise, memhint_process_pidfd(process), &range, 1, MADV_PAGEOUT,
		     0) == (long)SIZE,
	     "process_madvise");
	return now_usec() - start;
}

static double by_memhint(struct child *child, struct memhint_process *process, uint32_t flags,
			 struct memhint_result *result)
{
	const struct memhint_advise_options options = { .size = sizeof(options), .flags = flags };
	struct memhint_ranges *ranges;
	double start = now_usec();

	need(memhint_ranges_new(&ranges) == 0, "ranges");
	need(memhint_ranges_add(ranges, child->shared->address[0], SIZE) == 0, "range");
	need(memhint_advise(process, ranges, MADV_PAGEOUT, &options, result) == 0, "advise");
	memhint_ranges_free(ranges);
	need(result->advised.bytes == SIZE, "all advised");
	return now_usec() - start;
}

static uint64_t swap_bytes(struct memhint_process *process)
{
	struct memhint_process_stat stat;

	need(memhint_process_stat(process, &stat) == 0, "stat");
	return stat.swap_bytes;
}

static void print_accuracy(struct child *child, struct memhint_process *process)
{
	uint64_t before, after, gone;
	struct memhint_result result;

	go_on(child);
	child_tell(child, 1000);
	stop(child);
	before = swap_bytes(process);
	by_memhint(child, process, MEMHINT_ADVISE_MEASURE, &result);
	after = swap_bytes(process);
	gone = result.after.swap_bytes - result.before.swap_bytes;
	printf(",\"reported_freed_bytes\":%llu,\"reported_swapped_bytes\":%llu,\"vmswap_change_bytes\":%llu",
	       (unsigned long long)(result.before.rss_bytes - result.after.rss_bytes),
	       (unsigned long long)gone, (unsigned long long)(after - before));
	printf(",\"report_error_percent\":%.3f",
	       100.0 * ((double)gone / (double)(after - before) - 1));
	/* Out already, so this one is "advised" whole and frees nothing. */
	by_memhint(child, process, MEMHINT_ADVISE_MEASURE, &result);
	printf(",\"second_reported_freed_bytes\":%llu",
	       (unsigned long long)(result.before.rss_bytes - result.after.rss_bytes));
}

static volatile int cancel;
static double cancelled_at;

static void *cancel_later(void *usec)
{
	usleep(*(useconds_t *)usec);
	cancelled_at = now_usec();
	cancel = 1;
	return NULL;
}

/* From the flag to the return of memhint_advise(), at moments spread over the run. */
static void print_cancel(struct child *child, struct memhint_process *process, int rounds)
{
	const struct memhint_advise_options options = { .size = sizeof(options),
							.cancel = &cancel };
	struct samples samples = {};
	struct memhint_result result;

	for (int round = 0; round < rounds; round++) {
		useconds_t usec = 20000 + (useconds_t)(400000 / rounds * round);
		struct memhint_ranges *ranges;
		pthread_t thread;

		go_on(child);
		child_tell(child, round);
		stop(child);
		cancel = 0;
		need(memhint_ranges_new(&ranges) == 0, "ranges");
		need(memhint_ranges_add(ranges, child->shared->address[0], SIZE) == 0, "range");
		need(pthread_create(&thread, NULL, cancel_later, &usec) == 0, "thread");
		if (memhint_advise(process, ranges, MADV_PAGEOUT, &options, &result) == -ECANCELED)
			samples_add(&samples, now_usec() - cancelled_at);
		pthread_join(thread, NULL);
		memhint_ranges_free(ranges);
	}
	printf(",\"cancelled_rounds\":%zu,\"cancel_median_usec\":%.0f", samples.count,
	       samples_quantile(&samples, 0.5));
	printf(",\"cancel_longest_usec\":%.0f}\n", samples_quantile(&samples, 1));
	samples_free(&samples);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 31;
	struct samples bare_samples = {}, memhint_samples = {};
	struct memhint_process *process;
	struct memhint_result result = {};
	struct child child;
	double a, b;

	swap_begin_bytes(3 * SIZE);
	child_start(&child, NULL, refill);
	need(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0, "open");
	/* The first round, which warms up, does not count. */
	for (int round = -1; round < rounds; round++) {
		child_tell(&child, 2 * round);
		stop(&child);
		a = round % 2 ? bare(&child, process) : by_memhint(&child, process, 0, &result);
		go_on(&child);
		child_tell(&child, 2 * round);
		stop(&child);
		b = round % 2 ? by_memhint(&child, process, 0, &result) : bare(&child, process);
		go_on(&child);
		if (round < 0)
			continue;
		samples_add(round % 2 ? &bare_samples : &memhint_samples, a);
		samples_add(round % 2 ? &memhint_samples : &bare_samples, b);
	}
	stop(&child);
	a = samples_quantile(&memhint_samples, 0.5);
	b = samples_quantile(&bare_samples, 0.5);
	printf("{\"benchmark\":\"pageout\",\"bytes\":%llu,\"rounds\":%d,\"memhint_median_usec\":%.0f,"
	       "\"bare_call_median_usec\":%.0f,\"ratio_to_bare_call\":%.4f,\"memhint_gib_per_second\":%.3f,"
	       "\"memhint_syscalls\":%llu,\"memhint_longest_call_usec\":%llu",
	       (unsigned long long)SIZE, rounds, a, b, a / b, 1e6 / a,
	       (unsigned long long)result.syscalls, (unsigned long long)result.longest_call_usec);
	print_accuracy(&child, process);
	print_cancel(&child, process, rounds);
	samples_free(&bare_samples);
	samples_free(&memhint_samples);
	memhint_process_close(process);
	child_end(&child);
	swap_end();
	return 0;
}
