/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup v2 of one's own, which is removed with all that is in it, also when the test is killed. */
#ifndef TESTS_CGROUP_H
#define TESTS_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

struct cgroup {
	char folder[256];
	pid_t janitor;
};

/* False where cgroup v2 is not to be had. */
bool cgroup_make(struct cgroup *cgroup, const char *name);

/* Kills what is left in it. Whether nothing of it remains. */
bool cgroup_end(struct cgroup *cgroup);

bool cgroup_write(const struct cgroup *cgroup, const char *file, const char *text);
bool cgroup_add(const struct cgroup *cgroup, pid_t pid);
bool cgroup_is_frozen(const struct cgroup *cgroup);

/* Waits until cgroup.events has a line; false after 10 s. */
bool cgroup_wait(const struct cgroup *cgroup, const char *event);

#endif
