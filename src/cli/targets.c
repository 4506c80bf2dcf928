/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "targets.h"

#include "cgroup.h"
#include "cleanup.h"
#include "fd.h"
#include "log.h"
#include "machine.h"
#include "parse.h"

#include <memhint/error.h>

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct option_group target_options = {
	.title = "Which processes",
	.options =
		(const struct option_text[]){
			{ "pid", 'p', OPTION_PID, "PID[:INODE]",
			  "this process; with its inode, as 'memhint ps --columns +id' shows it,\n"
			  "no later process with the same PID is taken for it; may be repeated" },
			{ "comm", 'c', OPTION_COMM, "PATTERN",
			  "processes of this name, as in 'redis*'" },
			{ "exe", 'e', OPTION_EXE, "PATTERN",
			  "processes that run this program: a path, or without a slash its last part" },
			{ "cgroup", 'g', OPTION_CGROUP, "PATH",
			  "processes in this control group or below it" },
			{ "unit", 'u', OPTION_UNIT, "NAME", "processes of this systemd unit" },
			{ "user", 'U', OPTION_USER, "NAME",
			  "processes of this user, by name or number" },
			{ "children", 'C', OPTION_CHILDREN, NULL, "and all their descendants" },
			{} },
};

void targets_done(struct targets *targets)
{
	free(targets->pids);
	free(targets->patterns);
	*targets = (struct targets){};
}

static int out_of_memory(void)
{
	log_error("out of memory");
	return EXIT_FAILURE;
}

static int add_pid(struct targets *targets, const char *text)
{
	struct target_pid *pids;
	uint64_t pid, id = 0;
	char number[32];
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);

	snprintf(number, sizeof(number), "%.*s", (int)length, text);
	if (length >= sizeof(number) || parse_u64(number, 10, &pid) < 0) {
		log_error("'%s' is not a process id; expected is PID or PID:INODE", text);
		return EXIT_USAGE;
	}
	if (pid == 0 || pid > INT_MAX) {
		log_error("'%s': no process can have this id", text);
		return EXIT_USAGE;
	}
	if (colon && (parse_u64(colon + 1, 10, &id) < 0 || id == 0)) {
		log_error("'%s': what follows the colon is not an inode", text);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < targets->pid_count; i++)
		if (targets->pids[i].pid == (pid_t)pid) {
			if (targets->pids[i].id && id && targets->pids[i].id != id) {
				log_error("process %" PRIu64 " is named with two different inodes",
					  pid);
				return EXIT_USAGE;
			}
			if (id)
				targets->pids[i].id = id;
			return 0;
		}
	pids = reallocarray(targets->pids, targets->pid_count + 1, sizeof(*pids));
	if (!pids)
		return out_of_memory();
	pids[targets->pid_count++] = (struct target_pid){ .pid = (pid_t)pid, .id = id };
	targets->pids = pids;
	return 0;
}

static int add_pattern(struct targets *targets, const struct options *options, int option)
{
	struct target_pattern pattern = { .option = option, .text = options->argument }, *patterns;
	const struct passwd *user;
	uint64_t uid;

	if (!*pattern.text)
		return options_bad(options, "is empty, which would match nothing");
	if (option == OPTION_USER) {
		user = getpwnam(pattern.text);
		if (user)
			pattern.uid = user->pw_uid;
		else if (parse_u64(pattern.text, 10, &uid) == 0 && uid < UINT32_MAX)
			pattern.uid = (uid_t)uid;
		else
			return options_bad(options, "there is no such user");
	}
	patterns = reallocarray(targets->patterns, targets->pattern_count + 1, sizeof(*patterns));
	if (!patterns)
		return out_of_memory();
	patterns[targets->pattern_count++] = pattern;
	targets->patterns = patterns;
	return 0;
}

int targets_option(struct targets *targets, const struct options *options, int id)
{
	switch (id) {
	case OPTION_PID:
		return add_pid(targets, options->argument);
	case OPTION_CHILDREN:
		targets->children = true;
		return 0;
	default:
		return add_pattern(targets, options, id);
	}
}

int targets_arguments(struct targets *targets, char **arguments)
{
	int r = 0;

	for (; *arguments && r == 0; arguments++)
		r = add_pid(targets, *arguments);
	return r;
}

bool targets_are_empty(const struct targets *targets)
{
	return targets->pid_count == 0 && targets->pattern_count == 0;
}

/* Whether @path is @group or lies below it. Either may have slashes too many at the end. */
static bool path_is_within(const char *path, size_t path_length, const char *group)
{
	size_t length;

	group = cgroup_path(group);
	length = strlen(group);
	while (length > 0 && group[length - 1] == '/')
		length--;
	if (path_length > 0) { /* the leading slash */
		path++;
		path_length--;
	}
	if (length == 0)
		return true;
	return path_length >= length && memcmp(path, group, length) == 0 &&
	       (path_length == length || path[length] == '/');
}

/* Whether a part of @path is the unit @name, ".service" being understood. */
static bool path_has_unit(const char *path, size_t path_length, const char *name)
{
	const char *suffix = strrchr(name, '.') ? "" : ".service";
	size_t name_length = strlen(name), suffix_length = strlen(suffix);

	while (path_length > 0) {
		const char *slash = memchr(path, '/', path_length);
		size_t part = slash ? (size_t)(slash - path) : path_length;

		if (part == name_length + suffix_length && memcmp(path, name, name_length) == 0 &&
		    memcmp(path + name_length, suffix, suffix_length) == 0)
			return true;
		if (!slash)
			break;
		path_length -= part + 1;
		path = slash + 1;
	}
	return false;
}

static bool cgroup_matches(const struct target_pattern *pattern, int procfd, pid_t pid)
{
	char file[64], text[16384];

	snprintf(file, sizeof(file), "%d/cgroup", pid);
	if (fd_read_file_at(procfd, file, text, sizeof(text)) < 0)
		return false;
	/* Any hierarchy will do: on machines with v1 the interesting one is not always the same. */
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		const char *path = memchr(line, ':', length);

		path = path ? memchr(path + 1, ':', length - (size_t)(path + 1 - line)) : NULL;
		if (path) {
			size_t path_length = length - (size_t)(++path - line);

			if (pattern->option == OPTION_CGROUP
				    ? path_is_within(path, path_length, pattern->text)
				    : path_has_unit(path, path_length, pattern->text))
				return true;
		}
		line += length + (line[length] == '\n');
	}
	return false;
}

static bool exe_matches(const struct target_pattern *pattern, int procfd, pid_t pid)
{
	char path[PATH_MAX];
	const char *subject = path;

	if (proc_exe(procfd, pid, path, sizeof(path)) < 0)
		return false;
	if (!strchr(pattern->text, '/') && strrchr(path, '/'))
		subject = strrchr(path, '/') + 1;
	return fnmatch(pattern->text, subject, 0) == 0;
}

static bool pattern_matches(const struct target_pattern *pattern, int procfd,
			    const struct proc_entry *entry)
{
	switch (pattern->option) {
	case OPTION_COMM:
		return fnmatch(pattern->text, entry->stat.comm, 0) == 0;
	case OPTION_USER:
		return entry->status.euid == pattern->uid;
	case OPTION_EXE:
		return exe_matches(pattern, procfd, entry->pid);
	default:
		return cgroup_matches(pattern, procfd, entry->pid);
	}
}

static bool patterns_match(const struct targets *targets, int procfd,
			   const struct proc_entry *entry)
{
	if (targets->pattern_count == 0)
		return false;
	/* The dearest kinds, which read another file, come last. */
	static const int kinds[] = { OPTION_COMM, OPTION_USER, OPTION_EXE, OPTION_CGROUP,
				     OPTION_UNIT };
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		bool asked = false, matched = false;

		for (size_t i = 0; i < targets->pattern_count && !matched; i++) {
			if (targets->patterns[i].option != kinds[k])
				continue;
			asked = true;
			matched = pattern_matches(&targets->patterns[i], procfd, entry);
		}
		if (asked && !matched)
			return false;
	}
	return true;
}

static bool may_be_found(const struct proc_entry *entry)
{
	return entry->pid != getpid() && !(entry->stat.flags & PROC_FLAG_KTHREAD) &&
	       entry->stat.state != 'Z' && entry->stat.state != 'X';
}

void targets_select(const struct targets *targets, int procfd, struct proclist *list)
{
	for (size_t i = 0; i < targets->pid_count; i++) {
		struct proc_entry *entry = proclist_find(list, targets->pids[i].pid);

		if (entry)
			entry->selected = true;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct proc_entry *entry = &list->entries[i];

		if (!entry->selected)
			entry->selected =
				may_be_found(entry) && patterns_match(targets, procfd, entry);
	}
	if (!targets->children)
		return;
	proclist_select_children(list);
	for (size_t i = 0; i < list->count; i++) {
		struct proc_entry *entry = &list->entries[i];
		bool by_pid = false;

		for (size_t k = 0; k < targets->pid_count; k++)
			by_pid |= targets->pids[k].pid == entry->pid;
		if (!by_pid && !may_be_found(entry))
			entry->selected = false;
	}
}

void target_list_done(struct target_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		memhint_process_close(list->targets[i].process);
	free(list->targets);
	*list = (struct target_list){};
}

int target_list_add(struct target_list *list, struct memhint_process *process,
		    const struct memhint_process_stat *stat, bool by_pid)
{
	struct target *targets = reallocarray(list->targets, list->count + 1, sizeof(*targets));

	if (!targets)
		return -ENOMEM;
	targets[list->count++] =
		(struct target){ .process = process, .stat = *stat, .by_pid = by_pid };
	list->targets = targets;
	return 0;
}

int target_pid_failed(int procfd, const struct target_pid *pid, int error)
{
	char path[32];
	int dirfd;

	switch (error) {
	case -ESRCH: {
		struct proc_stat stat;

		snprintf(path, sizeof(path), "%d", pid->pid);
		dirfd = openat(procfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dirfd >= 0 && proc_stat_read(dirfd, &stat) == 0 && stat.state == 'Z')
			log_error(
				"process %d is a zombie: it has ended, its memory is free already",
				pid->pid);
		else
			log_error("there is no process %d", pid->pid);
		closep(&dirfd);
		return EXIT_GONE;
	}
	case -ESTALE:
		log_error("process %d is not %d:%" PRIu64
			  " but another one that got the same PID later",
			  pid->pid, pid->pid, pid->id);
		return EXIT_GONE;
	case -EINVAL:
		log_error("%d is a thread of a process, not a process", pid->pid);
		return EXIT_USAGE;
	case -EACCES:
	case -EPERM:
		log_error("process %d: %s", pid->pid, memhint_error_help(error));
		return EXIT_PERMISSION;
	case -ENOSYS:
		log_error("process %d: this kernel has no pidfds; memhint needs Linux 5.3 or newer",
			  pid->pid);
		return EXIT_UNSUPPORTED;
	default:
		log_error("process %d: %s", pid->pid, memhint_error_help(error));
		return EXIT_FAILURE;
	}
}

static int open_by_pid(int procfd, const struct target_pid *pid, struct target_list *list)
{
	struct memhint_process *process;
	struct memhint_process_stat stat;
	int r;

	if (pid->pid == getpid()) {
		log_error("process %d is memhint itself", pid->pid);
		return EXIT_USAGE;
	}
	r = pid->id ? memhint_process_open_unique(pid->pid, pid->id, &process)
		    : memhint_process_open(P_PID, (id_t)pid->pid, &process);
	if (r < 0)
		return target_pid_failed(procfd, pid, r);
	r = memhint_process_stat(process, &stat);
	if (r < 0) {
		memhint_process_close(process);
		return target_pid_failed(procfd, pid, r);
	}
	if (stat.is_kernel_thread) {
		log_error("process %d (%s) is a kernel thread: it has no memory of its own",
			  pid->pid, stat.comm);
		memhint_process_close(process);
		return EXIT_FAILURE;
	}
	if (target_list_add(list, process, &stat, true) < 0) {
		memhint_process_close(process);
		return out_of_memory();
	}
	return 0;
}

static bool has_target(const struct target_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->count; i++)
		if (memhint_process_pid(list->targets[i].process) == pid)
			return true;
	return false;
}

/* Those found by patterns and as children. What ends meanwhile was never found. */
static int open_found(const struct proclist *processes, struct target_list *list)
{
	for (size_t i = 0; i < processes->count; i++) {
		const struct proc_entry *entry = &processes->entries[i];
		struct memhint_process *process;
		struct memhint_process_stat stat;

		if (!entry->selected || has_target(list, entry->pid))
			continue;
		if (proc_entry_open(entry, &process, &stat) < 0)
			continue;
		if (stat.is_kernel_thread) {
			memhint_process_close(process);
			continue;
		}
		if (target_list_add(list, process, &stat, false) < 0) {
			memhint_process_close(process);
			return -ENOMEM;
		}
	}
	return 0;
}

static int open_more(const struct targets *targets, int procfd, struct target_list *list)
{
	_cleanup_(proclist_done) struct proclist processes = {};
	int r;

	if (targets->pattern_count == 0 && !targets->children)
		return 0;
	r = proclist_read(procfd, &processes);
	if (r < 0)
		return r;
	targets_select(targets, procfd, &processes);
	return open_found(&processes, list);
}

int targets_open_more(const struct targets *targets, struct target_list *list)
{
	_cleanup_close_ int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return procfd < 0 ? -errno : open_more(targets, procfd, list);
}

int targets_check_cgroups(const struct targets *targets, int procfd)
{
	for (size_t i = 0; i < targets->pattern_count; i++)
		if (targets->patterns[i].option == OPTION_CGROUP &&
		    cgroup_exists(procfd, targets->patterns[i].text) == 0) {
			log_error("there is no control group '%s'; 'memhint ps --columns +cgroup' "
				  "shows which there are",
				  targets->patterns[i].text);
			return EXIT_GONE;
		}
	return 0;
}

int targets_open(const struct targets *targets, struct target_list *ret_list)
{
	_cleanup_close_ int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct target_list list = {};
	int status = 0, r;

	if (procfd < 0) {
		log_error("/proc cannot be read: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	/* All that is wrong is said at once; the first complaint gives the status. */
	for (size_t i = 0; i < targets->pid_count; i++) {
		r = open_by_pid(procfd, &targets->pids[i], &list);
		if (status == 0)
			status = r;
	}
	if (status == 0) {
		r = open_more(targets, procfd, &list);
		if (r == -ENOMEM) {
			status = out_of_memory();
		} else if (r < 0) {
			log_error("/proc cannot be read: %s", strerror(-r));
			status = EXIT_FAILURE;
		}
	}
	if (status == 0 && list.count == 0) {
		status = targets_check_cgroups(targets, procfd);
		if (status == 0) {
			log_error("no process matches; 'memhint ps' lists what there is");
			status = EXIT_GONE;
		}
	}
	if (status != 0) {
		target_list_done(&list);
		return status;
	}
	*ret_list = list;
	return 0;
}

int target_status(int error)
{
	switch (error) {
	case 0:
		return EXIT_SUCCESS;
	case -ESRCH:
	case -ESTALE:
		return EXIT_GONE;
	case -EPERM:
	case -EACCES:
		return EXIT_PERMISSION;
	case -EOPNOTSUPP:
	case -ENOSYS:
		return EXIT_UNSUPPORTED;
	case -ECANCELED:
		return EXIT_PARTLY;
	default:
		return EXIT_FAILURE;
	}
}

/* A process that exits gives its memory back some time before its pidfd tells that it has ended. */
static bool is_ending(const struct memhint_process *process)
{
	struct proc_stat stat;

	return !memhint_process_is_alive(process) ||
	       proc_stat_read(memhint_process_dirfd(process), &stat) < 0 ||
	       (stat.flags & PROC_FLAG_EXITING);
}

/* A process whose other threads go on: /proc and the kernel reach its memory through the first one. */
static bool has_lost_main_thread(const struct memhint_process *process)
{
	struct proc_stat stat;

	return memhint_process_is_alive(process) &&
	       proc_stat_read(memhint_process_dirfd(process), &stat) == 0 && stat.state == 'Z' &&
	       stat.num_threads > 1;
}

/* What "run as root" does not mend: the root of a container, or a security module. */
static bool can_trace(void)
{
	_cleanup_close_ int procfd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t capabilities;

	return procfd >= 0 && machine_capabilities(procfd, &capabilities) == 0 &&
	       (capabilities & (UINT64_C(1) << CAP_SYS_PTRACE));
}

int target_failed(const struct target *target, int error)
{
	pid_t pid = memhint_process_pid(target->process);

	if (error == -ESRCH && has_lost_main_thread(target->process)) {
		log_error(
			"process %d (%s) goes on without its main thread, which has ended; the kernel "
			"lets nobody at its memory then",
			pid, target->stat.comm);
		return EXIT_FAILURE;
	}
	if (error == -ESRCH && is_ending(target->process))
		log_error("process %d (%s) has ended", pid, target->stat.comm);
	else if (error == -ESRCH)
		log_error("process %d (%s) has replaced its address space by exec", pid,
			  target->stat.comm);
	else if (error == -EACCES && can_trace())
		log_error(
			"process %d (%s): the kernel refuses a look at its memory map, although CAP_SYS_PTRACE "
			"is there: it belongs to an outer user namespace, or a security module protects it; "
			"run memhint outside of the container",
			pid, target->stat.comm);
	else
		log_error("process %d (%s): %s", pid, target->stat.comm, memhint_error_help(error));
	return target_status(error);
}
