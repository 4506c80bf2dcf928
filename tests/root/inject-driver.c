/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "inject-driver.h"

#include "clock.h"
#include "inject.h"
#include "tap.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_USEC 20000000u

const struct target_kind target_kinds[TARGET_KINDS] = {
#ifdef __x86_64__
	{ "x86-64", "inject-target", NULL },
	{ "i386", "inject-target-32", NULL },
	{ "i386 through the vDSO", "inject-target-32", "gate" },
#else
	{ "64-bit", "inject-target", NULL },
#endif
};

/* The program is built beside the test. */
static bool find_program(const char *name, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	must(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, size - (size_t)(slash + 1 - path), "%s", name);
	return access(path, X_OK) == 0;
}

__attribute__((noreturn)) static void run_program(const char *path, const struct target_kind *kind,
						  enum target_mode mode, int memory, int read_end)
{
	char number[] = { (char)('0' + mode), '\0' };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(memory, TARGET_SHARED_FD) < 0 || dup2(read_end, TARGET_PIPE_FD) < 0)
		_exit(126);
	execl(path, path, number, kind->gate, NULL);
	_exit(127);
}

static bool has_ended(const struct target *target)
{
	siginfo_t info = {};

	return waitid(P_PID, (id_t)target->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

const char *target_start(struct target *target, const struct target_kind *kind,
			 enum target_mode mode)
{
	int memory = memfd_create("inject-target", MFD_CLOEXEC), ends[2];
	char path[4096];

	if (!find_program(kind->program, path, sizeof(path)))
		return "no compiler for 32-bit programs";
	must(memory >= 0 && ftruncate(memory, sizeof(*target->shared)) == 0);
	must(pipe2(ends, O_CLOEXEC) == 0);
	target->name = kind->name;
	target->mode = mode;
	target->pipe_fd = ends[1];
	target->shared =
		mmap(NULL, sizeof(*target->shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	must(target->shared != MAP_FAILED);
	fflush(NULL);
	target->pid = fork();
	must(target->pid >= 0);
	if (target->pid == 0)
		run_program(path, kind, mode, memory, ends[0]);
	close(memory);
	close(ends[0]);
	while (!target->shared->rounds && !target->shared->is_waiting) {
		if (has_ended(target)) {
			target_end(target);
			return "no 32-bit programs on this kernel";
		}
		sched_yield();
	}
	return NULL;
}

void target_wake(struct target *target)
{
	if (target->mode == TARGET_FUTEX) {
		target->shared->word++;
		syscall(SYS_futex, &target->shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	} else if (target->mode >= TARGET_READ) {
		must(write(target->pipe_fd, "x", 1) == 1);
	}
}

bool target_goes_on(struct target *target, uint32_t rounds)
{
	uint64_t deadline_usec = clock_usec() + PATIENCE_USEC;

	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t before = target->shared->rounds;

		target_wake(target);
		while (target->shared->rounds == before) {
			if (has_ended(target) || clock_usec() > deadline_usec)
				return false;
			sched_yield();
		}
	}
	return true;
}

bool target_is_free(const struct target *target)
{
	char path[64], line[256];
	bool stopped = true, traced = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", target->pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "State:\t", 7) == 0)
			stopped = strchr("RSD", line[7]) == NULL;
		else if (strncmp(line, "TracerPid:\t", 11) == 0)
			traced = strtol(line + 11, NULL, 10) != 0;
	}
	fclose(file);
	return !stopped && !traced;
}

bool target_is_whole(const struct target *target)
{
	const struct target_shared *shared = target->shared;

	if (shared->failures)
		printf("# %u wrong in %u rounds, first 0x%x: want 0x%llx, have 0x%llx\n",
		       shared->failures, shared->rounds, shared->what,
		       (unsigned long long)shared->want, (unsigned long long)shared->have);
	return !shared->failures;
}

void target_end(struct target *target)
{
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
	close(target->pipe_fd);
	munmap(target->shared, sizeof(*target->shared));
}

ssize_t inject_once(struct memhint_process *process, const struct iovec *ranges, size_t count,
		    int advice)
{
	struct injector *injector;
	struct trace trace;
	ssize_t n = inject_open(process, &injector);

	if (n < 0)
		return n;
	n = trace_begin(&trace, process);
	if (n == 0) {
		n = trace_wait(&trace, clock_usec() + PATIENCE_USEC);
		if (n == 0)
			n = inject_begin(injector, &trace);
		if (n == 0) {
			n = inject_advise(injector, ranges, count, advice);
			inject_end(injector);
		}
		trace_end(&trace);
	}
	inject_close(injector);
	return n;
}

/* How many stops of the thread are waited for before SIGKILL; negative: it lives. */
static int stops_left = -1;

int __real_trace_wait_thread(struct trace *trace, pid_t tid, uint64_t deadline_usec,
			     int *ret_status);
int __wrap_trace_wait_thread(struct trace *trace, pid_t tid, uint64_t deadline_usec,
			     int *ret_status);

int __wrap_trace_wait_thread(struct trace *trace, pid_t tid, uint64_t deadline_usec,
			     int *ret_status)
{
	if (stops_left == 0)
		kill(getpid(), SIGKILL);
	if (stops_left > 0)
		stops_left--;
	return __real_trace_wait_thread(trace, tid, deadline_usec, ret_status);
}

int die_injecting(struct memhint_process *process, const struct iovec *range, int advice, int stops)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		stops_left = stops;
		ssize_t n = inject_once(process, range, 1, advice);

		_exit(n < 0 ? (int)-n : 0);
	}
	must(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 1 : -WEXITSTATUS(status);
}
