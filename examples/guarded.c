/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gives a process any advice that madvise(2) knows, while it stands still, so that the advice goes to just
 * the memory that was looked at. Advice that the kernel takes only from the process itself is given from
 * inside.
 *
 *   cc guarded.c $(pkg-config --cflags --libs libmemhint) -o guarded
 *   ./guarded ADVICE PID        for instance: ./guarded dontdump 1234
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
	struct memhint_advise_options options = {
		.size = sizeof(options),
		.guard = MEMHINT_GUARD_FREEZE,
	};
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_map *map;
	int advice, r;

	if (argc != 3)
		errx(EXIT_FAILURE, "usage: %s ADVICE PID", argv[0]);
	need(memhint_advice_parse(argv[1], &advice), argv[1]);
	if (memhint_advice_is_destructive(advice))
		errx(EXIT_FAILURE, "%s: would destroy data", argv[1]);

	need(memhint_process_open(P_PID, (id_t)atoi(argv[2]), &process), "process");
	need(memhint_map_open(process, NULL, &map), "map");
	need(memhint_select(process, map, NULL, advice, &ranges), "select");
	options.map = map;
	r = memhint_advise(process, ranges, advice, &options, &result);

	printf("%s under guard %s, by way of %s: %" PRIu64 " bytes; it stood still for %" PRIu64
	       " us\n",
	       memhint_advice_name(advice), memhint_guard_name(options.guard),
	       memhint_via_name((enum memhint_via)result.via), result.advised.bytes,
	       result.frozen_usec);

	memhint_ranges_free(ranges);
	memhint_map_close(map);
	memhint_process_close(process);
	need(r, "advise");
	return EXIT_SUCCESS;
}
