/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says seldom, or not on this machine: a wrapper around the one function that makes the
 * system call says it.
 */
#include "child.h"
#include "tap.h"
#include "uapi.h"
#include "vector.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull
#define PAGES 16ull

/* The next so many calls get this answer; then the kernel is asked. */
static void (*before_call)(void);
static int single_left; /* but first so many are asked for one range alone */
static int answers_left;
static ssize_t answer;
static unsigned int calls;

ssize_t __real_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice);
ssize_t __wrap_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice);

ssize_t __wrap_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice)
{
	calls++;
	if (before_call)
		before_call();
	if (single_left > 0) {
		single_left--;
		return __real_vector_advise(pidfd, is_self, ranges, 1, advice);
	}
	if (answers_left > 0) {
		answers_left--;
		return answer;
	}
	return __real_vector_advise(pidfd, is_self, ranges, count, advice);
}

static void set_up(struct child_shared *shared)
{
	char *memory =
		mmap(NULL, PAGES * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(3);
	memset(memory, 1, PAGES * P);
	shared->address[0] = (uint64_t)memory;
}

struct scene {
	struct child child;
	struct memhint_process *process;
	struct memhint_ranges *ranges;
	struct memhint_result result;
};

static unsigned int failures;

static void count_failure(const struct memhint_failure *failure, void *userdata)
{
	failures++;
}

/* Two ranges of half of the memory each. */
static int advise(struct scene *scene, int times, ssize_t what)
{
	const struct memhint_advise_options options = { .size = sizeof(options),
							.failure = count_failure };

	answers_left = times;
	answer = what;
	calls = failures = 0;
	return memhint_advise(scene->process, scene->ranges, MADV_COLD, &options, &scene->result);
}

static void test_retries(struct scene *scene)
{
	static const int errors[] = { EAGAIN, EINTR, EBUSY };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		const char *name = memhint_error_name(errors[i]);

		is(advise(scene, 3, -errors[i]), 0, "%s three times", name);
		is(scene->result.retries, 3, "%s: three retries", name);
		is(scene->result.advised.bytes, PAGES * P, "%s: then all is advised", name);
		is(scene->result.failed.bytes, 0, "%s: and nothing failed", name);
	}
	is(advise(scene, 1000000, -EAGAIN), 0, "EAGAIN for ever");
	is(scene->result.advised.bytes, 0, "nothing is advised");
	is(scene->result.failed.bytes, PAGES * P, "all has failed");
	is(scene->result.first_failure.error, EAGAIN, "with EAGAIN");
	is(failures, 2, "which is told of both ranges");
	is(scene->result.retries, 16, "after eight retries each");
	is(scene->result.syscalls, calls, "and all calls are counted");
}

static void test_ends(struct scene *scene)
{
	static const struct {
		int error;
		int result;
	} ends[] = {
		{ EPERM, -EPERM }, { EACCES, -EACCES },	    { ESRCH, -ESRCH },
		{ EBADF, -EBADF }, { ENOSYS, -EOPNOTSUPP },
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const char *name = memhint_error_name(ends[i].error);

		is(advise(scene, 1, -ends[i].error), ends[i].result, "%s ends the run", name);
		is(calls, 1, "%s: at once", name);
		is(scene->result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, PAGES * P,
		   "%s: the rest is skipped for that", name);
		is(scene->result.failed.bytes, 0, "%s: and has not failed", name);

		single_left = 1;
		is(advise(scene, 1, -ends[i].error), ends[i].result, "%s in the second call", name);
		is(calls, 2, "%s: there is no third", name);
		is(scene->result.advised.bytes, PAGES * P / 2, "%s: what was done is told", name);
		is(scene->result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, PAGES * P / 2,
		   "%s: and what was not", name);
	}
}

static void test_short(struct scene *scene)
{
	is(advise(scene, 1, 3 * P), 0, "a short count");
	is(scene->result.advised.bytes, PAGES * P, "the rest is asked for again");
	is(calls, 2, "in a second call");
	is(scene->result.retries, 0, "which is no retry");
	is(advise(scene, 1, -EINVAL), 0, "EINVAL of a whole mapping");
	is(scene->result.failed.bytes, PAGES * P / 2, "the rest of the range has failed");
	is(scene->result.advised.bytes, PAGES * P / 2, "and the next range is advised");
	is(advise(scene, 1, -EIO), 0, "another error");
	is(scene->result.first_failure.error, EIO, "is told as it is");
	is(advise(scene, 2, -EIO), 0, "an error in both ranges");
	is(scene->result.first_failure.start, scene->child.shared->address[0],
	   "the first one is the one that is told");
	is(failures, 2, "though both are");
	is(advise(scene, 1, 0), 0, "nothing done and no error");
	is(scene->result.failed.bytes, PAGES * P / 2,
	   "has failed, too, and does not go on for ever");
}

static struct child *told_child;

static void make_child_map(void)
{
	before_call = NULL;
	must(child_tell(told_child, 0) == 0);
}

static long map_more(int what, struct child_shared *shared)
{
	return mmap(NULL, P, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

/* What happens to the target during a call. */
static void test_change(struct scene *scene)
{
	const struct memhint_map_options map_options = { .size = sizeof(map_options),
							 .reader = MEMHINT_READER_MAPS };
	struct memhint_advise_options options = { .size = sizeof(options),
						  .flags = MEMHINT_ADVISE_MEASURE };
	struct memhint_map *map;

	for (int i = 0; i < 2; i++) {
		const struct memhint_map_options *how = i == 0 ? NULL : &map_options;

		must(memhint_map_open(scene->process, how, &map) == 0);
		options.map = map;
		is(memhint_advise(scene->process, scene->ranges, MADV_COLD, &options,
				  &scene->result),
		   0, "a target that keeps its mappings");
		ok(!scene->result.map_changed, "which is told (%s)",
		   memhint_reader_name(memhint_map_reader(map)));
		told_child = &scene->child;
		before_call = make_child_map;
		is(memhint_advise(scene->process, scene->ranges, MADV_COLD, &options,
				  &scene->result),
		   0, "a target that maps something meanwhile");
		ok(scene->result.map_changed, "which is told, too");
		is(scene->result.advised.bytes, PAGES * P, "all is advised none the less");
		memhint_map_close(map);
	}
}

/* What lies between the ranges is not theirs. */
static void test_measure(struct scene *scene)
{
	const struct memhint_advise_options options = { .size = sizeof(options),
							.flags = MEMHINT_ADVISE_MEASURE };
	uint64_t memory = scene->child.shared->address[0];
	struct memhint_ranges *ranges;

	must(memhint_ranges_new(&ranges) == 0);
	must(memhint_ranges_add(ranges, memory + P, 3 * P) == 0);
	must(memhint_ranges_add(ranges, memory + 6 * P, P) == 0);
	must(memhint_ranges_add(ranges, memory + 9 * P, 4 * P) == 0);
	is(memhint_advise(scene->process, ranges, MADV_COLD, &options, &scene->result), 0,
	   "three ranges of one mapping");
	ok(scene->result.measured, "are measured");
	is(scene->result.before.rss_bytes + scene->result.before.swap_bytes, 8 * P,
	   "just what is in them");
	is(scene->result.after.rss_bytes + scene->result.after.swap_bytes, 8 * P, "after, too");
	memhint_ranges_free(ranges);
}

int main(void)
{
	struct scene scene;
	uint64_t memory;

	child_start(&scene.child, set_up, map_more);
	memory = scene.child.shared->address[0];
	must(memhint_process_open(P_PID, (id_t)scene.child.pid, &scene.process) == 0);
	must(memhint_ranges_new(&scene.ranges) == 0);
	must(memhint_ranges_add(scene.ranges, memory, PAGES * P / 2) == 0);
	must(memhint_ranges_add(scene.ranges, memory + PAGES * P / 2, PAGES * P / 2) == 0);
	test_retries(&scene);
	test_ends(&scene);
	test_short(&scene);
	test_change(&scene);
	test_measure(&scene);
	memhint_ranges_free(scene.ranges);
	memhint_process_close(scene.process);
	child_end(&scene.child);
	return done_testing();
}
