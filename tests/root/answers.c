/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a run when the kernel gives an answer that cannot be had at will: the system call is
 * answered here instead, or cut short, as the test says.
 */
#include "child.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define P 4096ull
#define RANGES 4
#define RANGE_PAGES 4

/* How the next calls are answered. */
static struct {
	int error;	  /* 0: as the kernel does */
	int times;	  /* so many; -1: always */
	int after;	  /* but first so many go through */
	uint64_t only_at; /* only those that begin with this range; 0: all */
	bool cut;	  /* of what goes through, only the first range */
} script;

static int calls;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static bool is_answered(const struct iovec *ranges)
{
	if (script.only_at && (uint64_t)(uintptr_t)ranges[0].iov_base != script.only_at)
		return false;
	if (script.after > 0) {
		script.after--;
		return false;
	}
	if (!script.error || script.times == 0)
		return false;
	if (script.times > 0)
		script.times--;
	return true;
}

long __wrap_syscall(long number, ...)
{
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	/* An empty list is a question about the kernel, not advice. */
	if (number == SYS_process_madvise && arguments[1] && arguments[2]) {
		calls++;
		if (is_answered((const struct iovec *)(uintptr_t)arguments[1])) {
			errno = script.error;
			return -1;
		}
		if (script.cut)
			arguments[2] = 1;
	}
	return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
			      arguments[4], arguments[5]);
}

static void set_up(struct child_shared *shared)
{
	char *memory = mmap(NULL, 2 * RANGES * RANGE_PAGES * P, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		_exit(3);
	shared->address[0] = (uint64_t)memory;
}

static struct memhint_process *process;
static struct memhint_ranges *ranges;
static uint64_t first_address;

/* COLD for all ranges, which fit into one call. */
static int advise(struct memhint_result *result)
{
	const struct memhint_advise_options options = { .size = sizeof(options),
							.pace = MEMHINT_PACE_NONE };
	int r;

	calls = 0;
	r = memhint_advise(process, ranges, MADV_COLD, &options, result);
	is(result->advised.bytes + result->failed.bytes + result->skipped.bytes,
	   RANGES * RANGE_PAGES * P, "every byte is accounted for");
	is(result->syscalls, calls, "and every call");
	script.error = script.after = script.times = 0;
	script.only_at = 0;
	script.cut = false;
	return r;
}

/* Errors that mean "not now". */
static void test_passing(int error)
{
	const char *name = memhint_error_name(error);
	struct memhint_result result;

	script.error = error;
	script.times = 3;
	is(advise(&result), 0, "%s three times", name);
	is(result.advised.bytes, RANGES * RANGE_PAGES * P, "%s: all is advised in the end", name);
	is(result.retries, 3, "%s: after three retries", name);
	is(result.failed.ranges, 0, "%s: which is no failure", name);

	script.error = error;
	script.times = -1;
	script.only_at = first_address;
	is(advise(&result), 0, "%s for ever, in one range", name);
	is(result.retries, 8, "%s: the retries have an end", name);
	is(result.failed.bytes, RANGE_PAGES * P, "%s: just this range failed", name);
	is(result.first_failure.start, first_address, "%s: where", name);
	is(result.first_failure.error, error, "%s: why", name);
	is(result.advised.bytes, (RANGES - 1) * RANGE_PAGES * P, "%s: the others are advised",
	   name);
}

/* Errors that will not pass: what was done until then stays in the account. */
static void test_final(int error, int result_error)
{
	const char *name = memhint_error_name(error);
	struct memhint_result result;

	script.error = error;
	script.times = -1;
	script.after = 1;
	script.cut = true;
	is(advise(&result), result_error, "%s in the second call", name);
	is(calls, 2, "%s: there is no third", name);
	is(result.advised.bytes, RANGE_PAGES * P, "%s: what was done is told", name);
	is(result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, (RANGES - 1) * RANGE_PAGES * P,
	   "%s: and what was not tried", name);
	is(result.failed.bytes, 0, "%s: which did not fail", name);
	is(result.retries, 0, "%s: nothing was tried again", name);
}

static void test_refused(int error)
{
	const char *name = memhint_error_name(error);
	struct memhint_result result;

	script.error = error;
	script.times = -1;
	script.only_at = first_address;
	is(advise(&result), 0, "%s of the first range", name);
	is(result.first_failure.error, error, "%s: is told", name);
	is(result.retries, 0, "%s: and not tried again", name);
	/* All ranges lie in one mapping; the others are asked for all the same. */
	is(result.failed.bytes, RANGE_PAGES * P, "%s: just this range failed", name);
	is(result.advised.bytes, (RANGES - 1) * RANGE_PAGES * P, "%s: the others are advised",
	   name);
}

/* A short count is neither success nor failure. */
static void test_short(void)
{
	struct memhint_result result;

	script.cut = true;
	is(advise(&result), 0, "each call stops after one range");
	is(calls, RANGES, "so there is one for each");
	is(result.advised.bytes, RANGES * RANGE_PAGES * P, "all is advised");
	is(result.advised.ranges, RANGES, "each range once");
	is(result.failed.ranges, 0, "nothing failed");
}

int main(void)
{
	struct child child;

	child_start(&child, set_up, NULL);
	first_address = child.shared->address[0];
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(memhint_ranges_new(&ranges) == 0);
	for (uint64_t i = 0; i < RANGES; i++)
		must(memhint_ranges_add(ranges, first_address + 2 * i * RANGE_PAGES * P,
					RANGE_PAGES * P) == 0);
	test_short();
	test_passing(EAGAIN);
	test_passing(EINTR);
	test_passing(EBUSY);
	test_refused(EINVAL);
	test_refused(ENOMEM);
	test_final(ESRCH, -ESRCH);
	test_final(EPERM, -EPERM);
	test_final(EACCES, -EACCES);
	memhint_ranges_free(ranges);
	memhint_process_close(process);
	child_end(&child);
	return done_testing();
}
