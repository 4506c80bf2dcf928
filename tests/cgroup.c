/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cgroup.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool cgroup_write(const struct cgroup *cgroup, const char *file, const char *text)
{
	char path[512];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cgroup->folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

bool cgroup_add(const struct cgroup *cgroup, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return cgroup_write(cgroup, "cgroup.procs", text);
}

static bool events_have(int fd, const char *event)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	return strstr(text, event);
}

static int open_events(const struct cgroup *cgroup)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup->folder);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool cgroup_is_frozen(const struct cgroup *cgroup)
{
	int fd = open_events(cgroup);
	bool frozen = fd >= 0 && events_have(fd, "frozen 1");

	if (fd >= 0)
		close(fd);
	return frozen;
}

bool cgroup_wait(const struct cgroup *cgroup, const char *event)
{
	struct pollfd pollfd = { .fd = open_events(cgroup), .events = POLLPRI };
	bool found;

	if (pollfd.fd < 0)
		return false;
	while (!(found = events_have(pollfd.fd, event)))
		if (poll(&pollfd, 1, 10000) <= 0)
			break;
	close(pollfd.fd);
	return found;
}

static bool clean(const struct cgroup *cgroup)
{
	cgroup_write(cgroup, "cgroup.kill", "1");
	return cgroup_wait(cgroup, "populated 0") && rmdir(cgroup->folder) == 0;
}

/* Waits for the end of the test, told or not. */
__attribute__((noreturn)) static void run_janitor(const struct cgroup *cgroup, pid_t parent)
{
	sigset_t set;
	int signal;

	setsid(); /* what kills the group of the test is not to kill this */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent)
		sigwait(&set, &signal);
	_exit(!clean(cgroup));
}

bool cgroup_make(struct cgroup *cgroup, const char *name)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	pid_t parent = getpid();
	struct mntent *mount;
	sigset_t term, before;
	bool made = false;

	must(mounts);
	while (!made && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup2") != 0)
			continue;
		snprintf(cgroup->folder, sizeof(cgroup->folder), "%s/memhint-%s-%d", mount->mnt_dir,
			 name, parent);
		made = mkdir(cgroup->folder, 0755) == 0;
	}
	endmntent(mounts);
	if (!made)
		return false;
	/* Before it is there, so that it may be told at once. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	fflush(NULL);
	cgroup->janitor = fork();
	must(cgroup->janitor >= 0);
	if (cgroup->janitor == 0)
		run_janitor(cgroup, parent);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return true;
}

bool cgroup_end(struct cgroup *cgroup)
{
	int status;

	kill(cgroup->janitor, SIGTERM);
	while (waitpid(cgroup->janitor, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return access(cgroup->folder, F_OK) < 0;
}
