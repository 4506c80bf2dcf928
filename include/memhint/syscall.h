/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drop-in functions in the shape of the system calls: -1 and errno, partial results as the kernel's. */
#ifndef MEMHINT_SYSCALL_H
#define MEMHINT_SYSCALL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/**
 * memhint_process_madvise() - process_madvise(2) without its limits
 * @pidfd: the target.
 * @iovec: ranges of its memory.
 * @vlen: how many; more than 1,024 are accepted.
 * @advice: MADV_*; on oneself any advice, on every kernel.
 * @flags: must be 0.
 *
 * Splits what is over 1,024 ranges or 2 GiB into several calls and stops at the first that is not
 * done whole, as the kernel stops inside one.
 *
 * Context: any thread; blocks as the system call, holds the target's mmap lock meanwhile.
 * Errors: those of process_madvise(2), unchanged. A length above SSIZE_MAX is EINVAL before anything
 * is done. For up to 1,024 ranges an unreadable @iovec is EFAULT; above that it must be readable, as
 * for any function of libc.
 * Return: bytes advised, or -1 with errno. Since: 0.1. Source: process_madvise(2), mm/madvise.c.
 */
ssize_t memhint_process_madvise(int pidfd, const struct iovec *iovec, size_t vlen, int advice,
				unsigned int flags);

/**
 * memhint_process_madvise_id() - the same, by PID or pidfd, with a cookie
 * @which: P_PID or P_PIDFD.
 * @id: process id or pidfd.
 * @cookie: 0: no check. Others are not taken yet: EOPNOTSUPP.
 *
 * Errors: as memhint_process_madvise(); EINVAL @which is neither; for P_PID those of pidfd_open(2).
 * Return: bytes advised, or -1 with errno. Since: 0.1.
 */
ssize_t memhint_process_madvise_id(idtype_t which, id_t id, const struct iovec *iovec, size_t vlen,
				   int advice, uint64_t cookie, unsigned int flags);

#ifdef __cplusplus
}
#endif
#endif
