/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freeze.h"

#include <errno.h>

struct trace *freeze_trace(const struct memhint_freeze *freeze,
			   const struct memhint_process *process)
{
	(void)freeze;
	(void)process;
	return NULL;
}

bool freeze_has(const struct memhint_freeze *freeze, const struct memhint_process *process)
{
	(void)freeze;
	(void)process;
	return false;
}

const char *memhint_freeze_way_name(enum memhint_freeze_way way)
{
	static const char *const names[] = { "auto", "trace", "cgroup", "signal", "already" };

	return (unsigned int)way < sizeof(names) / sizeof(names[0]) ? names[way] : NULL;
}

int memhint_freeze_open(struct memhint_process *const *processes, size_t count,
			const struct memhint_freeze_options *options,
			struct memhint_freeze **ret_freeze)
{
	(void)processes;
	(void)count;
	(void)options;
	(void)ret_freeze;
	return -EOPNOTSUPP;
}

int memhint_freeze_cgroup(int cgroup_fd, const struct memhint_freeze_options *options,
			  struct memhint_freeze **ret_freeze)
{
	(void)cgroup_fd;
	(void)options;
	(void)ret_freeze;
	return -EOPNOTSUPP;
}

void memhint_freeze_close(struct memhint_freeze *freeze)
{
	(void)freeze;
}

size_t memhint_freeze_count(const struct memhint_freeze *freeze)
{
	(void)freeze;
	return 0;
}

struct memhint_process *memhint_freeze_process(const struct memhint_freeze *freeze, size_t index)
{
	(void)freeze;
	(void)index;
	return NULL;
}

enum memhint_freeze_way memhint_freeze_way(const struct memhint_freeze *freeze, size_t index)
{
	(void)freeze;
	(void)index;
	return MEMHINT_FREEZE_AUTO;
}

const char *memhint_run_directory(void)
{
	return "/run/memhint";
}

int memhint_freeze_list(const char *run_directory,
			int (*sink)(const struct memhint_frozen *frozen, void *userdata),
			void *userdata)
{
	(void)run_directory;
	(void)sink;
	(void)userdata;
	return -EOPNOTSUPP;
}

int memhint_freeze_recover(const char *run_directory, size_t *ret_count)
{
	(void)run_directory;
	(void)ret_count;
	return -EOPNOTSUPP;
}

int memhint_thaw(struct memhint_process *process, const char *run_directory)
{
	(void)process;
	(void)run_directory;
	return -EOPNOTSUPP;
}
