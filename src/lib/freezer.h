/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The freezer of cgroup v2. Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst of the kernel. */
#ifndef LIB_FREEZER_H
#define LIB_FREEZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct freezer {
	int fd;	     /* the cgroup's directory */
	uint64_t id; /* its inode: of no other cgroup of this boot */
	char *path;  /* below the mount, beginning with a slash */
};

/* The cgroup of a process, by its /proc/PID directory. -EOPNOTSUPP cgroup v2 is not mounted. */
int freezer_open_process(int dirfd, struct freezer *ret_freezer);

/*
 * Whether cgroups can be frozen: 0 or a negative errno. The root has no freezer; where there is no cgroup
 * below it, nothing speaks against it, which is taken for a yes.
 */
int freezer_probe(void);

/* By its path below the mount. -ENOENT it is gone. */
int freezer_open_path(const char *path, struct freezer *ret_freezer);

/* By its directory, which is duplicated. -ENOENT it is no cgroup v2. */
int freezer_open_fd(int cgroup_fd, struct freezer *ret_freezer);

/* Also one that is all zero. */
void freezer_done(struct freezer *freezer);

/* Whether all that is in it stands still now, on whoever's account. */
bool freezer_is_frozen(const struct freezer *freezer);

/* -EOPNOTSUPP for the root and on kernels before 5.2, which have no such file. */
int freezer_set(const struct freezer *freezer, bool frozen);

/* Until it is frozen; -ETIMEDOUT at @deadline_usec. */
int freezer_wait(const struct freezer *freezer, uint64_t deadline_usec);

/* The PIDs in it and in cgroups below it, to be freed by the caller. */
int freezer_members(const struct freezer *freezer, pid_t **ret_pids, size_t *ret_count);

/* Whether a process with this /proc/PID directory is in it or below it. */
bool freezer_has(const struct freezer *freezer, int dirfd);

#endif
