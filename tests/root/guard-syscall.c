/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The function in the shape of the system call that takes a cookie. */
#include "child.h"
#include "tap.h"
#include "uapi.h"
#include "state-watch.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull
#define HUGE_SIZE (2ull << 20)

enum { MAP_MORE, END };

static struct child *told_child; /* to be told between the call and the second comparison */
static int told;

int __real_watch_after(const struct watch *watch, uint64_t *state);
int __wrap_watch_after(const struct watch *watch, uint64_t *state);

int __wrap_watch_after(const struct watch *watch, uint64_t *state)
{
	if (told_child)
		child_tell(told_child, told);
	return __real_watch_after(watch, state);
}

static void set_up(struct child_shared *shared)
{
	char *memory = mmap(NULL, 2 * HUGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t aligned = ((uint64_t)memory + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE;

	if (memory == MAP_FAILED || madvise(memory, 2 * HUGE_SIZE, MADV_NOHUGEPAGE) < 0)
		_exit(3);
	memset((void *)aligned, 1, HUGE_SIZE);
	/* Small pages that may become a huge one. */
	if (madvise(memory, 2 * HUGE_SIZE, MADV_HUGEPAGE) < 0)
		_exit(3);
	shared->address[0] = aligned;
}

static long obey(int what, struct child_shared *shared)
{
	if (what == END)
		_exit(0);
	return mmap(NULL, P, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static void test_advice(const struct child *child, int advice)
{
	struct iovec all = { (void *)(uintptr_t)child->shared->address[0], HUGE_SIZE };
	const char *name = memhint_advice_name(advice);
	id_t pid = (id_t)child->pid;
	uint64_t cookie;

	must(memhint_cookie(P_PID, pid, &cookie) == 0);
	errno = 0;
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, advice, cookie, 0), HUGE_SIZE,
	   "%s: with a cookie", name);
	is(errno, 0, "%s: errno is left alone", name);
}

int main(void)
{
	struct child child, other;
	struct iovec all;
	uint64_t cookie, another;
	id_t pid;

	child_start(&child, set_up, obey);
	child_start(&other, set_up, obey);
	pid = (id_t)child.pid;
	all = (struct iovec){ (void *)(uintptr_t)child.shared->address[0], HUGE_SIZE };
	test_advice(&child, MADV_COLD);
	test_advice(&child, MADV_PAGEOUT);
	test_advice(&child, MADV_WILLNEED);
	test_advice(&child, MADV_COLLAPSE);

	must(memhint_cookie(P_PID, pid, &cookie) == 0);
	must(memhint_cookie(P_PID, (id_t)other.pid, &another) == 0);
	errno = 0;
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, MADV_COLD, another, 0), -1,
	   "the cookie of another process");
	is(errno, ESTALE, "ESTALE");
	told_child = &child;
	told = MAP_MORE;
	errno = 0;
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, MADV_COLD, cookie, 0), HUGE_SIZE,
	   "a change during the call: what was done is told");
	is(errno, ESTALE, "and that it has changed");
	told_child = NULL;
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, MADV_COLD, cookie, 0), -1,
	   "a change before it: nothing is done");
	is(errno, ESTALE, "ESTALE");
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, MADV_COLD, 7, 0), -1,
	   "what is no cookie");
	is(errno, EINVAL, "EINVAL");
	is(memhint_process_madvise_id(P_ALL, pid, &all, 1, MADV_COLD, cookie, 0), -1,
	   "neither PID nor pidfd");
	is(errno, EINVAL, "EINVAL");
	is(memhint_process_madvise_id(P_PID, 0x3fffffff, &all, 1, MADV_COLD, cookie, 0), -1,
	   "a PID out of range");
	is(errno, ESRCH, "ESRCH");
	must(memhint_cookie(P_PID, pid, &cookie) == 0);
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, MADV_COLD, cookie, 1), -1, "flags");
	is(errno, EINVAL, "are the kernel's to refuse");
	told_child = &child;
	told = END;
	errno = 0;
	is(memhint_process_madvise_id(P_PID, pid, &all, 1, MADV_COLD, cookie, 0), HUGE_SIZE,
	   "it ends during the call");
	is(errno, ESTALE, "which is a change");
	child_end(&other);
	child_end(&child);
	return done_testing();
}
