/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ancestor.h"

#include "cleanup.h"
#include "procfile.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static int read_stat(pid_t pid, struct proc_stat *ret_stat)
{
	_cleanup_close_ int fd = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : proc_stat_read(fd, ret_stat);
}

/*
 * Whether a PID is that of an ancestor of the caller. Each step up counts only if the parent was still the
 * parent after its own was read, so that no reused PID leads astray; else it starts again.
 */
static bool is_above(pid_t pid)
{
	struct proc_stat of_parent, of_child;
	pid_t child, parent;

	for (unsigned int tries = 0; tries < 100; tries++) {
		child = getpid();
		parent = getppid();
		while (parent > 0 && parent != pid) {
			if (read_stat(parent, &of_parent) < 0 || read_stat(child, &of_child) < 0 ||
			    of_child.ppid != parent)
				break;
			child = parent;
			parent = of_parent.ppid;
		}
		if (parent == pid)
			return true;
		if (parent == 0)
			return false;
	}
	return true; /* it cannot be told */
}

/* When the caller started; asked for once, and once more after a fork. */
static int read_own_start(uint64_t *ret_ticks)
{
	/* With the PID in its lowest bits, of which that has at most 22 (PID_MAX_LIMIT). */
	static _Atomic uint64_t known;
	uint64_t value = known, pid = (uint64_t)getpid();
	struct proc_stat stat;
	int r;

	if ((value & 0x3fffff) != pid) {
		r = read_stat(getpid(), &stat);
		if (r < 0)
			return r;
		known = value = stat.start_ticks << 22 | pid;
	}
	*ret_ticks = value >> 22;
	return 0;
}

int ancestor_check(const struct memhint_process *process)
{
	struct proc_stat stat;
	uint64_t own_start;
	int r = read_own_start(&own_start);

	if (r < 0)
		return r;
	r = proc_stat_read(memhint_process_dirfd(process), &stat);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* Who started later is no ancestor: that is quickly told of most. */
	return stat.start_ticks <= own_start && is_above(memhint_process_pid(process));
}
