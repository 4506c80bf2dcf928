/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vector.h"

#include "cleanup.h"
#include "page-size.h"
#include "uapi.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

ssize_t vector_advise_self_each(const struct iovec *ranges, size_t count, int advice)
{
	ssize_t done = 0;

	for (size_t i = 0; i < count; i++) {
		if (madvise(ranges[i].iov_base, ranges[i].iov_len, advice) < 0)
			return done ? done : -errno;
		done += (ssize_t)ranges[i].iov_len;
	}
	return done;
}

/*
 * Advice on a page of one's own that has no effect: MADV_NORMAL stands for all local advices. 1 taken,
 * 0 not, or a negative errno: it could not be tried.
 */
static int try_self(int advice)
{
	size_t size = (size_t)page_size();
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct iovec range = { .iov_len = size };
	ssize_t n;

	if (pidfd < 0)
		return errno == ENOSYS ? 0 : -errno;
	range.iov_base =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (range.iov_base == MAP_FAILED)
		return -errno;
	n = syscall(SYS_process_madvise, pidfd, &range, 1, advice, 0);
	munmap(range.iov_base, size);
	return n == (ssize_t)size;
}

bool vector_self_is_native(int advice)
{
	/* 0 not tried, 1 yes, 2 no. Advices for others are taken on oneself since 5.10, the rest since 6.13. */
	static _Atomic int remote, local;
	bool is_remote = advice == MADV_COLD || advice == MADV_PAGEOUT;
	_Atomic int *known = is_remote ? &remote : &local;
	int r;

	if (!*known) {
		r = try_self(is_remote ? MADV_COLD : MADV_NORMAL);
		if (r < 0)
			return false;
		*known = r ? 1 : 2;
	}
	return *known == 1;
}

ssize_t vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count, int advice)
{
	ssize_t n;

	if (is_self && !vector_self_is_native(advice))
		return vector_advise_self_each(ranges, count, advice);
	n = syscall(SYS_process_madvise, pidfd, ranges, count, advice, 0);
	return n < 0 ? -errno : n;
}
