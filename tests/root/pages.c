/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of pages: by both means the same, whole across pieces and buffers, and gone with the process. */
#include "child.h"
#include "test-swap.h"
#include "tap.h"

#include "pages.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE_BYTES (160ull << 20) /* more than one piece */
#define STRIPES 5000u		   /* more runs than one buffer holds */
#define SPARSE_BYTES (1ull << 40)

static uint64_t page;

static void setup(struct child_shared *shared)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *large = mmap(NULL, LARGE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
	char *stripes = mmap(NULL, 2 * STRIPES * page, PROT_READ | PROT_WRITE, flags, -1, 0);
	char *sparse = mmap(NULL, SPARSE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
	char *shmem =
		mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *mixed = mmap(NULL, 64 * page, PROT_READ | PROT_WRITE, flags, -1, 0);

	must(large != MAP_FAILED && stripes != MAP_FAILED && sparse != MAP_FAILED);
	must(shmem != MAP_FAILED && mixed != MAP_FAILED);
	madvise(large, LARGE_BYTES, MADV_NOHUGEPAGE);
	memset(large, 1, LARGE_BYTES);
	for (uint64_t i = 0; i < STRIPES; i++)
		stripes[2 * i * page] = 1;
	sparse[0] = 1;
	sparse[SPARSE_BYTES / 2] = 1;
	sparse[SPARSE_BYTES - 1] = 1;
	memset(shmem + 4 * page, 1, 4 * page);
	memset(mixed, 1, 32 * page);
	shared->address[0] = (uint64_t)large;
	shared->address[1] = (uint64_t)stripes;
	shared->address[2] = (uint64_t)sparse;
	shared->address[3] = (uint64_t)shmem;
	shared->address[4] = (uint64_t)mixed;
}

enum { PAGEOUT, EXEC };

static long command(int what, struct child_shared *shared)
{
	char *mixed = (char *)shared->address[4];
	unsigned char in_core[16];
	int present;

	if (what == EXEC) {
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		return errno;
	}
	/* Pages 8 to 23 out, and 12 to 15 in again. mincore(2) would count the swap cache, too. */
	for (int i = 0; i < 200; i++) {
		int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		uint64_t entries[16];

		if (madvise(mixed + 8 * page, 16 * page, MADV_PAGEOUT) < 0)
			return errno;
		must(pread(fd, entries, sizeof(entries),
			   (off_t)(((uint64_t)mixed / page + 8) * 8)) == sizeof(entries));
		close(fd);
		present = 0;
		for (int j = 0; j < 16; j++)
			present += (int)(entries[j] >> 63);
		if (!present)
			break;
	}
	memset(in_core, 0, sizeof(in_core));
	for (int i = 12; i < 16; i++)
		mixed[(uint64_t)i * page] = 2;
	return present;
}

#define MAX_RUNS (2 * STRIPES)

struct runs {
	struct page_run items[MAX_RUNS];
	unsigned int count;
	unsigned int stop_at;
};

static int collect(const struct page_run *run, void *userdata)
{
	struct runs *runs = userdata;

	must(runs->count < MAX_RUNS);
	runs->items[runs->count++] = *run;
	return runs->count == runs->stop_at ? 7 : 0;
}

static int scan(const struct pages *pages, uint64_t start, uint64_t length, struct runs *runs)
{
	runs->count = runs->stop_at = 0;
	return pages_scan(pages, start, start + length, collect, runs);
}

static bool run_is(const struct page_run *run, uint64_t start, uint64_t first, uint64_t count,
		   uint32_t state)
{
	return run->start == start + first * page && run->end == run->start + count * page &&
	       run->state == state;
}

static void test_runs(struct child *child, struct pages *pages)
{
	const char *name = memhint_pages_reader_name(pages->reader);
	const uint64_t *address = child->shared->address;
	static struct runs runs;
	unsigned int wrong = 0;

	is(scan(pages, address[0], LARGE_BYTES, &runs), 0, "%s: 160 MiB", name);
	is(runs.count, 1, "%s: are one run", name);
	ok(run_is(&runs.items[0], address[0], 0, LARGE_BYTES / page, PAGE_RESIDENT),
	   "%s: all of it", name);
	is(scan(pages, address[0] + 5 * page, 7 * page, &runs), 0, "%s: a part", name);
	ok(runs.count == 1 && run_is(&runs.items[0], address[0], 5, 7, PAGE_RESIDENT),
	   "%s: and no more than that", name);
	is(scan(pages, address[0], 0, &runs), 0, "%s: an empty range", name);
	is(runs.count, 0, "%s: has nothing", name);

	is(scan(pages, address[1], 2 * STRIPES * page, &runs), 0, "%s: every second page", name);
	is(runs.count, STRIPES, "%s: as many runs", name);
	for (unsigned int i = 0; i < runs.count; i++)
		wrong += !run_is(&runs.items[i], address[1], 2 * i, 1, PAGE_RESIDENT);
	is(wrong, 0, "%s: each in its place", name);

	is(scan(pages, address[3], 16 * page, &runs), 0, "%s: shared memory", name);
	ok(runs.count == 1 && run_is(&runs.items[0], address[3], 4, 4, PAGE_RESIDENT),
	   "%s: is resident", name);
	pages->shared = true;
	is(scan(pages, address[3], 16 * page, &runs), 0, "%s: and if asked for", name);
	ok(runs.count == 1 && run_is(&runs.items[0], address[3], 4, 4, PAGE_RESIDENT | PAGE_SHARED),
	   "%s: known as shared", name);
	pages->shared = false;

	for (int i = 0; i < 5; i++) {
		must(child_tell(child, PAGEOUT) == 0);
		is(scan(pages, address[4], 64 * page, &runs), 0, "%s: partly paged out", name);
		if (runs.count == 5)
			break; /* else the machine moved some page meanwhile */
	}
	is(runs.count, 5, "%s: five runs", name);
	ok(run_is(&runs.items[0], address[4], 0, 8, PAGE_RESIDENT) &&
		   run_is(&runs.items[1], address[4], 8, 4, PAGE_SWAPPED) &&
		   run_is(&runs.items[2], address[4], 12, 4, PAGE_RESIDENT) &&
		   run_is(&runs.items[3], address[4], 16, 8, PAGE_SWAPPED) &&
		   run_is(&runs.items[4], address[4], 24, 8, PAGE_RESIDENT),
	   "%s: in, out, in, out, in", name);

	runs.count = 0;
	runs.stop_at = 3;
	is(pages_scan(pages, address[1], address[1] + 2 * STRIPES * page, collect, &runs), 7,
	   "%s: a sink's answer is handed on", name);
	is(runs.count, 3, "%s: and ends the scan", name);
}

static void test_sparse(struct child *child, const struct pages *pages)
{
	uint64_t start = child->shared->address[2];
	static struct runs runs;

	is(scan(pages, start, SPARSE_BYTES, &runs), 0, "1 TiB with three pages in it");
	ok(runs.count == 3 && run_is(&runs.items[0], start, 0, 1, PAGE_RESIDENT) &&
		   run_is(&runs.items[1], start, SPARSE_BYTES / 2 / page, 1, PAGE_RESIDENT) &&
		   run_is(&runs.items[2], start, SPARSE_BYTES / page - 1, 1, PAGE_RESIDENT),
	   "the three");
	is(scan(pages, 0, UINT64_MAX, &runs), 0, "the whole address space, and what is beyond");
	ok(runs.count > STRIPES, "has all of it");
}

static void test_gone(struct child *child, struct memhint_process *process)
{
	static const enum memhint_pages_reader readers[] = { MEMHINT_PAGES_SCAN,
							     MEMHINT_PAGES_PAGEMAP };
	static struct runs runs;
	struct pages pages[2], fresh;
	int what = EXEC;
	long answer;

	for (int i = 0; i < 2; i++) {
		must(pages_open(process, readers[i], true, &pages[i]) == 0);
		ok(pages_are_current(&pages[i]), "current while it lives");
	}
	must(write(child->command_fd, &what, sizeof(what)) == sizeof(what));
	must(read(child->answer_fd, &answer, sizeof(answer)) == 0); /* closed by the exec */
	for (int i = 0; i < 2; i++) {
		ok(!pages_are_current(&pages[i]), "not current after exec");
		is(scan(&pages[i], child->shared->address[0], LARGE_BYTES, &runs), -ESRCH,
		   "no pages after exec");
		is(runs.count, 0, "none of the new address space either");
		pages_done(&pages[i]);
	}
	must(pages_open(process, MEMHINT_PAGES_AUTO, false, &fresh) == 0);
	ok(pages_are_current(&fresh), "the new one can be opened");
	child_end(child);
	ok(!pages_are_current(&fresh), "not current after its end");
	is(scan(&fresh, 0, UINT64_MAX, &runs), -ESRCH, "no pages after its end");
	pages_done(&fresh);
	pages_done(&fresh);
	is(pages_open(process, MEMHINT_PAGES_AUTO, false, &fresh), -ESRCH,
	   "nor can it be opened again");
}

int main(void)
{
	struct memhint_process *process;
	struct pages pages;
	struct child child;
	int r;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	swap_begin();
	child_start(&child, setup, command);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	r = pages_open(process, MEMHINT_PAGES_SCAN, true, &pages);
	if (r == 0) {
		test_runs(&child, &pages);
		test_sparse(&child, &pages);
		pages_done(&pages);
	} else {
		is(r, -EOPNOTSUPP, "no PAGEMAP_SCAN");
		skip_one("PAGEMAP_SCAN", "this kernel has none");
	}
	must(pages_open(process, MEMHINT_PAGES_PAGEMAP, true, &pages) == 0);
	test_runs(&child, &pages);
	pages_done(&pages);
	is(pages_open(process, MEMHINT_PAGES_SMAPS, true, &pages), -EOPNOTSUPP,
	   "smaps has no runs");
	if (r == 0)
		test_gone(&child, process);
	else
		child_end(&child);
	memhint_process_close(process);
	swap_end();
	return done_testing();
}
