/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets in which no advice can be given, and those that only look so. None is harmed by the try. */
#include "cgroup.h"
#include "child.h"
#include "clock.h"
#include "inject-arch.h"
#include "inject-driver.h"
#include "inject.h"
#include "tap.h"

#include <memhint/process.h>

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

#define SIZE 65536u
#define ANSWER 4711

enum { MEMORY };
enum { IS_THERE };

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define LOAD_NR LOAD(offsetof(struct seccomp_data, nr))
#define LOAD_ARG(i) LOAD(offsetof(struct seccomp_data, args) + 8 * (i))
#define SAY(action) BPF_STMT(BPF_RET | BPF_K, action)
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

static void filter(const struct sock_filter *code, size_t count)
{
	struct sock_fprog program = { (unsigned short)count, (struct sock_filter *)code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		_exit(3);
}
#define FILTER(...)                                                 \
	do {                                                        \
		const struct sock_filter code_[] = { __VA_ARGS__ }; \
		filter(code_, sizeof(code_) / sizeof(code_[0]));    \
	} while (0)

static void allow_all(void)
{
	FILTER(SAY(SECCOMP_RET_ALLOW));
}

static void for_call(int number, uint32_t action)
{
	FILTER(LOAD_NR, IF((uint32_t)number, 0, 1), SAY(action), SAY(SECCOMP_RET_ALLOW));
}

static void kill_on_madvise(void)
{
	for_call(SYS_madvise, SECCOMP_RET_KILL_PROCESS);
}

static void errno_on_madvise(void)
{
	for_call(SYS_madvise, SECCOMP_RET_ERRNO | EPERM);
}

static void trap_on_madvise(void)
{
	for_call(SYS_madvise, SECCOMP_RET_TRAP);
}

static void trace_on_madvise(void)
{
	for_call(SYS_madvise, SECCOMP_RET_TRACE);
}

static void log_on_madvise(void)
{
	for_call(SYS_madvise, SECCOMP_RET_LOG);
}

static void kill_on_sigreturn(void)
{
	for_call(SYS_rt_sigreturn, SECCOMP_RET_KILL_PROCESS);
}

static void kill_first(void)
{
	kill_on_madvise();
	allow_all();
}

static void kill_last(void)
{
	allow_all();
	kill_on_madvise();
}

/* Of madvise only this one advice. */
static void allow_only_random(void)
{
	FILTER(LOAD_NR, IF(SYS_madvise, 0, 3), LOAD_ARG(2), IF(MADV_RANDOM, 1, 0),
	       SAY(SECCOMP_RET_KILL_PROCESS), SAY(SECCOMP_RET_ALLOW));
}

static void only_read_and_write(void)
{
	FILTER(LOAD_NR, IF(SYS_read, 3, 0), IF(SYS_write, 2, 0), IF(SYS_exit_group, 1, 0),
	       SAY(SECCOMP_RET_KILL_PROCESS), SAY(SECCOMP_RET_ALLOW));
}

static void strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		_exit(3);
}

static char selector;

static void dispatch(void)
{
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) < 0)
		_exit(3);
}

static const struct {
	const char *name;
	void (*restrict_to)(void);
	bool is_possible;
} cases[] = {
	{ "a filter that allows all", allow_all, true },
	{ "one that kills on madvise", kill_on_madvise, false },
	{ "one that gives an errno", errno_on_madvise, false },
	{ "one that traps", trap_on_madvise, false },
	{ "one that asks a tracer", trace_on_madvise, false },
	{ "one that writes a log", log_on_madvise, false },
	{ "one that kills on rt_sigreturn", kill_on_sigreturn, false },
	{ "one that kills, then one that allows", kill_first, false },
	{ "one that allows, then one that kills", kill_last, false },
	{ "one that allows this advice", allow_only_random, true },
	{ "only read and write", only_read_and_write, false },
	{ "strict mode", strict, false },
	{ "dispatch of system calls", dispatch, false },
};

static size_t which;

static void restrict_child(struct child_shared *shared)
{
	shared->address[MEMORY] = (uintptr_t)mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
						  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The first command restricts it: the harness needs more system calls than it leaves. */
static long restricted(int what, struct child_shared *shared)
{
	if (what == 0)
		cases[which].restrict_to();
	return ANSWER;
}

static ssize_t advise(pid_t pid, const struct child *child, int advice)
{
	struct iovec range = { (void *)(uintptr_t)child->shared->address[MEMORY], SIZE };
	struct memhint_process *process;
	ssize_t n;

	must(memhint_process_open(P_PID, (id_t)pid, &process) == 0);
	n = inject_once(process, &range, 1, advice);
	memhint_process_close(process);
	return n;
}

static void test_case(void)
{
	struct child child;

	child_start(&child, restrict_child, restricted);
	must(child_tell(&child, 0) == ANSWER);
	for (int i = 0; i < 3; i++)
		is(advise(child.pid, &child, MADV_RANDOM),
		   cases[which].is_possible ? (ssize_t)SIZE : -EOPNOTSUPP, "%s", cases[which].name);
	is(child_tell(&child, 1), ANSWER, "it goes on");
	child_end(&child);
}

/* The advice is an argument. */
static void test_argument(void)
{
	struct child child;

	for (which = 0; cases[which].restrict_to != allow_only_random; which++)
		;
	child_start(&child, restrict_child, restricted);
	must(child_tell(&child, 0) == ANSWER);
	is(advise(child.pid, &child, MADV_NORMAL), -EOPNOTSUPP, "a filter against this advice");
	is(advise(child.pid, &child, MADV_RANDOM), SIZE, "and for that one");
	is(child_tell(&child, 1), ANSWER, "it goes on");
	child_end(&child);
}

/* --- one thread is enough -------------------------------------------------------------------------- */

static void *wait_in_thread(void *data)
{
	struct child_shared *shared = data;

	__atomic_store_n(&shared->number[IS_THERE], 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

static void start_thread(struct child_shared *shared)
{
	pthread_t thread;

	restrict_child(shared);
	if (pthread_create(&thread, NULL, wait_in_thread, shared) != 0)
		_exit(3);
	while (!__atomic_load_n(&shared->number[IS_THERE], __ATOMIC_SEQ_CST))
		sched_yield();
}

static void test_other_thread(void)
{
	struct child child;

	for (which = 0; cases[which].restrict_to != kill_on_madvise; which++)
		;
	child_start(&child, start_thread, restricted);
	must(child_tell(&child, 0) == ANSWER);
	is(advise(child.pid, &child, MADV_RANDOM), SIZE,
	   "one thread with a filter, and one without");
	is(child_tell(&child, 1), ANSWER, "it goes on");
	child_end(&child);
}

/* --- programs -------------------------------------------------------------------------------------- */

#ifdef __x86_64__
static void test_programs(void)
{
	static const struct target_kind bare = { "without libc", "inject-target-bare", NULL };
	struct memhint_process *process;
	struct injector *injector;
	struct target target;

	must(!target_start(&target, &bare, TARGET_SPIN));
	must(memhint_process_open(P_PID, (id_t)target.pid, &process) == 0);
	is(inject_open(process, &injector), -EOPNOTSUPP, "a program without a signal return");
	ok(target_goes_on(&target, 10) && target_is_free(&target) && target_is_whole(&target),
	   "it goes on");
	memhint_process_close(process);
	target_end(&target);
}

static const struct inject_abi *abi_of(unsigned char class, unsigned char machine)
{
	unsigned char header[20] = { 0x7f, 'E', 'L', 'F', class, ELFDATA2LSB };

	header[18] = machine;
	return inject_arch_abi(header, sizeof(header));
}

static void test_headers(void)
{
	ok(abi_of(ELFCLASS64, EM_X86_64) && abi_of(ELFCLASS32, EM_386), "x86-64 and i386");
	ok(abi_of(ELFCLASS64, EM_X86_64) != abi_of(ELFCLASS32, EM_386), "are two");
	ok(!abi_of(ELFCLASS32, EM_X86_64), "not x32");
	ok(!abi_of(ELFCLASS64, EM_AARCH64), "nor another machine");
}
#endif

/* --- control groups -------------------------------------------------------------------------------- */

static void test_frozen(void)
{
	struct cgroup cgroup;
	struct child child;

	if (!cgroup_make(&cgroup, "inject")) {
		skip_one("a frozen group", "no cgroup v2 in which groups can be made");
		return;
	}
	child_start(&child, restrict_child, restricted);
	must(cgroup_add(&cgroup, child.pid) && cgroup_write(&cgroup, "cgroup.freeze", "1"));
	must(cgroup_wait(&cgroup, "frozen 1"));
	for (int i = 0; i < 3; i++)
		is(advise(child.pid, &child, MADV_RANDOM), -EBUSY, "frozen");
	must(cgroup_write(&cgroup, "cgroup.freeze", "0"));
	is(advise(child.pid, &child, MADV_RANDOM), SIZE, "and thawed");
	is(child_tell(&child, 1), ANSWER, "it goes on");
	child_end(&child);
	ok(cgroup_end(&cgroup), "nothing is left");
}

int main(void)
{
	struct memhint_process *self;
	struct injector *injector;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	if (inject_open(self, &injector) == -EOPNOTSUPP)
		skip_all("not on this architecture");
	inject_close(injector);
	memhint_process_close(self);
	for (which = 0; which < sizeof(cases) / sizeof(cases[0]); which++)
		test_case();
	test_argument();
	test_other_thread();
#ifdef __x86_64__
	test_programs();
	test_headers();
#endif
	test_frozen();
	return done_testing();
}
