/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking hold of processes: by PID, by pidfd, by unique id; dead, reused, stopped, foreign ones. */
#include "child.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
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
static bool choose_next_pid(pid_t pid)
{
	FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");

	return last && fprintf(last, "%d", pid - 1) > 0 && fclose(last) == 0;
}

static int reuse_in_namespace(void *unused)
{
	struct memhint_process *first, *second;
	int failures = 0, status;
	pid_t one, two, three;

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
	if (!choose_next_pid(one))
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
	/* Nor is it oneself for a process that has got the number and inherited the handle. */
	if (!choose_next_pid(one))
		return 105;
	three = fork();
	if (three == 0)
		_exit(memhint_process_is_self(first));
	if (three != one || waitpid(three, &status, 0) != three)
		return 106;
	return failures + (status != 0);
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

/* In a mount namespace of its own: what /proc does not show. */
static int look_without_proc(void)
{
	struct memhint_process *process;
	pid_t parent = getppid();
	int pidfd = (int)syscall(SYS_pidfd_open, parent, 0), failures = 0;

	if (pidfd < 0 || mount_proc_here() < 0 || mount("none", "/proc", "tmpfs", 0, NULL) < 0)
		return 100;
	failures += memhint_process_open(P_PID, (id_t)parent, &process) != -ENOENT;
	failures += memhint_process_open(P_PIDFD, (id_t)pidfd, &process) != -ENOENT;
	return failures;
}

/* Makes this an ordinary user, for whom the kernel hides other people's processes. */
static bool hide(const char *option)
{
	/* From members of group 0 nothing is hidden, unless the mount names another with gid=. */
	return mount_proc_here() == 0 && mount("proc", "/proc", "proc", 0, option) == 0 &&
	       setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0;
}

/* 1: nothing in the directory may be read. 2: it is not even listed. */
static int look_with_hidepid(const char *option)
{
	struct memhint_process *process;
	struct memhint_process_stat stat;

	if (!hide(option) || memhint_process_open(P_PID, (id_t)getppid(), &process) < 0)
		return 100;
	return memhint_process_stat(process, &stat) != -EACCES;
}

static int look_with_hidepid_1(void)
{
	return look_with_hidepid("hidepid=1");
}

static int look_with_hidepid_2(void)
{
	return look_with_hidepid("hidepid=2");
}

/* 4, since Linux 5.8: there is no directory. */
static int look_with_hidepid_4(void)
{
	struct memhint_process *process;

	if (!hide("hidepid=4"))
		return 100;
	return memhint_process_open(P_PID, (id_t)getppid(), &process) != -EACCES ||
	       memhint_process_open(P_PID, (id_t)getpid(), &process) != 0;
}

static int look_in_foreign_proc(void *unused)
{
	struct memhint_process *process;
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0), failures = 0;

	/* PID 1 here; the /proc that is mounted knows another process by that number. */
	failures += memhint_process_open(P_PID, 1, &process) != -ENOENT;
	failures += memhint_process_open(P_PIDFD, (id_t)pidfd, &process) != -ENOENT;
	return failures;
}

static int status_of(pid_t pid)
{
	int status;

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int status_in_mounts(int (*look)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0 ? 101 : look());
	return status_of(pid);
}

static void test_proc(void)
{
	static char stack[256 * 1024] __attribute__((aligned(16)));

	is(status_in_mounts(look_without_proc), 0, "without /proc nobody is gone");
	is(status_in_mounts(look_with_hidepid_1), 0, "hidepid=1: who is hidden is not gone");
	is(status_in_mounts(look_with_hidepid_2), 0, "hidepid=2: nor here");
	is(status_in_mounts(look_with_hidepid_4), 0, "hidepid=4: nor here");
	is(status_of(clone(look_in_foreign_proc, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD,
			   NULL)),
	   0, "the /proc of another PID namespace is not believed");
}

static void *wait_in_thread(void *tid)
{
	atomic_store((_Atomic pid_t *)tid, (pid_t)syscall(SYS_gettid));
	for (;;)
		pause();
	return NULL;
}

static void setup_thread(struct child_shared *shared)
{
	static _Atomic pid_t tid;
	pthread_t thread;

	must(pthread_create(&thread, NULL, wait_in_thread, &tid) == 0);
	while (!atomic_load(&tid))
		sched_yield();
	shared->number[0] = (uint64_t)tid;
}

static void test_threads(void)
{
	struct memhint_process *process;
	struct child child;
	int pidfd;

	child_start(&child, setup_thread, NULL);
	is(memhint_process_open(P_PID, (id_t)child.shared->number[0], &process), -EINVAL,
	   "the id of a thread");
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)child.shared->number[0], O_EXCL);
	if (pidfd >= 0)
		is(memhint_process_open(P_PIDFD, (id_t)pidfd, &process), -EINVAL,
		   "the pidfd of a thread");
	else
		skip_one("the pidfd of a thread", "not on this kernel");
	close(pidfd);
	child_end(&child);
}

/* A descriptor of which /proc has a lot to say. */
static void test_talkative_descriptor(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), fds[64];
	struct epoll_event event = { .events = EPOLLIN };
	struct memhint_process *process;

	for (size_t i = 0; i < 64; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
		must(fds[i] >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) == 0);
	}
	is(memhint_process_open(P_PIDFD, (id_t)epoll, &process), -EBADF,
	   "an epoll set is no pidfd either");
	for (size_t i = 0; i < 64; i++)
		close(fds[i]);
	close(epoll);
}

static void setup_groups(struct child_shared *shared)
{
	static gid_t groups[20000];

	for (size_t i = 0; i < 20000; i++)
		groups[i] = (gid_t)(1000000000 + i);
	shared->number[0] = setgroups(20000, groups) == 0;
}

static void test_many_groups(void)
{
	struct memhint_process *process;
	struct memhint_process_stat stat;
	struct child child;

	child_start(&child, setup_groups, NULL);
	must(child.shared->number[0]);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	is(memhint_process_stat(process, &stat), 0, "a process of 20,000 groups");
	ok(stat.size_bytes > 0, "has its numbers");
	memhint_process_close(process);
	child_end(&child);
}

int main(void)
{
	test_open();
	test_bad_ids();
	test_reuse();
	test_proc();
	test_threads();
	test_talkative_descriptor();
	test_many_groups();
	return done_testing();
}
