/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a selection takes, what it drops, and for which reason. */
#include "child.h"
#include "tap.h"
#include "uapi.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define P 4096ull
#define HUGE_SIZE (2ull << 20)

enum { TOUCHED, NEIGHBOURS, SHARED, NAMED, HUGE_BLOCKS };
enum { TELL_COLLAPSE, TELL_EXEC };

/* Inaccessible memory with the wanted pages in its middle: nothing merges with them. */
static char *map_apart(uint64_t bytes)
{
	char *memory = mmap(NULL, bytes + 2 * P, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory + P, bytes, PROT_READ | PROT_WRITE) < 0)
		_exit(3);
	return memory + P;
}

static void set_up(struct child_shared *shared)
{
	char *memory = map_apart(8 * P);
	int fd;

	memset(memory, 1, 8 * P);
	shared->address[TOUCHED] = (uint64_t)memory;

	memory = map_apart(8 * P);
	memset(memory, 1, 8 * P);
	if (mprotect(memory + 4 * P, 4 * P, PROT_READ) < 0)
		_exit(3);
	shared->address[NEIGHBOURS] = (uint64_t)memory;

	memory = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(3);
	memset(memory, 1, 2 * P);
	shared->address[SHARED] = (uint64_t)memory;

	fd = memfd_create("memhint-select", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 4 * P) < 0)
		_exit(3);
	memory = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		_exit(3);
	memset(memory, 1, 4 * P);
	shared->address[NAMED] = (uint64_t)memory;

	/* Three blocks of a huge page's size, of which two are touched, and some pages around them. */
	memory = map_apart(5 * HUGE_SIZE);
	memory = (char *)(((uint64_t)memory + 2 * HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	memset(memory, 1, HUGE_SIZE);
	memory[HUGE_SIZE] = 1;
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	shared->address[HUGE_BLOCKS] = (uint64_t)memory;
}

static long obey(int what, struct child_shared *shared)
{
	if (what == TELL_COLLAPSE)
		return madvise((void *)shared->address[HUGE_BLOCKS], HUGE_SIZE, MADV_COLLAPSE);
	execl("/bin/sleep", "sleep", "infinity", (char *)NULL);
	return -1;
}

struct scene {
	struct child child;
	struct memhint_process *process;
	struct memhint_map *map;
};

static void read_map(struct scene *scene)
{
	const struct memhint_map_options options = {
		.size = sizeof(options), .want = MEMHINT_MAP_NAMES | MEMHINT_MAP_FLAGS
	};

	memhint_map_close(scene->map);
	must(memhint_map_open(scene->process, &options, &scene->map) == 0);
}

/* Selects @pages from an address on, of any kind unless @filter says which. */
static struct memhint_ranges *choose(struct scene *scene, int what, uint64_t pages, int advice,
				     struct memhint_filter filter)
{
	struct memhint_ranges *ranges = NULL;

	filter.size = sizeof(filter);
	if (!filter.kinds)
		filter.kinds = MEMHINT_KIND_ALL;
	if (!filter.start) {
		filter.start = scene->child.shared->address[what];
		filter.end = filter.start + pages * P;
	}
	must(memhint_select(scene->process, scene->map, &filter, advice, &ranges) == 0);
	return ranges;
}

static uint64_t taken(struct scene *scene, int what, uint64_t pages, int advice,
		      struct memhint_filter filter)
{
	struct memhint_ranges *ranges = choose(scene, what, pages, advice, filter);
	uint64_t bytes = memhint_ranges_total(ranges).bytes;

	memhint_ranges_free(ranges);
	return bytes / P;
}

static void test_range(struct scene *scene)
{
	uint64_t start, length, memory = scene->child.shared->address[TOUCHED];
	struct memhint_filter filter = { .start = memory + 2 * P, .end = memory + 5 * P };
	struct memhint_ranges *ranges = choose(scene, TOUCHED, 0, MADV_PAGEOUT, filter);

	is(memhint_ranges_total(ranges).bytes, 3 * P, "only what lies in the range");
	is(memhint_ranges_get(ranges, 0, &start, &length), 0, "as one range");
	ok(start == memory + 2 * P && length == 3 * P, "in its place");
	is(memhint_ranges_get(ranges, 1, &start, &length), -ENOENT, "and no other");
	memhint_ranges_free(ranges);

	ranges = choose(scene, NEIGHBOURS, 8, MADV_PAGEOUT, (struct memhint_filter){});
	is(memhint_ranges_total(ranges).ranges, 2, "two mappings side by side are two ranges");
	memhint_ranges_free(ranges);
}

static void test_filters(struct scene *scene)
{
	is(taken(scene, TOUCHED, 8, MADV_COLD, (struct memhint_filter){ .min_bytes = 8 * P }), 8,
	   "a mapping of the least size");
	is(taken(scene, TOUCHED, 8, MADV_COLD, (struct memhint_filter){ .min_bytes = 8 * P + 1 }),
	   0, "and one below it");
	is(taken(scene, NAMED, 4, MADV_COLD,
		 (struct memhint_filter){ .mapping = "/memfd:memhint-s*" }),
	   4, "a pattern for a name");
	is(taken(scene, NAMED, 4, MADV_COLD,
		 (struct memhint_filter){ .mapping = "memfd:memhint-s*" }),
	   4, "a pattern for its last part");
	is(taken(scene, NAMED, 4, MADV_COLD, (struct memhint_filter){ .mapping = "memfd:" }), 0,
	   "a pattern for less than that");
	is(taken(scene, NAMED, 4, MADV_COLD,
		 (struct memhint_filter){ .kinds = MEMHINT_KIND_PRIVATE }),
	   0, "of other kinds nothing");
}

static void test_default(struct scene *scene)
{
	struct memhint_filter filter = { .size = sizeof(filter),
					 .start = scene->child.shared->address[NAMED] };
	struct memhint_ranges *ranges = NULL;

	filter.end = filter.start + 4 * P;
	must(memhint_select(scene->process, scene->map, &filter, MADV_COLD, &ranges) == 0);
	is(memhint_ranges_total(ranges).bytes, 0, "without a choice no shared memory is meant");
	memhint_ranges_free(ranges);
}

static void test_willneed(struct scene *scene)
{
	is(taken(scene, SHARED, 4, MADV_WILLNEED, (struct memhint_filter){}), 4,
	   "willneed takes all of shared memory");
	is(taken(scene, TOUCHED, 8, MADV_WILLNEED, (struct memhint_filter){}), 0,
	   "and of private memory what is out");
}

/* Each obstacle by itself, on a mapping that is otherwise good. */
static void test_obstacles(struct scene *scene)
{
	static const struct {
		uint32_t flag;
		uint32_t kind;
		enum memhint_skip reason;
		int advice;
	} obstacles[] = {
		{ MEMHINT_VMA_LOCKED, MEMHINT_KIND_ANON, MEMHINT_SKIP_LOCKED, MADV_PAGEOUT },
		{ MEMHINT_VMA_LOCKED, MEMHINT_KIND_ANON, MEMHINT_SKIP_LOCKED, MADV_COLD },
		{ MEMHINT_VMA_LOCKED, MEMHINT_KIND_ANON, MEMHINT_SKIP_COUNT, MADV_COLLAPSE },
		{ MEMHINT_VMA_HUGETLB, MEMHINT_KIND_ANON, MEMHINT_SKIP_HUGETLB, MADV_PAGEOUT },
		{ MEMHINT_VMA_HUGETLB, MEMHINT_KIND_ANON, MEMHINT_SKIP_HUGETLB, MADV_WILLNEED },
		{ MEMHINT_VMA_PFNMAP, MEMHINT_KIND_FILE, MEMHINT_SKIP_PFNMAP, MADV_PAGEOUT },
		{ MEMHINT_VMA_IO, MEMHINT_KIND_FILE, MEMHINT_SKIP_IO, MADV_PAGEOUT },
		{ MEMHINT_VMA_DROPPABLE, MEMHINT_KIND_ANON, MEMHINT_SKIP_DROPPABLE, MADV_PAGEOUT },
		{ MEMHINT_VMA_DROPPABLE, MEMHINT_KIND_ANON, MEMHINT_SKIP_DROPPABLE, MADV_COLD },
		{ 0, MEMHINT_KIND_SPECIAL, MEMHINT_SKIP_SPECIAL, MADV_PAGEOUT },
		{ 0, MEMHINT_KIND_SPECIAL, MEMHINT_SKIP_SPECIAL, MADV_DONTDUMP },
	};
	/* The snapshot belongs to this test; device memory that can be touched is had nowhere. */
	struct memhint_vma *vma = (struct memhint_vma *)memhint_map_find(
		scene->map, scene->child.shared->address[TOUCHED]);
	struct memhint_vma saved = *vma;

	is(taken(scene, TOUCHED, 8, MADV_PAGEOUT, (struct memhint_filter){}), 8, "no obstacle");
	for (size_t i = 0; i < sizeof(obstacles) / sizeof(obstacles[0]); i++) {
		const char *name = memhint_skip_name(obstacles[i].reason);
		struct memhint_ranges *ranges;

		vma->flags = saved.flags | obstacles[i].flag;
		vma->kind = obstacles[i].kind;
		ranges = choose(scene, TOUCHED, 8, obstacles[i].advice, (struct memhint_filter){});
		if (name) {
			is(memhint_ranges_skipped(ranges, obstacles[i].reason).bytes, 8 * P,
			   "%s: %s memory is dropped", memhint_advice_name(obstacles[i].advice),
			   name);
			is(memhint_ranges_total(ranges).bytes, 0, "all of it");
		} else {
			is(memhint_ranges_skipped(ranges, MEMHINT_SKIP_LOCKED).bytes, 0,
			   "%s: locked memory is not dropped",
			   memhint_advice_name(obstacles[i].advice));
		}
		memhint_ranges_free(ranges);
		*vma = saved;
	}
}

static void test_collapse(struct scene *scene)
{
	uint64_t memory = scene->child.shared->address[HUGE_BLOCKS], start, length;
	struct memhint_filter filter = { .start = memory - 4 * P,
					 .end = memory + 3 * HUGE_SIZE + 5 * P };
	struct memhint_ranges *ranges;

	if (child_tell(&scene->child, TELL_COLLAPSE) != 0) {
		skip_one("collapse", "no huge page can be made here");
		return;
	}
	ranges = choose(scene, HUGE_BLOCKS, 0, MADV_COLLAPSE, filter);
	is(memhint_ranges_skipped(ranges, MEMHINT_SKIP_UNALIGNED).bytes, 9 * P,
	   "collapse: what is outside whole huge pages");
	is(memhint_ranges_skipped(ranges, MEMHINT_SKIP_UNALIGNED).ranges, 2,
	   "collapse: on both sides");
	is(memhint_ranges_skipped(ranges, MEMHINT_SKIP_HUGE).bytes, HUGE_SIZE,
	   "collapse: what is a huge page already");
	is(memhint_ranges_skipped(ranges, MEMHINT_SKIP_EMPTY).bytes, HUGE_SIZE,
	   "collapse: where nothing is");
	is(memhint_ranges_total(ranges).bytes, HUGE_SIZE, "collapse: the rest is taken");
	ok(memhint_ranges_get(ranges, 0, &start, &length) == 0 && start == memory + HUGE_SIZE,
	   "collapse: in its place");
	memhint_ranges_free(ranges);
	filter.start = memory + P;
	filter.end = memory + 9 * P;
	ranges = choose(scene, HUGE_BLOCKS, 0, MADV_COLLAPSE, filter);
	is(memhint_ranges_skipped(ranges, MEMHINT_SKIP_UNALIGNED).bytes, 8 * P,
	   "collapse: less than a huge page");
	memhint_ranges_free(ranges);
}

static void test_bad(struct scene *scene)
{
	struct memhint_filter filter = { .size = sizeof(filter), .start = 5 * P, .end = 5 * P };
	struct memhint_ranges *ranges = NULL;

	is(memhint_select(scene->process, scene->map, &filter, MADV_COLD, &ranges), -EINVAL,
	   "an empty range");
	filter.end = 6 * P + 1;
	is(memhint_select(scene->process, scene->map, &filter, MADV_COLD, &ranges), -EINVAL,
	   "an unaligned range");
	filter = (struct memhint_filter){ .size = sizeof(filter), .kinds = 1u << 30 };
	is(memhint_select(scene->process, scene->map, &filter, MADV_COLD, &ranges), -EINVAL,
	   "an unknown kind");
	is(memhint_select(scene->process, scene->map, NULL, 12345, &ranges), -EINVAL,
	   "an unknown advice");
	ok(!ranges, "no output on failure");
}

static void test_exec(struct scene *scene)
{
	struct memhint_ranges *ranges = NULL;

	child_tell(&scene->child, TELL_EXEC); /* answers nothing more: exec closes the pipe */
	is(memhint_select(scene->process, scene->map, NULL, MADV_COLD, &ranges), -ESRCH,
	   "of an address space that was replaced nothing is selected");
	ok(!ranges, "and there is no output");
}

int main(void)
{
	struct scene scene = {};

	child_start(&scene.child, set_up, obey);
	must(memhint_process_open(P_PID, (id_t)scene.child.pid, &scene.process) == 0);
	read_map(&scene);
	test_range(&scene);
	test_filters(&scene);
	test_default(&scene);
	test_willneed(&scene);
	test_obstacles(&scene);
	test_collapse(&scene);
	test_bad(&scene);
	test_exec(&scene);
	memhint_map_close(scene.map);
	memhint_process_close(scene.process);
	child_end(&scene.child);
	return done_testing();
}
