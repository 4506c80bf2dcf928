/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One vectored advice, whatever the kernel offers for it. */
#ifndef LIB_VECTOR_H
#define LIB_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * process_madvise(2) on @pidfd for at most KERNEL_IOV_MAX ranges: bytes of the leading ranges that
 * were done, or a negative errno if it failed in the first. If @is_self and the kernel does not take
 * this advice that way, one madvise(2) a range with the same result.
 */
ssize_t vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
		      int advice);

/* The loop of madvise(2) behind it. */
ssize_t vector_advise_self_each(const struct iovec *ranges, size_t count, int advice);

/* Whether process_madvise(2) takes @advice on oneself: tried once, then remembered. */
bool vector_self_is_native(int advice);

#endif
