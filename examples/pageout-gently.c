/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages a process out at no more than so many bytes a second, tells how far it is, and stops in good
 * order on Ctrl-C. What was paged out comes back when the process touches it.
 *
 *   cc pageout-gently.c $(pkg-config --cflags --libs libmemhint) -o pageout-gently
 *   ./pageout-gently PID BYTES-PER-SECOND
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <memhint/memhint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile int cancelled;

static void cancel(int number)
{
	cancelled = number;
}

static int show_progress(const struct memhint_progress *progress, void *userdata)
{
	(void)userdata;
	fprintf(stderr, "%" PRIu64 " of %" PRIu64 " bytes\n", progress->done_bytes,
		progress->total_bytes);
	return 0; /* anything else would cancel */
}

static void show_failure(const struct memhint_failure *failure, void *userdata)
{
	(void)userdata;
	fprintf(stderr, "%" PRIx64 "-%" PRIx64 ": %s\n", failure->start, failure->end,
		memhint_error_help(failure->error));
}

static void need(int r, const char *what)
{
	if (r < 0)
		errx(EXIT_FAILURE, "%s: %s", what, memhint_error_help(r));
}

int main(int argc, char **argv)
{
	struct memhint_advise_options options = {
		.size = sizeof(options),
		.flags = MEMHINT_ADVISE_MEASURE,
		.cancel = &cancelled,
		.progress = show_progress,
		.failure = show_failure,
	};
	struct sigaction action = { .sa_handler = cancel };
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_map *map;
	int r;

	if (argc != 3)
		errx(EXIT_FAILURE, "usage: %s PID BYTES-PER-SECOND", argv[0]);
	options.bytes_per_second = strtoull(argv[2], NULL, 10);
	sigaction(SIGINT, &action, NULL);

	need(memhint_process_open(P_PID, (id_t)atoi(argv[1]), &process), "process");
	need(memhint_map_open(process, NULL, &map), "map");
	need(memhint_select(process, map, NULL, MADV_PAGEOUT, &ranges), "select");

	options.map = map; /* so that exec and changed mappings are noticed */
	r = memhint_advise(process, ranges, MADV_PAGEOUT, &options, &result);
	printf("%s: advised %" PRIu64 ", skipped %" PRIu64 ", failed %" PRIu64 " of %" PRIu64
	       " bytes\n",
	       r == -ECANCELED ? "cancelled" : "done", result.advised.bytes, result.skipped.bytes,
	       result.failed.bytes, result.requested.bytes);
	/* What the kernel was told is not what it freed: that has to be measured. */
	if (result.measured)
		printf("resident: %" PRIu64 " before, %" PRIu64 " after\n", result.before.rss_bytes,
		       result.after.rss_bytes);

	memhint_ranges_free(ranges);
	memhint_map_close(map);
	memhint_process_close(process);
	if (r != -ECANCELED)
		need(r, "advise");
	return EXIT_SUCCESS;
}
