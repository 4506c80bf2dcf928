/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard-scene.h"

#include "filter-internal.h"
#include "tap.h"
#include "vector.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct scene *current;
static char sharer_stack[65536] __attribute__((aligned(16)));
static pid_t sharer;
static struct call calls[2048]; /* of the scene that is on */

static char *part_address(const struct child_shared *shared, size_t part)
{
	return (char *)shared->address[0] + part * STEP;
}

static long map_at(char *address, size_t length, int byte)
{
	char *memory = mmap(address, length, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (memory != address)
		return -1;
	memset(memory, byte, length);
	return 0;
}

static void set_up(struct child_shared *shared)
{
	size_t size = (PARTS + 2) * STEP + 2 * MANY * P;
	char *block =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (block == MAP_FAILED || munmap(block, size) < 0)
		_exit(3);
	shared->address[0] = (uint64_t)block + STEP;
	for (size_t i = 0; i < PARTS; i++)
		if (map_at(part_address(shared, i), PART, (int)i + 1) < 0)
			_exit(3);
}

static int share(void *data)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!data)
		pause();
	return 0;
}

static long obey(int what, struct child_shared *shared)
{
	char *away;

	shared->number[COUNT]++;
	switch ((enum command)what) {
	case NOTHING:
	case COUNT:
		return 0;
	case MAP_AWAY:
	case MAP_AND_UNMAP:
		away = mmap(NULL, P, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (away == MAP_FAILED)
			return -1;
		return what == MAP_AND_UNMAP ? munmap(away, P) : 0;
	case UNMAP_THIRD:
		return munmap(part_address(shared, 2), PART);
	case UNMAP_FIRST:
		return munmap(part_address(shared, 0), PART);
	case MAP_BETWEEN:
		return map_at(part_address(shared, 3) + PART + 2 * P, BETWEEN, 7);
	case MAP_AFTER_LAST:
		return map_at(part_address(shared, PARTS - 1) + PART + 2 * P, BETWEEN, 7);
	case REPLACE_LAST:
		if (munmap(part_address(shared, PARTS - 1), PART) < 0)
			return -1;
		return map_at(part_address(shared, PARTS - 1), PART, 7);
	case GROW_SECOND:
		return map_at(part_address(shared, 1) + PART, BETWEEN, 7);
	case MAP_MANY:
		for (size_t i = 0; i < MANY; i++)
			if (map_at(part_address(shared, PARTS) + 2 * i * P, P, 7) < 0)
				return -1;
		return 0;
	case SHARE:
		sharer =
			clone(share, sharer_stack + sizeof(sharer_stack), CLONE_VM | SIGCHLD, NULL);
		return sharer < 0 ? -1 : 0;
	case SHARE_NO_MORE:
		return kill(sharer, SIGKILL) < 0 || waitpid(sharer, NULL, 0) != sharer ? -1 : 0;
	case EXEC:
		execl("/bin/sleep", "sleep", "infinity", (char *)NULL);
	}
	return -1;
}

ssize_t __real_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice);
ssize_t __wrap_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice);

/* One range a call, so that there are several. */
ssize_t __wrap_vector_advise(int pidfd, bool is_self, const struct iovec *ranges, size_t count,
			     int advice)
{
	struct scene *scene = current;

	if (!scene)
		return __real_vector_advise(pidfd, is_self, ranges, count, advice);
	if (scene->look)
		scene->look(scene);
	if (scene->hook_call == EVERY_CALL || (int)scene->call_count == scene->hook_call)
		child_tell(&scene->child, (int)scene->hook);
	must(scene->call_count < sizeof(calls) / sizeof(calls[0]));
	scene->calls[scene->call_count++] =
		(struct call){ (uint64_t)(uintptr_t)ranges->iov_base, ranges->iov_len };
	return __real_vector_advise(pidfd, is_self, ranges, 1, advice);
}

int __real_select_again(const struct origin *origin, const struct memhint_map *map,
			const struct pages *pages, uint64_t start, uint64_t end,
			struct memhint_ranges *ranges);
int __wrap_select_again(const struct origin *origin, const struct memhint_map *map,
			const struct pages *pages, uint64_t start, uint64_t end,
			struct memhint_ranges *ranges);

int __wrap_select_again(const struct origin *origin, const struct memhint_map *map,
			const struct pages *pages, uint64_t start, uint64_t end,
			struct memhint_ranges *ranges)
{
	int r = __real_select_again(origin, map, pages, start, end, ranges);

	if (current && current->hook_look != NOTHING) {
		child_tell(&current->child, (int)current->hook_look);
		current->hook_look = NOTHING;
	}
	return r;
}

void scene_begin_as(struct scene *scene, int advice, void (*setup)(struct child_shared *shared),
		    uint64_t bytes)
{
	*scene = (struct scene){
		.hook_call = -1,
		.options = { .size = sizeof(scene->options) },
		.filter = { .size = sizeof(scene->filter) },
	};
	child_start(&scene->child, setup ? setup : set_up, obey);
	scene->filter.start = part_start(scene, 0);
	scene->filter.end = scene->filter.start + bytes;
	must(memhint_process_open(P_PID, (id_t)scene->child.pid, &scene->process) == 0);
	must(memhint_map_open(scene->process, NULL, &scene->map) == 0);
	must(memhint_select(scene->process, scene->map, &scene->filter, advice, &scene->ranges) ==
	     0);
}

void scene_begin(struct scene *scene, int advice)
{
	scene_begin_as(scene, advice, set_up, PARTS * STEP);
}

void scene_end(struct scene *scene)
{
	memhint_ranges_free(scene->ranges);
	memhint_map_close(scene->map);
	memhint_process_close(scene->process);
	child_end(&scene->child);
	current = NULL;
}

uint64_t part_start(const struct scene *scene, size_t part)
{
	return scene->child.shared->address[0] + part * STEP;
}

int scene_advise(struct scene *scene, enum memhint_guard guard, int advice, int when,
		 enum command what)
{
	scene->hook_call = when;
	scene->hook = what;
	scene->calls = calls;
	scene->call_count = 0;
	scene->options.guard = guard;
	current = scene;
	return memhint_advise(scene->process, scene->ranges, advice, &scene->options,
			      &scene->result);
}

bool account_is_whole(const struct memhint_result *result)
{
	struct memhint_amount skipped = {};

	for (int i = 0; i < MEMHINT_SKIP_COUNT; i++) {
		skipped.bytes += result->skipped_by[i].bytes;
		skipped.ranges += result->skipped_by[i].ranges;
	}
	return skipped.bytes == result->skipped.bytes && skipped.ranges == result->skipped.ranges &&
	       result->requested.bytes ==
		       result->advised.bytes + result->skipped.bytes + result->failed.bytes &&
	       result->requested.ranges ==
		       result->advised.ranges + result->skipped.ranges + result->failed.ranges;
}

bool was_called(const struct scene *scene, uint64_t start, uint64_t length)
{
	for (size_t i = 0; i < scene->call_count; i++)
		if (scene->calls[i].start < start + length &&
		    start < scene->calls[i].start + scene->calls[i].length)
			return true;
	return false;
}

char target_state(const struct scene *scene)
{
	struct memhint_process_stat stat;

	return (char)(memhint_process_stat(scene->process, &stat) == 0 ? stat.state : '?');
}
