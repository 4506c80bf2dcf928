/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint advise, cold, pageout, willneed, collapse: the options of giving advice. */
#include "cleanup.h"
#include "hint.h"
#include "kinds.h"
#include "log.h"
#include "parse.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPTION_ONLY = OPTION_OWN,
	OPTION_MAPPING,
	OPTION_RANGE,
	OPTION_MIN_SIZE,
	OPTION_MAX_BYTES,
	OPTION_RATE,
	OPTION_PACE,
	OPTION_FLAGS,
	OPTION_EXACT,
	OPTION_TIMEOUT,
	OPTION_SWAP_FLOOR,
	OPTION_FORCE,
	OPTION_GUARD,
	OPTION_COOKIE,
	OPTION_VIA,
	OPTION_DESTRUCTIVE,
};

/* What was asked for, as far as the hint itself does not tell it from what was not. */
struct choices {
	enum memhint_guard guard;
	bool has_guard;
};

#define ADVICE_NAMES                                                                              \
	"cold", "pageout", "willneed", "collapse", "normal", "random", "sequential", "mergeable", \
		"unmergeable", "hugepage", "nohugepage", "dontdump", "dodump", "dofork",          \
		"keeponfork", "populate_read", "populate_write", "dontneed", "free", "remove",    \
		"dontfork", "wipeonfork"

#define SWAP_FLOOR_PERCENT 5 /* what the machine keeps for its own bad moments */

static int parse_range(struct hint *hint, const struct options *options)
{
	uint64_t start, end, page = (uint64_t)sysconf(_SC_PAGESIZE);
	const char *dash = strchr(options->argument, '-');
	char first[32];

	if (!dash || dash - options->argument >= (ptrdiff_t)sizeof(first))
		return options_bad(
			options,
			"is not a range; ranges look like 7f12a000-7f12c000, as in memhint map");
	snprintf(first, sizeof(first), "%.*s", (int)(dash - options->argument), options->argument);
	if (parse_u64(first, 16, &start) < 0 || parse_u64(dash + 1, 16, &end) < 0)
		return options_bad(
			options,
			"is not a range; ranges look like 7f12a000-7f12c000, as in memhint map");
	if (start >= end)
		return options_bad(options, start == end ? "is empty" : "is the wrong way round");
	if (start % page || end % page)
		return options_bad(options, "does not begin and end at a page boundary");
	hint->filter.start = start;
	hint->filter.end = end;
	hint->has_range = true;
	return 0;
}

static int parse_pace(struct hint *hint, const struct options *options)
{
	if (strcmp(options->argument, "auto") == 0) {
		hint->pace = MEMHINT_PACE_AUTO;
		return 0;
	}
	if (strcmp(options->argument, "none") == 0) {
		hint->pace = MEMHINT_PACE_NONE;
		return 0;
	}
	hint->pace = MEMHINT_PACE_BOUND;
	if (parse_usec(options->argument, 1, &hint->pace_usec) < 0 || hint->pace_usec == 0)
		return options_bad(options, "is neither auto, none nor a time like 2ms");
	return 0;
}

static int parse_swap_floor(struct hint *hint, const struct options *options)
{
	char number[32];
	size_t length = strlen(options->argument);
	uint64_t percent;

	hint->swap_floor_percent = 0;
	hint->swap_floor_bytes = 0;
	if (length == 0 || options->argument[length - 1] != '%')
		return options_bytes(options, &hint->swap_floor_bytes);
	snprintf(number, sizeof(number), "%.*s", (int)(length - 1), options->argument);
	if (length >= sizeof(number) || parse_u64(number, 10, &percent) < 0 || percent > 100)
		return options_bad(options, "is not a share; shares go from 0% to 100%");
	hint->swap_floor_percent = (unsigned)percent;
	return 0;
}

static int parse_positive_bytes(const struct options *options, uint64_t *ret_bytes)
{
	int r = options_bytes(options, ret_bytes);

	return r == 0 && *ret_bytes == 0 ? options_bad(options, "is nothing at all") : r;
}

/* "64M" or "64M/s" */
static int parse_rate(struct hint *hint, struct options *options)
{
	size_t length = strlen(options->argument);
	char number[32];
	int r;

	if (length > 2 && length < sizeof(number) &&
	    strcmp(options->argument + length - 2, "/s") == 0) {
		snprintf(number, sizeof(number), "%.*s", (int)(length - 2), options->argument);
		options->argument = number;
	}
	r = parse_positive_bytes(options, &hint->bytes_per_second);
	options->argument = NULL;
	return r;
}

static int parse_guard(struct choices *choices, const struct options *options)
{
	for (int i = MEMHINT_GUARD_NONE; i <= MEMHINT_GUARD_FREEZE; i++)
		if (strcmp(options->argument, memhint_guard_name(i)) == 0) {
			choices->guard = i;
			choices->has_guard = true;
			return 0;
		}
	return options_bad(options, "is no guard; there are none, follow, cookie and freeze");
}

static int parse_via(struct hint *hint, const struct options *options)
{
	for (int i = MEMHINT_VIA_AUTO; i <= MEMHINT_VIA_INJECT; i++)
		if (strcmp(options->argument, memhint_via_name(i)) == 0) {
			hint->via = i;
			return 0;
		}
	return options_bad(options, "is no way; there are auto, kernel and inject");
}

static int take_option(struct hint *hint, struct choices *choices, struct options *options, int id)
{
	switch (id) {
	case OPTION_JSON:
		hint->json = true;
		return 0;
	case OPTION_DRY_RUN:
		hint->dry_run = true;
		return 0;
	case OPTION_FLAGS:
		hint->need_flags = true;
		return 0;
	case OPTION_EXACT:
		hint->filter.flags |= MEMHINT_FILTER_EXACT;
		return 0;
	case OPTION_FORCE:
		hint->force = true;
		return 0;
	case OPTION_GUARD:
		return parse_guard(choices, options);
	case OPTION_COOKIE:
		return options_cookie(options, &hint->cookie);
	case OPTION_VIA:
		return parse_via(hint, options);
	case OPTION_DESTRUCTIVE:
		hint->destructive = true;
		return 0;
	case OPTION_ONLY:
		return kinds_parse(options, &hint->filter.kinds);
	case OPTION_MAPPING:
		hint->filter.mapping = options->argument;
		return 0;
	case OPTION_RANGE:
		return parse_range(hint, options);
	case OPTION_MIN_SIZE:
		return options_bytes(options, &hint->filter.min_bytes);
	case OPTION_MAX_BYTES:
		return parse_positive_bytes(options, &hint->max_bytes);
	case OPTION_RATE:
		return parse_rate(hint, options);
	case OPTION_PACE:
		return parse_pace(hint, options);
	case OPTION_TIMEOUT: {
		int r = options_usec(options, 1000000, &hint->timeout_usec);

		return r == 0 && hint->timeout_usec == 0 ? options_bad(options, "is no time at all")
							 : r;
	}
	case OPTION_SWAP_FLOOR:
		return parse_swap_floor(hint, options);
	default:
		return targets_option(&hint->targets, options, id);
	}
}

/*
 * Whether it would destroy what may be lost at any time, but was not yet: droppable memory, which
 * must be known then. Next to the cost of the advice that of smaps is small, should it come to that.
 */
static bool advice_loses_droppable(int advice)
{
	return advice == MADV_PAGEOUT && memhint_probe(MEMHINT_FEATURE_DROPPABLE) == 0;
}

/* The advice by its name: 0, or the exit status after a sentence. */
static int take_advice(struct hint *hint, const char *name)
{
	static const char *const advices[] = { ADVICE_NAMES, NULL };
	const char *similar;

	if (memhint_advice_parse(name, &hint->advice) == 0)
		return 0;
	similar = options_similar(name, advices);
	if (similar)
		log_error("there is no advice '%s'; is '%s' meant?", name, similar);
	else
		log_error("there is no advice '%s'; 'memhint advise --help' lists them", name);
	return EXIT_USAGE;
}

/* Whether what was asked for goes together: 0, or the exit status after a sentence. */
static int check_choices(const struct hint *hint, const struct choices *choices)
{
	const char *advice = memhint_advice_name(hint->advice);

	if (hint->cookie && choices->has_guard && choices->guard != MEMHINT_GUARD_COOKIE) {
		log_error("--cookie means --guard cookie, but --guard %s was given",
			  memhint_guard_name(choices->guard));
		return EXIT_USAGE;
	}
	if (hint->via == MEMHINT_VIA_KERNEL && !memhint_advice_is_remote(hint->advice)) {
		log_error(
			"the kernel takes the advice %s only from a process itself; without --via kernel "
			"memhint runs it inside the process",
			advice);
		return EXIT_UNSUPPORTED;
	}
	if (!memhint_advice_is_destructive(hint->advice)) {
		if (hint->destructive)
			log_warning("the advice %s destroys nothing, so --destructive does nothing",
				    advice);
		return 0;
	}
	if (!hint->destructive) {
		log_error(
			"the advice %s %s; if that is meant, add --destructive, and --guard freeze or "
			"--cookie so that it cannot hit other memory than was looked at",
			advice,
			hint->advice == MADV_DONTFORK || hint->advice == MADV_WIPEONFORK
				? "withholds data from the children of a process, which may need it"
				: "destroys data of a process that does not know of it");
		return EXIT_USAGE;
	}
	if (!hint->cookie && choices->guard != MEMHINT_GUARD_COOKIE &&
	    choices->guard != MEMHINT_GUARD_FREEZE) {
		log_error(
			"the advice %s is given only with --guard freeze or --guard cookie, so that it "
			"cannot hit other memory than was looked at",
			advice);
		return EXIT_USAGE;
	}
	return 0;
}

static enum memhint_guard default_guard(const struct hint *hint)
{
	/* Comparing costs next to nothing while the target is held for the call. */
	if (hint_is_injected(hint))
		return MEMHINT_GUARD_FOLLOW;
	return memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0 ? MEMHINT_GUARD_FOLLOW
								: MEMHINT_GUARD_NONE;
}

static uint32_t default_kinds(const struct hint *hint)
{
	/* Who names the memory means it, of whatever kind it is. */
	if (hint->has_range || hint->filter.mapping)
		return MEMHINT_KIND_ALL;
	/* There is no other that can be given back so. Source: madvise(2) */
	return hint->advice == MADV_REMOVE ? MEMHINT_KIND_SHMEM : MEMHINT_KIND_PRIVATE;
}

static int read_options(struct hint *hint, const struct verb *verb, int argc, char **argv)
{
	struct choices choices = {};
	struct options options;
	char **rest;
	int id, r = 0;

	options_init(&options, verb, argc, argv);
	while (r == 0 && (id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status == EXIT_SUCCESS ? -1 : options.exit_status;
		r = take_option(hint, &choices, &options, id);
	}
	if (r != 0)
		return r;
	rest = options_rest(&options);
	if (verb == &verb_advise) {
		if (!*rest) {
			log_error("which advice? 'memhint advise --help' lists them");
			return EXIT_USAGE;
		}
		r = take_advice(hint, *rest++);
	} else {
		r = take_advice(hint, verb->name);
	}
	if (r == 0)
		r = check_choices(hint, &choices);
	if (r == 0)
		r = targets_arguments(&hint->targets, rest);
	if (r == 0 && targets_are_empty(&hint->targets)) {
		log_error(
			"which process? %s needs a PID or a pattern; 'memhint %s --help' lists them",
			verb->name, verb->name);
		r = EXIT_USAGE;
	}
	if (r == 0 && advice_loses_droppable(hint->advice))
		hint->need_flags = true;
	if (!hint->filter.kinds)
		hint->filter.kinds = default_kinds(hint);
	if (r == 0)
		hint->guard = hint->cookie	  ? MEMHINT_GUARD_COOKIE
			      : choices.has_guard ? choices.guard
						  : default_guard(hint);
	return r;
}

static int run_advise(const struct verb *verb, int argc, char **argv)
{
	struct hint hint = {
		.filter = { .size = sizeof(hint.filter) },
		.swap_floor_percent = SWAP_FLOOR_PERCENT,
	};
	struct hint_run run = {};
	int status, r;

	status = read_options(&hint, verb, argc, argv);
	if (status == 0) {
		status = hint_prepare(&hint, &run);
		if (status == 0)
			status = hint_report_begin(&run);
		if (status == 0) {
			status = hint_execute(&run);
			r = hint_report(&run);
			if (status == 0)
				status = r;
		}
		hint_run_done(&run);
	}
	targets_done(&hint.targets);
	return status < 0 ? EXIT_SUCCESS : status;
}

static const struct option_group memory_options = {
	.title = "Which of their memory (all private anonymous memory if none of these is given)",
	.options =
		(const struct option_text[]){
			{ "only", 'O', OPTION_ONLY, "KINDS",
			  "these kinds of mappings, separated by commas: anon, heap, stack, file,\n"
			  "shmem, code; pages of files may be in use by other processes too" },
			{ "mapping", 'm', OPTION_MAPPING, "PATTERN",
			  "mappings whose name, or the last part of it, matches: '*.so*'" },
			{ "range", 'r', OPTION_RANGE, "A-B",
			  "only from address A up to B, in hexadecimal" },
			{ "min-size", 'M', OPTION_MIN_SIZE, "SIZE",
			  "only mappings of at least this size" },
			{ "exact", 'x', OPTION_EXACT, NULL,
			  "look at every page first, also where that costs more than it saves" },
			{ "flags", 'f', OPTION_FLAGS, NULL,
			  "find out which mappings are locked or droppable, even where that means\n"
			  "reading smaps, which is slow and holds the process up; pageout always\n"
			  "does, where there can be droppable memory" },
			{} },
};

static const struct option_group limit_options = {
	.title = "How much, how fast",
	.options =
		(const struct option_text[]){
			{ "max-bytes", 'B', OPTION_MAX_BYTES, "SIZE",
			  "no more than this, over all processes" },
			{ "rate", 'R', OPTION_RATE, "SIZE", "no more than this a second" },
			{ "pace", 'P', OPTION_PACE, "PACE",
			  "how a process that runs is kept from stalling: auto (its mmap calls wait\n"
			  "2 ms at most; full speed if it is stopped), none, or a time like 500us" },
			{ "timeout", 'T', OPTION_TIMEOUT, "TIME",
			  "stop after so many seconds, or as in 500ms" },
			{ "swap-floor", 'F', OPTION_SWAP_FLOOR, "SIZE|PERCENT",
			  "pageout: refuse, and stop, when less swap than this is free (default: 5%)" },
			{ "force", 0, OPTION_FORCE, NULL,
			  "pageout: whatever swap is free; guard freeze: also PID 1, the parent of\n"
			  "memhint and other ancestors" },
			{ "dry-run", 'n', OPTION_DRY_RUN, NULL,
			  "do all but give the advice, and tell what would be done" },
			{} },
};

static const struct option_group guard_options = {
	.title = "What if the process changes its mappings meanwhile; who makes the call",
	.options =
		(const struct option_text[]){
			{ "guard", 'G', OPTION_GUARD, "GUARD",
			  "none: the advice is given all the same; follow: what is left is looked at\n"
			  "again; cookie: the rest is left alone; freeze: it cannot, as it does not run\n"
			  "(default: follow where cookies are exact or the advice is run inside, else\n"
			  "none)" },
			{ "cookie", 0, OPTION_COOKIE, "COOKIE",
			  "only if it is in the state that 'memhint cookie' gave this for; means\n"
			  "--guard cookie" },
			{ "via", 0, OPTION_VIA, "WAY",
			  "kernel: process_madvise(2); inject: madvise(2) run inside the process; auto:\n"
			  "the kernel where it takes the advice (default: auto)" },
			{ "destructive", 0, OPTION_DESTRUCTIVE, NULL,
			  "data of the process may be destroyed, or withheld from its children: for\n"
			  "dontneed, free, remove, dontfork and wipeonfork" },
			{} },
};

static const struct option_group *const advise_groups[] = {
	&target_options, &memory_options, &limit_options, &guard_options, &common_options, NULL,
};

#define ADVISE_EXIT_STATUS                                                                                   \
	"  All processes are checked before the first is touched. With several, one that fails does not\n"   \
	"  stop the others: then it is 3, as after Ctrl-C, which still prints what was done. A process\n"    \
	"  that has changed (guard cookie): 5 if nothing was done, else 3. One that is traced already, or\n" \
	"  does not come to a stop: 1."

const struct verb verb_advise = {
	.name = "advise",
	.arguments = "ADVICE [PID[:INODE]]...",
	.summary = "give an advice by its name",
	.description =
		"Gives any advice that madvise(2) knows. The kernel takes cold, pageout, willneed and collapse\n"
		"for other processes; each has a short form that is a verb of its own. The others it takes only\n"
		"from a process itself, so memhint runs the call inside the process, which stands still for it:\n"
		"normal, random, sequential, mergeable, unmergeable, hugepage, nohugepage, dontdump, dodump,\n"
		"dofork, keeponfork, populate_read, populate_write; and only with --destructive, and with guard\n"
		"cookie or freeze, dontneed, free, remove, dontfork, wipeonfork.",
	.groups = advise_groups,
	.examples =
		"  # the same as 'memhint pageout 1234'\n"
		"  memhint advise pageout 1234\n"
		"  # by the name in the manual of madvise(2)\n"
		"  memhint advise MADV_COLD --comm 'firefox*'\n"
		"  # equal pages of two processes are to be stored once (KSM)\n"
		"  memhint advise mergeable --only anon,heap 1234 1235\n"
		"  # keep a large cache out of core dumps\n"
		"  memhint advise dontdump --only anon --min-size 256M 1234\n"
		"  # a cache whose content may be lost, of a process that does not run meanwhile\n"
		"  memhint advise free --destructive --guard freeze --range 7f3a40000000-7f3a80000000 1234\n"
		"  # what would be done\n"
		"  memhint advise willneed --dry-run --json 1234\n",
	.exit_status = ADVISE_EXIT_STATUS,
	.run = run_advise,
};

const struct verb verb_cold = {
	.name = "cold",
	.arguments = "[PID[:INODE]]...",
	.summary = "these pages are the first to go when memory gets short",
	.description =
		"Marks memory as not used lately. Nothing is written and nothing is freed now; under memory\n"
		"pressure these pages go first. What is used again is warm again.",
	.groups = advise_groups,
	.examples = "  # a program in the background\n"
		    "  memhint cold 1234\n"
		    "  # everything that a container holds\n"
		    "  memhint cold --cgroup /system.slice/docker-1f2e3d.scope\n"
		    "  # just its large anonymous mappings\n"
		    "  memhint cold --only anon --min-size 1M 1234\n",
	.exit_status = ADVISE_EXIT_STATUS,
	.run = run_advise,
};

const struct verb verb_pageout = {
	.name = "pageout",
	.arguments = "[PID[:INODE]]...",
	.summary = "put memory out to swap now",
	.description =
		"Writes memory to swap and frees it. Nothing is lost: what the process touches comes back\n"
		"from swap. Where there is no swap, anonymous memory stays; 'memhint doctor' says how to get\n"
		"some, in compressed memory for instance.",
	.groups = advise_groups,
	.examples = "  # an idle program\n"
		    "  memhint pageout 1234\n"
		    "  # how much would that be?\n"
		    "  memhint pageout --dry-run --comm redis-server\n"
		    "  # all that a user runs, gently: 50 MB a second, at most a minute\n"
		    "  memhint pageout --user alice --rate 50M --timeout 1m\n"
		    "  # a stopped service, for a program to read\n"
		    "  memhint pageout --unit postgresql --json\n"
		    "  # one mapping, by address, as memhint map shows it\n"
		    "  memhint pageout --range 7f3a40000000-7f3a80000000 1234\n",
	.exit_status =
		ADVISE_EXIT_STATUS "\n  Less free swap than --swap-floor: 1, and nothing is done.",
	.run = run_advise,
};

const struct verb verb_willneed = {
	.name = "willneed",
	.arguments = "[PID[:INODE]]...",
	.summary = "fetch memory back before it is needed",
	.description =
		"Starts reading what is out: swap comes back into memory, beside the process, whose touches\n"
		"then find it there at once; with --only file, what its mapped files hold.",
	.groups = advise_groups,
	.examples = "  # a program that is about to be used again\n"
		    "  memhint willneed 1234\n"
		    "  # its program code, which may have been dropped\n"
		    "  memhint willneed --only code,file 1234\n"
		    "  # a process and all its children\n"
		    "  memhint willneed --children 1234\n",
	.exit_status = ADVISE_EXIT_STATUS,
	.run = run_advise,
};

const struct verb verb_collapse = {
	.name = "collapse",
	.arguments = "[PID[:INODE]]...",
	.summary = "join small pages into huge ones",
	.description =
		"Makes transparent huge pages of memory that lies in small ones: random access gets faster,\n"
		"memory use may grow by what was never touched, and by what is fetched back from swap. Takes\n"
		"about 6 ms for 2 MiB.",
	.groups = advise_groups,
	.examples = "  # the heap of a database\n"
		    "  memhint collapse --only heap,anon --min-size 64M 1234\n"
		    "  # for one second\n"
		    "  memhint collapse --timeout 1s 1234\n"
		    "  # how much could be joined\n"
		    "  memhint collapse --dry-run 1234\n",
	.exit_status = ADVISE_EXIT_STATUS,
	.run = run_advise,
};
