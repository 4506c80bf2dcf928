/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One target of more than 20,000 mappings, read in every way there is: all must say the same. */
#include "map-target.h"
#include "test-swap.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FIRST_GROUP (MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_EXEC | MEMHINT_VMA_SHARED)

/* Whatever else runs on this machine may move a page of the target meanwhile; then all is read again. */
#define TRIES 5

static uint64_t page;

static int snapshot(struct memhint_process *process, enum memhint_reader reader,
		    enum memhint_pages_reader pages_reader, struct memhint_map **ret_map)
{
	struct memhint_map_options options = {
		.size = sizeof(options),
		.want = MEMHINT_MAP_NAMES | MEMHINT_MAP_PAGES | MEMHINT_MAP_UNPACED,
		.reader = reader,
		.pages_reader = pages_reader,
	};

	return memhint_map_open(process, &options, ret_map);
}

/* The first difference between two snapshots as a sentence, or NULL. */
static const char *difference(const struct memhint_map *a, const struct memhint_map *b)
{
	static char text[512];
	bool flags = memhint_map_flags_known(a) && memhint_map_flags_known(b);
	bool huge = memhint_map_pages_reader(a) != MEMHINT_PAGES_PAGEMAP &&
		    memhint_map_pages_reader(b) != MEMHINT_PAGES_PAGEMAP;
	bool sums = memhint_map_pages_reader(a) == MEMHINT_PAGES_SMAPS ||
		    memhint_map_pages_reader(b) == MEMHINT_PAGES_SMAPS;
	uint32_t mask = flags ? UINT32_MAX : FIRST_GROUP;

	if (memhint_map_count(a) != memhint_map_count(b)) {
		snprintf(text, sizeof(text), "%zu and %zu mappings", memhint_map_count(a),
			 memhint_map_count(b));
		return text;
	}
	for (size_t i = 0; i < memhint_map_count(a); i++) {
		const struct memhint_vma *x = memhint_map_get(a, i), *y = memhint_map_get(b, i);
		const char *what = NULL;

		if (x->start != y->start || x->end != y->end)
			what = "address";
		else if (x->offset != y->offset)
			what = "offset";
		else if ((x->flags & mask) != (y->flags & mask))
			what = "flags";
		else if (x->kind != y->kind)
			what = "kind";
		else if (strcmp(x->name, y->name) != 0)
			what = "name";
		else if (x->resident_bytes != y->resident_bytes)
			what = "resident";
		/* The sums of smaps hold what of a file is swapped out, too. */
		else if (x->swapped_bytes != y->swapped_bytes &&
			 !(sums && x->kind == MEMHINT_KIND_SHMEM))
			what = "swapped";
		else if (huge && x->huge_bytes != y->huge_bytes)
			what = "huge";
		if (!what)
			continue;
		snprintf(text, sizeof(text),
			 "%s: %llx-%llx +%llx %x %s '%s' %llu %llu %llu and "
			 "%llx-%llx +%llx %x %s '%s' %llu %llu %llu",
			 what, (unsigned long long)x->start, (unsigned long long)x->end,
			 (unsigned long long)x->offset, x->flags, memhint_kind_name(x->kind),
			 x->name, (unsigned long long)x->resident_bytes,
			 (unsigned long long)x->swapped_bytes, (unsigned long long)x->huge_bytes,
			 (unsigned long long)y->start, (unsigned long long)y->end,
			 (unsigned long long)y->offset, y->flags, memhint_kind_name(y->kind),
			 y->name, (unsigned long long)y->resident_bytes,
			 (unsigned long long)y->swapped_bytes, (unsigned long long)y->huge_bytes);
		return text;
	}
	return NULL;
}

static void compare(struct child *child, struct memhint_process *process,
		    enum memhint_reader reader, enum memhint_pages_reader pages_reader)
{
	const char *why = "the target cannot be paged out";
	char name[64];

	snprintf(name, sizeof(name), "%s with %s", memhint_reader_name(reader),
		 memhint_pages_reader_name(pages_reader));
	for (int i = 0; i < TRIES && why; i++) {
		struct memhint_map *a = NULL, *b = NULL;
		int r;

		if (child_tell(child, TARGET_PAGEOUT) != 0)
			continue;
		r = snapshot(process, reader, pages_reader, &a);
		if (r == -EOPNOTSUPP &&
		    (reader == MEMHINT_READER_BPF || reader == MEMHINT_READER_BPF_SEQ)) {
			skip_one(name, "the BPF room is not there or does not work here");
			return;
		}
		if (r == 0)
			r = snapshot(process, MEMHINT_READER_SMAPS, MEMHINT_PAGES_SCAN, &b);
		if (r < 0)
			why = memhint_error_name(r);
		else if (memhint_map_reader(a) != reader ||
			 memhint_map_pages_reader(a) != pages_reader)
			why = "another reader was taken";
		else
			why = difference(a, b);
		memhint_map_close(a);
		memhint_map_close(b);
	}
	ok(!why, "%s says the same as smaps with pagemap-scan", name);
	if (why)
		printf("# %s\n", why);
}

/* The sum of what lies in [start, end), and whether all of it has this kind, name and these flags. */
struct sum {
	uint64_t resident_bytes, swapped_bytes, huge_bytes, mappings;
	bool same;
};

static struct sum sum_of(const struct memhint_map *map, const struct piece *piece)
{
	uint32_t mask = memhint_map_flags_known(map) ? UINT32_MAX : FIRST_GROUP;
	const struct memhint_vma *vma = memhint_map_find(map, piece->start);
	const struct memhint_vma *last = memhint_map_get(map, memhint_map_count(map) - 1);
	struct sum sum = { .same = true };

	for (; vma && vma <= last && vma->start < piece->start + piece->length; vma++) {
		sum.mappings++;
		sum.resident_bytes += vma->resident_bytes;
		sum.swapped_bytes += vma->swapped_bytes;
		sum.huge_bytes += vma->huge_bytes;
		sum.same &= vma->kind == piece->kind && strstr(vma->name, piece->name) &&
			    (vma->flags & piece->flags & mask) == (piece->flags & mask);
	}
	return sum;
}

static bool piece_is_right(const struct memhint_map *map, const struct piece *piece)
{
	struct sum sum = sum_of(map, piece);

	return sum.mappings == 1 && sum.same &&
	       sum.resident_bytes == piece->resident_pages * page &&
	       sum.swapped_bytes == piece->swapped_pages * page &&
	       (piece->may_be_huge ? sum.huge_bytes <= sum.resident_bytes : sum.huge_bytes == 0);
}

static uint64_t small_wrong(const struct memhint_map *map, const struct target *target)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < TARGET_SMALL; i++) {
		uint64_t start = target->small_start + (2 * i + 1) * page;
		const struct memhint_vma *vma = memhint_map_find(map, start);

		wrong += !vma || vma->start != start || vma->end != start + page ||
			 vma->kind != MEMHINT_KIND_ANON ||
			 vma->flags != (MEMHINT_VMA_READ | MEMHINT_VMA_WRITE) ||
			 vma->resident_bytes != (i % 4 == 1 ? page : 0) ||
			 vma->swapped_bytes != (i % 4 == 3 ? page : 0);
		vma = memhint_map_find(map, start + page);
		wrong += !vma || vma->start != start + page || vma->flags != 0;
	}
	return wrong;
}

/* What the target is known to have, against what is found. */
static void test_numbers(struct child *child, struct target *target,
			 struct memhint_process *process, enum memhint_reader reader,
			 enum memhint_pages_reader pages_reader)
{
	const char *names[] = { memhint_reader_name(reader),
				memhint_pages_reader_name(pages_reader) };
	struct memhint_map *map = NULL;
	uint64_t wrong = 0;

	for (int i = 0; i < TRIES; i++) {
		memhint_map_close(map);
		map = NULL;
		must(child_tell(child, TARGET_PAGEOUT) == 0);
		must(snapshot(process, reader, pages_reader, &map) == 0);
		wrong = small_wrong(map, target);
		for (uint32_t j = 0; j < target->count; j++)
			wrong += !piece_is_right(map, &target->pieces[j]);
		if (!wrong)
			break;
	}
	for (uint32_t i = 0; i < target->count; i++) {
		const struct piece *piece = &target->pieces[i];
		struct sum sum = sum_of(map, piece);

		if (!ok(piece_is_right(map, piece), "%s, %s: %s", names[0], names[1], piece->what))
			printf("# %llu mappings, %s, resident %llu of %llu, swapped %llu of %llu, huge "
			       "%llu pages\n",
			       (unsigned long long)sum.mappings, sum.same ? "alike" : "not alike",
			       (unsigned long long)(sum.resident_bytes / page),
			       (unsigned long long)piece->resident_pages,
			       (unsigned long long)(sum.swapped_bytes / page),
			       (unsigned long long)piece->swapped_pages,
			       (unsigned long long)(sum.huge_bytes / page));
	}
	is(small_wrong(map, target), 0, "%s, %s: %u small mappings", names[0], names[1],
	   TARGET_SMALL);
	memhint_map_close(map);
}

/* Sums that the kernel makes by itself. */
static bool kernel_sums(pid_t pid, uint64_t *ret_rss_bytes, uint64_t *ret_huge_bytes,
			uint64_t *ret_lines)
{
	unsigned long long kib;
	char path[64], line[8192];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	*ret_huge_bytes = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Rss: %llu", &kib) == 1)
			*ret_rss_bytes = kib << 10;
		if (sscanf(line, "AnonHugePages: %llu", &kib) == 1 ||
		    sscanf(line, "ShmemPmdMapped: %llu", &kib) == 1 ||
		    sscanf(line, "FilePmdMapped: %llu", &kib) == 1)
			*ret_huge_bytes += kib << 10;
	}
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	for (*ret_lines = 0; fgets(line, sizeof(line), file);)
		++*ret_lines;
	fclose(file);
	return true;
}

static void test_sums(struct child *child, struct memhint_process *process)
{
	uint64_t rss = 0, huge = 0, lines = 0, have_rss = 0, have_huge = 0;
	struct memhint_map *map = NULL;

	for (int i = 0; i < TRIES; i++) {
		memhint_map_close(map);
		map = NULL;
		must(snapshot(process, MEMHINT_READER_AUTO, MEMHINT_PAGES_AUTO, &map) == 0);
		must(kernel_sums(child->pid, &rss, &huge, &lines));
		have_rss = have_huge = 0;
		for (size_t j = 0; j < memhint_map_count(map); j++) {
			have_rss += memhint_map_get(map, j)->resident_bytes;
			have_huge += memhint_map_get(map, j)->huge_bytes;
		}
		if (have_rss == rss && have_huge == huge)
			break;
	}
	is(memhint_map_count(map), lines, "as many mappings as maps has lines");
	is(have_rss, rss, "resident bytes as smaps_rollup counts them");
	is(have_huge, huge, "huge bytes as smaps_rollup counts them");
	printf("# read by %s and %s: %llu mappings, %llu kB resident, %llu kB huge\n",
	       memhint_reader_name(memhint_map_reader(map)),
	       memhint_pages_reader_name(memhint_map_pages_reader(map)), (unsigned long long)lines,
	       (unsigned long long)rss >> 10, (unsigned long long)huge >> 10);
	memhint_map_close(map);
}

int main(void)
{
	static const enum memhint_reader readers[] = { MEMHINT_READER_BPF, MEMHINT_READER_BPF_SEQ,
						       MEMHINT_READER_SMAPS, MEMHINT_READER_MAPS };
	static const enum memhint_pages_reader pages[] = { MEMHINT_PAGES_SCAN,
							   MEMHINT_PAGES_PAGEMAP,
							   MEMHINT_PAGES_SMAPS };
	struct memhint_process *process;
	struct target *target;
	struct child child;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	swap_begin();
	target = target_start(&child);
	if (target->missing[0])
		skip_one("the whole target: what this kernel is built without", target->missing);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	test_numbers(&child, target, process, MEMHINT_READER_SMAPS, MEMHINT_PAGES_SCAN);
	test_numbers(&child, target, process, MEMHINT_READER_MAPS, MEMHINT_PAGES_PAGEMAP);
	test_sums(&child, process);
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		for (size_t j = 0; j < sizeof(pages) / sizeof(pages[0]); j++)
			compare(&child, process, readers[i], pages[j]);
	memhint_process_close(process);
	target_end(&child, target);
	swap_end();
	return done_testing();
}
