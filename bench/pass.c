/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole pass (snapshot, select, advise COLD), unpaced, on 2,000 one-page mappings with gaps,
 * against the floor for the same work and against two usual ways. Interleaved, medians.
 */
#include "bench.h"

#include "child.h"
#include "uapi.h"

#include <memhint/memhint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define P 4096ull
#define MAPPINGS 2000

static void set_up(struct child_shared *shared)
{
	char *block = mmap(NULL, 2 * MAPPINGS * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < MAPPINGS; i++) {
		char *page = mmap(block + 2 * i * P, P, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		if (page == MAP_FAILED || munmap(page + P, P) < 0)
			_exit(3);
		*page = 1;
	}
	shared->address[0] = (uint64_t)block;
}

struct scene {
	struct child child;
	struct memhint_process *process;
	int pidfd;
	uint64_t block;
	struct iovec ranges[MAPPINGS];
	enum memhint_reader reader;
};

/* memhint itself; returns ranges advised. */
static uint64_t way_memhint(struct scene *scene)
{
	const struct memhint_map_options map_options = { .size = sizeof(map_options),
							 .want = MEMHINT_MAP_UNPACED };
	const struct memhint_filter filter = { .size = sizeof(filter),
					       .flags = MEMHINT_FILTER_UNPACED };
	struct memhint_advise_options options = { .size = sizeof(options),
						  .pace = MEMHINT_PACE_NONE };
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_map *map;

	need(memhint_map_open(scene->process, &map_options, &map) == 0, "map");
	need(memhint_select(scene->process, map, &filter, MADV_COLD, &ranges) == 0, "select");
	options.map = map;
	need(memhint_advise(scene->process, ranges, MADV_COLD, &options, &result) == 0, "advise");
	scene->reader = memhint_map_reader(map);
	memhint_ranges_free(ranges);
	memhint_map_close(map);
	return result.advised.ranges;
}

/* One PAGEMAP_SCAN and two vectored calls on ranges that are known beforehand. */
static uint64_t way_floor(struct scene *scene)
{
	static struct uapi_page_region regions[2 * MAPPINGS];
	struct uapi_pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = scene->block,
		.end = scene->block + 2 * MAPPINGS * P,
		.vec = (uint64_t)regions,
		.vec_len = 2 * MAPPINGS,
		.category_anyof_mask = UAPI_PAGE_IS_PRESENT | UAPI_PAGE_IS_SWAPPED,
		.return_mask = UAPI_PAGE_IS_PRESENT | UAPI_PAGE_IS_SWAPPED,
	};
	int fd = openat(memhint_process_dirfd(scene->process), "pagemap", O_RDONLY | O_CLOEXEC);
	long n;

	need(ioctl(fd, UAPI_PAGEMAP_SCAN, &scan) == MAPPINGS, "PAGEMAP_SCAN");
	close(fd);
	n = syscall(SYS_process_madvise, scene->pidfd, scene->ranges, MAPPINGS / 2, MADV_COLD, 0);
	n += syscall(SYS_process_madvise, scene->pidfd, scene->ranges + MAPPINGS / 2, MAPPINGS / 2,
		     MADV_COLD, 0);
	return (uint64_t)n / P;
}

static size_t read_text(struct scene *scene, const char *name, char *text, size_t size)
{
	int fd = openat(memhint_process_dirfd(scene->process), name, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, text + length, size - length - 1)) > 0)
		length += (size_t)n;
	close(fd);
	text[length] = '\0';
	return length;
}

static char text[16 << 20];

/* smaps, parsed line by line, one call for each private anonymous mapping. */
static uint64_t way_smaps(struct scene *scene)
{
	unsigned long start = 0, end = 0, inode;
	uint64_t advised = 0;
	char *line, *save, permissions[8];

	read_text(scene, "smaps", text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long value;

		if (sscanf(line, "%lx-%lx %7s %*x %*x:%*x %lu", &start, &end, permissions,
			   &inode) == 4)
			continue;
		if (sscanf(line, "Rss: %lu kB", &value) == 1 && value && inode == 0 &&
		    permissions[3] == 'p') {
			struct iovec range = { (void *)start, end - start };

			if (syscall(SYS_process_madvise, scene->pidfd, &range, 1, MADV_COLD, 0) > 0)
				advised++;
		}
	}
	return advised;
}

/* Text maps, all of it in vectored calls, whatever it is. */
static uint64_t way_maps(struct scene *scene)
{
	static struct iovec ranges[2 * MAPPINGS];
	uint64_t advised = 0;
	size_t count = 0, done = 0;
	char *line, *next;

	read_text(scene, "maps", text, sizeof(text));
	for (line = text; *line; line = next + 1) {
		unsigned long start = strtoul(line, &next, 16), end = strtoul(next + 1, &next, 16);

		next = strchr(next, '\n');
		/* One address outside the user half, vsyscall's, and the kernel refuses the whole call. */
		if (end <= 1ull << 63)
			ranges[count++] = (struct iovec){ (void *)start, end - start };
	}
	while (done < count) {
		size_t vector = count - done < 1024 ? count - done : 1024;
		uint64_t bytes = 0;
		long n = syscall(SYS_process_madvise, scene->pidfd, ranges + done, vector,
				 MADV_COLD, 0);

		for (; vector && n > 0 && bytes + ranges[done].iov_len <= (uint64_t)n; vector--)
			bytes += ranges[done++].iov_len, advised++;
		done += vector != 0; /* refused: go on after it */
	}
	return advised;
}

int main(void)
{
	static const struct {
		const char *name;
		uint64_t (*run)(struct scene *scene);
	} ways[] = {
		{ "memhint", way_memhint },
		{ "floor", way_floor },
		{ "smaps_one_call_each", way_smaps },
		{ "maps_vectored", way_maps },
	};
	enum { WAYS = sizeof(ways) / sizeof(ways[0]) };
	struct samples samples[WAYS] = {};
	uint64_t advised[WAYS];
	double medians[WAYS];
	static struct scene scene;

	child_start(&scene.child, set_up, NULL);
	need(memhint_process_open(P_PID, (id_t)scene.child.pid, &scene.process) == 0, "open");
	scene.pidfd = memhint_process_pidfd(scene.process);
	scene.block = scene.child.shared->address[0];
	for (size_t i = 0; i < MAPPINGS; i++)
		scene.ranges[i] = (struct iovec){ (void *)(scene.block + 2 * i * P), P };
	for (size_t way = 0; way < WAYS; way++)
		ways[way].run(&scene); /* loads what is loaded once */
	for (int round = 0; round < ROUNDS; round++)
		for (size_t way = 0; way < WAYS; way++) {
			double start = now_usec();

			advised[way] = ways[way].run(&scene);
			samples_add(&samples[way], now_usec() - start);
		}
	printf("{\"benchmark\":\"pass\",\"mappings\":%d,\"rounds\":%d,\"reader\":\"%s\"", MAPPINGS,
	       ROUNDS, memhint_reader_name(scene.reader));
	for (size_t way = 0; way < WAYS; way++) {
		medians[way] = samples_quantile(&samples[way], 0.5);
		printf(",\"%s\":{\"median_usec\":%.1f,\"ranges_advised\":%llu}", ways[way].name,
		       medians[way], (unsigned long long)advised[way]);
		samples_free(&samples[way]);
	}
	printf(",\"ratio_to_floor\":%.3f,\"times_faster_than_smaps\":%.2f,\"times_faster_than_maps\":%.2f}\n",
	       medians[0] / medians[1], medians[2] / medians[0], medians[3] / medians[0]);
	memhint_process_close(scene.process);
	child_end(&scene.child);
	return 0;
}
