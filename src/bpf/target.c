/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

int target_check(int pidfd)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&pollfd, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	return pollfd.revents & POLLNVAL ? -EBADF : -ESRCH;
}

int target_hold(int dirfd)
{
	int fd = openat(dirfd, "maps", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? -ESRCH : -errno;
}
