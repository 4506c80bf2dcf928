/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running programs. A link ties one to a process; each iterator that is made of it runs the program once,
 * when it is read. All of these return a negative errno on failure.
 */
#ifndef BPF_LINK_H
#define BPF_LINK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Whether loading a program failed for a signal that came while the kernel was checking it; another one may
 * come the next time, but not for ever. Source: do_check() in kernel/bpf/verifier.c.
 */
#define LOAD_TRIES 5
static inline bool load_was_interrupted(int r)
{
	return r == -EAGAIN || r == -EINTR;
}

/* By number, which each iterator looks up anew, in the PID namespace of whoever makes it. An fd. */
int link_create_pid(int program_fd, pid_t pid, bool all_threads);

/* By pidfd, over all threads of its process. The kernel keeps the number, not the pidfd. An fd. */
int link_create_pidfd(int program_fd, int pidfd);

/* An fd. */
int iter_create(int link_fd);

/* Reads what the program writes: bytes, 0 at the end. */
ssize_t iter_read(int iter_fd, void *buffer, size_t size);

/* Runs a program that is not tied to anything on @size bytes at @record, which it may change. 0. */
int program_run(int program_fd, void *record, size_t size);

#endif
