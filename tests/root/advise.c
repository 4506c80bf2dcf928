/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The account of advice, on targets of which the right numbers are known. */
#include "child.h"
#include "test-swap.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ull
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

/* The target's mappings, by their place in child_shared.address. */
enum {
	FULL,
	HALF,
	UNTOUCHED,
	LOCKED,
	DROPPABLE,
	NO_ACCESS,
	RESERVE,
	MANY,
	HOLED,
	REFUSING,
	HUGETLB,
	PFNMAP,
};

#define MANY_COUNT 10000
#define HUGETLB_PAGES 1024 /* of the size that most machines have: 2 MiB, and two of them */

static void *map(uint64_t pages, int protection, int flags)
{
	void *memory = mmap(NULL, pages * P, protection, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(3);
	/* A page of no access on either side keeps neighbours from becoming one mapping. */
	return memory;
}

static void *map_private(uint64_t pages)
{
	char *memory = map(pages + 2, PROT_NONE, MAP_PRIVATE);

	if (mprotect(memory + P, pages * P, PROT_READ | PROT_WRITE) < 0)
		_exit(3);
	return memory + P;
}

static void touch(void *memory, uint64_t pages, uint64_t step)
{
	for (uint64_t i = 0; i < pages; i += step)
		((volatile char *)memory)[i * P] = (char)(i + 1);
}

/* The ring buffer of a counter that counts nothing: memory of the kernel's, without struct pages. */
static void *map_device(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.exclude_kernel = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? MAP_FAILED : mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void set_up(struct child_shared *shared)
{
	char *memory;

	memory = map_private(64);
	touch(memory, 64, 1);
	shared->address[FULL] = (uint64_t)memory;

	memory = map_private(64);
	touch(memory, 64, 2);
	shared->address[HALF] = (uint64_t)memory;

	shared->address[UNTOUCHED] = (uint64_t)map_private(16);

	memory = map_private(16);
	/* Not mlock(), which the address sanitizer turns into nothing. */
	if (syscall(SYS_mlock, memory, 16 * P) < 0)
		_exit(3);
	shared->address[LOCKED] = (uint64_t)memory;

	memory = mmap(NULL, 16 * P, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED) {
		touch(memory, 16, 1);
		shared->address[DROPPABLE] = (uint64_t)memory;
	}

	/* Without a reservation this needs no huge pages that the machine could lack. */
	memory = mmap(NULL, HUGETLB_PAGES * P, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	if (memory != MAP_FAILED)
		shared->address[HUGETLB] = (uint64_t)memory;
	memory = map_device();
	if (memory != MAP_FAILED)
		shared->address[PFNMAP] = (uint64_t)memory;

	memory = map_private(16);
	touch(memory, 16, 1);
	if (mprotect(memory, 16 * P, PROT_NONE) < 0)
		_exit(3);
	shared->address[NO_ACCESS] = (uint64_t)memory;

	memory = map((5ull << 30) / P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);
	touch(memory + (1ull << 30), 3, 1);
	shared->address[RESERVE] = (uint64_t)memory;

	/* Every other page of a block: mappings with a gap between them. */
	memory = map(2 * MANY_COUNT, PROT_NONE, MAP_PRIVATE);
	for (uint64_t i = 0; i < MANY_COUNT; i++) {
		if (mprotect(memory + 2 * i * P, P, PROT_READ | PROT_WRITE) < 0)
			_exit(3);
		memory[2 * i * P] = 1;
	}
	shared->address[MANY] = (uint64_t)memory;

	memory = map_private(12);
	touch(memory, 12, 1);
	munmap(memory + 4 * P, 4 * P);
	shared->address[HOLED] = (uint64_t)memory;

	memory = map_private(12);
	touch(memory, 12, 1);
	if (syscall(SYS_mlock, memory + 4 * P, 4 * P) < 0)
		_exit(3);
	shared->address[REFUSING] = (uint64_t)memory;
}

static void check_sums(const struct memhint_result *result, const char *what)
{
	struct memhint_amount skipped = {};

	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++) {
		skipped.bytes += result->skipped_by[i].bytes;
		skipped.ranges += result->skipped_by[i].ranges;
	}
	is(skipped.bytes, result->skipped.bytes, "%s: skipped is the sum of its reasons", what);
	is(skipped.ranges, result->skipped.ranges, "%s: in ranges too", what);
	is(result->advised.bytes + result->skipped.bytes + result->failed.bytes,
	   result->requested.bytes, "%s: requested is the sum", what);
	is(result->advised.ranges + result->skipped.ranges + result->failed.ranges,
	   result->requested.ranges, "%s: in ranges too", what);
}

struct expectation {
	const char *what;
	int place;
	uint64_t pages; /* of the mapping: what is requested */
	uint64_t advised_pages, advised_ranges;
	int reason; /* of the other pages; -1: there are none */
	uint64_t skipped_ranges;
};

/* One advice for what lies in one mapping of the target. */
static void advise_mapping(struct memhint_process *process, const struct memhint_map *map,
			   uint64_t start, uint64_t pages, int advice,
			   struct memhint_result *result)
{
	const struct memhint_filter filter = {
		.size = sizeof(filter),
		.kinds = MEMHINT_KIND_ALL,
		.start = start,
		.end = start + pages * P,
	};
	const struct memhint_advise_options options = {
		.size = sizeof(options),
		.flags = MEMHINT_ADVISE_MEASURE,
		.map = map,
	};
	struct memhint_ranges *ranges;

	must(memhint_select(process, map, &filter, advice, &ranges) == 0);
	is(memhint_advise(process, ranges, advice, &options, result), 0, "advised");
	memhint_ranges_free(ranges);
}

static void check_expectation(struct memhint_process *process, const struct memhint_map *map,
			      const struct child *child, const struct expectation *want, int advice)
{
	struct memhint_result result;
	char what[128];

	snprintf(what, sizeof(what), "%s of %s", memhint_advice_name(advice), want->what);
	advise_mapping(process, map, child->shared->address[want->place], want->pages, advice,
		       &result);
	is(result.requested.bytes, want->pages * P, "%s: requested", what);
	is(result.advised.bytes, want->advised_pages * P, "%s: advised bytes", what);
	is(result.advised.ranges, want->advised_ranges, "%s: advised ranges", what);
	is(result.failed.bytes, 0, "%s: nothing failed", what);
	if (want->reason >= 0) {
		is(result.skipped_by[want->reason].bytes, (want->pages - want->advised_pages) * P,
		   "%s: skipped as %s", what, memhint_skip_name((enum memhint_skip)want->reason));
		is(result.skipped_by[want->reason].ranges, want->skipped_ranges,
		   "%s: skipped ranges", what);
	}
	check_sums(&result, what);
	if (advice == MADV_PAGEOUT && want->advised_pages) {
		ok(result.measured, "%s: measured", what);
		is(result.before.rss_bytes, want->advised_pages * P, "%s: resident before", what);
		is(result.after.rss_bytes, 0, "%s: resident after", what);
		is(result.after.swap_bytes, want->advised_pages * P, "%s: in swap after", what);
	}
}

static void open_target(struct child *child, struct memhint_process **process,
			struct memhint_map **map)
{
	const struct memhint_map_options options = { .size = sizeof(options),
						     .want = MEMHINT_MAP_FLAGS };

	child_start(child, set_up, NULL);
	must(memhint_process_open(P_PID, (id_t)child->pid, process) == 0);
	must(memhint_map_open(*process, &options, map) == 0);
}

static void close_target(struct child *child, struct memhint_process *process,
			 struct memhint_map *map)
{
	memhint_map_close(map);
	memhint_process_close(process);
	child_end(child);
}

static void test_numbers(int advice)
{
	static const struct expectation expectations[] = {
		{ "touched memory", FULL, 64, 64, 1, -1, 0 },
		{ "memory half touched", HALF, 64, 32, 32, MEMHINT_SKIP_EMPTY, 32 },
		{ "untouched memory", UNTOUCHED, 16, 0, 0, MEMHINT_SKIP_EMPTY, 1 },
		{ "locked memory", LOCKED, 16, 0, 0, MEMHINT_SKIP_LOCKED, 1 },
		{ "memory without access", NO_ACCESS, 16, 0, 0, MEMHINT_SKIP_NO_ACCESS, 1 },
		{ "a reserve of 5 GiB", RESERVE, (5ull << 30) / P, 3, 1, MEMHINT_SKIP_EMPTY, 2 },
	};
	static const struct {
		struct expectation expectation;
		const char *why_not;
	} rare[] = {
		{ { "droppable memory", DROPPABLE, 16, 0, 0, MEMHINT_SKIP_DROPPABLE, 1 },
		  "this kernel has none (before 6.11)" },
		{ { "huge TLB memory", HUGETLB, HUGETLB_PAGES, 0, 0, MEMHINT_SKIP_HUGETLB, 1 },
		  "this kernel has none" },
		{ { "memory of the kernel's", PFNMAP, 1, 0, 0, MEMHINT_SKIP_PFNMAP, 1 },
		  "this kernel maps it page by page, or has no counters" },
	};
	struct memhint_process *process;
	struct memhint_map *map;
	struct child child;

	open_target(&child, &process, &map);
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
		check_expectation(process, map, &child, &expectations[i], advice);
	for (size_t i = 0; i < sizeof(rare) / sizeof(rare[0]); i++) {
		const struct expectation *want = &rare[i].expectation;
		uint64_t address = child.shared->address[want->place];

		if (address && (want->place != PFNMAP ||
				(memhint_map_find(map, address)->flags & MEMHINT_VMA_PFNMAP)))
			check_expectation(process, map, &child, want, advice);
		else
			skip_one(want->what, rare[i].why_not);
	}
	close_target(&child, process, map);
}

/* A second PAGEOUT finds everything out already and frees nothing. */
static void test_pageout_twice(void)
{
	struct memhint_process *process;
	struct memhint_result result;
	struct memhint_map *map;
	struct child child;

	open_target(&child, &process, &map);
	advise_mapping(process, map, child.shared->address[FULL], 64, MADV_PAGEOUT, &result);
	is(result.before.rss_bytes - result.after.rss_bytes, 64 * P, "first pageout frees all");
	advise_mapping(process, map, child.shared->address[FULL], 64, MADV_PAGEOUT, &result);
	is(result.advised.bytes, 0, "second pageout advises nothing");
	is(result.skipped_by[MEMHINT_SKIP_SWAPPED].bytes, 64 * P, "all is skipped as swapped");
	is(result.syscalls, 0, "without a system call");
	is(result.before.rss_bytes - result.after.rss_bytes, 0, "and frees nothing");
	advise_mapping(process, map, child.shared->address[FULL], 64, MADV_WILLNEED, &result);
	is(result.advised.bytes, 64 * P, "willneed asks for what is out");
	advise_mapping(process, map, child.shared->address[HALF], 64, MADV_WILLNEED, &result);
	is(result.skipped_by[MEMHINT_SKIP_RESIDENT].bytes, 32 * P, "and not for what is there");
	is(result.skipped_by[MEMHINT_SKIP_EMPTY].bytes, 32 * P, "nor for what never was");
	close_target(&child, process, map);
}

static void test_many(void)
{
	struct memhint_process *process;
	struct memhint_result result;
	struct memhint_map *map;
	struct child child;

	open_target(&child, &process, &map);
	advise_mapping(process, map, child.shared->address[MANY], 2 * MANY_COUNT, MADV_COLD,
		       &result);
	is(result.advised.ranges, MANY_COUNT, "10,000 mappings: all advised");
	is(result.advised.bytes, MANY_COUNT * P, "10,000 mappings: bytes");
	is(result.skipped_by[MEMHINT_SKIP_NO_ACCESS].ranges, MANY_COUNT,
	   "10,000 mappings: the gaps skipped");
	ok(result.syscalls >= 10 && result.syscalls < 100, "10,000 mappings: in %llu system calls",
	   (unsigned long long)result.syscalls);
	check_sums(&result, "10,000 mappings");
	close_target(&child, process, map);
}

static struct memhint_failure last_failure;
static int failure_count;

static void note_failure(const struct memhint_failure *failure, void *userdata)
{
	last_failure = *failure;
	failure_count++;
}

/* Ranges given by hand, over memory that refuses in the middle. */
static void test_refusals(void)
{
	const struct memhint_advise_options kernel = { .size = sizeof(kernel),
						       .via = MEMHINT_VIA_KERNEL };
	const struct memhint_advise_options options = { .size = sizeof(options),
							.failure = note_failure };
	struct memhint_process *process;
	struct memhint_result result;
	struct memhint_ranges *ranges;
	struct memhint_map *map;
	struct child child;
	uint64_t holed, refusing;

	open_target(&child, &process, &map);
	holed = child.shared->address[HOLED];
	refusing = child.shared->address[REFUSING];

	must(memhint_ranges_new(&ranges) == 0);
	is(memhint_ranges_add(ranges, holed, 12 * P), 0, "a range with a hole");
	is(memhint_advise(process, ranges, MADV_COLD, &options, &result), 0, "is not an error");
	is(result.advised.bytes, 8 * P, "hole: what is mapped was advised");
	is(result.advised.ranges, 2, "hole: in two parts");
	is(result.failed.bytes, 4 * P, "hole: the hole failed");
	is(result.failed.ranges, 1, "hole: as one");
	is(result.first_failure.start, holed + 4 * P, "hole: where");
	is(result.first_failure.end, holed + 8 * P, "hole: up to where");
	is(result.first_failure.error, ENOMEM, "hole: why");
	is(failure_count, 1, "hole: told once");
	is(last_failure.start, holed + 4 * P, "hole: told where");
	check_sums(&result, "hole");
	memhint_ranges_free(ranges);

	must(memhint_ranges_new(&ranges) == 0);
	must(memhint_ranges_add(ranges, child.shared->address[FULL], 64 * P) == 0);
	must(memhint_ranges_add(ranges, refusing, 12 * P) == 0);
	must(memhint_ranges_add(ranges, holed, 4 * P) == 0);
	is(memhint_advise(process, ranges, MADV_COLD, &options, &result), 0,
	   "locked memory in the middle");
	is(result.advised.bytes, (64 + 8 + 4) * P, "locked: all but that was advised");
	is(result.failed.bytes, 4 * P, "locked: just that failed");
	is(result.first_failure.start, refusing + 4 * P, "locked: where");
	is(result.first_failure.error, EINVAL, "locked: why");
	check_sums(&result, "locked");
	memhint_ranges_free(ranges);

	must(memhint_ranges_new(&ranges) == 0);
	must(memhint_ranges_add(ranges, 1ull << 46, 4 * P) == 0);
	is(memhint_advise(process, ranges, MADV_COLD, &options, &result), 0,
	   "nothing mapped at all");
	is(result.failed.bytes, 4 * P, "unmapped: failed");
	is(result.advised.bytes, 0, "unmapped: nothing advised");
	memhint_ranges_free(ranges);

	must(memhint_ranges_new(&ranges) == 0);
	is(memhint_ranges_add(ranges, holed + 1, P), -EINVAL, "an unaligned start");
	is(memhint_ranges_add(ranges, holed, 0), -EINVAL, "an empty range");
	is(memhint_ranges_add(ranges, -P, 2 * P), -EINVAL, "a range that wraps around");
	is(memhint_ranges_add(ranges, holed, P + 1), 0, "an odd length");
	is(memhint_ranges_total(ranges).bytes, 2 * P, "is rounded up to pages");
	is(memhint_advise(process, ranges, 12345, NULL, &result), -EINVAL, "an unknown advice");
	is(memhint_advise(process, ranges, MADV_DONTDUMP, &kernel, &result), -EOPNOTSUPP,
	   "an advice that the kernel gives to no other process");
	is(result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, 2 * P, "nothing was tried");
	memhint_ranges_free(ranges);
	close_target(&child, process, map);
}

static void test_dry_run(void)
{
	const struct memhint_filter filter = { .size = sizeof(filter) };
	const struct memhint_advise_options options = {
		.size = sizeof(options),
		.flags = MEMHINT_ADVISE_DRY_RUN | MEMHINT_ADVISE_MEASURE,
	};
	struct memhint_process *process;
	struct memhint_result result;
	struct memhint_ranges *ranges;
	struct memhint_map *map;
	struct child child;

	open_target(&child, &process, &map);
	must(memhint_select(process, map, &filter, MADV_PAGEOUT, &ranges) == 0);
	is(memhint_advise(process, ranges, MADV_PAGEOUT, &options, &result), 0, "a dry run");
	is(result.advised.bytes, 0, "dry run: nothing advised");
	is(result.syscalls, 0, "dry run: no system call");
	is(result.skipped_by[MEMHINT_SKIP_DRY_RUN].bytes, memhint_ranges_total(ranges).bytes,
	   "dry run: what would have been");
	is(result.after.swap_bytes, 0, "dry run: nothing went out");
	check_sums(&result, "dry run");
	memhint_ranges_free(ranges);
	close_target(&child, process, map);
}

int main(void)
{
	swap_begin();
	test_numbers(MADV_COLD);
	test_numbers(MADV_PAGEOUT);
	test_pageout_twice();
	test_many();
	test_refusals();
	test_dry_run();
	swap_end();
	return done_testing();
}
