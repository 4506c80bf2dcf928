/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proclist.h"

#include "cleanup.h"
#include "fd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int entry_read(int procfd, const char *name, struct proc_entry *entry)
{
	char path[64], text[1024];
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "%.32s/stat", name);
	n = fd_read_file_at(procfd, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	r = proc_stat_parse(text, &entry->stat);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%.32s/status", name);
	return proc_status_read_path(procfd, path, &entry->status);
}

static int compare_pids(const void *a, const void *b)
{
	const struct proc_entry *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

int proclist_read(int procfd, struct proclist *ret_list)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ struct proc_entry *entries = NULL;
	size_t count = 0, room = 0;
	bool sorted = true;
	struct dirent *entry;
	int fd;

	fd = fd_opendir_at(procfd, ".", &dir);
	if (fd < 0)
		return fd;
	while (errno = 0, (entry = readdir(dir))) {
		struct proc_entry *slot;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (count == room) {
			room = room ? room * 2 : 256;
			slot = reallocarray(entries, room, sizeof(*entries));
			if (!slot)
				return -ENOMEM;
			entries = slot;
		}
		slot = &entries[count];
		*slot = (struct proc_entry){ .pid = (pid_t)strtol(entry->d_name, NULL, 10) };
		if (entry_read(fd, entry->d_name, slot) < 0)
			continue; /* it ended, or is hidden from us */
		if (count > 0 && slot->pid < entries[count - 1].pid)
			sorted = false;
		count++;
	}
	if (errno)
		return -errno;
	if (!sorted)
		qsort(entries, count, sizeof(*entries), compare_pids);
	*ret_list = (struct proclist){ .count = count, .entries = take_pointer(entries) };
	return 0;
}

void proclist_done(struct proclist *list)
{
	free(list->entries);
	*list = (struct proclist){};
}

int proc_entry_open(const struct proc_entry *entry, struct memhint_process **ret_process,
		    struct memhint_process_stat *ret_stat)
{
	struct memhint_process *process;
	struct memhint_process_stat stat;
	int r = memhint_process_open(P_PID, (id_t)entry->pid, &process);

	if (r < 0)
		return r;
	r = memhint_process_stat(process, &stat);
	if (r == 0 && stat.start_ticks != entry->stat.start_ticks)
		r = -ESTALE;
	if (r < 0) {
		memhint_process_close(process);
		return r;
	}
	*ret_process = process;
	*ret_stat = stat;
	return 0;
}

struct proc_entry *proclist_find(const struct proclist *list, pid_t pid)
{
	const struct proc_entry key = { .pid = pid };

	if (list->count == 0)
		return NULL;
	return bsearch(&key, list->entries, list->count, sizeof(key), compare_pids);
}

void proclist_select_children(struct proclist *list)
{
	bool again = true;

	/* PIDs wrap around, so a child may stand before its parent: until nothing changes. */
	while (again) {
		again = false;
		for (size_t i = 0; i < list->count; i++) {
			struct proc_entry *entry = &list->entries[i];
			const struct proc_entry *parent;

			if (entry->selected)
				continue;
			parent = proclist_find(list, entry->stat.ppid);
			if (parent && parent->selected)
				entry->selected = again = true;
		}
	}
}

/* se.exec_start in microseconds; it stands in milliseconds with six decimals. */
static int exec_start(int dirfd, const char *path, uint64_t *ret_usec)
{
	static const char key[] = "se.exec_start";
	char text[8192];
	const char *line;
	double msec;
	ssize_t n;

	n = fd_read_file_at(dirfd, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	line = strstr(text, key);
	line = line ? strchr(line, ':') : NULL;
	if (!line)
		return -ENOENT;
	msec = strtod(line + 1, NULL);
	*ret_usec = msec > 0 ? (uint64_t)(msec * 1000) : 0;
	return 0;
}

int proc_clock_usec(int procfd, uint64_t *ret_usec)
{
	return exec_start(procfd, "thread-self/sched", ret_usec);
}

int proc_last_run_usec(int procfd, pid_t pid, uint32_t threads, uint64_t *ret_usec)
{
	_cleanup_closedir_ DIR *dir = NULL;
	uint64_t last = 0, usec;
	struct dirent *entry;
	char path[64];
	int fd, r;

	if (threads <= 1) {
		snprintf(path, sizeof(path), "%d/sched", pid);
		return exec_start(procfd, path, ret_usec);
	}
	snprintf(path, sizeof(path), "%d/task", pid);
	fd = fd_opendir_at(procfd, path, &dir);
	if (fd < 0)
		return fd;
	r = -ESRCH;
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%.32s/sched", entry->d_name);
		if (exec_start(fd, path, &usec) < 0)
			continue;
		r = 0;
		if (usec > last)
			last = usec;
	}
	if (r == 0)
		*ret_usec = last;
	return r;
}

int proc_exe(int procfd, pid_t pid, char *path, size_t size)
{
	static const char deleted[] = " (deleted)";
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "%d/exe", pid);
	n = readlinkat(procfd, link, path, size - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	if ((size_t)n > strlen(deleted) && strcmp(path + n - strlen(deleted), deleted) == 0)
		path[(size_t)n - strlen(deleted)] = '\0';
	return 0;
}

int proc_cgroup(int procfd, pid_t pid, char *path, size_t size)
{
	char file[64], text[16384];
	const char *line, *found = NULL;
	ssize_t n;

	snprintf(file, sizeof(file), "%d/cgroup", pid);
	n = fd_read_file_at(procfd, file, text, sizeof(text));
	if (n < 0)
		return (int)n;
	/* Lines are ID:CONTROLLERS:PATH; v2 is the one without controllers. Source: cgroups(7). */
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (line)
		found = strchr(line, '/');
	/* Beside v1 hierarchies v2 is often unused, and "/" says nothing. */
	if (!found || found[1] == '\n' || found[1] == '\0') {
		line = strstr(text, ":name=systemd:");
		if (line)
			found = strchr(line, '/');
	}
	if (!found)
		return -ENOENT;
	snprintf(path, size, "%.*s", (int)strcspn(found, "\n"), found);
	return 0;
}
