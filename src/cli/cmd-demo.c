/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint demo: real programs shrink, lose nothing, and answer again. */
#include "cleanup.h"
#include "clock.h"
#include "demo-interrupt.h"
#include "demo-janitor.h"
#include "demo.h"
#include "log.h"
#include "options.h"
#include "parse.h"
#include "units.h"
#include "verb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_KEYS 1000000
#define DEFAULT_MEGABYTES 300
#define KEYS_MIN 1000
#define KEYS_MAX 99999999
#define MEGABYTES_MIN 50 /* an interpreter alone has most of that */
#define MEGABYTES_MAX (1 << 20)

enum {
	OPTION_KEYS = OPTION_OWN,
	OPTION_MEGABYTES,
	OPTION_SWAP,
};

static uint64_t available_bytes(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/meminfo", "re");
	char line[256];
	uint64_t kib;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			return kib << 10;
	return UINT64_MAX;
}

/* What the programs are going to hold, roughly; above rather than below. */
static uint64_t expected_bytes(const struct demo *demo)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < demo->count; i++)
		if (demo->members[i].kind == PROGRAM_REDIS)
			sum += demo->keys * 260 + (20 << 20);
		else
			sum += ((demo->megabytes * 3 / 2) << 20) + (64 << 20);
	return sum;
}

/* With the swap, which compresses to half at least. */
static uint64_t memory_bytes(const struct demo *demo)
{
	return expected_bytes(demo) / 2 * 3;
}

/* Fills in which programs there are, and says which are missing. */
static int find_programs(struct demo *demo)
{
	char missing[256] = "", packages[256] = "";

	for (enum program_kind kind = 0; kind < PROGRAM_KINDS; kind++) {
		if (program_is_installed(kind)) {
			demo->rows[demo->count].program = program_command(kind);
			demo->members[demo->count++].kind = kind;
			continue;
		}
		snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), "%s%s",
			 *missing ? ", " : "", program_command(kind));
		snprintf(packages + strlen(packages), sizeof(packages) - strlen(packages), " %s",
			 program_package(kind));
	}
	if (demo->count == 0) {
		log_error("none of %s is in PATH, and the demo needs at least one; install them: "
			  "apt install%s",
			  missing, packages);
		return EXIT_FAILURE;
	}
	if (*missing)
		log_warning(
			"not in PATH, so the demo goes on without: %s; to have all: apt install%s",
			missing, packages);
	return 0;
}

/* Whether all this is allowed: 0, or an exit status after a sentence. Nothing has been started yet. */
static int check(struct demo *demo)
{
	uint64_t needed = expected_bytes(demo);
	int r = memhint_probe(MEMHINT_FEATURE_REMOTE_PAGEOUT);

	if (r == -EPERM || r == -EACCES) {
		log_error(
			"paging out other processes needs the capability CAP_SYS_NICE; run this as root");
		return EXIT_PERMISSION;
	}
	if (r < 0) {
		log_error(
			"this kernel does not page out other processes (%s); Linux 5.10 or newer does",
			memhint_error_name(r));
		return EXIT_UNSUPPORTED;
	}
	if (!demo_has_enough_swap(demo, needed) && swap_permission() < 0) {
		log_error(
			"making swap for the demo needs the capability CAP_SYS_ADMIN; run this as root, "
			"or have %s of swap free",
			unit_bytes(needed).text);
		return EXIT_PERMISSION;
	}
	return 0;
}

/* Makes the programs smaller until they fit, unless the user chose: 0, or an exit status. */
static int fit_memory(struct demo *demo)
{
	uint64_t available = available_bytes(), needed = memory_bytes(demo);

	if (needed <= available)
		return 0;
	while (!demo->size_given && memory_bytes(demo) > available && demo->keys / 2 >= KEYS_MIN &&
	       demo->megabytes / 2 >= MEGABYTES_MIN) {
		demo->keys /= 2;
		demo->megabytes /= 2;
	}
	if (memory_bytes(demo) > available) {
		log_error(
			"the programs and their swap may take %s of memory, and %s is available%s",
			unit_bytes(memory_bytes(demo)).text, unit_bytes(available).text,
			demo->size_given ? "; make them smaller by --keys and --megabytes" : "");
		return EXIT_FAILURE;
	}
	log_warning(
		"%s of memory is available, and %s may be needed: the programs are made smaller",
		unit_bytes(available).text, unit_bytes(needed).text);
	return 0;
}

/* From the first process to the last: an exit status. */
static int run_demo(struct demo *demo)
{
	uint64_t start_usec;
	int r, cleaned;

	r = janitor_start(&demo->janitor);
	if (r == 0)
		r = interrupt_init();
	if (r < 0) {
		log_error("the demo could not begin: %s", strerror(-r));
		if (demo->janitor)
			janitor_finish(demo->janitor);
		return EXIT_FAILURE;
	}
	demo->setup = (struct program_setup){
		.janitor = demo->janitor,
		.cancel = interrupt_fd(),
		.redis_keys = demo->keys,
		.script_bytes = demo->megabytes << 20,
	};
	start_usec = clock_usec();
	view_init(&demo->view, demo->rows, demo->count, !demo->json && log_level() == LOG_NORMAL);
	r = demo_play(demo);
	if (r < 0) /* what was said about it must not be drawn over */
		demo->view.is_live = false;
	demo_step(demo, "removing everything");
	cleaned = janitor_finish(demo->janitor);
	for (size_t i = 0; i < demo->count; i++) {
		memhint_process_close(demo->members[i].process);
		program_free(demo->members[i].program);
	}
	demo->elapsed_usec = clock_usec() - start_usec;
	progress_clear();
	if (interrupt_signal()) {
		log_error("interrupted; %s", cleaned < 0 ? "not everything could be removed"
							 : "everything was removed");
		return 128 + interrupt_signal();
	}
	if (r < 0)
		return EXIT_FAILURE;
	if (demo->json)
		demo_print_json(demo);
	else
		demo_print(demo);
	return cleaned < 0 || !demo_totals(demo).intact ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int option_number(const struct options *options, uint64_t min, uint64_t max, uint64_t *ret)
{
	char reason[96];
	uint64_t number;

	if (parse_u64(options->argument, 10, &number) == 0 && number >= min && number <= max) {
		*ret = number;
		return 0;
	}
	snprintf(reason, sizeof(reason), "is not a whole number from %" PRIu64 " to %" PRIu64, min,
		 max);
	return options_bad(options, reason);
}

static int option_swap(const struct options *options, enum swap_choice *ret)
{
	static const char *const names[] = { "auto", "zram", "file" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(options->argument, names[i]) == 0) {
			*ret = (enum swap_choice)i;
			return 0;
		}
	return options_bad(options, "is not one of auto, zram, file");
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct demo demo = { .keys = DEFAULT_KEYS, .megabytes = DEFAULT_MEGABYTES };
	struct options options;
	int id, exit_status = 0;

	options_init(&options, verb, argc, argv);
	while ((id = options_next(&options)) > OPTION_END) {
		switch (id) {
		case OPTION_JSON:
			demo.json = true;
			break;
		case OPTION_KEYS:
			demo.size_given = true;
			exit_status = option_number(&options, KEYS_MIN, KEYS_MAX, &demo.keys);
			break;
		case OPTION_MEGABYTES:
			demo.size_given = true;
			exit_status = option_number(&options, MEGABYTES_MIN, MEGABYTES_MAX,
						    &demo.megabytes);
			break;
		case OPTION_SWAP:
			exit_status = option_swap(&options, &demo.swap_choice);
			break;
		}
		if (exit_status)
			return exit_status;
	}
	if (id < 0)
		return options.exit_status;
	if (!options_no_rest(&options))
		return EXIT_USAGE;
	exit_status = find_programs(&demo);
	if (exit_status == 0)
		exit_status = check(&demo);
	if (exit_status == 0)
		exit_status = fit_memory(&demo);
	return exit_status ? exit_status : run_demo(&demo);
}

static const struct option_group demo_options = {
	.title = "Size and swap",
	.options =
		(const struct option_text[]){
			{ "keys", 0, OPTION_KEYS, "N",
			  "keys of 100 bytes that Redis holds (default 1000000)" },
			{ "megabytes", 0, OPTION_MEGABYTES, "N",
			  "size of the data of Python and of Node.js, each (default 300)" },
			{ "swap", 0, OPTION_SWAP, "WHICH",
			  "auto (default): the swap there is, if enough is free, else a zram\n"
			  "device of the demo's own, else a swap file; zram or file: one of\n"
			  "the demo's own, used before any other" },
			{} },
};

const struct verb verb_demo = {
	.name = "demo",
	.summary = "see real programs shrink, lose nothing, and answer again",
	.description =
		"Starts a Redis server, a Python and a Node.js program, each with a few hundred\n"
		"megabytes of data, waits until they are idle, pages them out, asks each a question, and\n"
		"compares their data with what it was. Swap is made for the occasion if there is too\n"
		"little. Whatever was started or made is removed in the end, also after Ctrl-C and when\n"
		"memhint itself is killed.",
	.groups = (const struct option_group *const[]){ &demo_options, &common_options, NULL },
	.examples = "  # all of it, in about a quarter of a minute\n"
		    "  memhint demo\n"
		    "  # smaller, and for a program to read\n"
		    "  memhint demo --keys 100000 --megabytes 100 --json\n",
	.exit_status = "  128 and the number of the signal when it was interrupted",
	.run = run,
};
