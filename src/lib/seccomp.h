/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the seccomp filters of a thread would say to a system call. */
#ifndef LIB_SECCOMP_H
#define LIB_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct seccomp_filter {
	struct sock_filter *code;
	size_t count;
};

/* All filters of one thread. Zero: none, and then everything is allowed. */
struct seccomp_filters {
	struct seccomp_filter *filters;
	size_t count;
};

/*
 * Reads them from a thread in a ptrace stop that is known to have some. 0 or a negative errno:
 * -EOPNOTSUPP they cannot be read (no CAP_SYS_ADMIN, a kernel without checkpoint and restore);
 * -ENOMEM, -ESRCH.
 */
int seccomp_filters_read(pid_t tid, struct seccomp_filters *ret_filters);

void seccomp_filters_done(struct seccomp_filters *filters);

/* Whether every one of them says SECCOMP_RET_ALLOW. */
bool seccomp_filters_allow(const struct seccomp_filters *filters, const struct seccomp_data *data);

/*
 * Runs one filter: SECCOMP_RET_* as it returns it; SECCOMP_RET_KILL_PROCESS for one that the kernel would
 * not have taken.
 */
uint32_t seccomp_filter_run(const struct sock_filter *code, size_t count,
			    const struct seccomp_data *data);

#endif
