/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guards that compare do about a target that changes its mappings at a given moment. */
#include "guard-scene.h"
#include "tap.h"
#include "uapi.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_exact;

static uint64_t changed(const struct scene *scene)
{
	return scene->result.skipped_by[MEMHINT_SKIP_CHANGED].bytes;
}

static void test_none(void)
{
	struct scene scene;

	scene_begin(&scene, MADV_COLD);
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_COLD, -1, NOTHING), 0, "none: no change");
	ok(!scene.result.map_changed, "which is told");
	is(scene.result.advised.bytes, ALL, "all is advised");
	is(scene.result.via, MEMHINT_VIA_KERNEL, "by the kernel");
	is(scene.result.looks, 0, "without another look");
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_COLD, 1, MAP_AND_UNMAP), 0,
	   "none: a change during the run");
	is(scene.result.map_changed, is_exact, "is told where cookies are exact");
	is(scene.result.advised.bytes, ALL, "all is advised");
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_COLD, -1, NOTHING), 0,
	   "none: a change before the run, after the selection");
	is(scene.result.map_changed, is_exact, "is told as well");
	scene_end(&scene);
}

static void test_cookie(void)
{
	struct scene scene;

	scene_begin(&scene, MADV_COLD);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), 0,
	   "cookie: no change");
	is(scene.result.advised.bytes, ALL, "all is advised");
	ok(!scene.result.map_changed, "and nothing has changed");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), 0,
	   "COLD does not move the cookie");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_PAGEOUT, -1, NOTHING), 0,
	   "nor does PAGEOUT");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_WILLNEED, -1, NOTHING), 0,
	   "nor WILLNEED");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, 2, MAP_AWAY), -ESTALE,
	   "cookie: a change at the third call");
	is(scene.call_count, 3, "there is no fourth one");
	is(scene.result.advised.bytes, 3 * PART, "what was done is told");
	is(changed(&scene), 3 * PART, "the rest counts as changed");
	ok(scene.result.map_changed, "a change is told");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), -ESTALE,
	   "cookie: a change before the first call");
	is(scene.call_count, 0, "there is no call");
	is(scene.result.syscalls, 0, "which is told");
	is(scene.result.via, MEMHINT_VIA_AUTO, "nobody has made one");
	is(changed(&scene), ALL, "all counts as changed");
	ok(scene.result.map_changed, "a change is told");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	scene_end(&scene);

	scene_begin(&scene, MADV_COLD);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, PARTS - 1, MAP_AWAY), -ESTALE,
	   "cookie: a change at the last call");
	is(scene.result.advised.bytes, ALL, "when all has been done");
	is(changed(&scene), 0, "and nothing is left");
	ok(scene.result.map_changed, "a change is told");
	scene_end(&scene);

	if (!is_exact) {
		skip_one("a change that was undone", "cookies are not exact here");
		return;
	}
	scene_begin(&scene, MADV_COLD);
	is(child_tell(&scene.child, MAP_AND_UNMAP), 0, "a change that was undone");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), -ESTALE,
	   "is one, too");
	scene_end(&scene);
	scene_begin(&scene, MADV_COLD);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, 1, REPLACE_LAST), -ESTALE,
	   "a mapping just like the one in whose place it is");
	ok(!was_called(&scene, part_start(&scene, PARTS - 1), PART), "is not given the advice");
	scene_end(&scene);
}

/* Cookies that the caller brings. */
static void test_cookies_given(void)
{
	struct memhint_map_options text = { .size = sizeof(text), .reader = MEMHINT_READER_MAPS };
	struct memhint_ranges *by_hand;
	struct memhint_map *map;
	struct scene scene, other;
	uint64_t fingerprint;

	scene_begin(&scene, MADV_COLD);
	scene_begin(&other, MADV_COLD);
	must(memhint_map_open(scene.process, &text, &map) == 0);
	fingerprint = memhint_map_cookie(map);
	memhint_map_close(map);
	is(memhint_cookie_kind(fingerprint), MEMHINT_COOKIE_FINGERPRINT, "a fingerprint");

	scene.options.cookie = fingerprint;
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), 0, "is a cookie");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, 1, MAP_AND_UNMAP),
	   is_exact ? -ESTALE : 0, "and from the first call on exact ones are compared");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), 0,
	   "the change was undone, so it is good again");
	is(child_tell(&scene.child, MAP_AWAY), 0, "a change that stays");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), -ESTALE,
	   "it sees as well");
	is(changed(&scene), ALL, "before anything is done");
	must(memhint_process_cookie(scene.process, &scene.options.cookie) == 0);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), 0,
	   "the cookie of the present state stands for the selection's");

	must(memhint_process_cookie(other.process, &scene.options.cookie) == 0);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), -ESTALE,
	   "the cookie of another process");
	is(scene.call_count, 0, "nothing is done");
	scene.options.cookie = 17;
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), -EINVAL,
	   "what is no cookie");
	is(scene.result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, ALL, "nothing is done");
	ok(account_is_whole(&scene.result), "every byte is in the account");

	/* Ranges made by hand have no cookie of their own. */
	must(memhint_ranges_new(&by_hand) == 0);
	must(memhint_ranges_add(by_hand, part_start(&scene, 0), PART) == 0);
	memhint_ranges_free(scene.ranges);
	scene.ranges = by_hand;
	must(memhint_process_cookie(scene.process, &scene.options.cookie) == 0);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), 0,
	   "ranges made by hand, with a cookie");
	scene.options.cookie = 0;
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING), -EINVAL,
	   "without one there is nothing to compare");
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), -EINVAL,
	   "nor can they be selected again");
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_COLD, -1, NOTHING), 0,
	   "without a guard they are advised");
	scene_end(&other);
	scene_end(&scene);

	scene_begin(&scene, MADV_COLD);
	must(memhint_ranges_add(scene.ranges, part_start(&scene, PARTS), PART) == 0);
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), -EINVAL,
	   "a range that was added to a selection makes it one by hand");
	scene_end(&scene);
}

#define HUGE_SIZE (2ull << 20)
#define HUGES 4ull

/* Small pages that may become huge ones. */
static void set_up_huge(struct child_shared *shared)
{
	uint64_t size = (HUGES + 1) * HUGE_SIZE, aligned;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	aligned = ((uint64_t)memory + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE;
	if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE) < 0)
		_exit(3);
	memset((void *)aligned, 1, HUGES * HUGE_SIZE);
	if (madvise(memory, size, MADV_HUGEPAGE) < 0)
		_exit(3);
	shared->address[0] = aligned;
}

/*
 * Gives COLLAPSE for one huge page a call. The kernel has not always four of them at hand: what it could
 * not do is done again, on new memory.
 */
static int collapse(struct scene *scene, enum memhint_guard guard, int when, uint64_t want,
		    uint64_t *ret_before)
{
	int r = 0;

	for (int tries = 0; tries < 50; tries++) {
		if (tries)
			scene_end(scene);
		scene_begin_as(scene, MADV_COLLAPSE, set_up_huge, HUGES * HUGE_SIZE);
		scene->options.bytes_per_second = 20 * HUGE_SIZE;
		must(memhint_process_cookie(scene->process, ret_before) == 0);
		r = scene_advise(scene, guard, MADV_COLLAPSE, when, MAP_AWAY);
		/* Nor is it the only one that makes huge pages. */
		if (scene->result.advised.bytes == want)
			break;
	}
	return r;
}

/* COLLAPSE moves the exact cookie by itself, which must not look like a change by the target. */
static void test_collapse(void)
{
	static const enum memhint_guard guards[] = { MEMHINT_GUARD_NONE, MEMHINT_GUARD_COOKIE,
						     MEMHINT_GUARD_FOLLOW };
	uint64_t before, after;
	struct scene scene;

	for (size_t i = 0; i < 3; i++) {
		const char *name = memhint_guard_name(guards[i]);
		bool holds = guards[i] == MEMHINT_GUARD_COOKIE;

		is(collapse(&scene, guards[i], -1, HUGES * HUGE_SIZE, &before), 0, "%s: COLLAPSE",
		   name);
		must(memhint_process_cookie(scene.process, &after) == 0);
		is(before != after, is_exact, "%s: moves the cookie by itself", name);
		is(scene.result.advised.bytes, HUGES * HUGE_SIZE, "%s: all is done", name);
		ok(!scene.result.map_changed, "%s: no change is told", name);
		is(scene.result.looks, 0, "%s: nor is there a look", name);
		scene_end(&scene);

		if (guards[i] == MEMHINT_GUARD_NONE)
			continue;
		is(collapse(&scene, guards[i], 1, holds ? 2 * HUGE_SIZE : HUGES * HUGE_SIZE,
			    &before),
		   holds ? -ESTALE : 0, "%s: a change beside the second call", name);
		is(scene.result.advised.bytes, holds ? 2 * HUGE_SIZE : HUGES * HUGE_SIZE,
		   "%s: what is done", name);
		ok(scene.result.map_changed, "%s: a change is told", name);
		is(scene.result.looks > 0, !holds, "%s: and looked at", name);
		ok(account_is_whole(&scene.result), "%s: every byte is in the account", name);
		scene_end(&scene);
	}
}

static void test_follow_before(void)
{
	static const struct {
		enum command what;
		const char *name;
		uint64_t advised, changed, requested;
	} cases[] = {
		{ MAP_AWAY, "elsewhere", ALL, 0, ALL },
		{ UNMAP_THIRD, "a part goes", ALL - PART, PART, ALL },
		{ UNMAP_FIRST, "the first part goes", ALL - PART, PART, ALL },
		{ MAP_BETWEEN, "there is more in between", ALL + BETWEEN, 0, ALL + BETWEEN },
		{ MAP_AFTER_LAST, "there is more after the last", ALL + BETWEEN, 0, ALL + BETWEEN },
		{ GROW_SECOND, "a part grows", ALL + BETWEEN, 0, ALL + BETWEEN },
		{ REPLACE_LAST, "a part is replaced", ALL, 0, ALL },
	};
	struct scene scene;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = cases[i].name;

		if (cases[i].what == REPLACE_LAST && !is_exact) {
			skip_one(name, "a fingerprint cannot see it");
			continue;
		}
		scene_begin(&scene, MADV_COLD);
		is(child_tell(&scene.child, (int)cases[i].what), 0, "before the run: %s", name);
		is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0,
		   "%s: is followed", name);
		is(scene.result.advised.bytes, cases[i].advised, "%s: advised", name);
		is(changed(&scene), cases[i].changed, "%s: no longer there", name);
		is(scene.result.requested.bytes, cases[i].requested, "%s: requested", name);
		is(scene.result.failed.bytes, 0, "%s: nothing has failed", name);
		ok(scene.result.looks >= 1 && scene.result.looks <= 2, "%s: %u looks", name,
		   scene.result.looks);
		ok(scene.result.map_changed, "%s: a change is told", name);
		ok(account_is_whole(&scene.result), "%s: every byte is in the account", name);
		is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0,
		   "%s: again with the same ranges", name);
		is(scene.result.advised.bytes, cases[i].advised, "%s: the same comes of it", name);
		scene_end(&scene);
	}
	scene_begin(&scene, MADV_COLD);
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0,
	   "follow: no change");
	is(scene.result.looks, 0, "no look");
	ok(!scene.result.map_changed, "no change is told");
	is(scene.result.advised.bytes, ALL, "all is advised");
	scene_end(&scene);
}

/* What changes while it is looked at is seen before the next call. */
static void test_follow_look(void)
{
	struct scene scene;

	scene_begin(&scene, MADV_COLD);
	is(child_tell(&scene.child, MAP_AWAY), 0, "a reason to look");
	scene.hook_look = UNMAP_THIRD;
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0,
	   "a part goes while it is selected again");
	is(scene.hook_look, NOTHING, "which has happened");
	ok(!was_called(&scene, part_start(&scene, 2), PART), "it is not called for");
	is(scene.result.looks, 2, "as there was another look");
	is(scene.result.failed.bytes, 0, "nothing has failed");
	is(changed(&scene), PART, "it counts as changed");
	is(scene.result.advised.bytes, ALL - PART, "the rest is advised");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	scene_end(&scene);
}

/* One look does not take in everything: what is left out gets one of its own. */
static void test_follow_many(void)
{
	struct scene scene;

	scene_begin_as(&scene, MADV_COLD, NULL, PARTS * STEP + 2 * MANY * P);
	is(child_tell(&scene.child, MAP_MANY), 0, "many mappings after the last of the ranges");
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0, "are followed");
	is(scene.result.advised.bytes, ALL + MANY * P, "to the last one");
	is(scene.result.requested.bytes, ALL + MANY * P, "all count as requested");
	is(scene.result.looks, 2, "in two looks");
	ok(account_is_whole(&scene.result), "every byte is in the account");

	scene.options.pace = MEMHINT_PACE_NONE; /* no other reason to wait */
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, EVERY_CALL, MAP_AND_UNMAP), 0,
	   "a change before each call");
	is(scene.result.advised.bytes, ALL + MANY * P, "all is advised");
	is(changed(&scene), 0, "nothing is gone");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	ok(!is_exact || scene.result.looks + 10 > scene.call_count, "%u looks for %zu calls",
	   scene.result.looks, scene.call_count);
	ok(scene.result.elapsed_usec >= (scene.result.looks - 1) * 1000ull,
	   "no more than 1,000 a second");
	scene_end(&scene);
}

/* Ranges of a snapshot that was read from the text know a fingerprint. */
static void test_follow_text(void)
{
	const struct memhint_map_options text = { .size = sizeof(text),
						  .reader = MEMHINT_READER_MAPS };
	struct scene scene;

	scene_begin(&scene, MADV_COLD);
	memhint_ranges_free(scene.ranges);
	memhint_map_close(scene.map);
	must(memhint_map_open(scene.process, &text, &scene.map) == 0);
	must(memhint_select(scene.process, scene.map, &scene.filter, MADV_COLD, &scene.ranges) ==
	     0);
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0,
	   "ranges with a fingerprint");
	is(scene.result.looks, 0, "need no look");
	is(scene.result.advised.bytes, ALL, "all is advised");
	is(child_tell(&scene.child, UNMAP_THIRD), 0, "a part goes");
	is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, -1, NOTHING), 0,
	   "which is followed");
	ok(scene.result.looks >= 1, "by a look");
	is(scene.result.advised.bytes, ALL - PART, "what is there is advised");
	is(changed(&scene), PART, "what is gone is not");
	is(scene.result.failed.bytes, 0, "nothing has failed");
	scene_end(&scene);
}

/* At every call of the run: every byte has its place, and what is gone is not called for afterwards. */
static void test_follow_during(void)
{
	struct scene scene;

	for (int when = 0; when < (int)PARTS; when++) {
		scene_begin(&scene, MADV_COLD);
		is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, when, UNMAP_THIRD), 0,
		   "at call %d a part goes", when);
		is(was_called(&scene, part_start(&scene, 2), PART), when >= 2,
		   "it is called for only before");
		ok(account_is_whole(&scene.result), "every byte is in the account");
		is(scene.result.requested.bytes, ALL, "all that was selected");
		is(scene.result.advised.bytes + changed(&scene) + scene.result.failed.bytes, ALL,
		   "was advised, or is gone");
		is(scene.result.advised.bytes, when > 2 ? ALL : ALL - PART,
		   "what is there is advised");
		is(scene.result.failed.bytes, when == 2 ? PART : 0,
		   "what goes at the moment of its call has failed");
		scene_end(&scene);

		scene_begin(&scene, MADV_COLD);
		is(scene_advise(&scene, MEMHINT_GUARD_FOLLOW, MADV_COLD, when, MAP_BETWEEN), 0,
		   "at call %d there is more", when);
		is(was_called(&scene, part_start(&scene, 3) + PART, STEP - PART), when <= 3,
		   "it is called for if its turn has not passed");
		is(scene.result.requested.bytes, when <= 3 ? ALL + BETWEEN : ALL, "requested");
		is(scene.result.advised.bytes, scene.result.requested.bytes, "and advised");
		ok(account_is_whole(&scene.result), "every byte is in the account");
		scene_end(&scene);
	}
}

static void test_exec(void)
{
	static const struct {
		enum memhint_guard guard;
		int before, during;
	} cases[] = {
		{ MEMHINT_GUARD_NONE, -ESRCH, -ESRCH },
		{ MEMHINT_GUARD_COOKIE, -ESTALE, -ESRCH },
		{ MEMHINT_GUARD_FOLLOW, -ESRCH, -ESRCH },
	};
	struct scene scene;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = memhint_guard_name(cases[i].guard);

		scene_begin(&scene, MADV_COLD);
		is(scene_advise(&scene, cases[i].guard, MADV_COLD, 1, EXEC), cases[i].during,
		   "%s: an exec during the run", name);
		ok(scene.result.exec_seen, "%s: is seen", name);
		ok(account_is_whole(&scene.result), "%s: every byte is in the account", name);
		is(scene_advise(&scene, cases[i].guard, MADV_COLD, -1, NOTHING), cases[i].before,
		   "%s: an exec since the selection", name);
		ok(scene.result.exec_seen, "%s: is seen, too", name);
		is(scene.call_count, 0, "%s: nothing is done", name);
		ok(account_is_whole(&scene.result), "%s: every byte is in the account", name);
		scene_end(&scene);
	}
}

int main(void)
{
	int exact = memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE);

	is_exact = exact == 0;
	if (exact == -ENOENT || exact == -EOPNOTSUPP)
		skip_one("exact cookies", memhint_feature_help(MEMHINT_FEATURE_EXACT_COOKIE));
	else
		is(exact, 0, "exact cookies");
	test_none();
	test_cookie();
	test_cookies_given();
	test_collapse();
	test_follow_before();
	test_follow_text();
	test_follow_look();
	test_follow_many();
	test_follow_during();
	test_exec();
	return done_testing();
}
