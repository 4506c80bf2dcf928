/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guard FREEZE: the target stands still while it is advised, and runs afterwards on whatever path. */
#include "guard-scene.h"
#include "tap.h"
#include "uapi.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned int calls_running; /* calls that were made while the target could run */

static void look_at_target(struct scene *scene)
{
	if (!memhint_process_is_stopped(scene->process))
		calls_running++;
}

static void begin(struct scene *scene, int advice)
{
	scene_begin(scene, advice);
	scene->look = look_at_target;
	calls_running = 0;
}

/* It does what it is told, which a target that stands still does not. */
static void check_runs(struct scene *scene, const char *after)
{
	uint64_t before = scene->child.shared->number[COUNT];

	ok(!memhint_process_is_stopped(scene->process), "it is not stopped: %s", after);
	is(child_tell(&scene->child, NOTHING), 0, "it answers: %s", after);
	is(scene->child.shared->number[COUNT], before + 1, "it has run: %s", after);
	ok(account_is_whole(&scene->result), "every byte is in the account: %s", after);
}

/* A tracer that lets go of it wakes it up for a moment, in which it does nothing but stop again. */
static void wait_for_stop(struct scene *scene, const char *name)
{
	uint64_t before = scene->child.shared->number[COUNT];

	while (target_state(scene) != 'T')
		sched_yield();
	is(scene->child.shared->number[COUNT], before, "%s", name);
}

static int freeze_advise(struct scene *scene)
{
	return scene_advise(scene, MEMHINT_GUARD_FREEZE, MADV_COLD, -1, NOTHING);
}

static void test_plain(void)
{
	struct scene scene;

	begin(&scene, MADV_COLD);
	is(freeze_advise(&scene), 0, "a target that is frozen");
	is(scene.result.advised.bytes, ALL, "is advised");
	is(scene.call_count, PARTS, "in as many calls as ever");
	is(calls_running, 0, "at none of which it could run");
	ok(scene.result.was_frozen, "that is told");
	ok(scene.result.frozen_usec > 0 && scene.result.frozen_usec < 60000000,
	   "and for how long: %llu us", (unsigned long long)scene.result.frozen_usec);
	ok(!scene.result.map_changed, "nothing has changed");
	is(scene.result.looks, 0, "nothing was selected again");
	is(scene.result.via, MEMHINT_VIA_KERNEL, "by the kernel");
	check_runs(&scene, "afterwards");
	scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_COLD, -1, NOTHING);
	ok(!scene.result.was_frozen, "without the guard it is not frozen");
	is(scene.result.frozen_usec, 0, "for no time");
	ok(calls_running > 0, "and runs, as the test can tell");
	scene_end(&scene);
}

static void test_changed(void)
{
	struct memhint_ranges *by_hand;
	struct scene scene;

	begin(&scene, MADV_COLD);
	is(child_tell(&scene.child, UNMAP_THIRD), 0, "a part goes before");
	is(freeze_advise(&scene), 0, "it is frozen and selected again");
	is(scene.result.looks, 1, "once");
	is(scene.result.advised.bytes, ALL - PART, "what is there is advised");
	is(scene.result.skipped_by[MEMHINT_SKIP_CHANGED].bytes, PART, "what is gone is not");
	is(scene.result.failed.bytes, 0, "nothing has failed");
	is(calls_running, 0, "all while it stood still");
	ok(scene.result.map_changed, "the change is told");
	check_runs(&scene, "after a new selection");
	is(child_tell(&scene.child, MAP_AFTER_LAST), 0, "there is more");
	is(freeze_advise(&scene), 0, "which is found, too");
	is(scene.result.advised.bytes, ALL - PART + BETWEEN, "and advised");
	is(scene.result.requested.bytes, ALL + BETWEEN, "and requested");

	must(memhint_ranges_new(&by_hand) == 0);
	must(memhint_ranges_add(by_hand, part_start(&scene, 0), PART) == 0);
	memhint_ranges_free(scene.ranges);
	scene.ranges = by_hand;
	is(freeze_advise(&scene), 0, "ranges by hand have no state to compare");
	is(scene.result.advised.bytes, PART, "and are advised");
	scene.options.map = scene.map;
	is(freeze_advise(&scene), -ESTALE, "but with a snapshot they have");
	is(scene.call_count, 0, "nothing is done");
	is(scene.result.skipped_by[MEMHINT_SKIP_CHANGED].bytes, PART, "all counts as changed");
	check_runs(&scene, "after a refusal");
	scene_end(&scene);
}

static int cancel_at_once(const struct memhint_progress *progress, void *userdata)
{
	return 1;
}

static int count_progress(const struct memhint_progress *progress, void *userdata)
{
	struct scene *scene = userdata;

	/* The last word comes when the target runs again. */
	if (progress->done_bytes == progress->total_bytes &&
	    memhint_process_is_stopped(scene->process))
		calls_running++;
	return 0;
}

/* However the run ends, the target runs. */
static void test_paths(void)
{
	volatile int cancelled = 1;
	struct scene scene;

	begin(&scene, MADV_COLD);
	scene.options.cancel = &cancelled;
	is(freeze_advise(&scene), -ECANCELED, "cancelled before the first call");
	check_runs(&scene, "cancelled");
	scene.options.cancel = NULL;
	scene.options.max_bytes = PART;
	is(freeze_advise(&scene), 0, "a byte budget");
	is(scene.result.advised.bytes, PART, "is kept");
	check_runs(&scene, "the budget is used up");
	scene.options.max_bytes = 0;
	scene.options.bytes_per_second = 20 * PART;
	scene.options.progress = cancel_at_once;
	is(freeze_advise(&scene), -ECANCELED, "cancelled by the callback");
	check_runs(&scene, "cancelled by the callback");
	scene.options.bytes_per_second = 0;
	scene.options.progress = count_progress;
	scene.options.userdata = &scene;
	calls_running = 0;
	is(freeze_advise(&scene), 0, "the progress is told");
	is(calls_running, 0, "the last of it when it runs again");
	scene.options.progress = NULL;
	scene.options.flags = MEMHINT_ADVISE_DRY_RUN;
	is(freeze_advise(&scene), 0, "a dry run");
	ok(!scene.result.was_frozen, "freezes nobody");
	is(scene.result.frozen_usec, 0, "for no time");
	is(scene.result.skipped_by[MEMHINT_SKIP_DRY_RUN].bytes, ALL, "all would be advised");
	scene.options.flags = 0;
	is(scene_advise(&scene, MEMHINT_GUARD_FREEZE, MADV_MERGEABLE, -1, NOTHING), 0,
	   "advice by the target itself, too");
	is(scene.result.via, MEMHINT_VIA_INJECT, "by itself");
	is(scene.result.advised.bytes, ALL, "all of it");
	check_runs(&scene, "advice by itself");
	scene.options.via = MEMHINT_VIA_KERNEL;
	is(scene_advise(&scene, MEMHINT_GUARD_FREEZE, MADV_DONTDUMP, -1, NOTHING), -EOPNOTSUPP,
	   "what the kernel does not take");
	check_runs(&scene, "refused");
	scene.options.via = MEMHINT_VIA_AUTO;
	is(scene_advise(&scene, MEMHINT_GUARD_FREEZE, MADV_DONTNEED, -1, NOTHING), -EINVAL,
	   "what destroys, without the flag");
	check_runs(&scene, "what destroys");
	scene.options.flags = MEMHINT_ADVISE_DESTRUCTIVE;
	is(child_tell(&scene.child, SHARE), 0, "another process on the same memory");
	is(scene_advise(&scene, MEMHINT_GUARD_FREEZE, MADV_DONTNEED, -1, NOTHING), -EBUSY,
	   "runs on while this one is frozen: nothing is destroyed");
	is(scene.result.advised.bytes, 0, "nothing at all");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_DONTNEED, -1, NOTHING),
	   memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0 ? -ESTALE : -EBUSY,
	   "nor under a cookie, which is of before if it is exact");
	memhint_process_cookie(scene.process, &scene.options.cookie);
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_DONTNEED, -1, NOTHING), -EBUSY,
	   "nor with one that fits");
	is(scene.result.advised.bytes, 0, "here, too");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_NOHUGEPAGE, -1, NOTHING), 0,
	   "what destroys nothing is given");
	scene.options.cookie = 0;
	is(child_tell(&scene.child, SHARE_NO_MORE), 0, "it ends");
	is(scene_advise(&scene, MEMHINT_GUARD_FREEZE, MADV_DONTNEED, -1, NOTHING), 0, "with it");
	is(scene.result.advised.bytes, ALL, "all of it");
	check_runs(&scene, "all is lost");
	child_tell(&scene.child, EXEC);
	scene.options.flags = 0;
	is(freeze_advise(&scene), -ESRCH, "an exec before the run");
	ok(scene.result.exec_seen, "is seen");
	ok(!memhint_process_is_stopped(scene.process), "and it runs on");
	scene_end(&scene);
}

/* What holds it already is used, and stays. */
static void test_held(void)
{
	struct memhint_freeze *freeze;
	struct scene scene, other;

	begin(&scene, MADV_COLD);
	must(memhint_freeze_open(&scene.process, 1, NULL, &freeze) == 0);
	scene.options.freeze = freeze;
	is(freeze_advise(&scene), 0, "a target that the caller has frozen");
	is(scene.result.advised.bytes, ALL, "is advised");
	ok(scene.result.was_frozen, "it stood still");
	is(scene.result.frozen_usec, 0, "which was not this run's doing");
	ok(memhint_process_is_stopped(scene.process), "it stays frozen");
	is(scene_advise(&scene, MEMHINT_GUARD_FREEZE, MADV_MERGEABLE, -1, NOTHING), 0,
	   "advice by the target itself uses that hold");
	is(scene.result.advised.bytes, ALL, "all of it");
	ok(memhint_process_is_stopped(scene.process), "it stays frozen");
	is(scene_advise(&scene, MEMHINT_GUARD_COOKIE, MADV_COLD, -1, NOTHING),
	   memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0 ? -ESTALE : 0,
	   "what it changed itself in another run is a change to the next, if cookies are exact");
	memhint_freeze_close(freeze);
	check_runs(&scene, "let go by the caller");

	/* A freeze of somebody else is of no use. */
	scene_begin(&other, MADV_COLD);
	must(memhint_freeze_open(&other.process, 1, NULL, &freeze) == 0);
	scene.options.freeze = freeze;
	calls_running = 0;
	is(freeze_advise(&scene), 0, "another process is frozen");
	is(calls_running, 0, "this one is, too, by the run");
	ok(scene.result.frozen_usec > 0, "for its time");
	memhint_freeze_close(freeze);
	scene_end(&other);
	check_runs(&scene, "with another one frozen");

	/* Somebody had stopped it: so it is afterwards. */
	scene.options.freeze = NULL;
	must(kill(scene.child.pid, SIGSTOP) == 0);
	must(waitpid(scene.child.pid, NULL, WUNTRACED) == scene.child.pid);
	is(freeze_advise(&scene), 0, "a target that was stopped");
	ok(scene.result.was_frozen, "stood still");
	wait_for_stop(&scene, "and is stopped afterwards");
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_COLD, -1, NOTHING), 0, "without a guard");
	ok(scene.result.was_frozen, "it stood still as well");
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_UNMERGEABLE, -1, NOTHING), 0,
	   "advice by itself");
	wait_for_stop(&scene, "is stopped afterwards");
	must(kill(scene.child.pid, SIGCONT) == 0);
	check_runs(&scene, "continued");
	scene_end(&scene);
}

static void test_refused(void)
{
	struct memhint_advise_options options = { .size = sizeof(options),
						  .guard = MEMHINT_GUARD_FREEZE };
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct scene scene;
	pid_t parent = getppid();

	must(memhint_ranges_new(&ranges) == 0);
	must(memhint_ranges_add(ranges, 1ull << 20, P) == 0);
	must(memhint_process_open(P_PID, (id_t)getpid(), &process) == 0);
	is(memhint_advise(process, ranges, MADV_COLD, &options, &result), -EDEADLK,
	   "nobody freezes himself");
	is(result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, P, "nothing is done");
	memhint_process_close(process);
	must(memhint_process_open(P_PID, (id_t)parent, &process) == 0);
	is(memhint_advise(process, ranges, MADV_COLD, &options, &result), -EDEADLK,
	   "nor his parent");
	memhint_process_close(process);
	must(memhint_process_open(P_PID, 1, &process) == 0);
	is(memhint_advise(process, ranges, MADV_COLD, &options, &result), -EDEADLK, "nor PID 1");
	memhint_process_close(process);
	memhint_ranges_free(ranges);

	/* Traced by this test, by hand: neither can the run trace it. */
	begin(&scene, MADV_COLD);
	must(ptrace(PTRACE_SEIZE, scene.child.pid, NULL, NULL) == 0);
	is(scene_advise(&scene, MEMHINT_GUARD_NONE, MADV_MERGEABLE, -1, NOTHING), -EBUSY,
	   "what is traced already cannot give itself advice");
	is(scene.result.advised.bytes, 0, "nothing is done");
	ok(account_is_whole(&scene.result), "every byte is in the account");
	scene_end(&scene);
}

static int advise_parent(uint32_t flags)
{
	struct memhint_advise_options options = { .size = sizeof(options),
						  .guard = MEMHINT_GUARD_FREEZE,
						  .flags = flags };
	struct memhint_filter filter = { .size = sizeof(filter) };
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct memhint_map *map;
	int r;

	if (memhint_process_open(P_PID, (id_t)getppid(), &process) < 0 ||
	    memhint_map_open(process, NULL, &map) < 0 ||
	    memhint_select(process, map, &filter, MADV_COLD, &ranges) < 0)
		return 1;
	r = memhint_advise(process, ranges, MADV_COLD, &options, &result);
	if (r == 0 && (!result.was_frozen || !result.advised.bytes))
		r = 2;
	memhint_ranges_free(ranges);
	memhint_map_close(map);
	memhint_process_close(process);
	return r;
}

/* A child that has its child advise it; the answers are in shared memory. */
static void advised_by_child(struct child_shared *shared)
{
	pid_t pid = fork();

	if (pid == 0) {
		shared->number[0] = (uint64_t)(int64_t)advise_parent(0);
		shared->number[1] = (uint64_t)(int64_t)advise_parent(MEMHINT_ADVISE_FORCE);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void test_force(void)
{
	struct child child;

	child_start(&child, advised_by_child, NULL);
	is((int64_t)child.shared->number[0], -EDEADLK, "an ancestor is not frozen");
	is((int64_t)child.shared->number[1], 0, "unless that is asked for");
	child_end(&child);
}

int main(void)
{
	test_plain();
	test_changed();
	test_paths();
	test_held();
	test_refused();
	test_force();
	return done_testing();
}
