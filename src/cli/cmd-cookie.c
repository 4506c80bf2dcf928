/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint cookie: what names the present state of an address space. */
#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "table.h"
#include "targets.h"

#include <memhint/error.h>
#include <memhint/guard.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	OPTION_CHECK = OPTION_OWN,
};

struct cookies {
	struct targets targets;
	struct target_list list;
	uint64_t *values; /* one for each target; 0: it could not be had */
	int *errors;	  /* why */
	uint64_t checked; /* the one to compare with; 0: none */
	bool same;	  /* whether the state is still that */
	bool json;
};

static int read_options(struct cookies *cookies, const struct verb *verb, int argc, char **argv)
{
	struct options options;
	int id, r = 0;

	options_init(&options, verb, argc, argv);
	while (r == 0 && (id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status == EXIT_SUCCESS ? -1 : options.exit_status;
		if (id == OPTION_JSON)
			cookies->json = true;
		else if (id == OPTION_CHECK)
			r = options_cookie(&options, &cookies->checked);
		else
			r = targets_option(&cookies->targets, &options, id);
	}
	if (r == 0)
		r = targets_arguments(&cookies->targets, options_rest(&options));
	if (r == 0 && targets_are_empty(&cookies->targets)) {
		log_error("which process? cookie needs a PID or a pattern; 'memhint cookie --help' "
			  "lists them");
		r = EXIT_USAGE;
	}
	return r;
}

static const char *kind_name(uint64_t cookie)
{
	return memhint_cookie_kind_name(memhint_cookie_kind(cookie));
}

static void show_json(const struct cookies *cookies)
{
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.cookie/1");
	json_array(&json, "processes");
	for (size_t i = 0; i < cookies->list.count; i++) {
		const struct target *target = &cookies->list.targets[i];
		pid_t pid = memhint_process_pid(target->process);

		json_object(&json, NULL);
		json_i64(&json, "pid", pid);
		json_format(&json, "id", "%d:%" PRIu64, pid, memhint_process_id(target->process));
		json_string(&json, "comm", target->stat.comm);
		if (cookies->values[i]) {
			json_format(&json, "cookie", "0x%016" PRIx64, cookies->values[i]);
			json_string(&json, "kind", kind_name(cookies->values[i]));
		} else {
			json_null(&json, "cookie");
			json_null(&json, "kind");
		}
		json_string(&json, "error",
			    cookies->errors[i] ? memhint_error_name(cookies->errors[i]) : NULL);
		json_end(&json);
	}
	json_end(&json);
	if (cookies->checked) {
		json_format(&json, "checked", "0x%016" PRIx64, cookies->checked);
		json_bool(&json, "same", cookies->same);
	}
	json_end(&json);
}

enum { CELL_PID, CELL_COMMAND, CELL_ID, CELL_KIND, CELL_COOKIE, CELL_COUNT };

static int show_table(const struct cookies *cookies)
{
	static const struct table_column columns[CELL_COUNT] = {
		[CELL_PID] = { .title = "PID", .right = true },
		[CELL_COMMAND] = { .title = "COMMAND" },
		[CELL_ID] = { .title = "ID" },
		[CELL_KIND] = { .title = "KIND" },
		[CELL_COOKIE] = { .title = "COOKIE" },
	};
	struct table *table;
	struct term term;
	int r;

	term_init(&term, STDOUT_FILENO);
	table = table_new(&term, columns, CELL_COUNT);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < cookies->list.count; i++) {
		const struct target *target = &cookies->list.targets[i];
		pid_t pid = memhint_process_pid(target->process);

		table_row(table);
		table_format(table, CELL_PID, "%d", pid);
		table_set(table, CELL_COMMAND, target->stat.comm);
		table_colour(table, CELL_COMMAND, TERM_BOLD);
		table_format(table, CELL_ID, "%d:%" PRIu64, pid,
			     memhint_process_id(target->process));
		if (cookies->values[i]) {
			table_set(table, CELL_KIND, kind_name(cookies->values[i]));
			table_format(table, CELL_COOKIE, "0x%016" PRIx64, cookies->values[i]);
		} else {
			table_set(table, CELL_KIND, memhint_error_name(cookies->errors[i]));
			table_colour(table, CELL_KIND, TERM_RED);
			table_set(table, CELL_COOKIE, "-");
		}
	}
	r = table_print(table, stdout);
	table_free(table);
	return r;
}

/* What a cookie of this kind is blind to, for a reader who may rely on it. */
static void say_limits(const struct cookies *cookies)
{
	bool exact = false, fingerprint = false;

	if (log_level() != LOG_VERBOSE && !isatty(STDOUT_FILENO))
		return;
	for (size_t i = 0; i < cookies->list.count; i++) {
		exact |= memhint_cookie_kind(cookies->values[i]) == MEMHINT_COOKIE_EXACT;
		fingerprint |=
			memhint_cookie_kind(cookies->values[i]) == MEMHINT_COOKIE_FINGERPRINT;
	}
	fflush(stdout); /* what follows on stderr comes after it on a terminal */
	if (exact)
		log_warning(
			"an exact cookie moves with every change of the mappings, also with one that "
			"is undone; it cannot see what is written into memory, and is not moved by "
			"page faults, cold, pageout and willneed");
	if (fingerprint)
		log_warning(
			"a fingerprint cannot see a change that was undone, one mapping in the place of "
			"another just like it, what is locked or droppable, nor an exec that gives "
			"the same text; 'memhint doctor' says what an exact cookie needs");
}

/* 0, or the exit status after a sentence. */
static int read_cookies(struct cookies *cookies)
{
	int status = 0;

	for (size_t i = 0; i < cookies->list.count; i++) {
		const struct target *target = &cookies->list.targets[i];
		int own;

		cookies->errors[i] = memhint_process_cookie(target->process, &cookies->values[i]);
		if (cookies->errors[i] < 0)
			own = target_failed(target, cookies->errors[i]);
		else
			own = 0;
		if (i == 0)
			status = own;
		else if (status != own)
			status = EXIT_PARTLY;
	}
	return status;
}

static bool any_cookie(const struct cookies *cookies)
{
	for (size_t i = 0; i < cookies->list.count; i++)
		if (cookies->values[i])
			return true;
	return false;
}

/* 0, or the exit status after a sentence. */
static int check(struct cookies *cookies)
{
	const struct target *target = &cookies->list.targets[0];
	int r = memhint_cookie_check(target->process, cookies->checked);

	cookies->same = r == 0;
	if (r == 0)
		return 0;
	if (r == -ESTALE)
		log_error("process %d (%s) is not in the state that cookie 0x%016" PRIx64
			  " names: it has changed its mappings since, or the cookie is of another "
			  "process, exec or boot",
			  memhint_process_pid(target->process), target->stat.comm,
			  cookies->checked);
	else if (r == -EOPNOTSUPP)
		log_error("cookie 0x%016" PRIx64 " is an exact one, which cannot be compared here; "
			  "'memhint doctor' says what exact_cookie needs",
			  cookies->checked);
	else
		return target_failed(target, r);
	return target_status(r);
}

static int tell(struct cookies *cookies)
{
	int status, r;

	cookies->values = calloc(cookies->list.count, sizeof(*cookies->values));
	cookies->errors = calloc(cookies->list.count, sizeof(*cookies->errors));
	if (!cookies->values || !cookies->errors) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	if (cookies->checked && cookies->list.count > 1) {
		log_error("a cookie is of one process, but %zu are meant", cookies->list.count);
		return EXIT_USAGE;
	}
	/* Compared first: reading the present one, too, may take longer. */
	r = cookies->checked ? check(cookies) : 0;
	if (r != 0 && r != EXIT_GONE)
		return r;
	status = read_cookies(cookies);
	if (!any_cookie(cookies))
		return status;
	if (r != 0)
		status = r;
	if (cookies->json)
		show_json(cookies);
	else if (show_table(cookies) < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	if (!cookies->json)
		say_limits(cookies);
	return status;
}

static int run_cookie(const struct verb *verb, int argc, char **argv)
{
	struct cookies cookies = {};
	int status = read_options(&cookies, verb, argc, argv);

	if (status == 0)
		status = targets_open(&cookies.targets, &cookies.list);
	if (status == 0)
		status = tell(&cookies);
	free(cookies.values);
	free(cookies.errors);
	target_list_done(&cookies.list);
	targets_done(&cookies.targets);
	return status < 0 ? EXIT_SUCCESS : status;
}

static const struct option_group cookie_options = {
	.title = "What to do",
	.options =
		(const struct option_text[]){
			{ "check", 'k', OPTION_CHECK, "COOKIE",
			  "compare: exit status 0 if the process is still in that state, 5 if not" },
			{} },
};

static const struct option_group *const cookie_groups[] = {
	&target_options,
	&cookie_options,
	&common_options,
	NULL,
};

const struct verb verb_cookie = {
	.name = "cookie",
	.arguments = "[PID[:INODE]]...",
	.summary = "name the present state of a process's mappings",
	.description =
		"Prints a cookie: 64 bits that stay the same as long as the process does not change its\n"
		"mappings, and that no other process, exec or boot has. An advice with --cookie is given only\n"
		"if the process is still in that state. An exact cookie is the kernel's own count of changes; a\n"
		"fingerprint, where that cannot be read, is a hash of the list of mappings, which misses\n"
		"changes that were undone.",
	.groups = cookie_groups,
	.examples = "  # the cookie of a process\n"
		    "  memhint cookie 1234\n"
		    "  # has it changed since?\n"
		    "  memhint cookie --check 0x812a00000000004e 1234\n"
		    "  # page out what was looked at, or nothing\n"
		    "  memhint pageout --cookie 0x812a00000000004e 1234\n"
		    "  # for a program to read\n"
		    "  memhint cookie --json 1234\n",
	.exit_status = "  --check: 5 if the process has changed, or the cookie is of another one.",
	.run = run_cookie,
};
