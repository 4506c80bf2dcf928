/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Advice of every sort, given by the target itself, and what it must look like from outside afterwards. */
#include "cookie.h"
#include "guard-scene.h"
#include "tap.h"
#include "test-swap.h"
#include "uapi.h"
#include "state-watch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Stands in for the probes of a kernel that takes no advice for others. */
static bool is_old_kernel;

int __real_memhint_probe(enum memhint_feature feature);
int __wrap_memhint_probe(enum memhint_feature feature);

int __wrap_memhint_probe(enum memhint_feature feature)
{
	return is_old_kernel && feature >= MEMHINT_FEATURE_REMOTE_COLD &&
			       feature <= MEMHINT_FEATURE_REMOTE_COLLAPSE
		       ? -ENOSYS
		       : __real_memhint_probe(feature);
}

/* Whether smaps gives the mapping at @address this flag of two letters. */
static bool has_flag(const struct scene *scene, uint64_t address, const char *flag)
{
	char path[48], line[512];
	bool is_there = false, found = false;
	uint64_t start, end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", scene->child.pid);
	file = fopen(path, "re");
	must(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			is_there = start <= address && address < end;
		else if (is_there && strncmp(line, "VmFlags:", 8) == 0)
			found |= strstr(line, flag) != NULL;
	}
	fclose(file);
	return found;
}

static struct memhint_usage usage(struct scene *scene)
{
	const struct memhint_map_options options = { .size = sizeof(options),
						     .want = MEMHINT_MAP_PAGES };
	struct memhint_usage sum = {};
	const struct memhint_vma *vma;
	struct memhint_map *map;

	must(memhint_map_open(scene->process, &options, &map) == 0);
	for (size_t i = 0; (vma = memhint_map_get(map, i)); i++)
		if (vma->start >= scene->filter.start && vma->end <= scene->filter.end) {
			sum.rss_bytes += vma->resident_bytes;
			sum.swap_bytes += vma->swapped_bytes;
		}
	memhint_map_close(map);
	return sum;
}

/* The first byte of a part, as the target has it. */
static int first_byte(const struct scene *scene, size_t part)
{
	unsigned char byte = 0xff;
	struct iovec to = { &byte, 1 }, from = { (void *)(uintptr_t)part_start(scene, part), 1 };

	must(process_vm_readv(scene->child.pid, &to, 1, &from, 1, 0) == 1);
	return byte;
}

static void reselect(struct scene *scene, int advice)
{
	memhint_ranges_free(scene->ranges);
	memhint_map_close(scene->map);
	must(memhint_map_open(scene->process, NULL, &scene->map) == 0);
	must(memhint_select(scene->process, scene->map, &scene->filter, advice, &scene->ranges) ==
	     0);
}

/* By its own choice of way, which is INJECT for all of these. */
static void give(struct scene *scene, int advice)
{
	const char *name = memhint_advice_name(advice);

	reselect(scene, advice);
	is(scene_advise(scene, MEMHINT_GUARD_COOKIE, advice, -1, NOTHING), 0, "%s: is given", name);
	is(scene->result.via, MEMHINT_VIA_INJECT, "%s: by the target itself", name);
	is(scene->result.advised.bytes, ALL, "%s: all of it", name);
	is(scene->result.failed.bytes, 0, "%s: nothing failed", name);
	ok(!scene->result.map_changed, "%s: what it changes itself is no change", name);
	is(scene->result.syscalls, PARTS, "%s: a call for each range", name);
	ok(scene->result.frozen_usec > 0, "%s: it was held meanwhile", name);
	ok(account_is_whole(&scene->result), "%s: every byte is in the account", name);
	is(child_tell(&scene->child, NOTHING), 0, "%s: the target runs as before", name);
}

static void test_flags(void)
{
	static const struct {
		int advice;
		const char *flag;
		bool is_set;
	} cases[] = {
		{ MADV_MERGEABLE, " mg", true },   { MADV_UNMERGEABLE, " mg", false },
		{ MADV_HUGEPAGE, " hg", true },	   { MADV_NOHUGEPAGE, " nh", true },
		{ MADV_DONTDUMP, " dd", true },	   { MADV_DODUMP, " dd", false },
		{ MADV_RANDOM, " rr", true },	   { MADV_SEQUENTIAL, " sr", true },
		{ MADV_NORMAL, " sr", false },	   { MADV_DONTFORK, " dc", true },
		{ MADV_DOFORK, " dc", false },	   { MADV_WIPEONFORK, " wf", true },
		{ MADV_KEEPONFORK, " wf", false },
	};
	struct scene scene;

	scene_begin(&scene, MADV_COLD);
	scene.options.flags = MEMHINT_ADVISE_DESTRUCTIVE;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = memhint_advice_name(cases[i].advice);

		give(&scene, cases[i].advice);
		for (size_t part = 0; part < PARTS; part++)
			if (has_flag(&scene, part_start(&scene, part), cases[i].flag) !=
			    cases[i].is_set)
				ok(false, "%s: the flag%s of part %zu", name, cases[i].flag, part);
		ok(has_flag(&scene, part_start(&scene, 0), cases[i].flag) == cases[i].is_set,
		   "%s: is seen in smaps", name);
	}
	/* What is so already is not asked for again. */
	give(&scene, MADV_MERGEABLE);
	reselect(&scene, MADV_MERGEABLE);
	is(memhint_ranges_total(scene.ranges).bytes, 0, "mergeable memory is not selected again");
	is(memhint_ranges_skipped(scene.ranges, MEMHINT_SKIP_ALREADY).bytes, ALL,
	   "it is so already");
	scene_end(&scene);
}

static void test_pages(void)
{
	struct scene scene;

	scene_begin(&scene, MADV_COLD);
	scene.options.flags = MEMHINT_ADVISE_DESTRUCTIVE;
	is(first_byte(&scene, 1), 2, "the memory has a content");
	give(&scene, MADV_DONTNEED);
	is(usage(&scene).rss_bytes + usage(&scene).swap_bytes, 0, "dontneed: it is gone");
	is(first_byte(&scene, 1), 0, "dontneed: with its content");
	give(&scene, MADV_POPULATE_READ);
	give(&scene, MADV_POPULATE_WRITE);
	is(usage(&scene).rss_bytes + usage(&scene).swap_bytes, ALL, "populate_write: it is back");
	give(&scene, MADV_FREE);
	/*
	 * Freed for real only when memory is short, or by PAGEOUT; but the kernel marks pages in batches of
	 * 31, and what is in the last one still goes to swap.
	 */
	reselect(&scene, MADV_PAGEOUT);
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_PAGEOUT, -1, NOTHING), 0, "then PAGEOUT");
	is(usage(&scene).rss_bytes, 0, "free: it is gone");
	ok(usage(&scene).swap_bytes <= 2 * 31 * P,
	   "free: and not to swap, but for the last batches");
	scene_end(&scene);
}

/* The four that the kernel takes from outside, by the other way. */
static void test_remote(void)
{
	static const enum memhint_guard guards[] = { MEMHINT_GUARD_NONE, MEMHINT_GUARD_COOKIE,
						     MEMHINT_GUARD_FOLLOW };
	struct scene scene;

	for (size_t i = 0; i < 3; i++) {
		const char *name = memhint_guard_name(guards[i]);

		scene_begin(&scene, MADV_COLD);
		scene.options.via = MEMHINT_VIA_INJECT;
		is(scene_advise(&scene, guards[i], MADV_COLD, -1, NOTHING), 0, "%s: COLD", name);
		is(scene.result.via, MEMHINT_VIA_INJECT, "%s: by the target", name);
		is(scene.call_count, 0, "%s: and not by the kernel", name);
		is(scene.result.advised.bytes, ALL, "%s: all of it", name);
		is(scene_advise(&scene, guards[i], MADV_PAGEOUT, -1, NOTHING), 0, "%s: PAGEOUT",
		   name);
		is(usage(&scene).swap_bytes, ALL, "%s: all is out", name);
		is(scene_advise(&scene, guards[i], MADV_WILLNEED, -1, NOTHING), 0, "%s: WILLNEED",
		   name);
		is(scene.result.advised.bytes, ALL, "%s: all of it", name);
		is(first_byte(&scene, 2), 3, "%s: nothing is lost", name);
		ok(account_is_whole(&scene.result), "%s: every byte is in the account", name);
		scene_end(&scene);
	}
	/* As on a kernel without process_madvise(2). */
	is_old_kernel = true;
	scene_begin(&scene, MADV_PAGEOUT);
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_PAGEOUT, -1, NOTHING), 0,
	   "where the kernel does not take it");
	is(scene.result.via, MEMHINT_VIA_INJECT, "it goes by the target");
	is(usage(&scene).swap_bytes, ALL, "all is out");
	scene.options.via = MEMHINT_VIA_KERNEL;
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_PAGEOUT, -1, NOTHING), -EOPNOTSUPP,
	   "unless the kernel alone is asked for");
	scene_end(&scene);
	is_old_kernel = false;
}

/* The guards compare while the target is held. */
static void test_guarded(void)
{
	struct scene scene;

	scene_begin(&scene, MADV_MERGEABLE);
	is(child_tell(&scene.child, UNMAP_THIRD), 0, "a part goes before the run");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_MERGEABLE, -1, NOTHING), -ESTALE,
	   "cookie: refused");
	is(scene.result.syscalls, 0, "nothing is done");
	is(scene.result.skipped_by[MEMHINT_SKIP_CHANGED].bytes, ALL, "all counts as changed");
	ok(!has_flag(&scene, part_start(&scene, 0), " mg"), "nothing is marked");
	is(child_tell(&scene.child, NOTHING), 0, "it runs");
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_MERGEABLE, -1, NOTHING), 0,
	   "follow: looks again");
	is(scene.result.looks, 1, "once, its own changes are none");
	is(scene.result.advised.bytes, ALL - PART, "what is there is done");
	is(scene.result.skipped_by[MEMHINT_SKIP_CHANGED].bytes, PART, "what is gone is not");
	is(scene.result.failed.bytes, 0, "nothing has failed");
	ok(has_flag(&scene, part_start(&scene, 0), " mg"), "it is marked");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	is(child_tell(&scene.child, NOTHING), 0, "it runs");
	scene_end(&scene);
}

static void test_destructive(void)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
				       MADV_WIPEONFORK };
	struct memhint_process *self;
	struct memhint_ranges *own;
	struct scene scene;
	char *page;

	scene_begin(&scene, MADV_COLD);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		const char *name = memhint_advice_name(advices[i]);

		ok(memhint_advice_is_destructive(advices[i]), "%s destroys", name);
		for (int guard = MEMHINT_GUARD_NONE; guard <= MEMHINT_GUARD_FREEZE; guard++) {
			scene.options.flags = 0;
			is(scene_advise(&scene, (enum memhint_guard)guard, advices[i], -1, NOTHING),
			   -EINVAL, "%s, guard %s: not without the flag", name,
			   memhint_guard_name((enum memhint_guard)guard));
			scene.options.flags = MEMHINT_ADVISE_DESTRUCTIVE;
			if (guard == MEMHINT_GUARD_NONE || guard == MEMHINT_GUARD_FOLLOW)
				is(scene_advise(&scene, (enum memhint_guard)guard, advices[i], -1,
						NOTHING),
				   -EINVAL, "%s, guard %s: nor with it", name,
				   memhint_guard_name((enum memhint_guard)guard));
			is(scene.result.advised.bytes, 0, "%s: nothing is done", name);
			ok(account_is_whole(&scene.result), "%s: all is accounted for", name);
		}
	}
	is(first_byte(&scene, 0), 1, "nothing is lost");
	scene_end(&scene);

	/* One's own memory is the caller's to lose. */
	page = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED);
	page[0] = 1;
	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	must(memhint_ranges_new(&own) == 0);
	must(memhint_ranges_add(own, (uint64_t)page, P) == 0);
	scene.options.flags = 0;
	scene.options.via = MEMHINT_VIA_INJECT;
	scene.options.guard = MEMHINT_GUARD_NONE;
	is(memhint_advise(self, own, MADV_DONTNEED, &scene.options, &scene.result), 0,
	   "on oneself");
	is(scene.result.via, MEMHINT_VIA_KERNEL, "whatever the way, by a call of one's own");
	is(page[0], 0, "it is gone");
	memhint_ranges_free(own);
	memhint_process_close(self);
}

/* Which advice moves the exact cookie by itself: the library must know all that do. */
static void test_moves(void)
{
	static const int advices[] = {
		MADV_COLD,	     MADV_PAGEOUT,    MADV_WILLNEED,   MADV_COLLAPSE,
		MADV_NORMAL,	     MADV_RANDOM,     MADV_DONTNEED,   MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_FREE,	      MADV_MERGEABLE,  MADV_UNMERGEABLE,
		MADV_HUGEPAGE,	     MADV_NOHUGEPAGE, MADV_DONTDUMP,   MADV_DODUMP,
		MADV_DONTFORK,	     MADV_DOFORK,     MADV_WIPEONFORK, MADV_KEEPONFORK,
	};
	unsigned int moved = 0;
	struct scene scene;
	uint64_t before, after;

	if (memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) < 0) {
		skip_one("what moves the cookie", "cookies are not exact here");
		return;
	}
	scene_begin(&scene, MADV_COLD);
	scene.options.flags = MEMHINT_ADVISE_DESTRUCTIVE;
	for (int way = MEMHINT_VIA_KERNEL; way <= MEMHINT_VIA_INJECT; way++)
		for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
			const char *name = memhint_advice_name(advices[i]);
			bool inside = way == MEMHINT_VIA_INJECT;

			if (!inside && !memhint_advice_is_remote(advices[i]))
				continue;
			scene.options.via = (enum memhint_via)way;
			must(memhint_process_cookie(scene.process, &scene.options.cookie) == 0);
			before = scene.options.cookie;
			is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, advices[i], -1, NOTHING), 0,
			   "%s by the %s", name, inside ? "target" : "kernel");
			must(memhint_process_cookie(scene.process, &after) == 0);
			moved += before != after;
			ok(before == after || watch_moves_of(advices[i], inside) != WATCH_STILL,
			   "%s by the %s %s", name, inside ? "target" : "kernel",
			   before == after ? "leaves the cookie" : "moves it, as is known");
		}
	ok(moved > 5, "%u of them move it", moved);
	scene_end(&scene);
}

/* A refused range of madvise(2) is one range, and what comes after it is done. */
static void test_refused(void)
{
	struct memhint_ranges *ranges;
	struct scene scene;

	scene_begin(&scene, MADV_MERGEABLE);
	must(memhint_ranges_new(&ranges) == 0);
	must(memhint_ranges_add(ranges, part_start(&scene, 0), PART) == 0);
	must(memhint_ranges_add(ranges, part_start(&scene, 1), PART + 2 * P) == 0);
	must(memhint_ranges_add(ranges, part_start(&scene, 2), PART) == 0);
	memhint_ranges_free(scene.ranges);
	scene.ranges = ranges;
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_DONTDUMP, -1, NOTHING), 0,
	   "a range that ends in a hole");
	is(scene.result.failed.bytes, 2 * P, "the hole has failed");
	is(scene.result.first_failure.error, ENOMEM, "with ENOMEM");
	is(scene.result.advised.bytes, 3 * PART, "the rest is done");
	ok(has_flag(&scene, part_start(&scene, 2), " dd"), "after it, too");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	scene.options.max_bytes = PART;
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_DODUMP, -1, NOTHING), 0, "a byte budget");
	is(scene.result.advised.bytes, PART, "is kept");
	is(scene.result.skipped_by[MEMHINT_SKIP_BUDGET].bytes, 2 * PART + 2 * P,
	   "the rest is left");
	scene.options.max_bytes = 0;
	scene.options.flags = MEMHINT_ADVISE_DRY_RUN;
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_DODUMP, -1, NOTHING), 0, "a dry run");
	is(scene.result.syscalls, 0, "asks nobody");
	is(scene.result.frozen_usec, 0, "and stops nobody");
	is(scene.result.skipped_by[MEMHINT_SKIP_DRY_RUN].bytes, 3 * PART + 2 * P, "all counts so");
	scene_end(&scene);
}

int main(void)
{
	ok(memhint_probe(MEMHINT_FEATURE_INJECT) == 0, "advice can be run inside others");
	swap_begin();
	test_flags();
	test_pages();
	test_remote();
	test_guarded();
	test_destructive();
	test_moves();
	test_refused();
	swap_end();
	return done_testing();
}
