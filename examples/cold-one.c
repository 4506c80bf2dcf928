/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells the kernel that a process has not used its memory lately, so that its pages are the first to go
 * when memory gets short. Nothing is freed now, and nothing is lost.
 *
 *   cc cold-one.c $(pkg-config --cflags --libs libmemhint) -o cold-one
 *   ./cold-one PID
 */
#include <err.h>
#include <inttypes.h>
#include <memhint/memhint.h>
#include <stdio.h>
#include <stdlib.h>

static void need(int r, const char *what)
{
	if (r < 0)
		errx(EXIT_FAILURE, "%s: %s", what, memhint_error_help(r));
}

int main(int argc, char **argv)
{
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_map *map;
	int r;

	if (argc != 2)
		errx(EXIT_FAILURE, "usage: %s PID", argv[0]);

	/* From here on it is this process, whoever may get its number later. */
	need(memhint_process_open(P_PID, (id_t)atoi(argv[1]), &process), "process");
	need(memhint_map_open(process, NULL, &map), "map");
	need(memhint_select(process, map, NULL, MADV_COLD, &ranges), "select");

	/* The result is filled in on failure too: it says what was done until then. */
	r = memhint_advise(process, ranges, MADV_COLD, NULL, &result);

	printf("advised %" PRIu64 " of %" PRIu64 " bytes in %" PRIu64 " system calls\n",
	       result.advised.bytes, result.requested.bytes, result.syscalls);
	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++)
		if (result.skipped_by[i].bytes)
			printf("left out %" PRIu64 " bytes: %s\n", result.skipped_by[i].bytes,
			       memhint_skip_name((enum memhint_skip)i));
	if (result.failed.bytes)
		printf("refused %" PRIu64 " bytes, the first for %s\n", result.failed.bytes,
		       memhint_error_name(result.first_failure.error));

	memhint_ranges_free(ranges);
	memhint_map_close(map);
	memhint_process_close(process);
	need(r, "advise");
	return EXIT_SUCCESS;
}
