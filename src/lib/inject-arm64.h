/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of 64-bit ARM have in common. */
#ifndef LIB_INJECT_ARM64_H
#define LIB_INJECT_ARM64_H

#include "inject-arch.h"

#include <stdbool.h>
#include <sys/user.h>

enum {
	ARM64_SVC = 0xd4000001, /* svc #0: the instruction that makes a system call */
	ARM64_CALL_BYTES = 4,
	/* include/linux/errno.h of the kernel: begun anew, unless a handler is going to run. */
	ARM64_RESTART_NO_HAND = -514,
};

ssize_t arm64_regset_read(pid_t tid, int set, void *buffer, size_t size);
int arm64_regset_write(pid_t tid, int set, const void *buffer, size_t size);

bool arm64_is_in(const uint16_t *numbers, size_t count, uint64_t number);
#define ARM64_IS_IN(numbers, number) \
	arm64_is_in(numbers, sizeof(numbers) / sizeof((numbers)[0]), number)

/* In inject-arm64-mend.c. A call that says EINTR whenever its thread was stopped, also without any signal. */
bool arm64_is_cut_short(uint64_t number);

#endif
