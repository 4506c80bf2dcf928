/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one who injects is killed: before and after each of its system calls, and at any moment. The target
 * goes on each time, with all its registers, its memory and the call that it was in.
 */
#include "clock.h"
#include "inject-driver.h"
#include "inject.h"
#include "tap.h"

#include <memhint/process.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANGES 3
#define RANDOM_KILLS 40
#define FOREVER 1000000u

static struct iovec ranges[RANGES];

static void choose_ranges(const struct target *target)
{
	for (size_t i = 0; i < RANGES; i++) {
		ranges[i].iov_base = (char *)(uintptr_t)target->shared->address + i * 65536;
		ranges[i].iov_len = 65536;
	}
}

/* Injects until it is killed or has done so @times. Exits with 0 if each was done. */
__attribute__((noreturn)) static void inject_child(pid_t pid, bool is_traced, unsigned int times)
{
	struct memhint_process *process;
	struct injector *injector;
	int advice = MADV_DONTDUMP;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (memhint_process_open(P_PID, (id_t)pid, &process) < 0 ||
	    inject_open(process, &injector) < 0)
		_exit(2);
	if (is_traced && (ptrace(PTRACE_TRACEME) < 0 || raise(SIGSTOP) != 0))
		_exit(3);
	for (unsigned int i = 0; i < times; i++) {
		struct trace trace;

		if (trace_begin(&trace, process) < 0)
			_exit(4);
		if (trace_wait(&trace, clock_usec() + 20000000) < 0)
			_exit(5);
		if (inject_begin(injector, &trace) < 0)
			_exit(6);
		if (inject_advise(injector, ranges, RANGES, advice) != RANGES * 65536)
			_exit(7);
		inject_end(injector);
		trace_end(&trace);
		advice = advice == MADV_DONTDUMP ? MADV_DODUMP : MADV_DONTDUMP;
	}
	_exit(0);
}

static pid_t start_child(pid_t pid, bool is_traced, unsigned int times)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	must(child >= 0);
	if (child == 0)
		inject_child(pid, is_traced, times);
	return child;
}

/*
 * Lets a child inject once, and kills it in the stop number @stop of its system calls. True: it was killed;
 * false: it was done before, and @ret_exit is what it said.
 */
static bool kill_at(pid_t pid, unsigned int stop, int *ret_exit)
{
	pid_t child = start_child(pid, true, 1);
	unsigned int stops = 0;
	int status;

	must(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (int deliver = 0;;) {
		must(ptrace(PTRACE_SYSCALL, child, NULL, (long)deliver) == 0);
		must(waitpid(child, &status, 0) == child);
		if (WIFEXITED(status)) {
			*ret_exit = WEXITSTATUS(status);
			return false;
		}
		must(WIFSTOPPED(status));
		deliver = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			deliver = WSTOPSIG(status);
		else if (++stops == stop)
			break;
	}
	kill(child, SIGKILL);
	must(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	return true;
}

static void test_every_step(struct target *target)
{
	unsigned int stop, stuck = 0;
	int exit_status = -1;

	for (stop = 1; kill_at(target->pid, stop, &exit_status) && !stuck; stop++)
		stuck += !target_goes_on(target, 1);
	is(exit_status, 0, "it is done after the last step");
	ok(stop > 60, "%s, mode %d: killed at each of %u steps", target->name, target->mode,
	   stop - 1);
	ok(!stuck, "and the target goes on each time");
}

static void test_any_moment(struct target *target)
{
	unsigned int stuck = 0, ended = 0;
	uint32_t seed = 1;

	for (int i = 0; i < RANDOM_KILLS && !stuck; i++) {
		pid_t child = start_child(target->pid, false, FOREVER);
		uint64_t until;
		int status;

		seed = seed * 1103515245u + 12345u;
		until = clock_usec() + 300 + (seed >> 16) % 3000;
		while (clock_usec() < until)
			;
		kill(child, SIGKILL);
		must(waitpid(child, &status, 0) == child);
		if (!WIFSIGNALED(status)) {
			printf("# the child said %d\n", WEXITSTATUS(status));
			ended++;
		}
		stuck += !target_goes_on(target, 1);
	}
	is(ended, 0, "killed at %d moments", RANDOM_KILLS);
	ok(!stuck, "and the target goes on each time");
}

static void test_target(const struct target_kind *kind, enum target_mode mode)
{
	struct target target;
	const char *why = target_start(&target, kind, mode);

	if (why) {
		skip_one(kind->name, why);
		return;
	}
	choose_ranges(&target);
	test_every_step(&target);
	test_any_moment(&target);
	ok(target_goes_on(&target, 3), "it still does");
	ok(target_is_free(&target), "not stopped, not traced");
	ok(target_is_whole(&target), "and nothing was changed");
	target_end(&target);
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
	for (size_t i = 0; i < TARGET_KINDS; i++) {
		for (int mode = 0; mode < TARGET_MODES; mode++)
			test_target(&target_kinds[i], (enum target_mode)mode);
	}
	return done_testing();
}
