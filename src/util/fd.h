/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading from file descriptors. */
#ifndef UTIL_FD_H
#define UTIL_FD_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Opens a file below a directory for reading: an fd or a negative errno. */
int fd_openat(int dirfd, const char *path);

/*
 * Opens a directory below a directory, to be closed with closedir(): its fd, which @ret_dir owns, or a
 * negative errno; -ELOOP for a symbolic link.
 */
int fd_opendir_at(int dirfd, const char *path, DIR **ret_dir);

/* Opens a file below a directory for reading, to be closed with fclose(): 0 or a negative errno. */
int fd_fopen_at(int dirfd, const char *path, FILE **ret_file);

/*
 * Reads a small file below a directory whole and ends it with NUL: its length, or a negative errno;
 * -EFBIG if it does not fit. Repeats short reads and EINTR.
 */
ssize_t fd_read_file_at(int dirfd, const char *path, char *buffer, size_t size);

/* Reads until end or until @size is full: bytes, or a negative errno. */
ssize_t fd_read_all(int fd, void *buffer, size_t size);

#endif
