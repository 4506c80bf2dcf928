/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints what of a process's memory is resident, for each kind of mapping, in bytes.
 *
 *   cc map-report.c $(pkg-config --cflags --libs libmemhint) -o map-report
 *   ./map-report PID
 */
#include <err.h>
#include <inttypes.h>
#include <memhint/memhint.h>
#include <stdio.h>
#include <stdlib.h>

struct sum {
	size_t mappings;
	uint64_t size;
	uint64_t resident;
	uint64_t swapped;
};

static void need(int r, const char *what)
{
	if (r < 0)
		errx(EXIT_FAILURE, "%s: %s", what, memhint_error_help(r));
}

int main(int argc, char **argv)
{
	/* Pages cost more than the list of mappings alone, so they must be asked for. */
	struct memhint_map_options options = { .size = sizeof(options), .want = MEMHINT_MAP_PAGES };
	struct memhint_process_stat stat;
	struct memhint_process *process;
	struct memhint_map *map;

	if (argc != 2)
		errx(EXIT_FAILURE, "usage: %s PID", argv[0]);
	need(memhint_process_open(P_PID, (id_t)atoi(argv[1]), &process), "process");
	need(memhint_process_stat(process, &stat), "stat");
	need(memhint_map_open(process, &options, &map), "map");

	printf("%d:%" PRIu64 " %s\n", memhint_process_pid(process), memhint_process_id(process),
	       stat.comm);
	/* A kind is one bit, so that a filter can name several. */
	for (uint32_t kind = 1; kind & MEMHINT_KIND_ALL; kind <<= 1) {
		struct sum sum = { 0 };

		for (size_t i = 0; i < memhint_map_count(map); i++) {
			const struct memhint_vma *vma = memhint_map_get(map, i);

			if (vma->kind != kind)
				continue;
			sum.mappings++;
			sum.size += vma->end - vma->start;
			sum.resident += vma->resident_bytes;
			sum.swapped += vma->swapped_bytes;
		}
		printf("%-8s %zu mappings, size %" PRIu64 ", resident %" PRIu64 ", swapped %" PRIu64
		       "\n",
		       memhint_kind_name((enum memhint_kind)kind), sum.mappings, sum.size,
		       sum.resident, sum.swapped);
	}

	memhint_map_close(map);
	memhint_process_close(process);
	return EXIT_SUCCESS;
}
