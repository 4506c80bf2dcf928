/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint ps: who holds how much memory, what of it is out, and who has not run for long. */
#include "cleanup.h"
#include "columns.h"
#include "fd.h"
#include "json.h"
#include "log.h"
#include "parse.h"
#include "proclist.h"
#include "targets.h"
#include "term.h"
#include "units.h"

#include <memhint/error.h>
#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	OPTION_ALL = OPTION_OWN,
	OPTION_SORT,
	OPTION_COLUMNS,
	OPTION_LIMIT,
	OPTION_BYTES,
};

enum {
	COLUMN_PID,
	COLUMN_ID,
	COLUMN_PPID,
	COLUMN_USER,
	COLUMN_STATE,
	COLUMN_THREADS,
	COLUMN_SIZE,
	COLUMN_RSS,
	COLUMN_ANON,
	COLUMN_FILE,
	COLUMN_SHMEM,
	COLUMN_SWAP,
	COLUMN_LOCKED,
	COLUMN_BAR,
	COLUMN_CPU,
	COLUMN_IDLE,
	COLUMN_AGE,
	COLUMN_CGROUP,
	COLUMN_EXE,
	COLUMN_COMMAND,
};

static const struct column all_columns[] = {
	[COLUMN_PID] = { "pid", "PID", .right = true, .by_default = true, .help = "process id" },
	[COLUMN_ID] = { "id", "ID", .by_default = false,
			.help = "PID:INODE, which no later process can get; costs two system calls each" },
	[COLUMN_PPID] = { "ppid", "PPID", .right = true, .help = "process id of the parent" },
	[COLUMN_USER] = { "user", "USER", .by_default = true, .help = "effective user" },
	[COLUMN_STATE] = { "state", "S", .by_default = true,
			   .help = "R running, S or D waiting, T stopped, Z zombie, I idle" },
	[COLUMN_THREADS] = { "threads", "THREADS", .right = true, .help = "number of threads" },
	[COLUMN_SIZE] = { "size", "SIZE", .right = true, .help = "address space" },
	[COLUMN_RSS] = { "rss", "RSS", .right = true, .by_default = true,
			 .help = "resident memory: anon, file and shmem together" },
	[COLUMN_ANON] = { "anon", "ANON", .right = true, .by_default = true,
			  .help = "resident anonymous memory" },
	[COLUMN_FILE] = { "file", "FILE", .right = true, .by_default = true,
			  .help = "resident pages of files, shared with others perhaps" },
	[COLUMN_SHMEM] = { "shmem", "SHMEM", .right = true, .by_default = true,
			   .help = "resident shared memory" },
	[COLUMN_SWAP] = { "swap", "SWAP", .right = true, .by_default = true,
			  .help = "anonymous memory that is swapped out" },
	[COLUMN_LOCKED] = { "locked", "LOCKED", .right = true,
			    .help = "memory locked by mlock(2), which stays" },
	[COLUMN_BAR] = { "bar", "ANON+SWAP", .by_default = true,
			 .help = "anonymous memory as a bar: resident, then swapped out" },
	[COLUMN_CPU] = { "cpu", "CPU", .right = true, .by_default = true,
			 .help = "CPU time used so far" },
	[COLUMN_IDLE] = { "idle", "IDLE", .right = true, .by_default = true,
			  .help = "time since any of its threads last ran" },
	[COLUMN_AGE] = { "age", "AGE", .right = true, .help = "time since it was started" },
	[COLUMN_CGROUP] = { "cgroup", "CGROUP", .may_cut = true,
			    .help = "control group; reads one more file each" },
	[COLUMN_EXE] = { "exe", "EXE", .may_cut = true,
			 .help = "path of the program; reads one more link each" },
	[COLUMN_COMMAND] = { "command", "COMMAND", .may_cut = true, .by_default = true,
			     .help = "name" },
	{}
};

/* One process as it is shown. Strings that cost something are there only when asked for. */
struct process_row {
	struct proc_entry *entry;
	const char *user;
	char *cgroup;
	char *exe;
	uint64_t id; /* 0: not known */
	uint64_t rss_bytes;
	uint64_t cpu_usec;
	uint64_t age_usec;
	uint64_t idle_usec;
	bool idle_known;
};

struct ps {
	struct targets targets;
	struct columns columns;
	bool json;
	bool all;
	bool bytes;
	uint64_t limit;	     /* 0: none */
	uint64_t clock_usec; /* now, as proc_last_run_usec() counts; 0: not needed */
	int procfd;
	struct proclist list;
	struct process_row *rows;
	size_t count;
	size_t missing; /* named processes that are not there */
	struct user_name {
		uid_t uid;
		char name[33];
	} * users;
	size_t user_count;
};

static void ps_done(struct ps *ps)
{
	targets_done(&ps->targets);
	proclist_done(&ps->list);
	for (size_t i = 0; i < ps->count; i++) {
		free(ps->rows[i].cgroup);
		free(ps->rows[i].exe);
	}
	free(ps->rows);
	free(ps->users);
	closep(&ps->procfd);
}

/* Fills in the names of all users first, since the array may move as it grows. */
static int read_users(struct ps *ps)
{
	for (size_t i = 0; i < ps->count; i++) {
		uid_t uid = ps->rows[i].entry->status.euid;
		const struct passwd *passwd;
		struct user_name *users;
		size_t k = 0;

		while (k < ps->user_count && ps->users[k].uid != uid)
			k++;
		if (k < ps->user_count)
			continue;
		users = reallocarray(ps->users, ps->user_count + 1, sizeof(*users));
		if (!users)
			return -ENOMEM;
		ps->users = users;
		users[k].uid = uid;
		passwd = getpwuid(uid);
		if (passwd)
			snprintf(users[k].name, sizeof(users[k].name), "%s", passwd->pw_name);
		else
			snprintf(users[k].name, sizeof(users[k].name), "%u", uid);
		ps->user_count++;
	}
	for (size_t i = 0; i < ps->count; i++)
		for (size_t k = 0; k < ps->user_count; k++)
			if (ps->users[k].uid == ps->rows[i].entry->status.euid)
				ps->rows[i].user = ps->users[k].name;
	return 0;
}

/* Whether a column is needed, to be shown or to sort by. */
static bool wants(const struct ps *ps, unsigned column)
{
	return columns_have(&ps->columns, column) || ps->columns.sort == column;
}

static void read_extras(const struct ps *ps, struct process_row *row)
{
	char path[PATH_MAX];
	uint64_t last_usec;

	if (wants(ps, COLUMN_ID)) {
		struct memhint_process_stat stat;
		struct memhint_process *process;

		if (proc_entry_open(row->entry, &process, &stat) == 0) {
			row->id = memhint_process_id(process);
			memhint_process_close(process);
		}
	}
	if (ps->clock_usec && proc_last_run_usec(ps->procfd, row->entry->pid,
						 row->entry->stat.num_threads, &last_usec) == 0) {
		row->idle_known = true;
		row->idle_usec = ps->clock_usec > last_usec ? ps->clock_usec - last_usec : 0;
	}
	if (wants(ps, COLUMN_CGROUP) &&
	    proc_cgroup(ps->procfd, row->entry->pid, path, sizeof(path)) == 0)
		row->cgroup = strdup(path);
	if (wants(ps, COLUMN_EXE) && proc_exe(ps->procfd, row->entry->pid, path, sizeof(path)) == 0)
		row->exe = strdup(path);
}

/*
 * A sentence for each named process that is not there, or is another one, which is then left out.
 * Returns how many.
 */
static size_t complain_missing(const struct ps *ps)
{
	size_t missing = 0;

	for (size_t i = 0; i < ps->targets.pid_count; i++) {
		const struct target_pid *pid = &ps->targets.pids[i];
		struct proc_entry *entry = proclist_find(&ps->list, pid->pid);
		struct memhint_process *process;
		int r;

		if (!entry) {
			target_pid_failed(ps->procfd, pid, -ESRCH);
			missing++;
			continue;
		}
		if (!pid->id)
			continue;
		r = memhint_process_open_unique(pid->pid, pid->id, &process);
		if (r == 0) {
			memhint_process_close(process);
			continue;
		}
		target_pid_failed(ps->procfd, pid, r);
		entry->selected = false;
		missing++;
	}
	return missing;
}

static int read_rows(struct ps *ps)
{
	uint64_t tick_usec = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK), now_usec;
	bool chosen = !targets_are_empty(&ps->targets);
	struct timespec now;
	int r;

	r = proclist_read(ps->procfd, &ps->list);
	if (r < 0)
		return r;
	if (chosen) {
		targets_select(&ps->targets, ps->procfd, &ps->list);
		ps->missing = complain_missing(ps);
	}
	clock_gettime(CLOCK_BOOTTIME, &now);
	if (!wants(ps, COLUMN_IDLE) || proc_clock_usec(ps->procfd, &ps->clock_usec) < 0)
		ps->clock_usec = 0;
	now_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	ps->rows = calloc(ps->list.count + 1, sizeof(*ps->rows));
	if (!ps->rows)
		return -ENOMEM;
	for (size_t i = 0; i < ps->list.count; i++) {
		struct proc_entry *entry = &ps->list.entries[i];
		struct process_row *row = &ps->rows[ps->count];
		uint64_t start_usec = entry->stat.start_ticks * tick_usec;

		if (chosen ? !entry->selected
			   : !ps->all && (entry->stat.flags & PROC_FLAG_KTHREAD ||
					  entry->stat.state == 'Z'))
			continue;
		*row = (struct process_row){
			.entry = entry,
			.rss_bytes = entry->status.anon_bytes + entry->status.file_bytes +
				     entry->status.shmem_bytes,
			.cpu_usec = (entry->stat.utime_ticks + entry->stat.stime_ticks) * tick_usec,
			.age_usec = now_usec > start_usec ? now_usec - start_usec : 0,
		};
		read_extras(ps, row);
		ps->count++;
	}
	return read_users(ps);
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_text(const char *a, const char *b)
{
	/* What is not known comes last. */
	if (!a || !b)
		return (b != NULL) - (a != NULL);
	return strcmp(a, b);
}

/* From the largest down for sizes and times, from the smallest up for names and ids. */
static int compare_rows(const void *a, const void *b, void *userdata)
{
	const struct process_row *x = a, *y = b;
	const struct columns *columns = userdata;
	const struct proc_status *s = &x->entry->status, *t = &y->entry->status;
	int r = 0;

	switch (columns->sort) {
	case COLUMN_PID:
	case COLUMN_ID:
		break;
	case COLUMN_PPID:
		r = compare_u64((uint64_t)x->entry->stat.ppid, (uint64_t)y->entry->stat.ppid);
		break;
	case COLUMN_USER:
		r = compare_text(x->user, y->user);
		break;
	case COLUMN_STATE:
		r = x->entry->stat.state - y->entry->stat.state;
		break;
	case COLUMN_THREADS:
		r = compare_u64(y->entry->stat.num_threads, x->entry->stat.num_threads);
		break;
	case COLUMN_SIZE:
		r = compare_u64(t->size_bytes, s->size_bytes);
		break;
	case COLUMN_RSS:
		r = compare_u64(y->rss_bytes, x->rss_bytes);
		break;
	case COLUMN_ANON:
		r = compare_u64(t->anon_bytes, s->anon_bytes);
		break;
	case COLUMN_FILE:
		r = compare_u64(t->file_bytes, s->file_bytes);
		break;
	case COLUMN_SHMEM:
		r = compare_u64(t->shmem_bytes, s->shmem_bytes);
		break;
	case COLUMN_SWAP:
		r = compare_u64(t->swap_bytes, s->swap_bytes);
		break;
	case COLUMN_LOCKED:
		r = compare_u64(t->locked_bytes, s->locked_bytes);
		break;
	case COLUMN_BAR:
		r = compare_u64(t->anon_bytes + t->swap_bytes, s->anon_bytes + s->swap_bytes);
		break;
	case COLUMN_CPU:
		r = compare_u64(y->cpu_usec, x->cpu_usec);
		break;
	case COLUMN_IDLE:
		r = compare_u64(y->idle_usec, x->idle_usec);
		break;
	case COLUMN_AGE:
		r = compare_u64(y->age_usec, x->age_usec);
		break;
	case COLUMN_CGROUP:
		r = compare_text(x->cgroup, y->cgroup);
		break;
	case COLUMN_EXE:
		r = compare_text(x->exe, y->exe);
		break;
	case COLUMN_COMMAND:
		r = strcmp(x->entry->stat.comm, y->entry->stat.comm);
		break;
	}
	if (r == 0)
		r = compare_u64((uint64_t)x->entry->pid, (uint64_t)y->entry->pid);
	return columns->reverse ? -r : r;
}

static unsigned bar_width(const struct term *term)
{
	return term->is_terminal && term->width < 100 ? 9 : 16;
}

static void show_cell(const struct ps *ps, const struct term *term, struct table *table,
		      size_t cell, const struct process_row *row, uint64_t scale)
{
	const struct proc_entry *entry = row->entry;
	const struct proc_status *status = &entry->status;

	switch (ps->columns.ids[cell]) {
	case COLUMN_PID:
		table_format(table, cell, "%d", entry->pid);
		break;
	case COLUMN_ID:
		if (row->id)
			table_format(table, cell, "%d:%" PRIu64, entry->pid, row->id);
		break;
	case COLUMN_PPID:
		table_format(table, cell, "%d", entry->stat.ppid);
		break;
	case COLUMN_USER:
		table_set(table, cell, row->user);
		break;
	case COLUMN_STATE:
		table_format(table, cell, "%c", entry->stat.state);
		if (entry->stat.state == 'R')
			table_colour(table, cell, TERM_GREEN);
		else if (entry->stat.state == 'T' || entry->stat.state == 't')
			table_colour(table, cell, TERM_YELLOW);
		break;
	case COLUMN_THREADS:
		table_format(table, cell, "%" PRIu32, entry->stat.num_threads);
		break;
	case COLUMN_SIZE:
		table_bytes(table, cell, status->size_bytes, ps->bytes);
		break;
	case COLUMN_RSS:
		table_bytes(table, cell, row->rss_bytes, ps->bytes);
		break;
	case COLUMN_ANON:
		table_bytes(table, cell, status->anon_bytes, ps->bytes);
		break;
	case COLUMN_FILE:
		table_bytes(table, cell, status->file_bytes, ps->bytes);
		break;
	case COLUMN_SHMEM:
		table_bytes(table, cell, status->shmem_bytes, ps->bytes);
		break;
	case COLUMN_SWAP:
		table_bytes(table, cell, status->swap_bytes, ps->bytes);
		break;
	case COLUMN_LOCKED:
		table_bytes(table, cell, status->locked_bytes, ps->bytes);
		break;
	case COLUMN_BAR:
		table_set(table, cell,
			  term_bar(term, bar_width(term), status->anon_bytes, status->swap_bytes,
				   status->anon_bytes + status->swap_bytes, scale)
				  .text);
		break;
	case COLUMN_CPU:
		table_set(table, cell, unit_usec(row->cpu_usec).text);
		break;
	case COLUMN_IDLE:
		table_set(table, cell, row->idle_known ? unit_usec(row->idle_usec).text : "?");
		break;
	case COLUMN_AGE:
		table_set(table, cell, unit_usec(row->age_usec).text);
		break;
	case COLUMN_CGROUP:
		table_set(table, cell, row->cgroup ? row->cgroup : "?");
		break;
	case COLUMN_EXE:
		table_set(table, cell, row->exe ? row->exe : "?");
		break;
	case COLUMN_COMMAND:
		table_set(table, cell, entry->stat.comm);
		table_colour(table, cell, TERM_BOLD);
		break;
	}
}

static int show_table(const struct ps *ps, size_t shown)
{
	uint64_t scale = 0, rss = 0, anon = 0, swapped = 0;
	struct table *table;
	struct term term;
	int r;

	term_init(&term, STDOUT_FILENO);
	table = columns_table(&ps->columns, &term, all_columns);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < shown; i++) {
		const struct proc_status *status = &ps->rows[i].entry->status;

		if (status->anon_bytes + status->swap_bytes > scale)
			scale = status->anon_bytes + status->swap_bytes;
		rss += ps->rows[i].rss_bytes;
		anon += status->anon_bytes;
		swapped += status->swap_bytes;
	}
	for (size_t i = 0; i < shown; i++) {
		table_row(table);
		for (size_t cell = 0; cell < ps->columns.count; cell++)
			show_cell(ps, &term, table, cell, &ps->rows[i], scale);
	}
	r = table_print(table, stdout);
	table_free(table);
	if (r == 0 && term.is_terminal)
		/* Resident pages of files and shared memory are counted once for each that maps them. */
		printf("%s%zu process%s: resident %s, of that anonymous %s; swapped out %s   %s resident  %s "
		       "swapped out%s\n",
		       term_colour(&term, TERM_DIM), shown, shown == 1 ? "" : "es",
		       unit_bytes(rss).text, unit_bytes(anon).text, unit_bytes(swapped).text,
		       term_bar_resident(&term), term_bar_swapped(&term),
		       term_colour(&term, TERM_RESET));
	return r;
}

static void show_json(const struct ps *ps, size_t shown)
{
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.ps/1");
	json_array(&json, "processes");
	for (size_t i = 0; i < shown; i++) {
		const struct process_row *row = &ps->rows[i];
		const struct proc_entry *entry = row->entry;

		json_object(&json, NULL);
		json_i64(&json, "pid", entry->pid);
		if (row->id)
			json_format(&json, "id", "%d:%" PRIu64, entry->pid, row->id);
		json_i64(&json, "parent_pid", entry->stat.ppid);
		json_string(&json, "comm", entry->stat.comm);
		json_u64(&json, "uid", entry->status.euid);
		json_string(&json, "user", row->user);
		json_format(&json, "state", "%c", entry->stat.state);
		json_bool(&json, "kernel_thread", entry->stat.flags & PROC_FLAG_KTHREAD);
		json_u64(&json, "threads", entry->stat.num_threads);
		json_u64(&json, "size_bytes", entry->status.size_bytes);
		json_u64(&json, "rss_bytes", row->rss_bytes);
		json_u64(&json, "anon_bytes", entry->status.anon_bytes);
		json_u64(&json, "file_bytes", entry->status.file_bytes);
		json_u64(&json, "shmem_bytes", entry->status.shmem_bytes);
		json_u64(&json, "swap_bytes", entry->status.swap_bytes);
		json_u64(&json, "locked_bytes", entry->status.locked_bytes);
		json_u64(&json, "cpu_usec", row->cpu_usec);
		json_u64(&json, "age_usec", row->age_usec);
		if (row->idle_known)
			json_u64(&json, "idle_usec", row->idle_usec);
		if (row->cgroup)
			json_string(&json, "cgroup", row->cgroup);
		if (row->exe)
			json_string(&json, "exe", row->exe);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
}

static int read_options(struct ps *ps, const struct verb *verb, int argc, char **argv)
{
	struct options options;
	int id, r = 0;

	options_init(&options, verb, argc, argv);
	while (r == 0 && (id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status == EXIT_SUCCESS ? -1 : options.exit_status;
		switch (id) {
		case OPTION_JSON:
			ps->json = true;
			break;
		case OPTION_ALL:
			ps->all = true;
			break;
		case OPTION_BYTES:
			ps->bytes = true;
			break;
		case OPTION_SORT:
			r = columns_sort_by(&ps->columns, &options, all_columns);
			break;
		case OPTION_COLUMNS:
			r = columns_choose(&ps->columns, &options, all_columns);
			break;
		case OPTION_LIMIT:
			if (parse_u64(options.argument, 10, &ps->limit) < 0 || ps->limit == 0)
				r = options_bad(&options, "is not a number of processes");
			break;
		default:
			r = targets_option(&ps->targets, &options, id);
		}
	}
	return r == 0 ? targets_arguments(&ps->targets, options_rest(&options)) : r;
}

static int run_ps(const struct verb *verb, int argc, char **argv)
{
	_cleanup_(ps_done) struct ps ps = { .procfd = -1 };
	size_t shown;
	int r;

	columns_init(&ps.columns, all_columns, COLUMN_RSS);
	r = read_options(&ps, verb, argc, argv);
	if (r != 0)
		return r < 0 ? EXIT_SUCCESS : r;
	ps.procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = ps.procfd < 0 ? -errno : read_rows(&ps);
	if (r < 0) {
		log_error("/proc cannot be read: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	qsort_r(ps.rows, ps.count, sizeof(*ps.rows), compare_rows, &ps.columns);
	shown = ps.limit && ps.limit < ps.count ? (size_t)ps.limit : ps.count;
	if (ps.json)
		show_json(&ps, shown);
	else if (shown > 0 && show_table(&ps, shown) < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	if (ps.count > 0)
		return ps.missing > 0 ? EXIT_PARTLY : EXIT_SUCCESS;
	if (ps.missing == 0 && targets_check_cgroups(&ps.targets, ps.procfd) == 0)
		log_error("no process matches; 'memhint ps' without a choice lists them all");
	return EXIT_GONE;
}

static const struct option_group ps_options = {
	.title = "What to show",
	.options =
		(const struct option_text[]){
			{ "all", 'a', OPTION_ALL, NULL, "kernel threads and zombies too" },
			{ "sort", 's', OPTION_SORT, "COLUMN",
			  "by this column: sizes and times from the largest down, names from A\n"
			  "to Z; with a minus before it the other way round (default: rss)" },
			{ "columns", 'o', OPTION_COLUMNS, "LIST",
			  "these columns, separated by commas; with a plus before the list, these\n"
			  "beside those that are shown anyway" },
			{ "limit", 'n', OPTION_LIMIT, "NUMBER", "no more than the first so many" },
			{ "bytes", 'b', OPTION_BYTES, NULL, "exact sizes" },
			{} },
};

const struct verb verb_ps = {
	.name = "ps",
	.arguments = "[PID[:INODE]]...",
	.summary = "who holds how much memory, and who has not run for long",
	.description =
		"Lists processes with the memory they hold, as resident and as swapped out, the largest\n"
		"first. Resident pages of files are counted for every process that maps them. Without a\n"
		"choice of processes all are listed, but kernel threads and zombies.",
	.groups = (const struct option_group *const[]){ &target_options, &ps_options,
							&common_options, NULL },
	.columns = all_columns,
	.examples = "  # everything, the largest first\n"
		    "  memhint ps\n"
		    "  # who has not run for long? those are the ones to page out\n"
		    "  memhint ps --sort idle --limit 20\n"
		    "  # what a service holds, with names that no later process can get\n"
		    "  memhint ps --unit postgresql --columns id,rss,swap,command\n"
		    "  # everything a shell has started, for a program to read\n"
		    "  memhint ps --pid $$ --children --json\n",
	.exit_status =
		"  Processes that are gone while others are there: 3. No process matches: 5.",
	.run = run_ps,
};
