/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guard FOLLOW and a target that maps and unmaps as fast as 20,000 times a second: most of its cold memory
 * gets out all the same, and no call goes to what was not looked at since the last change that was seen.
 */
#include "child.h"
#include "follow.h"
#include "ranges.h"
#include "run.h"
#include "tap.h"
#include "test-swap.h"
#include "vector.h"
#include "state-watch.h"

#include <memhint/memhint.h>

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define P 4096ull
#define MIB (1ull << 20)
#define SIZE (96 * MIB)
#define PER_SECOND 20000u

enum { START, STOP };
enum { CHANGES, RUNNING }; /* numbers */

static volatile int goes_on;
static pthread_t mapper;

static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Maps and unmaps, as often as it is asked to and not more often than the processor lets it. */
static void *map_all_the_time(void *data)
{
	struct child_shared *shared = data;
	uint64_t next = now_nsec();

	while (goes_on) {
		void *page =
			mmap(NULL, P, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(page, P);
		shared->number[CHANGES]++;
		next += 1000000000u / PER_SECOND;
		while (now_nsec() < next)
			;
		if (now_nsec() > next + 1000000) /* what was missed is not made up for */
			next = now_nsec();
	}
	return NULL;
}

static void set_up(struct child_shared *shared)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, SIZE, MADV_NOHUGEPAGE) < 0)
		_exit(3);
	for (uint64_t i = 0; i < SIZE; i += P)
		memset(memory + i, (int)(i / P) | 1, P / 2);
	shared->address[0] = (uint64_t)memory;
}

static long obey(int what, struct child_shared *shared)
{
	goes_on = what == START;
	if (what == START)
		return pthread_create(&mapper, NULL, map_all_the_time, shared);
	return pthread_join(mapper, NULL);
}

/* --- what was seen, looked at and called for ------------------------------------------------------- */

static bool is_seen; /* a change, since the last look */
static const struct memhint_ranges *found;
static unsigned long calls, blind_calls, calls_outside, looks;

int __real_watch_before(struct watch *watch, uint64_t state);
int __wrap_watch_before(struct watch *watch, uint64_t state);
int __real_follow_look(struct follow *follow, struct run *run, const struct watch *watch,
		       uint64_t reach, bool whole);
int __wrap_follow_look(struct follow *follow, struct run *run, const struct watch *watch,
		       uint64_t reach, bool whole);
ssize_t __real_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice);
ssize_t __wrap_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice);

int __wrap_watch_before(struct watch *watch, uint64_t state)
{
	int r = __real_watch_before(watch, state);

	is_seen |= r > 0;
	return r;
}

int __wrap_follow_look(struct follow *follow, struct run *run, const struct watch *watch,
		       uint64_t reach, bool whole)
{
	int r = __real_follow_look(follow, run, watch, reach, whole);

	looks++;
	if (r == 0) {
		is_seen = false;
		found = follow->found;
	}
	return r;
}

static bool is_found(const struct iovec *range)
{
	uint64_t start = (uint64_t)(uintptr_t)range->iov_base, end = start + range->iov_len;

	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].start <= start &&
		    end <= found->items[i].start + found->items[i].length)
			return true;
	return false;
}

ssize_t __wrap_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice)
{
	calls++;
	blind_calls += is_seen;
	if (found)
		for (size_t i = 0; i < count; i++)
			calls_outside += !is_found(&ranges[i]);
	return __real_vector_advise(pidfd, is_self, ranges, count, advice);
}

/* Whatever was told by the kernel, of this target. */
static uint64_t swapped(struct memhint_process *process)
{
	struct memhint_process_stat stat;

	must(memhint_process_stat(process, &stat) == 0);
	return stat.swap_bytes;
}

static void wait_for_changes(const struct child *child)
{
	volatile uint64_t *changes = &child->shared->number[CHANGES];
	uint64_t before = *changes;

	while (*changes < before + 1000)
		sched_yield();
}

int main(void)
{
	struct memhint_advise_options options = { .size = sizeof(options),
						  .guard = MEMHINT_GUARD_FOLLOW,
						  .flags = MEMHINT_ADVISE_MEASURE };
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_filter filter = { .size = sizeof(filter) };
	struct memhint_map *map;
	struct child child;
	uint64_t begun, spent;

	swap_begin();
	child_start(&child, set_up, obey);
	filter.start = child.shared->address[0];
	filter.end = filter.start + SIZE;
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(child_tell(&child, START) == 0);
	wait_for_changes(&child);
	must(memhint_map_open(process, NULL, &map) == 0);
	must(memhint_select(process, map, &filter, MADV_PAGEOUT, &ranges) == 0);
	memhint_map_close(map);
	wait_for_changes(&child);
	begun = now_nsec();
	is(memhint_advise(process, ranges, MADV_PAGEOUT, &options, &result), 0,
	   "a target that maps all the time is followed");
	spent = (now_nsec() - begun) / 1000000;
	must(child_tell(&child, STOP) == 0);
	printf("# %lu calls, %lu looks, %llu ms, %llu MiB advised, %llu MiB swapped out\n", calls,
	       looks, (unsigned long long)spent, (unsigned long long)(result.advised.bytes / MIB),
	       (unsigned long long)(swapped(process) / MIB));
	is(result.looks, looks, "every look is counted");
	if (memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0) {
		ok(result.map_changed, "its changes are told");
		ok(looks > 0, "there were looks");
	} else {
		skip_one("looks", "a fingerprint seldom sees what is undone at once");
	}
	ok(looks <= calls + 2, "no more than one for each call");
	/* Each look waits for its millisecond, however long the run has taken. */
	ok(looks <= spent + 2, "no more than 1,000 a second");
	is(blind_calls, 0, "no call was made between a change that was seen and a look");
	is(calls_outside, 0, "none went to anything but what the last look had found");
	ok(result.after.swap_bytes >= SIZE / 100 * 80, "at least 80%% of it is out");
	is(result.requested.bytes,
	   result.advised.bytes + result.skipped.bytes + result.failed.bytes,
	   "every byte is in the account");
	is(result.failed.bytes, 0, "nothing has failed");
	memhint_ranges_free(ranges);
	memhint_process_close(process);
	child_end(&child);
	swap_end();
	return done_testing();
}
