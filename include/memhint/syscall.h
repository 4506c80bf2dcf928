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
 * @cookie: from memhint_cookie(); 0: no check.
 *
 * The cookie is compared before the first system call and after the last. Changed before: -1, ESTALE,
 * nothing done. Changed meanwhile: the bytes advised are returned and errno is set to ESTALE, which
 * otherwise is left alone when the call succeeds: set it to 0 before.
 *
 * Errors: as memhint_process_madvise(); EINVAL @which is neither, or @cookie is no cookie; ESTALE; for
 * P_PID those of pidfd_open(2); with a cookie also those of memhint_cookie().
 * Return: bytes advised, or -1 with errno. Since: 0.1.
 */
ssize_t memhint_process_madvise_id(idtype_t which, id_t id, const struct iovec *iovec, size_t vlen,
				   int advice, uint64_t cookie, unsigned int flags);

/**
 * memhint_cookie() - name the present state of a process's address space
 * @which: P_PID or P_PIDFD.
 * @id: process id or pidfd.
 * @ret_cookie: as memhint_process_cookie() gives it, which is faster for the second time.
 *
 * Errors: EINVAL @which is neither; else those of memhint_process_open() and memhint_process_cookie(), as
 * errno.
 * Return: 0, or -1 with errno. Since: 0.1.
 */
int memhint_cookie(idtype_t which, id_t id, uint64_t *ret_cookie);

#ifdef __cplusplus
}
#endif
#endif
