/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which system call restart_syscall(2) stands for: the kernel knows and does not tell. */
#ifndef LIB_INJECT_RESTART_H
#define LIB_INJECT_RESTART_H

#include <stddef.h>
#include <stdint.h>

/* Numbers of the calls that go on by restart_syscall(2), with one size of time; -1 there is none. */
struct restart_calls {
	int64_t nanosleep;
	int64_t clock_nanosleep;
	int64_t futex;
	int64_t poll;
	unsigned int time_bytes; /* of a member of its struct timespec: 4 or 8 */
};

/*
 * The one call that the arguments, which are in the registers still, can belong to; -1 if there is none
 * or more than one. @word_bytes: of a pointer.
 */
int64_t restart_call_of(int memory_fd, unsigned int word_bytes, const struct restart_calls *calls,
			size_t count, const uint64_t arguments[4]);

#endif
