/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes cannot run now, and which only seem so. */
#include "child.h"
#include "tap.h"

#include <memhint/process.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREAD };

static void *wait_for_ever(void *data)
{
	struct child_shared *shared = data;

	shared->number[THREAD] = (uint64_t)syscall(SYS_gettid);
	while (shared->number[THREAD])
		pause();
	return NULL;
}

static void set_up_thread(struct child_shared *shared)
{
	volatile uint64_t *number = &shared->number[THREAD];
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_ever, shared) != 0)
		_exit(3);
	while (!*number)
		sched_yield();
}

static bool write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

/* Waits until the events of a group say so. */
static bool wait_for_event(const char *folder, const char *event)
{
	char path[256], text[256];
	struct pollfd pollfd = { .events = POLLPRI };
	bool found = false;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.events", folder);
	pollfd.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pollfd.fd < 0)
		return false;
	for (;;) {
		n = pread(pollfd.fd, text, sizeof(text) - 1, 0);
		if (n <= 0)
			break;
		text[n] = '\0';
		found = strstr(text, event) != NULL;
		if (found || poll(&pollfd, 1, 10000) <= 0)
			break;
	}
	close(pollfd.fd);
	return found;
}

static bool group_make(char *folder, size_t size)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/cgroup.procs", mounts[i]);
		snprintf(folder, size, "%s/memhint-stopped-%d", mounts[i], getpid());
		if (access(path, F_OK) == 0 && mkdir(folder, 0755) == 0)
			return true;
	}
	return false;
}

static void test_frozen(void)
{
	struct memhint_process *process;
	char folder[128], pid[16];
	struct child child;

	if (!group_make(folder, sizeof(folder))) {
		skip_one("a frozen group", "no cgroup v2 in which groups can be made");
		return;
	}
	child_start(&child, NULL, NULL);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	snprintf(pid, sizeof(pid), "%d", child.pid);
	if (write_file(folder, "cgroup.procs", pid) && write_file(folder, "cgroup.freeze", "1")) {
		ok(wait_for_event(folder, "frozen 1"), "its group is frozen");
		ok(memhint_process_is_stopped(process), "so it is stopped");
		ok(write_file(folder, "cgroup.freeze", "0") && wait_for_event(folder, "frozen 0"),
		   "its group is thawed");
		ok(!memhint_process_is_stopped(process), "so it is not stopped");
	} else {
		skip_one("a frozen group", "groups cannot be frozen here");
	}
	memhint_process_close(process);
	child_end(&child);
	ok(wait_for_event(folder, "populated 0") && rmdir(folder) == 0, "nothing is left");
}

static bool trace_stop(pid_t thread)
{
	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0)
		return false;
	return waitpid(thread, NULL, __WALL) == thread;
}

static void test_traced(void)
{
	struct memhint_process *process, *thread;
	struct child child;
	pid_t other;

	child_start(&child, set_up_thread, NULL);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	other = (pid_t)child.shared->number[THREAD];
	is(memhint_process_open(P_PID, (id_t)other, &thread), -EINVAL, "a thread is no process");
	ok(!memhint_process_is_stopped(process), "two threads that wait are not stopped");
	if (trace_stop(child.pid)) {
		ok(!memhint_process_is_stopped(process), "nor is one of two stopped by a tracer");
		ok(trace_stop(other) && memhint_process_is_stopped(process),
		   "but with the other one, too");
		ptrace(PTRACE_DETACH, other, NULL, NULL);
		ptrace(PTRACE_DETACH, child.pid, NULL, NULL);
	} else {
		skip_one("stopped by a tracer", "nothing can be traced here");
	}
	memhint_process_close(process);
	child_end(&child);
}

int main(void)
{
	test_frozen();
	test_traced();
	return done_testing();
}
