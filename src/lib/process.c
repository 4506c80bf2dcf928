/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cleanup.h"
#include "cookie.h"
#include "fd.h"
#include "freezer.h"
#include "parse.h"
#include "process-internal.h"
#include "procfile.h"
#include "uapi.h"

#include <memhint/process.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct memhint_process {
	pid_t pid;
	int pidfd;
	int dirfd;
	uint64_t id;
	bool id_is_start_time;
	struct cookie_keep *cookie_keep;
};

DEFINE_CLEANUP(struct memhint_process *, memhint_process_close)

static int pidfd_open_pid(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		return fd;
	/* Since 6.9 a thread that is no process gives ENOENT; say as before what is wrong. */
	return errno == ENOENT ? -EINVAL : -errno;
}

static bool pidfd_is_alive(int pidfd)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&pollfd, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 0;
}

/*
 * The PID under which /proc has the process behind a pidfd: the PID namespace is that of the mount,
 * which need not be the caller's. Source: proc_pid_fdinfo(5).
 */
static int pidfd_pid(int pidfd, pid_t *ret_pid)
{
	char path[64], text[1024];
	const char *line;
	ssize_t n;
	long pid;

	if (fcntl(pidfd, F_GETFD) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	n = fd_read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n == -EFBIG) /* something with more to tell than a pidfd */
		return -EBADF;
	if (n < 0)
		return (int)n;
	line = strstr(text, "\nPid:");
	if (!line)
		return -EBADF;
	pid = strtol(line + 5, NULL, 10);
	if (pid < 0) /* it has ended */
		return -ESRCH;
	if (pid == 0) /* not in the PID namespace of /proc */
		return -ENOENT;
	*ret_pid = (pid_t)pid;
	return 0;
}

/* Whether a PID means the same process to the caller's system calls and in /proc: 0 or -ENOENT. */
static int pid_check_proc(int pidfd, pid_t pid)
{
	pid_t known;
	int r = pidfd_pid(pidfd, &known);

	if (r < 0)
		return r;
	return known == pid ? 0 : -ENOENT;
}

/* Takes the PID of a pidfd from /proc, and makes sure that it is the caller's word for it, too. */
static int pidfd_identify(int pidfd, pid_t *ret_pid)
{
	_cleanup_close_ int again = -1;
	pid_t pid;
	int r;

	r = pidfd_pid(pidfd, &pid);
	if (r < 0)
		return r;
	again = pidfd_open_pid(pid);
	if (again == -ESRCH && pidfd_is_alive(pidfd))
		return -ENOENT;
	r = again < 0 ? again : pid_check_proc(again, pid);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

/* The unique id: the pidfd's inode on pidfs; 0 where there is no pidfs. */
static uint64_t pidfd_inode(int pidfd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(pidfd, &fs) < 0 || fs.f_type != PID_FS_MAGIC || fstat(pidfd, &st) < 0)
		return 0;
	return (uint64_t)st.st_ino;
}

/*
 * What reading of a process's directory said. The mount option hidepid says ENOENT or EPERM of what is
 * there, but not for us. Source: proc(5).
 */
static int directory_error(int pidfd, int error)
{
	if (error != -ENOENT && error != -EPERM)
		return error;
	return pidfd_is_alive(pidfd) ? -EACCES : -ESRCH;
}

static int process_identify(struct memhint_process *process)
{
	struct proc_stat stat;
	int r;

	process->id = pidfd_inode(process->pidfd);
	if (process->id)
		return 0;
	r = proc_stat_read(process->dirfd, &stat);
	if (r < 0)
		return r;
	/* The start time is 0 only for what started with the kernel itself. */
	process->id = stat.start_ticks ? stat.start_ticks : 1;
	process->id_is_start_time = true;
	return 0;
}

int memhint_process_open(idtype_t which, id_t id, struct memhint_process **ret_process)
{
	_cleanup_(memhint_process_closep) struct memhint_process *process = NULL;
	char path[32];
	int r;

	if (which != P_PID && which != (idtype_t)P_PIDFD)
		return -EINVAL;
	process = malloc(sizeof(*process));
	if (!process)
		return -ENOMEM;
	*process = (struct memhint_process){ .pid = -1, .pidfd = -1, .dirfd = -1 };

	if (which == P_PID) {
		if ((pid_t)id <= 0)
			return -EINVAL;
		process->pid = (pid_t)id;
		process->pidfd = pidfd_open_pid(process->pid);
		if (process->pidfd < 0)
			return process->pidfd;
		r = pid_check_proc(process->pidfd, process->pid);
		if (r < 0)
			return r;
	} else {
		r = pidfd_identify((int)id, &process->pid);
		if (r < 0)
			return r;
		process->pidfd = fcntl((int)id, F_DUPFD_CLOEXEC, 3);
		if (process->pidfd < 0)
			return -errno;
	}

	snprintf(path, sizeof(path), "/proc/%d", process->pid);
	process->dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process->dirfd < 0)
		return directory_error(process->pidfd, -errno);
	r = process_identify(process);
	/* Alive now, so the PID was its own all along, and the directory is its own too. */
	if (!pidfd_is_alive(process->pidfd))
		return -ESRCH;
	if (r < 0)
		return directory_error(process->pidfd, r);
	*ret_process = take_pointer(process);
	return 0;
}

int memhint_process_open_unique(pid_t pid, uint64_t unique_id, struct memhint_process **ret_process)
{
	_cleanup_(memhint_process_closep) struct memhint_process *process = NULL;
	int r = memhint_process_open(P_PID, (id_t)pid, &process);

	if (r < 0)
		return r;
	if (process->id != unique_id)
		return -ESTALE;
	*ret_process = take_pointer(process);
	return 0;
}

void memhint_process_close(struct memhint_process *process)
{
	if (!process)
		return;
	cookie_keep_free(process->cookie_keep);
	closep(&process->dirfd);
	closep(&process->pidfd);
	free(process);
}

pid_t memhint_process_pid(const struct memhint_process *process)
{
	return process->pid;
}

int memhint_process_pidfd(const struct memhint_process *process)
{
	return process->pidfd;
}

int memhint_process_dirfd(const struct memhint_process *process)
{
	return process->dirfd;
}

uint64_t memhint_process_id(const struct memhint_process *process)
{
	return process->id;
}

uint64_t process_key(const struct memhint_process *process)
{
	return process->id_is_start_time ? process->id << 32 ^ (uint64_t)process->pid : process->id;
}

struct cookie_keep **process_cookie_keep(struct memhint_process *process)
{
	return &process->cookie_keep;
}

bool memhint_process_is_alive(const struct memhint_process *process)
{
	return pidfd_is_alive(process->pidfd);
}

bool memhint_process_is_self(const struct memhint_process *process)
{
	/* A handle that was inherited may be of one that had this PID before. */
	return process->pid == getpid() && pidfd_is_alive(process->pidfd);
}

static bool cgroup_is_frozen(int dirfd)
{
	struct freezer freezer;
	bool frozen;

	if (freezer_open_process(dirfd, &freezer) < 0)
		return false;
	frozen = freezer_is_frozen(&freezer);
	freezer_done(&freezer);
	return frozen;
}

static bool is_stop(char state)
{
	return state == 'T' || state == 't'; /* by a signal, by a tracer */
}

/* Whether every thread that has not ended is stopped. */
static bool threads_are_stopped(int dirfd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = fd_opendir_at(dirfd, "task", &dir);
	struct dirent *entry;
	bool any = false;

	if (fd < 0)
		return false;
	while ((entry = readdir(dir))) {
		_cleanup_close_ int thread = -1;
		struct proc_stat stat;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		thread = openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (thread < 0 || proc_stat_read(thread, &stat) < 0)
			continue; /* it ended meanwhile */
		if (stat.state == 'Z' || stat.state == 'X')
			continue;
		if (!is_stop(stat.state))
			return false;
		any = true;
	}
	return any;
}

bool process_is_frozen(const struct memhint_process *process)
{
	return cgroup_is_frozen(process->dirfd);
}

bool process_is_ending(const struct memhint_process *process)
{
	struct proc_stat stat;

	return proc_stat_read(process->dirfd, &stat) < 0 || stat.flags & PROC_FLAG_EXITING ||
	       !pidfd_is_alive(process->pidfd);
}

bool memhint_process_is_stopped(const struct memhint_process *process)
{
	struct proc_stat stat;

	if (proc_stat_read(process->dirfd, &stat) < 0)
		return false;
	/* The first thread may have ended before the others. */
	if (is_stop(stat.state) || (stat.state == 'Z' && stat.num_threads > 1))
		return stat.num_threads == 1 || threads_are_stopped(process->dirfd);
	return cgroup_is_frozen(process->dirfd);
}

int memhint_process_stat(const struct memhint_process *process,
			 struct memhint_process_stat *ret_stat)
{
	uint64_t tick_usec = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	struct memhint_process_stat result;
	struct proc_status status;
	struct proc_stat stat;
	int r;

	r = proc_stat_read(process->dirfd, &stat);
	if (r == 0)
		r = proc_status_read(process->dirfd, &status);
	if (r < 0)
		return directory_error(process->pidfd, r);
	result = (struct memhint_process_stat){
		.state = stat.state,
		.is_kernel_thread = stat.flags & PROC_FLAG_KTHREAD,
		.parent_pid = stat.ppid,
		.uid = status.euid,
		.threads = stat.num_threads,
		.start_ticks = stat.start_ticks,
		.cpu_usec = (stat.utime_ticks + stat.stime_ticks) * tick_usec,
		.size_bytes = status.size_bytes,
		.rss_bytes = status.anon_bytes + status.file_bytes + status.shmem_bytes,
		.anon_bytes = status.anon_bytes,
		.file_bytes = status.file_bytes,
		.shmem_bytes = status.shmem_bytes,
		.swap_bytes = status.swap_bytes,
		.locked_bytes = status.locked_bytes,
	};
	memcpy(result.comm, stat.comm, sizeof(result.comm));
	*ret_stat = result;
	return 0;
}
