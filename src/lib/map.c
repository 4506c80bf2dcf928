/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cleanup.h"
#include "cookie.h"
#include "exec-marks.h"
#include "map-internal.h"
#include "map-list.h"
#include "map-read.h"
#include "pages.h"
#include "sized.h"

#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>
#include <stdlib.h>

#define WANT_ALL (MEMHINT_MAP_NAMES | MEMHINT_MAP_FLAGS | MEMHINT_MAP_PAGES | MEMHINT_MAP_UNPACED)

/* A target that execs while it is read is read again so often. */
#define OPEN_TRIES 3

/* Mappings with a larger gap between them are scanned apart. */
#define CLUSTER_GAP_SCAN (1ull << 30)
#define CLUSTER_GAP_PAGEMAP (1ull << 20)

/*
 * pagemap takes its time for what was never touched, too: 1 s for 2 TiB. Of larger reserves smaps, which
 * passes over what has no page table, tells the sums.
 */
#define PAGEMAP_LIMIT (64ull << 30)

struct memhint_map {
	const struct memhint_process *process;
	uint32_t want;
	struct map_wanted wanted;
	enum memhint_pages_reader pages_wanted;
	struct pages pages;
	int marks_fd;
	struct exec_marks marks;
	struct map_source source;
	struct map_list list;
	struct map_list spare; /* the next snapshot is made here, so that a failure does no harm */
	struct map_reading reading;
	enum memhint_pages_reader pages_reader;
};

DEFINE_CLEANUP(struct memhint_map *, memhint_map_close)

static bool map_still_holds(const struct memhint_map *map)
{
	struct exec_marks marks;

	/* Without pagemap (a kernel built so) the marks have to do. */
	if (map->pages.fd >= 0 && !pages_are_current(&map->pages))
		return false;
	return exec_marks_read(map->marks_fd, &marks) == 0 &&
	       exec_marks_are_same(&marks, &map->marks);
}

/* Adds runs to the mappings that they lie in. */
struct page_filler {
	struct map_list *list;
	size_t at;
};

static int add_run(const struct page_run *run, void *userdata)
{
	struct page_filler *filler = userdata;
	struct map_list *list = filler->list;

	for (; filler->at < list->count; filler->at++) {
		struct memhint_vma *vma = &list->vmas[filler->at];
		uint64_t start, end;

		if (vma->end <= run->start)
			continue;
		if (vma->start >= run->end)
			break;
		start = vma->start > run->start ? vma->start : run->start;
		end = vma->end < run->end ? vma->end : run->end;
		if (run->state & PAGE_RESIDENT)
			vma->resident_bytes += end - start;
		if (run->state & PAGE_SWAPPED)
			vma->swapped_bytes += end - start;
		if ((run->state & PAGE_HUGE) && !(list->notes[filler->at] & MAP_NOTE_HUGETLB))
			vma->huge_bytes += end - start;
		if (run->end <= vma->end)
			break; /* the next run may be in this mapping, too */
	}
	return 0;
}

/* Whether the sums of smaps stand for this mapping. */
static bool is_left_to_smaps(const struct memhint_map *map, const struct memhint_vma *vma)
{
	return map->pages.reader == MEMHINT_PAGES_PAGEMAP && vma->end - vma->start > PAGEMAP_LIMIT;
}

static bool needs_smaps(const struct memhint_map *map, const struct map_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_left_to_smaps(map, &list->vmas[i]))
			return true;
	return false;
}

static int fill_pages(const struct memhint_map *map, struct map_list *list)
{
	bool is_scan = map->pages.reader == MEMHINT_PAGES_SCAN;
	uint64_t gap = is_scan ? CLUSTER_GAP_SCAN : CLUSTER_GAP_PAGEMAP;
	struct page_filler filler = { .list = list };
	struct memhint_vma *vmas = list->vmas;
	size_t first, next;

	for (size_t i = 0; i < list->count; i++) {
		if (is_left_to_smaps(map, &vmas[i]))
			continue;
		vmas[i].resident_bytes = vmas[i].swapped_bytes = 0;
		if (is_scan) /* pagemap cannot tell; smaps may have */
			vmas[i].huge_bytes = 0;
	}
	for (first = 0; first < list->count; first = next) {
		int r;

		next = first + 1;
		if (is_left_to_smaps(map, &vmas[first]))
			continue;
		while (next < list->count && vmas[next].start - vmas[next - 1].end <= gap &&
		       !is_left_to_smaps(map, &vmas[next]))
			next++;
		r = pages_scan(&map->pages, vmas[first].start, vmas[next - 1].end, add_run,
			       &filler);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads the list, and what tells later whether it is still the same. */
static int read_list(struct memhint_map *map, struct map_reading *ret_reading)
{
	struct map_reading reading;
	uint64_t fingerprint;
	int r = map_read(&map->source, &map->wanted, &map->spare, &reading);

	if (r == 0 && !reading.space.generation && !reading.has_fingerprint) {
		/*
		 * Through BPF, and the kernel does not count changes. The state has to be taken from
		 * the text then, and before the list: what changes in between must show.
		 */
		r = map_read_fingerprint(map->process, &map->source.buffer, &fingerprint);
		if (r == 0)
			r = map_read(&map->source, &map->wanted, &map->spare, &reading);
		if (r == 0 && !reading.has_fingerprint) {
			reading.fingerprint = fingerprint;
			reading.has_fingerprint = true;
		}
	}
	if (r == 0)
		*ret_reading = reading;
	return r;
}

/* Reads everything into the spare list and, if the process is the same at the end, shows that. */
static int map_fill(struct memhint_map *map)
{
	struct map_reading reading = {};
	struct map_list old;
	int r;

	r = read_list(map, &reading);
	if (r < 0)
		return r;
	if ((map->want & MEMHINT_MAP_PAGES) && map->pages_wanted != MEMHINT_PAGES_SMAPS) {
		if (!reading.has_counters && needs_smaps(map, &map->spare)) {
			map->wanted.counters = true; /* from now on */
			r = read_list(map, &reading);
			if (r < 0)
				return r;
		}
		r = fill_pages(map, &map->spare);
		if (r < 0)
			return r;
	}
	if (!map_still_holds(map) || !memhint_process_is_alive(map->process))
		return -ESRCH;
	old = map->list;
	map->list = map->spare;
	map->spare = old;
	map->reading = reading;
	return 0;
}

static int map_open_once(struct memhint_map *map)
{
	bool gaps = !(map->want & MEMHINT_MAP_UNPACED);
	enum memhint_pages_reader reader = map->pages_wanted;
	int r;

	map_source_init(&map->source, map->process, gaps);
	/* Also for a list without pages: this fd tells whether the address space still exists. */
	r = pages_open(map->process, reader == MEMHINT_PAGES_SMAPS ? MEMHINT_PAGES_AUTO : reader,
		       gaps, &map->pages);
	if (r == -EOPNOTSUPP && (!(map->want & MEMHINT_MAP_PAGES) || reader == MEMHINT_PAGES_SMAPS))
		map->pages.fd = map->pages.frame_flags_fd = -1;
	else if (r < 0)
		return r;
	map->marks_fd = exec_marks_open(map->process);
	if (map->marks_fd < 0)
		return map->marks_fd;
	r = exec_marks_read(map->marks_fd, &map->marks);
	if (r < 0)
		return r;
	if (map->want & MEMHINT_MAP_PAGES)
		map->pages_reader = reader == MEMHINT_PAGES_SMAPS ? reader : map->pages.reader;
	return map_fill(map);
}

static void map_close_files(struct memhint_map *map)
{
	map_source_done(&map->source);
	pages_done(&map->pages);
	closep(&map->marks_fd);
	map->marks_fd = -1;
}

static int options_take(const struct memhint_map_options *options, struct memhint_map_options *ret)
{
	int r = sized_take(options, ret, sizeof(*ret));

	if (r < 0)
		return r;
	if ((ret->want & ~WANT_ALL) || ret->reader > MEMHINT_READER_MAPS ||
	    ret->pages_reader > MEMHINT_PAGES_SMAPS || ret->reserved)
		return -EINVAL;
	return 0;
}

int memhint_map_open(struct memhint_process *process, const struct memhint_map_options *options,
		     struct memhint_map **ret_map)
{
	_cleanup_(memhint_map_closep) struct memhint_map *map = NULL;
	struct memhint_map_options taken;
	uint64_t boot;
	int r;

	r = options_take(options, &taken);
	if (r == 0)
		r = cookie_boot(&boot); /* so that memhint_map_cookie() cannot fail */
	if (r < 0)
		return r;
	map = malloc(sizeof(*map));
	if (!map)
		return -ENOMEM;
	*map = (struct memhint_map){
		.process = process,
		.want = taken.want,
		.wanted = {
			.reader = taken.reader,
			.names = taken.want & MEMHINT_MAP_NAMES,
			.flags = taken.want & MEMHINT_MAP_FLAGS,
			.counters = (taken.want & MEMHINT_MAP_PAGES) &&
				    taken.pages_reader == MEMHINT_PAGES_SMAPS,
		},
		.pages_wanted = taken.pages_reader,
		.pages = PAGES_CLOSED,
		.marks_fd = -1,
		.source = { .maps_fd = -1, .smaps_fd = -1 },
	};
	/* The address space may be replaced while it is read; then the new one is meant. */
	for (int i = 0; i < OPEN_TRIES; i++) {
		r = map_open_once(map);
		if (r != -ESRCH || !memhint_process_is_alive(process))
			break;
		map_close_files(map);
	}
	if (r < 0)
		return r;
	*ret_map = take_pointer(map);
	return 0;
}

int memhint_map_refresh(struct memhint_map *map)
{
	return map_fill(map);
}

void memhint_map_close(struct memhint_map *map)
{
	if (!map)
		return;
	map_close_files(map);
	map_list_done(&map->list);
	map_list_done(&map->spare);
	free(map);
}

size_t memhint_map_count(const struct memhint_map *map)
{
	return map->list.count;
}

const struct memhint_vma *memhint_map_get(const struct memhint_map *map, size_t index)
{
	return index < map->list.count ? &map->list.vmas[index] : NULL;
}

const struct memhint_vma *memhint_map_find(const struct memhint_map *map, uint64_t address)
{
	return memhint_map_get(map, map_list_find(&map->list, address));
}

enum memhint_reader memhint_map_reader(const struct memhint_map *map)
{
	return map->reading.reader;
}

enum memhint_pages_reader memhint_map_pages_reader(const struct memhint_map *map)
{
	return map->pages_reader;
}

uint64_t memhint_map_cookie(const struct memhint_map *map)
{
	if (map->reading.space.generation)
		return cookie_of_space(map->process, &map->reading.space);
	return cookie_of_text(map->process, &map->marks, map->reading.fingerprint);
}

bool memhint_map_flags_known(const struct memhint_map *map)
{
	return map->reading.reader != MEMHINT_READER_MAPS;
}

bool memhint_map_is_current(const struct memhint_map *map)
{
	return map_still_holds(map);
}

bool map_is_untouched(const struct memhint_map *map, size_t index)
{
	return index < map->list.count && (map->list.notes[index] & MAP_NOTE_UNTOUCHED);
}

bool map_has_names(const struct memhint_map *map)
{
	return map->want & MEMHINT_MAP_NAMES;
}

bool map_has_pages(const struct memhint_map *map)
{
	return map->want & MEMHINT_MAP_PAGES;
}

uint32_t map_want(const struct memhint_map *map)
{
	return map->want;
}

struct exec_marks map_exec_marks(const struct memhint_map *map)
{
	return map->marks;
}

int map_refresh_window(struct memhint_map *map, uint64_t start, uint32_t limit)
{
	map->wanted.start = start;
	map->wanted.limit = limit;
	return map_fill(map);
}

int map_is_unchanged(const struct memhint_map *map)
{
	/* The text goes through the map's buffer, which holds nothing between two readings. */
	struct map_source *source = (struct map_source *)&map->source;

	if (!map_still_holds(map))
		return 0;
	return map_read_is_same(source, &map->reading);
}

const char *memhint_kind_name(enum memhint_kind kind)
{
	switch (kind) {
	case MEMHINT_KIND_ANON:
		return "anon";
	case MEMHINT_KIND_HEAP:
		return "heap";
	case MEMHINT_KIND_STACK:
		return "stack";
	case MEMHINT_KIND_FILE:
		return "file";
	case MEMHINT_KIND_SHMEM:
		return "shmem";
	case MEMHINT_KIND_CODE:
		return "code";
	case MEMHINT_KIND_SPECIAL:
		return "special";
	}
	return "unknown";
}

const char *memhint_reader_name(enum memhint_reader reader)
{
	switch (reader) {
	case MEMHINT_READER_AUTO:
		return "auto";
	case MEMHINT_READER_BPF:
		return "bpf";
	case MEMHINT_READER_BPF_SEQ:
		return "bpf-seq";
	case MEMHINT_READER_SMAPS:
		return "smaps";
	case MEMHINT_READER_MAPS:
		return "maps";
	}
	return "unknown";
}

const char *memhint_pages_reader_name(enum memhint_pages_reader reader)
{
	switch (reader) {
	case MEMHINT_PAGES_AUTO:
		return "none";
	case MEMHINT_PAGES_SCAN:
		return "pagemap-scan";
	case MEMHINT_PAGES_PAGEMAP:
		return "pagemap";
	case MEMHINT_PAGES_SMAPS:
		return "smaps";
	}
	return "unknown";
}
