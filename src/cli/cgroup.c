/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cgroup.h"

#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *cgroup_path(const char *path)
{
	static const char *const mounts[] = { "/sys/fs/cgroup/unified/", "/sys/fs/cgroup/" };

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		if (strncmp(path, mounts[i], strlen(mounts[i])) == 0) {
			path += strlen(mounts[i]);
			break;
		}
	while (*path == '/')
		path++;
	return path;
}

struct search {
	const char *path; /* below the root */
	bool v2_only;
	bool any; /* a mount of the kind wanted was seen */
	int fd;
	int error; /* the first that is more than "not there" */
};

static int look(const char *point, bool is_v2, void *data)
{
	struct search *search = data;
	char path[PATH_MAX];

	if (search->v2_only && !is_v2)
		return 0;
	search->any = true;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", point, search->path) >= sizeof(path))
		return 0;
	search->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (search->fd >= 0)
		return 1;
	if (errno != ENOENT && errno != ENOTDIR && search->error == 0)
		search->error = -errno;
	return 0;
}

/* An fd, or a negative errno: -ENOENT no such group; -ENODATA no hierarchy at all. */
static int find(int procfd, const char *path, bool v2_only)
{
	struct search search = { .path = cgroup_path(path), .v2_only = v2_only, .fd = -1 };
	int r = machine_cgroups(procfd, look, &search);

	if (r < 0)
		return r;
	if (search.fd >= 0)
		return search.fd;
	return search.error ? search.error : search.any ? -ENOENT : -ENODATA;
}

int cgroup_open(int procfd, const char *path)
{
	int fd = find(procfd, path, true);

	return fd == -ENODATA ? -ENOENT : fd;
}

int cgroup_exists(int procfd, const char *path)
{
	int fd = find(procfd, path, false);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 1 : fd == -ENOENT ? 0 : fd;
}
