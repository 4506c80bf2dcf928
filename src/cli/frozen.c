/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frozen.h"

#include "cgroup.h"
#include "cleanup.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *frozen_directory(void)
{
	static char path[PATH_MAX];
	const char *run;

	if (geteuid() == 0)
		return NULL;
	/* A program with capabilities must not write where a variable says. */
	run = secure_getenv("XDG_RUNTIME_DIR");
	if (!run || run[0] != '/' ||
	    (size_t)snprintf(path, sizeof(path), "%s/memhint", run) >= sizeof(path))
		return NULL;
	return strcmp(path, memhint_run_directory()) == 0 ? NULL : path;
}

int frozen_directory_check(const char **ret_path)
{
	const char *path = frozen_directory();
	struct stat st;

	if (!path)
		path = memhint_run_directory();
	*ret_path = path;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

struct reading {
	struct frozen_list list;
	const char *directory;
};

static bool is_there(const char *cgroup)
{
	_cleanup_close_ int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = procfd < 0 ? -1 : cgroup_open(procfd, cgroup);

	return fd >= 0;
}

static int add(const struct memhint_frozen *record, void *userdata)
{
	struct reading *reading = userdata;
	struct frozen_list *list = &reading->list;
	struct frozen *items = reallocarray(list->items, list->count + 1, sizeof(*items));
	struct memhint_process *process;
	struct memhint_process_stat stat;
	struct frozen *item;

	if (!items)
		return -ENOMEM;
	list->items = items;
	item = &items[list->count];
	*item = (struct frozen){
		.pid = record->pid,
		.id = record->unique_id,
		.way = record->way,
		.is_kept = record->is_kept,
		.is_orphan = record->is_orphan,
		.is_gone = true,
		.directory = reading->directory,
	};
	if (record->cgroup) {
		item->cgroup = strdup(record->cgroup);
		if (!item->cgroup)
			return -ENOMEM;
	}
	list->count++;
	if (!item->pid) {
		item->is_gone = !is_there(item->cgroup);
		return 0;
	}
	if (memhint_process_open_unique(record->pid, record->unique_id, &process) < 0)
		return 0;
	if (memhint_process_stat(process, &stat) == 0) {
		item->is_gone = false;
		snprintf(item->comm, sizeof(item->comm), "%s", stat.comm);
	}
	memhint_process_close(process);
	return 0;
}

int frozen_read(struct frozen_list *ret_list)
{
	struct reading reading = {};
	int r = memhint_freeze_list(NULL, add, &reading), second = 0;

	reading.directory = frozen_directory();
	if (reading.directory)
		second = memhint_freeze_list(reading.directory, add, &reading);
	*ret_list = reading.list;
	return r < 0 ? r : second;
}

int frozen_recover(size_t *ret_count)
{
	const char *directory = frozen_directory();
	size_t count = 0, more = 0;
	int r = memhint_freeze_recover(NULL, &count), second = 0;

	if (directory)
		second = memhint_freeze_recover(directory, &more);
	*ret_count = count + more;
	return r < 0 ? r : second;
}

void frozen_list_done(struct frozen_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].cgroup);
	free(list->items);
	*list = (struct frozen_list){};
}

const char *frozen_state(const struct frozen *frozen)
{
	if (frozen->is_gone)
		return "gone";
	if (frozen->is_kept)
		return "kept";
	if (frozen->is_orphan)
		return "orphan";
	return "going on";
}
