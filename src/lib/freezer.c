/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freezer.h"

#include "cleanup.h"
#include "clock.h"
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CGROUP2_SUPER_MAGIC
#define CGROUP2_SUPER_MAGIC 0x63677270
#endif

#define DEPTH_LIMIT 64

/* Writes the character for each \ooo, as spaces and newlines are written in lists of mounts. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/*
 * The mount point of cgroup v2, to be freed, opened as well: an fd or a negative errno. Of several the
 * first whose root is that of the caller's cgroup namespace, since paths in /proc/PID/cgroup begin there.
 */
static int open_mount(char **ret_path)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = fd_fopen_at(AT_FDCWD, "/proc/self/mountinfo", &file);

	if (r < 0)
		return r;
	while (getline(&line, &size, file) > 0) {
		/* ID, parent, device, root, mount point, options, any more fields, "-", type */
		_cleanup_free_ char *root = NULL, *point = NULL;
		const char *rest = strstr(line, " - cgroup2 ");
		int fd;

		if (!rest || sscanf(line, "%*s %*s %*s %ms %ms", &root, &point) != 2 ||
		    strcmp(root, "/") != 0)
			continue;
		unescape(point);
		fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		*ret_path = take_pointer(point);
		return fd;
	}
	return -EOPNOTSUPP;
}

/* Takes over @fd. */
static int freezer_init(int fd, const char *path, struct freezer *ret_freezer)
{
	_cleanup_close_ int taken = fd;
	struct freezer freezer = { .fd = -1 };
	struct statfs fs;
	struct stat st;

	if (fstatfs(taken, &fs) < 0 || fstat(taken, &st) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOENT;
	freezer.id = (uint64_t)st.st_ino;
	freezer.path = strdup(path);
	if (!freezer.path)
		return -ENOMEM;
	freezer.fd = take_fd(&taken);
	*ret_freezer = freezer;
	return 0;
}

int freezer_open_path(const char *path, struct freezer *ret_freezer)
{
	_cleanup_free_ char *point = NULL;
	_cleanup_close_ int mount = open_mount(&point);
	int fd;

	if (mount < 0)
		return mount;
	if (*path != '/')
		return -ENOENT;
	while (*path == '/')
		path++;
	/* A cgroup below another: never one outside the tree. */
	if (strncmp(path, "../", 3) == 0 || strstr(path, "/../"))
		return -ENOENT;
	fd = openat(mount, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return freezer_init(fd, path - 1, ret_freezer);
}

/* The path of a process's cgroup v2, to be freed. */
static int process_path(int dirfd, char **ret_path)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = fd_fopen_at(dirfd, "cgroup", &file);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	while (getline(&line, &size, file) > 0) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		*ret_path = strdup(line + 3);
		return *ret_path ? 0 : -ENOMEM;
	}
	return -EOPNOTSUPP;
}

int freezer_open_process(int dirfd, struct freezer *ret_freezer)
{
	_cleanup_free_ char *path = NULL;
	int r = process_path(dirfd, &path);

	return r < 0 ? r : freezer_open_path(path, ret_freezer);
}

int freezer_open_fd(int cgroup_fd, struct freezer *ret_freezer)
{
	_cleanup_free_ char *point = NULL;
	_cleanup_close_ int mount = -1, fd = -1;
	char link[64], path[4096];
	struct statfs fs;
	ssize_t n;
	size_t length;

	if (fstatfs(cgroup_fd, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOENT;
	fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	mount = open_mount(&point);
	if (mount < 0)
		return mount;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	length = strlen(point);
	if (strncmp(path, point, length) != 0 || (path[length] && path[length] != '/'))
		return -ENOENT; /* of another mount, which /proc does not speak of */
	return freezer_init(take_fd(&fd), path[length] ? path + length : "/", ret_freezer);
}

void freezer_done(struct freezer *freezer)
{
	if (!freezer->path)
		return;
	close(freezer->fd);
	free(freezer->path);
	*freezer = (struct freezer){};
}

bool freezer_is_frozen(const struct freezer *freezer)
{
	char text[512];

	return fd_read_file_at(freezer->fd, "cgroup.events", text, sizeof(text)) >= 0 &&
	       strstr(text, "frozen 1");
}

int freezer_set(const struct freezer *freezer, bool frozen)
{
	_cleanup_close_ int fd = openat(freezer->fd, "cgroup.freeze", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	return write(fd, frozen ? "1" : "0", 1) < 0 ? -errno : 0;
}

int freezer_wait(const struct freezer *freezer, uint64_t deadline_usec)
{
	_cleanup_close_ int fd = fd_openat(freezer->fd, "cgroup.events");

	if (fd < 0)
		return fd;
	for (;;) {
		struct pollfd pollfd = { .fd = fd, .events = POLLPRI };
		uint64_t now_usec = clock_usec();
		char text[512];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (strstr(text, "frozen 1"))
			return 0;
		if (now_usec >= deadline_usec)
			return -ETIMEDOUT;
		if (poll(&pollfd, 1, (int)((deadline_usec - now_usec) / 1000 + 1)) < 0 &&
		    errno != EINTR)
			return -errno;
	}
}

int freezer_probe(void)
{
	_cleanup_free_ char *point = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int mount = open_mount(&point);
	struct dirent *entry;
	int fd;

	if (mount < 0)
		return mount;
	fd = fd_opendir_at(mount, ".", &dir);
	if (fd < 0)
		return fd;
	while ((entry = readdir(dir))) {
		char path[300];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/cgroup.freeze", entry->d_name);
		if (faccessat(fd, path, W_OK, AT_EACCESS) < 0)
			return errno == ENOENT ? -EOPNOTSUPP : -errno;
		return 0;
	}
	return 0;
}

struct members {
	pid_t *pids;
	size_t count;
	size_t capacity;
};

static int members_read(int fd, struct members *members)
{
	_cleanup_fclose_ FILE *file = NULL;
	int r = fd_fopen_at(fd, "cgroup.procs", &file), pid;

	if (r < 0)
		return r;
	while (fscanf(file, "%d", &pid) == 1) {
		if (members->count == members->capacity) {
			size_t capacity = members->capacity ? 2 * members->capacity : 64;
			pid_t *pids = reallocarray(members->pids, capacity, sizeof(*pids));

			if (!pids)
				return -ENOMEM;
			members->pids = pids;
			members->capacity = capacity;
		}
		members->pids[members->count++] = pid;
	}
	/* EOPNOTSUPP for a threaded cgroup: its processes are told of further up. */
	return ferror(file) && errno != EOPNOTSUPP ? -errno : 0;
}

static int members_walk(int fd, struct members *members, unsigned int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = members_read(fd, members);

	if (r < 0)
		return r;
	if (depth == DEPTH_LIMIT)
		return -ELOOP;
	fd = fd_opendir_at(fd, ".", &dir);
	if (fd < 0)
		return fd;
	while ((entry = readdir(dir))) {
		_cleanup_close_ int below = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0) {
			if (errno == ENOENT)
				continue; /* removed meanwhile */
			return -errno;
		}
		r = members_walk(below, members, depth + 1);
		if (r < 0 && r != -ENODEV && r != -ENOENT)
			return r;
	}
	return 0;
}

int freezer_members(const struct freezer *freezer, pid_t **ret_pids, size_t *ret_count)
{
	struct members members = {};
	int r = members_walk(freezer->fd, &members, 0);

	if (r < 0) {
		free(members.pids);
		return r == -ENODEV ? -ENOENT : r;
	}
	*ret_pids = members.pids;
	*ret_count = members.count;
	return 0;
}

bool freezer_has(const struct freezer *freezer, int dirfd)
{
	_cleanup_free_ char *path = NULL;
	size_t length = strlen(freezer->path);

	if (process_path(dirfd, &path) < 0)
		return false;
	if (length == 1) /* the root */
		return true;
	return strncmp(path, freezer->path, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/');
}
