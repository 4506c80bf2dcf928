/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ancestor.h"

#include "cleanup.h"
#include "procfile.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* The parent of a process, if that still is one's parent after it was looked at: else another turn. */
static int read_parent(pid_t pid, pid_t *ret_parent, struct proc_stat *ret_stat)
{
	char path[32];
	int r, fd;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = proc_stat_read(fd, ret_stat);
	close(fd);
	if (r == 0)
		*ret_parent = ret_stat->ppid;
	return r;
}

/*
 * Whether a PID is that of an ancestor of the caller. Each step up counts only if the parent was still the
 * parent after its own was read, so that no reused PID leads astray; else it starts again.
 */
static bool is_ancestor(pid_t pid)
{
	struct proc_stat stat;
	pid_t child, parent, grandparent, again;

	for (unsigned int tries = 0; tries < 100; tries++) {
		child = getpid();
		parent = getppid();
		while (parent > 0 && parent != pid) {
			if (read_parent(parent, &grandparent, &stat) < 0 ||
			    read_parent(child, &again, &stat) < 0 || again != parent)
				break;
			child = parent;
			parent = grandparent;
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
	static _Atomic uint64_t
		known; /* with the PID in its lowest bits, of which it has at most 22 */
	uint64_t value = known, pid = (uint64_t)getpid();
	struct proc_stat stat;
	pid_t parent;
	int r;

	if ((value & 0x3fffff) != pid) {
		r = read_parent(getpid(), &parent, &stat);
		if (r < 0)
			return r;
		known = value = stat.start_ticks << 22 | pid;
	}
	*ret_ticks = value >> 22;
	return 0;
}

int ancestor_is(const struct memhint_process *process)
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
	return stat.start_ticks <= own_start && is_ancestor(memhint_process_pid(process));
}
