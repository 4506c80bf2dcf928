/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int fd_openat(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int fd_opendir_at(int dirfd, const char *path, DIR **ret_dir)
{
	_cleanup_close_ int fd =
		openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	*ret_dir = dir;
	return take_fd(&fd);
}

int fd_fopen_at(int dirfd, const char *path, FILE **ret_file)
{
	_cleanup_close_ int fd = fd_openat(dirfd, path);
	FILE *file;

	if (fd < 0)
		return fd;
	file = fdopen(fd, "r");
	if (!file)
		return -errno;
	take_fd(&fd);
	*ret_file = file;
	return 0;
}

ssize_t fd_read_all(int fd, void *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)buffer + done, size - done);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t fd_read_file_at(int dirfd, const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = fd_openat(dirfd, path);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = fd_read_all(fd, buffer, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	buffer[n] = '\0';
	return n;
}
