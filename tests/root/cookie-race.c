/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exact cookies of a target that maps and unmaps without pause: two equal ones must mean that no change
 * was completed between them, and that a list which was read between them is right.
 *
 * The target counts a change in shared memory before it begins and after it has been made. What the
 * test reads of the counters between two cookies says what happened between them, but for a change that
 * was made before the first cookie and is counted after it.
 */
#include "btf.h"
#include "child.h"
#include "cookie.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull
#define ROUNDS 5000
#define LISTS 500000
#define ENOUGH 100

enum { BEGUN, DONE, REST, STOP };

static uint64_t number(const struct child *child, int index)
{
	return __atomic_load_n(&child->shared->number[index], __ATOMIC_SEQ_CST);
}

static void set_number(struct child_shared *shared, int index, uint64_t value)
{
	__atomic_store_n(&shared->number[index], value, __ATOMIC_SEQ_CST);
}

static void setup_page(struct child_shared *shared)
{
	char *block = mmap(NULL, 64 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(block != MAP_FAILED && munmap(block, 64 * P) == 0);
	shared->address[0] = (uint64_t)block + 32 * P;
}

/* An odd number of changes: the page is there. REST: how long it lets things be, up to so many steps. */
static long change_without_end(int what, struct child_shared *shared)
{
	char *page = (char *)shared->address[0];
	uint64_t random = 1;

	for (uint64_t i = 1; !__atomic_load_n(&shared->number[STOP], __ATOMIC_RELAXED); i++) {
		set_number(shared, BEGUN, i);
		if (i % 2)
			must(mmap(page, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				  0) == page);
		else
			must(munmap(page, P) == 0);
		set_number(shared, DONE, i);
		random = random * 6364136223846793005u + 1442695040888963407u;
		for (uint64_t rest = __atomic_load_n(&shared->number[REST], __ATOMIC_RELAXED) *
					     (random >> 48) >>
				     16;
		     rest; rest--)
			__asm__ volatile("" ::: "memory");
	}
	return 0;
}

static void start(struct child *child)
{
	int what = 0;

	/* Not child_tell(), which waits for the answer. */
	must(write(child->command_fd, &what, sizeof(what)) == sizeof(what));
	while (number(child, DONE) < 100)
		sched_yield();
}

static uint64_t read_exact(struct memhint_process *process)
{
	uint64_t cookie;

	must(cookie_read(process, MEMHINT_COOKIE_EXACT, &cookie) == 0);
	return cookie;
}

/* Waits for so many changes between two cookies, none too. */
static void test_cookies(struct memhint_process *process, const struct child *child)
{
	size_t changed = 0, equal = 0, missed = 0;

	for (size_t i = 0; i < ROUNDS || !equal; i++) {
		uint64_t first, second, before, after;

		first = read_exact(process);
		before = number(child, DONE);
		while ((after = number(child, DONE)) < before + i % 4)
			sched_yield();
		second = read_exact(process);
		equal += first == second;
		/* The last of two was begun after @before was read, and made before @after was. */
		if (after - before < 2)
			continue;
		changed++;
		missed += first == second;
	}
	printf("# %zu times changed, %zu times equal\n", changed, equal);
	ok(changed >= ROUNDS / 2, "changes between two cookies, again and again");
	is(missed, 0, "were never missed");
	ok(equal > 0, "though at times nothing changed");
}

static bool has_page(const struct memhint_map *map, uint64_t address)
{
	const struct memhint_vma *vma = memhint_map_find(map, address);

	return vma && vma->start <= address;
}

static void test_lists(struct memhint_process *process, const struct child *child,
		       enum memhint_reader reader)
{
	const struct memhint_map_options options = { .size = sizeof(options), .reader = reader };
	const char *name = memhint_reader_name(reader);
	size_t current = 0, with = 0, without = 0, wrong = 0;
	struct memhint_map *map;
	uint64_t cookie;

	while (memhint_map_open(process, &options, &map) == -EAGAIN)
		;
	/* As often as it takes to have seen both, which is some thousand times. */
	for (size_t i = 0; i < LISTS && (with < ENOUGH || without < ENOUGH); i++) {
		uint64_t done, begun;

		if (memhint_map_refresh(map) < 0)
			continue;
		cookie = memhint_map_cookie(map);
		done = number(child, DONE);
		begun = number(child, BEGUN);
		if (memhint_cookie_kind(cookie) != MEMHINT_COOKIE_EXACT ||
		    memhint_cookie_check(process, cookie) != 0)
			continue;
		current++;
		/* In the middle of one it is the kernel alone that knows. */
		if (done != begun)
			continue;
		with += done % 2;
		without += !(done % 2);
		wrong += has_page(map, child->shared->address[0]) != (done % 2);
	}
	printf("# %s: %zu lists current, %zu with the page, %zu without\n", name, current, with,
	       without);
	ok(with >= ENOUGH && without >= ENOUGH, "%s: lists that are current, of both states", name);
	is(wrong, 0, "%s: a list whose cookie is still good is right", name);
	memhint_map_close(map);
}

int main(void)
{
	struct memhint_process *process;
	struct child child;
	const char *lack;

	if (geteuid() != 0)
		skip_all("needs root");
	lack = exact_cookies_lack();
	if (lack)
		skip_all(lack);
	child_start(&child, setup_page, change_without_end);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	start(&child);
	test_cookies(process, &child);
	set_number(child.shared, REST, 100000);
	test_lists(process, &child, MEMHINT_READER_BPF_SEQ);
	if (memhint_probe(MEMHINT_FEATURE_BPF_VMA) == 0)
		test_lists(process, &child, MEMHINT_READER_BPF);
	else
		skip_one("bpf", memhint_feature_help(MEMHINT_FEATURE_BPF_VMA));
	set_number(child.shared, STOP, 1);
	memhint_process_close(process);
	child_end(&child);
	return done_testing();
}
