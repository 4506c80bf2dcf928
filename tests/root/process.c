/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking hold of processes: by PID, by pidfd, by unique id; dead, reused, stopped, foreign ones. */
#include "child.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_open(void)
{
	struct memhint_process *process, *again;
	struct memhint_process_stat stat;
	struct child child;
	uint64_t id;
	int pidfd;

	child_start(&child, NULL, NULL);
	is(memhint_process_open(P_PID, child.pid, &process), 0, "open by PID");
	is(memhint_process_pid(process), child.pid, "its PID");
	ok(memhint_process_is_alive(process), "it is alive");
	ok(!memhint_process_is_self(process), "it is not oneself");
	id = memhint_process_id(process);
	ok(id != 0, "it has a unique id");
	is(memhint_process_stat(process, &stat), 0, "its numbers");
	is(stat.parent_pid, getpid(), "its parent is this test");
	ok(stat.rss_bytes > 0 && stat.rss_bytes <= stat.size_bytes, "its sizes make sense");

	pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
	is(memhint_process_open(P_PIDFD, pidfd, &again), 0, "open by pidfd");
	close(pidfd);
	is(memhint_process_pid(again), child.pid, "the same PID");
	is(memhint_process_id(again), id, "the same unique id");
	memhint_process_close(again);

	is(memhint_process_open_unique(child.pid, id, &again), 0, "open by PID and unique id");
	memhint_process_close(again);
	is(memhint_process_open_unique(child.pid, id + 1, &again), -ESTALE, "a wrong unique id");

	kill(child.pid, SIGSTOP);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WSTOPPED | WNOWAIT);
	ok(memhint_process_is_stopped(process), "stopped is seen");
	kill(child.pid, SIGCONT);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WCONTINUED);
	ok(!memhint_process_is_stopped(process), "continued is seen");

	kill(child.pid, SIGKILL);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	ok(!memhint_process_is_alive(process), "a zombie is not alive");
	is(memhint_process_open(P_PID, child.pid, &again), -ESRCH, "a zombie cannot be opened");
	child_end(&child);
	ok(!memhint_process_is_alive(process), "nor is one that was reaped");
	is(memhint_process_open(P_PID, child.pid, &again), -ESRCH, "which cannot be opened either");
	is(memhint_process_stat(process, &stat), -ESRCH, "and has no numbers");
	memhint_process_close(process);
}

static void test_bad_ids(void)
{
	struct memhint_process *process = NULL;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	is(memhint_process_open(P_PID, 0, &process), -EINVAL, "PID 0");
	is(memhint_process_open(P_PID, (id_t)-5, &process), -EINVAL, "a negative PID");
	is(memhint_process_open(P_PGID, 1, &process), -EINVAL, "a process group");
	is(memhint_process_open(P_PIDFD, 9999, &process), -EBADF, "a closed descriptor");
	is(memhint_process_open(P_PIDFD, (id_t)file, &process), -EBADF, "a descriptor of a file");
	ok(process == NULL, "no output on failure");
	close(file);
	is(memhint_process_open(P_PID, (id_t)getpid(), &process), 0, "oneself");
	ok(memhint_process_is_self(process), "is known as oneself");
	memhint_process_close(process);
	memhint_process_close(NULL);
}

static int mount_proc_here(void)
{
	/* What is mounted over /proc here must not appear anywhere else. */
	if (mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount("proc", "/proc", "proc", 0, NULL) < 0 ? -errno : 0;
}

/* In a PID namespace of its own a process can choose the next PID, so reuse can be had at will. */
static int reuse_in_namespace(void *unused)
{
	struct memhint_process *first, *second;
	int failures = 0;
	pid_t one, two;
	FILE *last;

	if (mount_proc_here() < 0)
		return 100;
	one = fork();
	if (one == 0) {
		pause();
		_exit(0);
	}
	if (memhint_process_open(P_PID, (id_t)one, &first) < 0)
		return 101;
	kill(one, SIGKILL);
	waitpid(one, NULL, 0);
	last = fopen("/proc/sys/kernel/ns_last_pid", "we");
	if (!last || fprintf(last, "%d", one - 1) < 0 || fclose(last) != 0)
		return 102;
	two = fork();
	if (two == 0) {
		pause();
		_exit(0);
	}
	if (two != one)
		return 103;
	if (memhint_process_open(P_PID, (id_t)two, &second) < 0)
		return 104;
	failures += memhint_process_is_alive(first);
	failures += !memhint_process_is_alive(second);
	failures += memhint_process_id(first) == memhint_process_id(second);
	failures += memhint_process_open_unique(two, memhint_process_id(first), &first) != -ESTALE;
	kill(two, SIGKILL);
	waitpid(two, NULL, 0);
	return failures;
}

static void test_reuse(void)
{
	static char stack[256 * 1024] __attribute__((aligned(16)));
	int status;
	pid_t pid = clone(reuse_in_namespace, stack + sizeof(stack),
			  CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL);

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status), "the namespace's init ended by itself");
	is(WEXITSTATUS(status), 0, "a reused PID is another process");
}

int main(void)
{
	test_open();
	test_bad_ids();
	test_reuse();
	return done_testing();
}
