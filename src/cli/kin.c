/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kin.h"

#include "cleanup.h"
#include "fd.h"
#include "procfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number behind a key like "\nTracerPid:" of a status text below @dirfd; 0 if there is none. */
static long read_number(int dirfd, const char *path, const char *key)
{
	_cleanup_free_ char *text = NULL;
	const char *line;

	if (proc_status_text(dirfd, path, &text) < 0)
		return 0;
	line = strstr(text, key);
	return line ? strtol(line + strlen(key), NULL, 10) : 0;
}

/* A debugger holds all threads, but others may trace one of them alone. */
static pid_t read_tracer(const struct memhint_process *process)
{
	int dirfd = memhint_process_dirfd(process);
	_cleanup_closedir_ DIR *tasks = NULL;
	const struct dirent *entry;
	long pid = read_number(dirfd, "status", "\nTracerPid:");

	if (pid > 0 || fd_opendir_at(dirfd, "task", &tasks) < 0)
		return (pid_t)pid;
	while (pid <= 0 && (entry = readdir(tasks))) {
		char path[sizeof("task//status") + sizeof(entry->d_name)];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "task/%s/status", entry->d_name);
		pid = read_number(dirfd, path, "\nTracerPid:");
	}
	return (pid_t)pid;
}

int kin_tracer(const struct memhint_process *process, struct kin_tracer *ret_tracer)
{
	struct memhint_process *tracer;
	struct memhint_process_stat stat;
	pid_t pid = read_tracer(process);
	int r;

	if (pid <= 0)
		return -ENOENT;
	r = memhint_process_open(P_PID, (id_t)pid, &tracer);
	if (r < 0)
		return r;
	r = memhint_process_stat(tracer, &stat);
	/* Only now the number is known to have meant the process that was opened. */
	if (r == 0 && read_tracer(process) != pid)
		r = -ENOENT;
	memhint_process_close(tracer);
	if (r < 0)
		return r;
	ret_tracer->pid = pid;
	snprintf(ret_tracer->comm, sizeof(ret_tracer->comm), "%s", stat.comm);
	return 0;
}

/* 0: there is none that can be seen. */
static pid_t read_parent(pid_t pid)
{
	_cleanup_close_ int dirfd = -1;
	struct proc_stat stat;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dirfd >= 0 && proc_stat_read(dirfd, &stat) == 0 ? stat.ppid : 0;
}

enum kin kin_of(const struct memhint_process *process)
{
	pid_t pid = memhint_process_pid(process), ancestor = getppid();

	if (pid == 1)
		return KIN_INIT;
	if (pid == ancestor)
		return KIN_PARENT;
	/* An ancestor lives as long as its PID is told, so that the PID names it. */
	while (ancestor > 1) {
		ancestor = read_parent(ancestor);
		if (pid == ancestor)
			return KIN_ANCESTOR;
	}
	return KIN_NONE;
}

bool kin_has_filter(const struct memhint_process *process)
{
	/* 2: SECCOMP_MODE_FILTER, 1: SECCOMP_MODE_STRICT */
	return read_number(memhint_process_dirfd(process), "status", "\nSeccomp:") > 0;
}
