/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint freeze: keeps processes from running, until thaw or for as long as memhint lasts. */
#include "cleanup.h"
#include "clock.h"
#include "frozen.h"
#include "group.h"
#include "interrupt.h"
#include "json.h"
#include "log.h"
#include "table.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPTION_WAY = OPTION_OWN,
	OPTION_HOLD,
	OPTION_FOR,
	OPTION_TIMEOUT,
	OPTION_FORCE,
};

struct freezer {
	struct targets targets;
	struct target_list list;
	struct memhint_freeze_options options;
	struct group group;
	uint64_t hold_usec; /* 0: until it is interrupted */
	uint64_t elapsed_usec;
	bool hold;
	bool json;
};

static int parse_way(struct freezer *freezer, const struct options *options)
{
	for (int i = MEMHINT_FREEZE_AUTO; i <= MEMHINT_FREEZE_SIGNAL; i++)
		if (strcmp(options->argument, memhint_freeze_way_name(i)) == 0) {
			freezer->options.way = i;
			return 0;
		}
	return options_bad(options, "is no way; there are auto, trace, cgroup and signal");
}

static int parse_time(const struct options *options, uint64_t *ret_usec)
{
	int r = options_usec(options, 1000000, ret_usec);

	return r == 0 && *ret_usec == 0 ? options_bad(options, "is no time at all") : r;
}

static int take_option(struct freezer *freezer, const struct options *options, int id)
{
	switch (id) {
	case OPTION_JSON:
		freezer->json = true;
		return 0;
	case OPTION_WAY:
		return parse_way(freezer, options);
	case OPTION_HOLD:
		freezer->hold = true;
		return 0;
	case OPTION_FOR:
		freezer->hold = true;
		return parse_time(options, &freezer->hold_usec);
	case OPTION_TIMEOUT:
		return parse_time(options, &freezer->options.timeout_usec);
	case OPTION_FORCE:
		freezer->options.flags |= MEMHINT_FREEZE_FORCE;
		return 0;
	default:
		return targets_option(&freezer->targets, options, id);
	}
}

/* Whether the way goes with the duration: 0, or EXIT_USAGE after a sentence. */
static int choose_way(struct freezer *freezer)
{
	struct memhint_freeze_options *options = &freezer->options;

	if (!freezer->hold) {
		options->flags |= MEMHINT_FREEZE_KEEP;
		if (options->way != MEMHINT_FREEZE_TRACE)
			return 0;
		log_error(
			"--way trace lasts only as long as memhint does: add --hold, or choose cgroup or "
			"signal for what is to stay frozen");
		return EXIT_USAGE;
	}
	if (options->way == MEMHINT_FREEZE_CGROUP || options->way == MEMHINT_FREEZE_SIGNAL) {
		log_error(
			"--hold and --for freeze by ptrace, so that the kernel lets go whatever happens to "
			"memhint; --way %s is for what is to stay frozen",
			memhint_freeze_way_name(options->way));
		return EXIT_USAGE;
	}
	options->way = MEMHINT_FREEZE_TRACE;
	return 0;
}

static int read_options(struct freezer *freezer, const struct verb *verb, int argc, char **argv)
{
	struct options options;
	int id, r = 0;

	options_init(&options, verb, argc, argv);
	while (r == 0 && (id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status == EXIT_SUCCESS ? -1 : options.exit_status;
		r = take_option(freezer, &options, id);
	}
	if (r == 0)
		r = targets_arguments(&freezer->targets, options_rest(&options));
	if (r == 0)
		r = choose_way(freezer);
	if (r == 0 && targets_are_empty(&freezer->targets)) {
		log_error(
			"which process? freeze needs a PID or a pattern; 'memhint freeze --help' lists "
			"them");
		r = EXIT_USAGE;
	}
	return r;
}

static const char *instead(const struct freezer *freezer)
{
	if (freezer->hold)
		return "or freeze it without --hold, by its control group or SIGSTOP";
	return freezer->options.way == MEMHINT_FREEZE_CGROUP ? "or use --way signal"
							     : "or try again later";
}

/* Calls @show for every process that does not run now. */
static void each_frozen(const struct freezer *freezer,
			void (*show)(const struct target *target, enum memhint_freeze_way way,
				     void *data),
			void *data)
{
	for (size_t i = 0; i < freezer->list.count; i++) {
		const struct target *target = &freezer->list.targets[i];

		for (size_t k = 0; target->freeze && k < memhint_freeze_count(target->freeze);
		     k++) {
			const struct memhint_process *process =
				memhint_freeze_process(target->freeze, k);

			if (memhint_process_pid(process) == memhint_process_pid(target->process)) {
				show(target, memhint_freeze_way(target->freeze, k), data);
				break;
			}
		}
	}
}

static void json_process(const struct target *target, enum memhint_freeze_way way, void *data)
{
	struct json *json = data;
	pid_t pid = memhint_process_pid(target->process);

	json_object(json, NULL);
	json_i64(json, "pid", pid);
	json_format(json, "id", "%d:%" PRIu64, pid, memhint_process_id(target->process));
	json_string(json, "comm", target->stat.comm);
	json_string(json, "way", memhint_freeze_way_name(way));
	json_end(json);
}

static void show_json(const struct freezer *freezer)
{
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.freeze/1");
	json_bool(&json, "hold", freezer->hold);
	json_array(&json, "processes");
	each_frozen(freezer, json_process, &json);
	json_end(&json);
	json_u64(&json, "elapsed_usec", freezer->elapsed_usec);
	json_end(&json);
}

enum { CELL_PID, CELL_COMMAND, CELL_ID, CELL_WAY, CELL_COUNT };

static void table_process(const struct target *target, enum memhint_freeze_way way, void *data)
{
	struct table *table = data;
	pid_t pid = memhint_process_pid(target->process);

	table_row(table);
	table_format(table, CELL_PID, "%d", pid);
	table_set(table, CELL_COMMAND, target->stat.comm);
	table_colour(table, CELL_COMMAND, TERM_BOLD);
	table_format(table, CELL_ID, "%d:%" PRIu64, pid, memhint_process_id(target->process));
	table_set(table, CELL_WAY, memhint_freeze_way_name(way));
}

static int show_table(const struct freezer *freezer)
{
	static const struct table_column columns[CELL_COUNT] = {
		[CELL_PID] = { .title = "PID", .right = true },
		[CELL_COMMAND] = { .title = "COMMAND" },
		[CELL_ID] = { .title = "ID" },
		[CELL_WAY] = { .title = "WAY" },
	};
	struct table *table;
	struct term term;
	int r;

	term_init(&term, STDOUT_FILENO);
	table = table_new(&term, columns, CELL_COUNT);
	if (!table)
		return -ENOMEM;
	each_frozen(freezer, table_process, table);
	r = table_print(table, stdout);
	table_free(table);
	return r;
}

/* What is not told must not stay: 0, or the exit status after a sentence. */
static int tell(const struct freezer *freezer)
{
	int r = 0;

	if (freezer->json)
		show_json(freezer);
	else
		r = show_table(freezer);
	errno = 0;
	/* EPIPE: who was to read it did not want to. */
	if (r == 0 && (fflush(stdout) == 0 || errno == EPIPE))
		return 0;
	log_error("the result could not be written to stdout: %s; nothing stays frozen",
		  strerror(r < 0   ? -r
			   : errno ? errno
				   : EIO));
	clearerr(stdout);
	return EXIT_FAILURE;
}

/* Whether none of them is left to be held. */
static bool all_ended(struct pollfd *fds, size_t count)
{
	size_t alive = 0;

	for (size_t i = 0; i < count; i++) {
		if (fds[i].fd >= 0 && (fds[i].revents & POLLIN))
			fds[i].fd = -1; /* a pidfd can be read once its process has ended */
		alive += fds[i].fd >= 0;
	}
	return alive == 0;
}

/* Until it is interrupted, the time is over, or none is left. The exit status. */
static int wait_for_end(const struct freezer *freezer)
{
	uint64_t deadline_usec = clock_usec() + freezer->hold_usec;
	_cleanup_free_ struct pollfd *fds = calloc(freezer->list.count, sizeof(*fds));
	sigset_t blocked, before;
	int status = EXIT_SUCCESS;

	if (!fds) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < freezer->list.count; i++) {
		const struct target *target = &freezer->list.targets[i];

		fds[i].fd = target->freeze ? memhint_process_pidfd(target->process) : -1;
		fds[i].events = POLLIN;
	}
	/* A signal that comes between the look at it and the wait must not be slept through. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!interrupted) {
		uint64_t now_usec = clock_usec();
		uint64_t left_usec = now_usec < deadline_usec ? deadline_usec - now_usec : 0;
		struct timespec left = { .tv_sec = (time_t)(left_usec / 1000000),
					 .tv_nsec = (long)(left_usec % 1000000) * 1000 };

		if (freezer->hold_usec && left_usec == 0)
			break;
		if (ppoll(fds, freezer->list.count, freezer->hold_usec ? &left : NULL, &before) >
			    0 &&
		    all_ended(fds, freezer->list.count)) {
			log_warning("all that was held has ended");
			status = EXIT_GONE;
			break;
		}
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}

/* The exit status after a sentence, or 0 if the error is not of the records. */
static int records_failed(const struct freezer *freezer, int error)
{
	const char *path;

	if (freezer->hold || frozen_directory_check(&path) != error)
		return 0;
	log_error(
		"there can be no record in %s of what is frozen (%s), so nothing was frozen. Make "
		"that directory, only for yourself to write to%s, or add --hold, which needs none",
		path, strerror(-error), geteuid() == 0 ? "" : ", or set XDG_RUNTIME_DIR");
	return error == -EPERM || error == -EACCES ? EXIT_PERMISSION : EXIT_FAILURE;
}

static int freeze(struct freezer *freezer)
{
	uint64_t begun_usec = clock_usec();
	int r, status;

	interrupt_catch(0);
	r = group_freeze(&freezer->targets, &freezer->list, &freezer->options, &freezer->group);
	if (r < 0 && interrupted) {
		log_error("stopped by %s; nothing stays frozen", interrupt_name());
		return EXIT_FAILURE;
	}
	status = r < 0 ? records_failed(freezer, r) : 0;
	if (status != 0)
		return status;
	if (r < 0)
		return group_failed(&freezer->list, r, instead(freezer), "nothing was frozen");
	freezer->elapsed_usec = clock_usec() - begun_usec;
	status = tell(freezer);
	if (status == 0 && freezer->hold) {
		if (isatty(STDOUT_FILENO) && !freezer->hold_usec)
			log_warning("they stand still until Ctrl-C");
		status = wait_for_end(freezer);
	}
	/* A signal that came before this was told: it was not to stay. */
	if (status != 0 || (interrupted && !freezer->hold))
		group_undo(&freezer->group, &freezer->list, &freezer->options);
	else
		freezer->elapsed_usec = group_close(&freezer->group, &freezer->list);
	if (status == 0 && interrupted && !freezer->hold) {
		log_error("stopped by %s; nothing stays frozen", interrupt_name());
		return EXIT_FAILURE;
	}
	if (freezer->hold)
		log_verbose("let go after %s", unit_usec(freezer->elapsed_usec).text);
	return status;
}

static int run_freeze(const struct verb *verb, int argc, char **argv)
{
	struct freezer freezer = {
		.options = { .size = sizeof(freezer.options), .run_directory = frozen_directory() },
	};
	int status = read_options(&freezer, verb, argc, argv);

	if (status == 0)
		status = targets_open(&freezer.targets, &freezer.list);
	if (status == 0)
		status = freeze(&freezer);
	target_list_done(&freezer.list);
	targets_done(&freezer.targets);
	return status < 0 ? EXIT_SUCCESS : status;
}

static const struct option_group freeze_options = {
	.title = "How, and for how long",
	.options =
		(const struct option_text[]){
			{ "way", 'w', OPTION_WAY, "WAY",
			  "cgroup: the freezer of a control group (v2) that holds nothing else; signal:\n"
			  "SIGSTOP; trace: ptrace, with --hold; auto: cgroup where it can be, else\n"
			  "signal, with --hold trace (default: auto)" },
			{ "hold", 'H', OPTION_HOLD, NULL,
			  "only until Ctrl-C; the kernel lets go whatever happens to memhint" },
			{ "for", 'f', OPTION_FOR, "TIME",
			  "only for so many seconds, or as in 500ms; means --hold" },
			{ "timeout", 'T', OPTION_TIMEOUT, "TIME",
			  "how long it may take until all of them stand still (default: 1s)" },
			{ "force", 0, OPTION_FORCE, NULL,
			  "also PID 1, the parent of memhint and other ancestors" },
			{} },
};

static const struct option_group *const freeze_groups[] = {
	&target_options,
	&freeze_options,
	&common_options,
	NULL,
};

const struct verb verb_freeze = {
	.name = "freeze",
	.arguments = "[PID[:INODE]]...",
	.summary = "keep processes from running",
	.description =
		"Freezes processes, all of them as one or none, those that they start meanwhile included. They\n"
		"stay so after memhint has ended, until 'memhint thaw'; or with --hold for as long as memhint\n"
		"runs. What somebody else had stopped or frozen is left so.",
	.groups = freeze_groups,
	.examples = "  # a process, until memhint thaw 1234\n"
		    "  memhint freeze 1234\n"
		    "  # everything in a container, through the freezer of its control group\n"
		    "  memhint freeze --cgroup /system.slice/docker-1f2e3d.scope\n"
		    "  # a process and its children, until Ctrl-C\n"
		    "  memhint freeze --hold --children 1234\n"
		    "  # for ten seconds\n"
		    "  memhint freeze --for 10s --comm 'firefox*'\n",
	.exit_status =
		"  All or nothing: 1 if one of them does not come to a stop, is PID 1 or an ancestor of\n"
		"  memhint, or (--hold) is traced already; then all run as before. --hold: 5 when all of them have ended.",
	.run = run_freeze,
};
