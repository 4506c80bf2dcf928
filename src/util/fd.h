/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading from file descriptors. */
#ifndef UTIL_FD_H
#define UTIL_FD_H

#include <stddef.h>
#include <sys/types.h>

/* Opens a file below a directory for reading: an fd or a negative errno. */
int fd_openat(int dirfd, const char *path);

/*
 * Reads a small file below a directory whole and ends it with NUL: its length, or a negative errno;
 * -EFBIG if it does not fit. Repeats short reads and EINTR.
 */
ssize_t fd_read_file_at(int dirfd, const char *path, char *buffer, size_t size);

/* Reads until end or until @size is full: bytes, or a negative errno. */
ssize_t fd_read_all(int fd, void *buffer, size_t size);

#endif
