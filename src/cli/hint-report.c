/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What came of a hint, as a table or as JSON. */
#include "hint.h"
#include "json.h"
#include "kin.h"
#include "log.h"
#include "table.h"
#include "term.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A terminal is never full, and there a warning would come after the brace. */
static bool begins_early(const struct hint_run *run)
{
	return run->hint->json && !isatty(STDOUT_FILENO);
}

int hint_report_begin(const struct hint_run *run)
{
	/*
	 * A result that cannot be told is best found out before there is one: /dev/full and a full disk
	 * say so for the first byte of it.
	 */
	if (!begins_early(run))
		return 0;
	if (fputc('{', stdout) == EOF || fflush(stdout) != 0) {
		log_error("the result could not be written to stdout: %s; nothing was done",
			  strerror(errno));
		clearerr(stdout);
		return EXIT_FAILURE;
	}
	return 0;
}

static uint64_t advised_bytes(const struct hint_outcome *outcome)
{
	return outcome->result.advised.bytes +
	       outcome->result.skipped_by[MEMHINT_SKIP_DRY_RUN].bytes;
}

static void json_amounts(struct json *json, const struct memhint_result *result)
{
	json_object(json, "ranges");
	json_u64(json, "requested", result->requested.ranges);
	json_u64(json, "advised", result->advised.ranges);
	json_u64(json, "skipped", result->skipped.ranges);
	json_u64(json, "failed", result->failed.ranges);
	json_end(json);
	json_object(json, "bytes");
	json_u64(json, "requested", result->requested.bytes);
	json_u64(json, "advised", result->advised.bytes);
	json_u64(json, "skipped", result->skipped.bytes);
	json_u64(json, "failed", result->failed.bytes);
	json_end(json);
	json_object(json, "skipped_by_reason");
	for (unsigned i = 0; i < MEMHINT_SKIP_COUNT; i++)
		if (result->skipped_by[i].ranges > 0)
			json_u64(json, memhint_skip_name(i), result->skipped_by[i].bytes);
	json_end(json);
}

static void json_usage(struct json *json, const char *key, bool measured,
		       const struct memhint_usage *usage)
{
	if (!measured) {
		json_null(json, key);
		return;
	}
	json_object(json, key);
	json_u64(json, "rss_bytes", usage->rss_bytes);
	json_u64(json, "swap_bytes", usage->swap_bytes);
	json_u64(json, "huge_bytes", usage->huge_bytes);
	json_end(json);
}

static void json_outcome(struct json *json, const struct hint_outcome *outcome)
{
	const struct memhint_result *result = &outcome->result;
	pid_t pid = memhint_process_pid(outcome->target->process);

	json_object(json, NULL);
	json_i64(json, "pid", pid);
	json_format(json, "id", "%d:%" PRIu64, pid, memhint_process_id(outcome->target->process));
	json_string(json, "comm", outcome->target->stat.comm);
	json_amounts(json, result);
	json_usage(json, "before", result->measured, &result->before);
	json_usage(json, "after", result->measured, &result->after);
	json_u64(json, "syscalls", result->syscalls);
	json_u64(json, "elapsed_usec", result->elapsed_usec);
	json_u64(json, "longest_call_usec", result->longest_call_usec);
	json_u64(json, "retries", result->retries);
	json_bool(json, "map_changed", result->map_changed);
	json_bool(json, "exec_seen", result->exec_seen);
	json_string(json, "via",
		    result->via == MEMHINT_VIA_AUTO ? NULL : memhint_via_name(result->via));
	json_u64(json, "looks", result->looks);
	json_bool(json, "was_frozen", result->was_frozen);
	json_u64(json, "frozen_usec", result->frozen_usec);
	if (outcome->cookie)
		json_format(json, "cookie", "0x%016" PRIx64, outcome->cookie);
	else
		json_null(json, "cookie");
	json_string(json, "reader",
		    outcome->was_tried ? memhint_reader_name(outcome->reader) : NULL);
	json_bool(json, "flags_known", outcome->flags_known);
	json_string(json, "error", outcome->error ? memhint_error_name(outcome->error) : NULL);
	json_array(json, "errors");
	for (size_t i = 0; i < outcome->failure_count; i++) {
		const struct hint_failure *failure = &outcome->failures[i];

		json_object(json, NULL);
		json_address(json, "start", failure->failure.start);
		json_address(json, "end", failure->failure.end);
		json_string(json, "name", failure->name ? failure->name : "");
		json_string(json, "errno", memhint_error_name(failure->failure.error));
		json_end(json);
	}
	json_end(json);
	json_end(json);
}

static void report_json(const struct hint_run *run)
{
	uint64_t advised = 0;
	struct json json;

	json_init(&json, stdout);
	if (begins_early(run))
		json_reopen(&json); /* after the brace that hint_report_begin() wrote */
	else
		json_object(&json, NULL);
	json_string(&json, "schema", "memhint.advise/1");
	json_string(&json, "advice", memhint_advice_name(run->hint->advice));
	json_bool(&json, "dry_run", run->hint->dry_run);
	json_string(&json, "guard", memhint_guard_name(run->hint->guard));
	json_array(&json, "targets");
	for (size_t i = 0; i < run->list.count; i++) {
		json_outcome(&json, &run->outcomes[i]);
		advised += run->outcomes[i].result.advised.bytes;
	}
	json_end(&json);
	json_u64(&json, "bytes_advised", advised);
	json_end(&json);
}

/* "1.2G: swapped 1.0G, locked 64K", the largest reasons being what they are. */
static void set_skipped(struct table *table, size_t cell, const struct memhint_result *result)
{
	uint64_t dry = result->skipped_by[MEMHINT_SKIP_DRY_RUN].bytes;
	char text[512];
	size_t length;

	length = (size_t)snprintf(text, sizeof(text), "%s",
				  unit_bytes(result->skipped.bytes - dry).text);
	for (unsigned i = 0; i < MEMHINT_SKIP_COUNT && length < sizeof(text); i++)
		if (result->skipped_by[i].bytes > 0 && i != MEMHINT_SKIP_DRY_RUN)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s %s",
						   strchr(text, ':') ? ", " : ": ",
						   memhint_skip_name(i),
						   unit_bytes(result->skipped_by[i].bytes).text);
	table_set(table, cell, text);
}

enum {
	CELL_PID,
	CELL_COMMAND,
	CELL_ADVISED,
	CELL_FAILED,
	CELL_RSS,
	CELL_SWAP, /* of collapse: huge pages, which it is about */
	CELL_TIME,
	CELL_RATE,
	CELL_FROZEN, /* only where a process was kept from running */
	CELL_SKIPPED,
	CELL_COUNT
};

static bool makes_huge(const struct hint_run *run)
{
	return run->hint->advice == MADV_COLLAPSE;
}

static void set_change(struct table *table, const struct term *term, size_t cell, bool both,
		       uint64_t before, uint64_t after)
{
	if (both)
		table_format(table, cell, "%s %s %s", unit_bytes(before).text, term_arrow(term),
			     unit_bytes(after).text);
	else
		table_set(table, cell, unit_bytes(before).text);
}

static void show_outcome(const struct hint_run *run, struct table *table, const struct term *term,
			 const struct hint_outcome *outcome)
{
	const struct memhint_result *result = &outcome->result;

	table_row(table);
	table_format(table, CELL_PID, "%d", memhint_process_pid(outcome->target->process));
	table_set(table, CELL_COMMAND, outcome->target->stat.comm);
	table_colour(table, CELL_COMMAND, TERM_BOLD);
	if (!outcome->was_tried) {
		table_set(table, CELL_ADVISED, "-");
		table_set(table, CELL_SKIPPED,
			  outcome->error ? memhint_error_name(outcome->error) : "budget used up");
		table_colour(table, CELL_SKIPPED, TERM_RED);
		return;
	}
	table_set(table, CELL_ADVISED, unit_bytes(advised_bytes(outcome)).text);
	table_set(table, CELL_FAILED, unit_bytes(result->failed.bytes).text);
	table_colour(table, CELL_FAILED, result->failed.bytes ? TERM_RED : TERM_DIM);
	if (result->measured) {
		set_change(table, term, CELL_RSS, !run->hint->dry_run, result->before.rss_bytes,
			   result->after.rss_bytes);
		if (makes_huge(run))
			set_change(table, term, CELL_SWAP, !run->hint->dry_run,
				   result->before.huge_bytes, result->after.huge_bytes);
		else
			set_change(table, term, CELL_SWAP, !run->hint->dry_run,
				   result->before.swap_bytes, result->after.swap_bytes);
	}
	if (!run->hint->dry_run) {
		table_set(table, CELL_TIME, unit_usec(result->elapsed_usec).text);
		table_set(table, CELL_RATE,
			  unit_rate(result->advised.bytes, result->elapsed_usec).text);
	}
	if (result->frozen_usec > 0)
		table_set(table, CELL_FROZEN, unit_usec(result->frozen_usec).text);
	set_skipped(table, CELL_SKIPPED, result);
}

/* Whether any was kept from running. */
static bool any_stood(const struct hint_run *run)
{
	for (size_t i = 0; i < run->list.count; i++)
		if (run->outcomes[i].result.frozen_usec > 0)
			return true;
	return false;
}

/* What the guard did, for those who ask. */
static void say_changes(const struct hint_outcome *outcome)
{
	const struct memhint_result *result = &outcome->result;
	pid_t pid = memhint_process_pid(outcome->target->process);

	if (result->looks > 0)
		log_verbose("process %d changed its mappings meanwhile; looked again %" PRIu32
			    " times",
			    pid, result->looks);
	else if (result->map_changed)
		log_verbose("process %d changed its mappings meanwhile", pid);
	if (result->via == MEMHINT_VIA_INJECT)
		log_verbose("process %d was given the advice by calls run inside it", pid);
	if (result->frozen_usec > 0)
		log_verbose("process %d stood still for %s", pid,
			    unit_usec(result->frozen_usec).text);
}

/* Inside a process it is its own filters that decide, range by range. */
static const char *failure_help(const struct hint_outcome *outcome, int error)
{
	if (error == EOPNOTSUPP && kin_has_filter(outcome->target->process))
		return "a filter for system calls (seccomp) might end the process for this madvise(2)";
	return memhint_error_help(error);
}

static void say_failures(const struct hint_run *run)
{
	for (size_t i = 0; i < run->list.count; i++) {
		const struct hint_outcome *outcome = &run->outcomes[i];
		/* Each range only for those who ask; the first one tells the others why. */
		size_t shown = log_level() == LOG_VERBOSE   ? outcome->failure_count
			       : outcome->failure_count > 0 ? 1
							    : 0;

		for (size_t k = 0; k < shown; k++) {
			const struct hint_failure *failure = &outcome->failures[k];

			log_warning("process %d: 0x%" PRIx64 "-0x%" PRIx64 "%s%s failed: %s%s",
				    memhint_process_pid(outcome->target->process),
				    failure->failure.start, failure->failure.end,
				    failure->name && *failure->name ? " " : "",
				    failure->name ? failure->name : "",
				    failure_help(outcome, failure->failure.error),
				    shown < outcome->failure_count
					    ? "; more failed, --verbose lists them"
					    : "");
		}
	}
}

static int report_table(const struct hint_run *run)
{
	struct table_column columns[CELL_COUNT] = {
		[CELL_PID] = { .title = "PID", .right = true },
		[CELL_COMMAND] = { .title = "COMMAND" },
		[CELL_ADVISED] = { .title = run->hint->dry_run ? "WOULD ADVISE" : "ADVISED",
				   .right = true },
		[CELL_FAILED] = { .title = "FAILED", .right = true },
		[CELL_RSS] = { .title = "RESIDENT", .right = true },
		[CELL_SWAP] = { .title = makes_huge(run) ? "HUGE" : "SWAPPED", .right = true },
		[CELL_TIME] = { .title = "TIME", .right = true },
		[CELL_RATE] = { .title = "RATE", .right = true },
		[CELL_FROZEN] = { .title = "FROZEN", .right = true, .hidden = !any_stood(run) },
		[CELL_SKIPPED] = { .title = "SKIPPED", .may_cut = true },
	};
	struct table *table;
	struct term term;
	int r;

	term_init(&term, STDOUT_FILENO);
	table = table_new(&term, columns, CELL_COUNT);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < run->list.count; i++)
		show_outcome(run, table, &term, &run->outcomes[i]);
	r = table_print(table, stdout);
	table_free(table);
	return r;
}

int hint_report(const struct hint_run *run)
{
	if (run->hint->json) {
		report_json(run);
	} else if (report_table(run) < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	fflush(stdout); /* what follows on stderr comes after it on a terminal */
	if (!run->hint->json)
		say_failures(run);
	for (size_t i = 0; i < run->list.count; i++)
		say_changes(&run->outcomes[i]);
	return 0;
}
