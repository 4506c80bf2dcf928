/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drop-in functions in the shape of the system calls. */
#include "cleanup.h"
#include "page-size.h"
#include "uapi.h"
#include "vector.h"
#include "state-watch.h"

#include <memhint/guard.h>
#include <memhint/process.h>
#include <memhint/syscall.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

static bool pidfd_is_self(int pidfd)
{
	struct memhint_process *process;
	bool is_self;

	if (memhint_process_open((idtype_t)P_PIDFD, (id_t)pidfd, &process) < 0)
		return false;
	is_self = memhint_process_is_self(process);
	memhint_process_close(process);
	return is_self;
}

/* A place in the caller's vector: an entry, and how many bytes of its length are done. */
struct cursor {
	const struct iovec *iovec;
	size_t vlen;
	size_t index;
	size_t offset;
};

static void cursor_advance(struct cursor *cursor, size_t bytes)
{
	while (cursor->index < cursor->vlen &&
	       bytes >= cursor->iovec[cursor->index].iov_len - cursor->offset) {
		bytes -= cursor->iovec[cursor->index].iov_len - cursor->offset;
		cursor->index++;
		cursor->offset = 0;
	}
	cursor->offset += bytes;
}

/* What the kernel takes of @count entries before it stops without a word. */
static size_t taken_length(const struct iovec *iovec, size_t count)
{
	size_t taken = 0, most = (size_t)align_down(KERNEL_RW_MAX, page_size());

	for (size_t i = 0; i < count && taken < most; i++)
		taken += iovec[i].iov_len < most - taken ? iovec[i].iov_len : most - taken;
	return taken;
}

/*
 * One system call from the cursor on; moves it by what was done. Bytes, or -1 and errno; @ret_whole:
 * nothing in the call was refused.
 */
static ssize_t call_kernel(struct cursor *cursor, int pidfd, int advice, unsigned int flags,
			   bool *ret_whole)
{
	const struct iovec *ranges = cursor->iovec + cursor->index;
	size_t count = cursor->vlen - cursor->index, passed = 0;
	struct iovec rest;
	ssize_t n;

	if (count > KERNEL_IOV_MAX)
		count = KERNEL_IOV_MAX;
	if (cursor->offset) {
		/* The kernel cut this range, and rounded what it took up to a page. */
		size_t start = (size_t)align_up(cursor->offset, page_size());

		if (start > ranges->iov_len)
			start = ranges->iov_len;
		passed = start - cursor->offset;
		rest.iov_base = (char *)ranges->iov_base + start;
		rest.iov_len = ranges->iov_len - start;
		ranges = &rest;
		count = 1;
	}
	n = syscall(SYS_process_madvise, pidfd, ranges, count, advice, flags);
	if (n < 0)
		return -1;
	*ret_whole = (size_t)n == taken_length(ranges, count);
	cursor_advance(cursor, (size_t)n + passed);
	return n + (ssize_t)passed;
}

static bool lengths_are_valid(const struct iovec *iovec, size_t vlen)
{
	for (size_t i = 0; i < vlen; i++)
		if (iovec[i].iov_len > SSIZE_MAX)
			return false;
	return true;
}

ssize_t memhint_process_madvise(int pidfd, const struct iovec *iovec, size_t vlen, int advice,
				unsigned int flags)
{
	struct cursor cursor = { .iovec = iovec, .vlen = vlen };
	ssize_t done = 0, n;
	bool whole;
	int error;

	/* What fits into one call is the kernel's to check; of more than that it would see a part. */
	if (vlen > KERNEL_IOV_MAX && !lengths_are_valid(iovec, vlen))
		return fail(EINVAL);
	do {
		n = call_kernel(&cursor, pidfd, advice, flags, &whole);
		if (n < 0)
			break;
		done += n;
	} while (whole && cursor.index < vlen && done <= SSIZE_MAX - (ssize_t)KERNEL_RW_MAX);
	if (n >= 0 || done)
		return done;

	/* Before 6.13 the kernel refuses advice that is not for others on oneself too. */
	error = errno;
	if ((error == EINVAL || error == EPERM) && flags == 0 && !vector_self_is_native(advice) &&
	    pidfd_is_self(pidfd)) {
		n = vector_advise_self_each(iovec, vlen, advice);
		return n < 0 ? fail((int)-n) : n;
	}
	return fail(error);
}

/* Whether anybody else changed the mappings since @state; what cannot be told counts as yes. */
static bool has_changed(struct watch *watch, uint64_t state)
{
	uint64_t now;

	return watch_after(watch, &state) != 0 || watch_read(watch, &now) < 0 || now != state;
}

static ssize_t madvise_with_cookie(struct memhint_process *process, const struct iovec *iovec,
				   size_t vlen, int advice, uint64_t cookie, unsigned int flags)
{
	enum watch_moves moves = watch_moves_of(advice, memhint_process_is_self(process));
	int before = errno, r;
	struct watch watch;
	uint64_t state;
	ssize_t n;

	r = watch_begin(&watch, process, moves, cookie, &state);
	if (r == 0 && moves != WATCH_STILL)
		r = watch_before(&watch, state);
	if (r != 0)
		return fail(r < 0 ? -r : ESTALE);
	n = memhint_process_madvise(memhint_process_pidfd(process), iovec, vlen, advice, flags);
	if (n >= 0)
		errno = has_changed(&watch, state) ? ESTALE : before;
	return n;
}

ssize_t memhint_process_madvise_id(idtype_t which, id_t id, const struct iovec *iovec, size_t vlen,
				   int advice, uint64_t cookie, unsigned int flags)
{
	struct memhint_process *process;
	_cleanup_close_ int pidfd = -1;
	int before = errno, r;
	ssize_t n;

	if (which != P_PID && which != (idtype_t)P_PIDFD)
		return fail(EINVAL);
	if (cookie) {
		r = memhint_process_open(which, id, &process);
		if (r < 0)
			return fail(-r);
		errno = before;
		n = madvise_with_cookie(process, iovec, vlen, advice, cookie, flags);
		before = errno;
		memhint_process_close(process);
		errno = before;
		return n;
	}
	if (which == (idtype_t)P_PIDFD)
		return memhint_process_madvise((int)id, iovec, vlen, advice, flags);
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)id, 0);
	if (pidfd < 0)
		return -1;
	return memhint_process_madvise(pidfd, iovec, vlen, advice, flags);
}

int memhint_cookie(idtype_t which, id_t id, uint64_t *ret_cookie)
{
	struct memhint_process *process;
	int r = memhint_process_open(which, id, &process);

	if (r < 0)
		return (int)fail(-r);
	r = memhint_process_cookie(process, ret_cookie);
	memhint_process_close(process);
	return r < 0 ? (int)fail(-r) : 0;
}
