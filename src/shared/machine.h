/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine is set up for. @procfd and @sysfd are /proc and /sys or directories like them.
 * Functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef SHARED_MACHINE_H
#define SHARED_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The effective capabilities of the caller, a bit for each: 0 or a negative errno. */
int machine_capabilities(int procfd, uint64_t *ret_capabilities);

/* The hidepid option of the mount that /proc is: "" if other users' processes are shown. */
int machine_hidepid(int procfd, char *value, size_t size);

/* Where cgroup v2 is mounted: 0, -ENOENT if nowhere, or another negative errno. */
int machine_cgroup2(int procfd, char *path, size_t size);

/* Calls @see with every mount of control groups, of v1 too; ends when that returns non-zero, with it. */
int machine_cgroups(int procfd, int (*see)(const char *point, bool is_v2, void *data), void *data);

/* Whether a cgroup v2 mount has a controller; "memory", "cpu". */
bool machine_cgroup2_has(const char *mount, const char *controller);

/* Average stall for memory over 10 s in percent, "some": 0 or a negative errno. */
int machine_pressure(int procfd, double *ret_percent);

/* The choice in force for transparent huge pages, "always", "madvise", "never". */
int machine_huge_pages(int sysfd, char *value, size_t size);

enum machine_zram {
	MACHINE_ZRAM_NONE,
	MACHINE_ZRAM_MODULE, /* to be loaded */
	MACHINE_ZRAM_READY,  /* devices can be added */
};
enum machine_zram machine_zram(int sysfd);

#endif
