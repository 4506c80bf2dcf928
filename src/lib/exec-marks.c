/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec-marks.h"

#include "fd.h"
#include "procfile.h"

#include <memhint/process.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The stat of the main thread alone: that of the process adds up all threads. */
int exec_marks_open(const struct memhint_process *process)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "task/%d/stat", memhint_process_pid(process));
	fd = fd_openat(memhint_process_dirfd(process), path);
	return fd == -ENOENT ? -ESRCH : fd;
}

int exec_marks_read(int fd, struct exec_marks *ret_marks)
{
	struct proc_stat stat;
	char text[1024];
	ssize_t n;
	int r;

	do
		n = pread(fd, text, sizeof(text) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	r = proc_stat_parse(text, &stat);
	if (r < 0)
		return r;
	*ret_marks = (struct exec_marks){
		.start_code = stat.start_code,
		.start_stack = stat.start_stack,
		.env_start = stat.env_start,
	};
	return 0;
}

bool exec_marks_are_same(const struct exec_marks *a, const struct exec_marks *b)
{
	return a->start_code == b->start_code && a->start_stack == b->start_stack &&
	       a->env_start == b->env_start;
}
