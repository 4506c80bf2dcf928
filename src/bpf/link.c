/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int link_create(int program_fd, const union bpf_iter_link_info *info)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.attach_type = BPF_TRACE_ITER;
	attr.link_create.iter_info = (uintptr_t)info;
	attr.link_create.iter_info_len = sizeof(*info);
	fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

int link_create_pid(int program_fd, pid_t pid, bool all_threads)
{
	union bpf_iter_link_info info;

	memset(&info, 0, sizeof(info));
	if (all_threads)
		info.task.pid = (uint32_t)pid;
	else
		info.task.tid = (uint32_t)pid;
	return link_create(program_fd, &info);
}

int link_create_pidfd(int program_fd, int pidfd)
{
	_cleanup_close_ int other = -1;
	union bpf_iter_link_info info;

	/* 0 would be no filter at all. */
	if (pidfd == 0) {
		pidfd = other = fcntl(0, F_DUPFD_CLOEXEC, 1);
		if (other < 0)
			return -errno;
	}
	memset(&info, 0, sizeof(info));
	info.task.pid_fd = (uint32_t)pidfd;
	return link_create(program_fd, &info);
}

int iter_create(int link_fd)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = (uint32_t)link_fd;
	fd = (int)syscall(SYS_bpf, BPF_ITER_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

ssize_t iter_read(int iter_fd, void *buffer, size_t size)
{
	ssize_t n;

	do
		n = read(iter_fd, buffer, size);
	while (n < 0 && (errno == EINTR || errno == EAGAIN));
	return n < 0 ? -errno : n;
}

int program_run(int program_fd, void *record, size_t size)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)program_fd;
	attr.test.ctx_in = (uintptr_t)record;
	attr.test.ctx_size_in = (uint32_t)size;
	do
		r = (int)syscall(SYS_bpf, BPF_PROG_RUN, &attr, sizeof(attr));
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : 0;
}
