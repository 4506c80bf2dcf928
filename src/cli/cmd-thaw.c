/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint thaw: lets run again what memhint freeze has left frozen. */
#include "cgroup.h"
#include "cleanup.h"
#include "fd.h"
#include "frozen.h"
#include "json.h"
#include "log.h"
#include "table.h"
#include "targets.h"

#include <memhint/error.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPTION_ALL = OPTION_OWN,
	OPTION_RECOVER,
	OPTION_LIST,
};

#define NOT_MEANT 1 /* no errno is positive here */

struct thawer {
	struct targets targets;
	int mode; /* OPTION_ALL, OPTION_RECOVER, OPTION_LIST; 0: the targets */
	bool json;
	struct frozen_list records; /* those there were */
	int *errors;		    /* what came of each, or NOT_MEANT */
	int unread;		    /* why others could not be read */
};

static int read_options(struct thawer *thawer, const struct verb *verb, int argc, char **argv)
{
	struct options options;
	int id, r = 0;

	options_init(&options, verb, argc, argv);
	while (r == 0 && (id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status == EXIT_SUCCESS ? -1 : options.exit_status;
		if (id == OPTION_JSON) {
			thawer->json = true;
		} else if (id < OPTION_OWN) {
			r = targets_option(&thawer->targets, &options, id);
		} else if (thawer->mode && thawer->mode != id) {
			log_error("--all, --recover and --list are three things; which of them?");
			r = EXIT_USAGE;
		} else {
			thawer->mode = id;
		}
	}
	if (r == 0)
		r = targets_arguments(&thawer->targets, options_rest(&options));
	if (r == 0 && thawer->mode && !targets_are_empty(&thawer->targets)) {
		log_error("--all, --recover and --list take no processes");
		r = EXIT_USAGE;
	}
	if (r == 0 && !thawer->mode && targets_are_empty(&thawer->targets)) {
		log_error(
			"which process? thaw needs a PID or a pattern, or --all; 'memhint thaw --list' "
			"shows what is frozen");
		r = EXIT_USAGE;
	}
	return r;
}

static bool is_shown(const struct thawer *thawer, size_t number)
{
	return thawer->mode == OPTION_LIST || thawer->errors[number] != NOT_MEANT;
}

static void json_record(struct json *json, const struct thawer *thawer, size_t number)
{
	const struct frozen *record = &thawer->records.items[number];
	int error = thawer->errors[number];

	json_object(json, NULL);
	if (record->pid) {
		json_i64(json, "pid", record->pid);
		json_format(json, "id", "%d:%" PRIu64, record->pid, record->id);
	} else {
		json_null(json, "pid");
		json_null(json, "id");
	}
	json_string(json, "comm", record->comm[0] ? record->comm : NULL);
	json_string(json, "way", memhint_freeze_way_name(record->way));
	json_string(json, "cgroup", record->cgroup);
	if (thawer->mode == OPTION_LIST)
		json_string(json, "state", frozen_state(record));
	else
		json_string(json, "error", error ? memhint_error_name(error) : NULL);
	json_end(json);
}

static void show_json(const struct thawer *thawer)
{
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema",
		    thawer->mode == OPTION_LIST ? "memhint.frozen/1" : "memhint.thaw/1");
	json_array(&json, "processes");
	for (size_t i = 0; i < thawer->records.count; i++)
		if (is_shown(thawer, i))
			json_record(&json, thawer, i);
	json_end(&json);
	json_end(&json);
}

enum { CELL_PID, CELL_COMMAND, CELL_ID, CELL_WAY, CELL_STATE, CELL_CGROUP, CELL_COUNT };

static int show_table(const struct thawer *thawer)
{
	static const struct table_column columns[CELL_COUNT] = {
		[CELL_PID] = { .title = "PID", .right = true },
		[CELL_COMMAND] = { .title = "COMMAND" },
		[CELL_ID] = { .title = "ID" },
		[CELL_WAY] = { .title = "WAY" },
		[CELL_STATE] = { .title = "STATE" },
		[CELL_CGROUP] = { .title = "CGROUP", .may_cut = true },
	};
	struct table *table;
	struct term term;
	int r;

	term_init(&term, STDOUT_FILENO);
	table = table_new(&term, columns, CELL_COUNT);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < thawer->records.count; i++) {
		const struct frozen *record = &thawer->records.items[i];
		int error = thawer->errors[i];

		if (!is_shown(thawer, i))
			continue;
		table_row(table);
		if (record->pid) {
			table_format(table, CELL_PID, "%d", record->pid);
			table_format(table, CELL_ID, "%d:%" PRIu64, record->pid, record->id);
		} else {
			table_set(table, CELL_PID, "-");
			table_set(table, CELL_ID, "-");
		}
		table_set(table, CELL_COMMAND, record->comm[0] ? record->comm : "-");
		table_colour(table, CELL_COMMAND, TERM_BOLD);
		table_set(table, CELL_WAY, memhint_freeze_way_name(record->way));
		table_set(table, CELL_STATE,
			  thawer->mode == OPTION_LIST ? frozen_state(record)
			  : error		      ? memhint_error_name(error)
			  : record->is_gone	      ? "gone"
						      : "thawed");
		table_set(table, CELL_CGROUP, record->cgroup ? record->cgroup : "-");
	}
	r = table_print(table, stdout);
	table_free(table);
	return r;
}

static int tell(const struct thawer *thawer, int status)
{
	if (thawer->json) {
		show_json(thawer);
	} else if (show_table(thawer) < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	return status;
}

/* Nothing but a sentence, where nothing was let go. */
static int tell_any(const struct thawer *thawer, int status)
{
	bool any = status == 0;

	for (size_t i = 0; i < thawer->records.count; i++)
		any |= thawer->errors[i] == 0;
	return any ? tell(thawer, status) : status;
}

/* A process in a group, through which that is thawed; or NULL. */
static struct memhint_process *open_member(const char *cgroup)
{
	_cleanup_close_ int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = procfd < 0 ? -1 : cgroup_open(procfd, cgroup);
	_cleanup_fclose_ FILE *file = NULL;
	struct memhint_process *process;
	int pid;

	if (fd < 0 || fd_fopen_at(fd, "cgroup.procs", &file) < 0)
		return NULL;
	while (fscanf(file, "%d", &pid) == 1)
		if (memhint_process_open(P_PID, (id_t)pid, &process) == 0)
			return process;
	return NULL;
}

static bool is_same(const struct frozen *one, const struct frozen *other)
{
	return one->pid == other->pid && one->id == other->id && one->way == other->way &&
	       (one->cgroup && other->cgroup ? strcmp(one->cgroup, other->cgroup) == 0
					     : one->cgroup == other->cgroup);
}

/* What is recorded no more was let go. 0 or a negative errno. */
static int find_thawed(struct thawer *thawer)
{
	struct frozen_list left;
	int r = frozen_read(&left);

	if (r < 0 && r != thawer->unread) {
		frozen_list_done(&left);
		return r;
	}
	for (size_t i = 0; i < thawer->records.count; i++) {
		bool is_left = false;

		for (size_t k = 0; k < left.count; k++)
			is_left |= is_same(&thawer->records.items[i], &left.items[k]);
		if (!is_left)
			thawer->errors[i] = 0;
	}
	frozen_list_done(&left);
	return 0;
}

static int thaw_record(const struct frozen *record)
{
	struct memhint_process *process;
	int r = record->pid ? memhint_process_open_unique(record->pid, record->id, &process)
			    : -ESRCH;

	/* It has ended, others of its group may not have. */
	if ((r == -ESRCH || r == -ESTALE) && record->cgroup &&
	    (process = open_member(record->cgroup)))
		r = 0;
	/* Of whom nobody is left there is nothing to be kept; that is forgotten afterwards. */
	if (r == -ESRCH || r == -ESTALE)
		return 0;
	if (r < 0)
		return r;
	r = memhint_thaw(process, record->directory);
	memhint_process_close(process);
	/* A group may just have been thawed through another of its members. */
	return r == -ENOENT && record->cgroup ? 0 : r;
}

static int thaw_all(struct thawer *thawer)
{
	size_t count = 0, forgotten;
	int status = 0;

	for (size_t i = 0; i < thawer->records.count; i++) {
		const struct frozen *record = &thawer->records.items[i];

		if (!record->is_kept)
			continue;
		count++;
		thawer->errors[i] = thaw_record(record);
		if (thawer->errors[i] == 0)
			continue;
		log_error("process %d (%s) could not be thawed: %s", record->pid, record->comm,
			  memhint_error_help(thawer->errors[i]));
		status = target_status(thawer->errors[i]);
	}
	frozen_recover(&forgotten);
	if (count == 0 && !thawer->unread)
		log_warning("memhint has left nothing frozen, so nothing was done");
	return status;
}

/* Whether a record is about a process: it itself, or a group that it is in. */
static bool covers(const struct frozen *record, const struct target *target, int procfd)
{
	pid_t pid = memhint_process_pid(target->process);
	char path[4096];
	size_t length;

	if (record->pid == pid && record->id == memhint_process_id(target->process))
		return true;
	if (!record->cgroup || proc_cgroup(procfd, pid, path, sizeof(path)) < 0)
		return false;
	length = strlen(record->cgroup);
	return strncmp(path, record->cgroup, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/');
}

static struct frozen *find_record(const struct thawer *thawer, const struct target *target,
				  int procfd)
{
	for (size_t i = 0; i < thawer->records.count; i++)
		if (covers(&thawer->records.items[i], target, procfd))
			return &thawer->records.items[i];
	return NULL;
}

/* The exit status of one; after a sentence, unless it is 0. */
static int thaw_target(struct thawer *thawer, const struct target *target, int procfd)
{
	const struct frozen *record = find_record(thawer, target, procfd);
	int r = memhint_thaw(target->process, record ? record->directory : frozen_directory());

	if (r == 0)
		return 0;
	/* Its group may just have been thawed through another of its members. */
	if (r == -ENOENT && record && find_thawed(thawer) == 0 &&
	    thawer->errors[record - thawer->records.items] == 0)
		return 0;
	if (record)
		thawer->errors[record - thawer->records.items] = r;
	if (r != -ENOENT)
		return target_failed(target, r);
	if (record && record->is_orphan)
		log_error(
			"process %d (%s) was left frozen by a program that was killed; 'memhint thaw "
			"--recover' lets it go",
			memhint_process_pid(target->process), target->stat.comm);
	else if (record && !record->is_kept)
		log_error(
			"process %d (%s) is held by a program that still runs, and lets it go when it "
			"ends",
			memhint_process_pid(target->process), target->stat.comm);
	else
		log_error(
			"process %d (%s) was not frozen by memhint, so it is left as it is; 'memhint "
			"thaw --list' shows what was",
			memhint_process_pid(target->process), target->stat.comm);
	return EXIT_FAILURE;
}

static int thaw_targets(struct thawer *thawer)
{
	_cleanup_(target_list_done) struct target_list list = {};
	_cleanup_close_ int procfd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t meant = 0;
	int status, first = 0;

	status = targets_open(&thawer->targets, &list);
	if (status != 0)
		return status;
	for (size_t i = 0; i < list.count; i++) {
		/* What a pattern found need not be frozen. */
		if (!list.targets[i].by_pid && !find_record(thawer, &list.targets[i], procfd))
			continue;
		status = thaw_target(thawer, &list.targets[i], procfd);
		if (meant++ == 0)
			first = status;
		else if (first != status)
			first = EXIT_PARTLY;
	}
	if (meant == 0) {
		log_error(
			"of the %zu processes found memhint has frozen none; 'memhint thaw --list' shows "
			"what it has",
			list.count);
		return EXIT_FAILURE;
	}
	return first;
}

static int recover(struct thawer *thawer)
{
	size_t count = 0;
	int r = frozen_recover(&count);

	log_verbose("%zu run again", count);
	if (r == 0)
		return 0;
	for (size_t i = 0; i < thawer->records.count; i++)
		if (thawer->records.items[i].is_orphan)
			thawer->errors[i] = r;
	log_error("not all that was left frozen could be thawed: %s", memhint_error_help(r));
	return target_status(r);
}

static int thaw(struct thawer *thawer)
{
	int status = 0, r;

	/* A file that is no record must not keep anybody frozen whose record is one. */
	thawer->unread = frozen_read(&thawer->records);
	thawer->errors = calloc(thawer->records.count + 1, sizeof(*thawer->errors));
	if (thawer->unread == -ENOMEM || !thawer->errors) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	if (thawer->unread < 0)
		log_error("not all records of what is frozen can be read: %s: %s",
			  frozen_directory() ? frozen_directory() : memhint_run_directory(),
			  memhint_error_name(thawer->unread));
	for (size_t i = 0; i < thawer->records.count; i++)
		thawer->errors[i] = NOT_MEANT;
	switch (thawer->mode) {
	case OPTION_LIST:
		return tell(thawer, thawer->unread ? EXIT_FAILURE : 0);
	case OPTION_ALL:
		status = thaw_all(thawer);
		break;
	case OPTION_RECOVER:
		status = recover(thawer);
		break;
	default:
		status = thaw_targets(thawer);
	}
	if (status == 0 && thawer->mode && thawer->unread)
		status = EXIT_FAILURE;
	r = find_thawed(thawer);
	if (r < 0)
		log_warning("the records of what is frozen cannot be read again: %s",
			    memhint_error_help(r));
	return tell_any(thawer, status);
}

static int run_thaw(const struct verb *verb, int argc, char **argv)
{
	struct thawer thawer = {};
	int status = read_options(&thawer, verb, argc, argv);

	if (status == 0)
		status = thaw(&thawer);
	free(thawer.errors);
	frozen_list_done(&thawer.records);
	targets_done(&thawer.targets);
	return status < 0 ? EXIT_SUCCESS : status;
}

static const struct option_group thaw_options = {
	.title = "All at once",
	.options =
		(const struct option_text[]){
			{ "all", 'a', OPTION_ALL, NULL,
			  "all that 'memhint freeze' has left frozen" },
			{ "recover", 'r', OPTION_RECOVER, NULL,
			  "what programs that were killed in the middle of a freeze have left frozen" },
			{ "list", 'l', OPTION_LIST, NULL,
			  "show what is recorded as frozen, and let nothing go" },
			{} },
};

static const struct option_group *const thaw_groups[] = {
	&target_options,
	&thaw_options,
	&common_options,
	NULL,
};

const struct verb verb_thaw = {
	.name = "thaw",
	.arguments = "[PID[:INODE]]...",
	.summary = "let processes run again that freeze has left frozen",
	.description =
		"Lets processes run again that 'memhint freeze' has left frozen, and no others: what somebody\n"
		"else has stopped stays stopped. Each is known by its unique id, so that a process which got\n"
		"the same PID later is never touched.",
	.groups = thaw_groups,
	.examples =
		"  # one process\n"
		"  memhint thaw 1234\n"
		"  # what is frozen? let all of it go\n"
		"  memhint thaw --list\n"
		"  memhint thaw --all\n"
		"  # a program was killed while it kept others frozen by control group or SIGSTOP\n"
		"  memhint thaw --recover\n",
	.exit_status =
		"  1 if memhint has not frozen it; with several, one that fails does not stop the\n"
		"  others: then it is 3.",
	.run = run_thaw,
};
