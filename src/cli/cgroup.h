/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups by their path, as --cgroup takes it. */
#ifndef CLI_CGROUP_H
#define CLI_CGROUP_H

/*
 * The directory of a control group of version 2: an fd, or a negative errno: -ENOENT there is no such
 * group, or no version 2.
 */
int cgroup_open(int procfd, const char *path);

/* Whether there is such a group in any hierarchy: 1, 0, or a negative errno: that cannot be told. */
int cgroup_exists(int procfd, const char *path);

/* The path below the root of the hierarchy: without the mount point and slashes in front. */
const char *cgroup_path(const char *path);

#endif
