/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of a run, and targets that change under it. */
#include "child.h"
#include "pace.h"
#include "test-swap.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ull
#define MIB (1ull << 20)
#define SIZE (64 * MIB)
#define HUGE_SIZE (2 * MIB)

enum { MEMORY };
enum { TELL_EXEC, TELL_STOP };

static void set_up(struct child_shared *shared)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, SIZE, MADV_NOHUGEPAGE) < 0)
		_exit(3);
	for (uint64_t i = 0; i < SIZE; i += P)
		memory[i] = (char)(i / P);
	shared->address[MEMORY] = (uint64_t)memory;
}

/* The same, four pages from the start on locked. */
static void set_up_locked(struct child_shared *shared)
{
	set_up(shared);
	if (syscall(SYS_mlock, (char *)shared->address[MEMORY] + 4 * P, 4 * P) < 0)
		_exit(3);
}

/* Memory of transparent huge pages that starts and ends inside one. */
static void set_up_huge(struct child_shared *shared)
{
	char *memory = mmap(NULL, SIZE + HUGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t aligned = ((uint64_t)memory + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE;

	if (memory == MAP_FAILED || madvise(memory, SIZE + HUGE_SIZE, MADV_HUGEPAGE) < 0)
		_exit(3);
	memset((void *)aligned, 1, SIZE);
	shared->address[MEMORY] = aligned;
}

static long obey(int what, struct child_shared *shared)
{
	if (what == TELL_EXEC)
		execl("/bin/sleep", "sleep", "infinity", (char *)NULL);
	return 0;
}

struct scene {
	struct child child;
	struct memhint_process *process;
	struct memhint_map *map;
	struct memhint_ranges *ranges;
	struct memhint_advise_options options;
	struct memhint_result result;
};

static void scene_begin(struct scene *scene, void (*setup)(struct child_shared *shared))
{
	*scene = (struct scene){ .options = { .size = sizeof(scene->options), .userdata = scene } };
	child_start(&scene->child, setup, obey);
	must(memhint_process_open(P_PID, (id_t)scene->child.pid, &scene->process) == 0);
	must(memhint_map_open(scene->process, NULL, &scene->map) == 0);
	must(memhint_ranges_new(&scene->ranges) == 0);
	must(memhint_ranges_add(scene->ranges, scene->child.shared->address[MEMORY], SIZE) == 0);
	scene->options.map = scene->map;
}

static int scene_advise(struct scene *scene, int advice)
{
	int r = memhint_advise(scene->process, scene->ranges, advice, &scene->options,
			       &scene->result);

	is(scene->result.advised.bytes + scene->result.skipped.bytes + scene->result.failed.bytes,
	   SIZE, "every byte is accounted for");
	return r;
}

static void scene_end(struct scene *scene)
{
	memhint_ranges_free(scene->ranges);
	memhint_map_close(scene->map);
	memhint_process_close(scene->process);
	child_end(&scene->child);
}

static void test_budget(void)
{
	struct scene scene;

	scene_begin(&scene, set_up);
	scene.options.max_bytes = 3 * MIB + 5 * P;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget");
	is(scene.result.advised.bytes, 3 * MIB + 5 * P, "is used to the last page");
	is(scene.result.skipped_by[MEMHINT_SKIP_BUDGET].bytes, SIZE - 3 * MIB - 5 * P,
	   "the rest is skipped");
	scene.options.max_bytes = P - 1;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget below a page");
	is(scene.result.advised.bytes, 0, "advises nothing");
	scene.options.max_bytes = 4 * P;
	scene.options.bytes_per_second = 20000;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget, and a rate of less than a page a call");
	is(scene.result.advised.bytes, 4 * P, "is used to the last page, page by page");
	scene.options.bytes_per_second = 0;
	scene.options.max_bytes = 2 * SIZE;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget above all");
	is(scene.result.advised.bytes, SIZE, "advises all");
	scene_end(&scene);
}

/* In a range that refuses in the middle, which is done mapping by mapping. */
static void test_budget_in_refusal(void)
{
	struct scene scene;

	scene_begin(&scene, set_up_locked);
	scene.options.max_bytes = 6 * P;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget in a range with locked memory");
	is(scene.result.advised.bytes, 6 * P, "is used to the last page");
	is(scene.result.failed.bytes, 4 * P, "what is locked failed");
	is(scene.result.skipped_by[MEMHINT_SKIP_BUDGET].bytes, SIZE - 10 * P,
	   "the rest is skipped");
	scene.options.max_bytes = 6 * P + 1;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget of not quite seven pages");
	is(scene.result.advised.bytes, 6 * P, "is not exceeded");
	scene_end(&scene);
}

static void test_rate(void)
{
	struct scene scene;

	scene_begin(&scene, set_up);
	scene.options.bytes_per_second = 256 * MIB;
	is(scene_advise(&scene, MADV_COLD), 0, "a rate");
	is(scene.result.advised.bytes, SIZE, "all is advised");
	/* 64 MiB at 256 MiB a second, less the last twentieth of a second's worth: never sooner. */
	ok(scene.result.elapsed_usec >= 200000, "no faster than the rate (%llu us)",
	   (unsigned long long)scene.result.elapsed_usec);
	scene_end(&scene);
}

static volatile int cancel_flag;
static int progress_calls;

static int cancel_from_progress(const struct memhint_progress *progress, void *userdata)
{
	progress_calls++;
	cancel_flag = 1;
	return 0;
}

static int refuse_progress(const struct memhint_progress *progress, void *userdata)
{
	progress_calls++;
	return 1;
}

static void test_cancel(void)
{
	struct scene scene;

	scene_begin(&scene, set_up);
	cancel_flag = 1;
	scene.options.cancel = &cancel_flag;
	is(scene_advise(&scene, MADV_COLD), -ECANCELED, "cancelled before it starts");
	is(scene.result.advised.bytes, 0, "nothing is advised");
	is(scene.result.skipped_by[MEMHINT_SKIP_CANCELLED].bytes, SIZE,
	   "all is skipped as cancelled");

	/* Slow enough to be told about several times, and cancelled at the first. */
	cancel_flag = progress_calls = 0;
	scene.options.bytes_per_second = 16 * MIB;
	scene.options.progress = cancel_from_progress;
	is(scene_advise(&scene, MADV_COLD), -ECANCELED, "cancelled half-way by the flag");
	ok(scene.result.advised.bytes > 0 && scene.result.advised.bytes < SIZE / 2,
	   "some of it was advised");
	ok(scene.result.skipped_by[MEMHINT_SKIP_CANCELLED].bytes > SIZE / 2,
	   "the rest was cancelled");

	cancel_flag = progress_calls = 0;
	scene.options.progress = refuse_progress;
	is(scene_advise(&scene, MADV_COLD), -ECANCELED, "cancelled by the callback's answer");
	is(progress_calls, 2, "which was called once, and once at the end");
	scene_end(&scene);
}

struct told {
	uint64_t calls;
	uint64_t last_bytes;
	bool goes_back;
	bool is_beyond;
};

static int note_progress(const struct memhint_progress *progress, void *userdata)
{
	struct told *told = userdata;

	told->calls++;
	told->goes_back |= progress->done_bytes < told->last_bytes;
	told->is_beyond |= progress->total_bytes != SIZE || progress->done_bytes > SIZE;
	told->last_bytes = progress->done_bytes;
	return 0;
}

static void test_progress(void)
{
	struct told told = {};
	struct scene scene;

	scene_begin(&scene, set_up);
	scene.options.bytes_per_second = 256 * MIB;
	scene.options.progress = note_progress;
	scene.options.userdata = &told;
	is(scene_advise(&scene, MADV_COLD), 0, "a run that tells its progress");
	ok(told.calls >= 2, "more than once (%llu times)", (unsigned long long)told.calls);
	/* A pause that lasts longer makes them fewer, never more. */
	ok(told.calls <= scene.result.elapsed_usec / 50000 + 1,
	   "and at most 20 times a second, and at the end");
	ok(!told.goes_back, "it never goes back");
	ok(!told.is_beyond, "nor beyond what there is to do");
	is(told.last_bytes, SIZE, "and ends with all of it");
	scene_end(&scene);

	told = (struct told){};
	scene_begin(&scene, set_up);
	scene.options.progress = note_progress;
	scene.options.userdata = &told;
	kill(scene.child.pid, SIGKILL);
	waitid(P_PID, (id_t)scene.child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	is(scene_advise(&scene, MADV_COLD), -ESRCH, "a run of which nothing comes");
	is(told.calls, 1, "is told at the end");
	is(told.last_bytes, SIZE, "as done with");
	scene_end(&scene);
}

static int kill_target(const struct memhint_progress *progress, void *userdata)
{
	struct scene *scene = userdata;

	if (progress->done_bytes < SIZE) {
		kill(scene->child.pid, SIGKILL);
		waitid(P_PID, (id_t)scene->child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	}
	return 0;
}

static int make_target_exec(const struct memhint_progress *progress, void *userdata)
{
	struct scene *scene = userdata;
	int what = TELL_EXEC;

	if (memhint_map_is_current(scene->map)) {
		/* It answers nothing more: the exec closes the pipe. */
		if (write(scene->child.command_fd, &what, sizeof(what)) != sizeof(what))
			return 1;
		while (read(scene->child.answer_fd, &what, 1) > 0)
			;
	}
	return 0;
}

static void test_target_goes(void)
{
	struct scene scene;

	scene_begin(&scene, set_up);
	scene.options.bytes_per_second = 64 * MIB;
	scene.options.progress = kill_target;
	is(scene_advise(&scene, MADV_COLD), -ESRCH, "the target ends half-way");
	ok(scene.result.advised.bytes > 0 && scene.result.advised.bytes < SIZE,
	   "what was done is told");
	ok(scene.result.skipped_by[MEMHINT_SKIP_STOPPED].bytes > 0, "and what was not");
	ok(!scene.result.exec_seen, "it is not taken for an exec");
	scene_end(&scene);

	scene_begin(&scene, set_up);
	scene.options.bytes_per_second = 64 * MIB;
	scene.options.progress = make_target_exec;
	is(scene_advise(&scene, MADV_COLD), -ESRCH, "the target execs half-way");
	ok(scene.result.advised.bytes > 0 && scene.result.advised.bytes < SIZE,
	   "what was done is told");
	ok(scene.result.exec_seen, "the exec is seen");
	scene_end(&scene);

	scene_begin(&scene, set_up);
	make_target_exec(&(struct memhint_progress){}, &scene);
	is(scene_advise(&scene, MADV_COLD), -ESRCH, "the target execs before the run");
	is(scene.result.syscalls, 0, "nothing is advised");
	ok(scene.result.exec_seen, "the exec is seen");
	scene_end(&scene);
}

/* What was never opened is not closed: descriptor 0 is the caller's. */
static void test_target_gone(void)
{
	struct memhint_ranges *ranges = NULL;
	struct scene scene;

	if (fcntl(STDIN_FILENO, F_GETFD) < 0)
		must(open("/dev/null", O_RDONLY | O_CLOEXEC) == STDIN_FILENO);
	scene_begin(&scene, set_up);
	kill(scene.child.pid, SIGKILL);
	waitid(P_PID, (id_t)scene.child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	is(scene_advise(&scene, MADV_COLD), -ESRCH, "the target ends before the run");
	ok(fcntl(STDIN_FILENO, F_GETFD) >= 0, "descriptor 0 stays open");
	is(memhint_select(scene.process, scene.map, NULL, MADV_COLD, &ranges), -ESRCH,
	   "the target ends before the selection");
	ok(fcntl(STDIN_FILENO, F_GETFD) >= 0, "descriptor 0 stays open");
	scene_end(&scene);
}

/* A target that runs gets shorter calls than one that is stopped. */
static void test_pace(void)
{
	uint64_t running_calls;
	struct pacer pacer;
	struct scene scene;

	scene_begin(&scene, set_up);
	is(scene_advise(&scene, MADV_PAGEOUT), 0, "pageout of a target that runs");
	is(scene.result.advised.bytes, SIZE, "takes all");
	running_calls = scene.result.syscalls;
	pacer_init(&pacer, scene.process, MEMHINT_PACE_AUTO, 0, MADV_PAGEOUT);
	ok(pacer.gap_usec > 0 && pacer.call_usec < 2000, "in short calls with gaps");
	scene_end(&scene);

	scene_begin(&scene, set_up);
	kill(scene.child.pid, SIGSTOP);
	waitid(P_PID, (id_t)scene.child.pid, &(siginfo_t){}, WSTOPPED | WNOWAIT);
	is(scene_advise(&scene, MADV_PAGEOUT), 0, "pageout of a stopped target");
	is(scene.result.advised.bytes, SIZE, "takes all");
	pacer_init(&pacer, scene.process, MEMHINT_PACE_AUTO, 0, MADV_PAGEOUT);
	ok(pacer.gap_usec == 0 && pacer.call_usec > 2000, "in long calls without");
	ok(scene.result.syscalls < running_calls, "in fewer calls (%llu, not %llu)",
	   (unsigned long long)scene.result.syscalls, (unsigned long long)running_calls);
	ok(memhint_process_is_stopped(scene.process), "it is stopped as before");
	scene_end(&scene);
}

static uint64_t huge_bytes(struct scene *scene)
{
	const struct memhint_map_options options = { .size = sizeof(options),
						     .want = MEMHINT_MAP_PAGES };
	const struct memhint_vma *vma;
	struct memhint_map *map;
	uint64_t bytes;

	must(memhint_map_open(scene->process, &options, &map) == 0);
	vma = memhint_map_find(map, scene->child.shared->address[MEMORY]);
	bytes = vma->huge_bytes;
	memhint_map_close(map);
	return bytes;
}

/* COLD of whole huge pages leaves them whole, whatever the size of a call. */
static void test_huge_pages(void)
{
	struct scene scene;
	uint64_t before;

	scene_begin(&scene, set_up_huge);
	before = huge_bytes(&scene);
	if (!before) {
		skip_one("huge pages are not cut", "this kernel gives no transparent huge pages");
		scene_end(&scene);
		return;
	}
	scene.options.bytes_per_second = 5 * 20 * MIB; /* calls of 5 MiB at the most */
	is(scene_advise(&scene, MADV_COLD), 0, "cold of huge pages, in calls of an odd size");
	is(scene.result.advised.bytes, SIZE, "advises all");
	ok(scene.result.syscalls >= SIZE / (5 * MIB), "in many calls");
	is(huge_bytes(&scene), before, "and splits no huge page");
	scene.options.bytes_per_second = 0;
	scene.options.max_bytes = 3 * MIB;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget that ends inside a huge page");
	is(scene.result.advised.bytes, HUGE_SIZE, "ends before it");
	is(huge_bytes(&scene), before, "and splits none");
	/* Calls of 4, 8 and 16 MiB leave 19 MiB for the next one. */
	scene.options.pace = MEMHINT_PACE_NONE;
	scene.options.max_bytes = 47 * MIB;
	is(scene_advise(&scene, MADV_COLD), 0, "a budget that ends so after many");
	is(scene.result.advised.bytes, 46 * MIB, "ends before it");
	is(huge_bytes(&scene), before, "and splits none");
	scene_end(&scene);
}

/* Ranges as large and as far up as they can be, of which next to nothing is mapped. */
static void test_vast_ranges(void)
{
	static const struct {
		uint64_t start, length;
		const char *name;
	} ranges[] = {
		{ 0, 1ull << 56, "72 PiB from 0 on" },
		{ 0, 1ull << 63, "half of all addresses" },
		{ 0xffff800000000000, 1ull << 40, "the kernel's half" },
		{ 0xffffffffffffe000, P, "the last page but one" },
	};
	struct scene scene;

	scene_begin(&scene, set_up);
	scene.options.flags = MEMHINT_ADVISE_MEASURE;
	scene.options.pace = MEMHINT_PACE_NONE;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct memhint_result *result = &scene.result;
		bool is_all = ranges[i].start == 0;

		memhint_ranges_free(scene.ranges);
		must(memhint_ranges_new(&scene.ranges) == 0);
		is(memhint_ranges_add(scene.ranges, ranges[i].start, ranges[i].length), 0, "%s",
		   ranges[i].name);
		is(memhint_advise(scene.process, scene.ranges, MADV_COLD, &scene.options,
				  &scene.result),
		   0, "are advised");
		is(result->advised.bytes + result->failed.bytes, ranges[i].length,
		   "every byte is accounted for");
		ok(is_all ? result->advised.bytes >= SIZE : !result->advised.bytes,
		   "and advised if it is mapped");
		ok(result->measured &&
			   (is_all ? result->before.rss_bytes >= SIZE : !result->before.rss_bytes),
		   "and measured");
	}
	is(memhint_ranges_add(scene.ranges, 0xfffffffffffff000, P), -EINVAL,
	   "what ends where addresses begin anew is no range");
	scene_end(&scene);
}

#define HOLES (SIZE / P / 2)

/* Every second page is missing. */
static void set_up_holes(struct child_shared *shared)
{
	set_up(shared);
	for (uint64_t i = 0; i < HOLES; i++)
		if (munmap((char *)shared->address[MEMORY] + (2 * i + 1) * P, P) < 0)
			_exit(3);
}

static void count_failure(const struct memhint_failure *failure, void *userdata)
{
	uint64_t *count = userdata;

	*count += failure->error == ENOMEM && failure->end == failure->start + P;
}

/* As many refusals as there are pages, page by page and as one range. */
static void test_holes(void)
{
	struct scene scene;
	uint64_t failures = 0;

	scene_begin(&scene, set_up_holes);
	scene.options.failure = count_failure;
	scene.options.userdata = &failures;
	is(scene_advise(&scene, MADV_COLD), 0, "a range with a hole after each page");
	is(scene.result.advised.bytes, HOLES * P, "is advised where it is mapped");
	is(scene.result.failed.ranges, HOLES, "and fails elsewhere");
	is(failures, HOLES, "for each hole its own failure");

	memhint_ranges_free(scene.ranges);
	must(memhint_ranges_new(&scene.ranges) == 0);
	for (uint64_t i = 2 * HOLES; i-- > 0;) /* downwards, in pairs */
		must(memhint_ranges_add(scene.ranges,
					scene.child.shared->address[MEMORY] + (i ^ 1) * P, P) == 0);
	failures = 0;
	is(scene_advise(&scene, MADV_COLD), 0, "a range for each of them, downwards");
	is(scene.result.requested.ranges, 2 * HOLES, "none is lost");
	is(scene.result.advised.ranges, HOLES, "half of them advised");
	is(failures, HOLES, "half of them failed");
	scene_end(&scene);
}

/* Options of programs built with later versions of the structures, and of none. */
static void test_option_sizes(void)
{
	struct {
		struct memhint_advise_options options;
		char more[64];
	} advise = { .options.size = sizeof(advise) };
	struct {
		struct memhint_filter filter;
		char more[64];
	} filter = { .filter.size = sizeof(filter) };
	struct memhint_ranges *ranges;
	struct memhint_result result;
	struct scene scene;

	scene_begin(&scene, set_up);
	is(memhint_advise(scene.process, scene.ranges, MADV_COLD, &advise.options, &result), 0,
	   "options that this version does not know, but that are not used");
	is(memhint_select(scene.process, scene.map, &filter.filter, MADV_COLD, &ranges), 0,
	   "the same of a filter");
	memhint_ranges_free(ranges);
	advise.more[60] = filter.more[60] = 1;
	is(memhint_advise(scene.process, scene.ranges, MADV_COLD, &advise.options, &result),
	   -EINVAL, "options that this version does not know, and that are used");
	is(result.skipped_by[MEMHINT_SKIP_STOPPED].bytes, SIZE, "do nothing");
	is(memhint_select(scene.process, scene.map, &filter.filter, MADV_COLD, &ranges), -EINVAL,
	   "the same of a filter");
	advise.options.size = filter.filter.size = SIZE_MAX;
	is(memhint_advise(scene.process, scene.ranges, MADV_COLD, &advise.options, &result),
	   -EINVAL, "a size that cannot be");
	is(memhint_select(scene.process, scene.map, &filter.filter, MADV_COLD, &ranges), -EINVAL,
	   "the same of a filter");
	advise.options.size = filter.filter.size = 0;
	is(memhint_advise(scene.process, scene.ranges, MADV_COLD, &advise.options, &result),
	   -EINVAL, "no size");
	is(memhint_select(scene.process, scene.map, &filter.filter, MADV_COLD, &ranges), -EINVAL,
	   "the same of a filter");
	scene_end(&scene);
}

int main(void)
{
	swap_begin();
	test_budget();
	test_budget_in_refusal();
	test_rate();
	test_cancel();
	test_progress();
	test_target_goes();
	test_target_gone();
	test_pace();
	test_huge_pages();
	test_vast_ranges();
	test_holes();
	test_option_sizes();
	swap_end();
	return done_testing();
}
