/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF room against the kernel's own text: every mapping of targets that have all sorts of them,
 * read both ways, must be as /proc/PID/smaps says.
 */
#include "bpf-room.h"
#include "btf.h"
#include "child.h"
#include "smaps.h"
#include "sorts.h"
#include "tap.h"
#include "uapi.h"

#include <memhint/map.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const struct bpf_room *memhint_bpf_room(void);

static const struct bpf_room *room;
static const char *const way_names[] = { "run", "seq" };
static bool has_way[BPF_ROOM_WAYS];

#define for_each_way(way)                                                      \
	for (enum bpf_room_way way = BPF_ROOM_RUN; way < BPF_ROOM_WAYS; way++) \
		if (has_way[way])

/* A list as the room gave it. */
struct list {
	struct bpf_room_vma *vmas;
	size_t count, room;
	struct bpf_room_space space;
};

static int list_add(const struct bpf_room_vma *vma, void *userdata)
{
	struct list *list = userdata;

	must(list->count < 100000);
	if (list->count == list->room) {
		list->room = list->room ? list->room * 2 : 256;
		list->vmas = realloc(list->vmas, list->room * sizeof(*list->vmas));
		must(list->vmas);
	}
	list->vmas[list->count++] = *vma;
	return 0;
}

static int pidfd_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	must(fd >= 0);
	return fd;
}

static int dirfd_of(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static struct bpf_room_target target_of(pid_t pid)
{
	return (struct bpf_room_target){ .pidfd = pidfd_of(pid),
					 .dirfd = dirfd_of(pid),
					 .pid = pid };
}

static void target_done(const struct bpf_room_target *target)
{
	close(target->pidfd);
	close(target->dirfd);
}

static int list_read(enum bpf_room_way way, pid_t pid, struct list *ret_list)
{
	struct bpf_room_target target = target_of(pid);
	int r;

	*ret_list = (struct list){};
	r = room->read(way, &target, 0, 0, list_add, ret_list, &ret_list->space);
	target_done(&target);
	return r;
}

static void list_done(struct list *list)
{
	free(list->vmas);
	*list = (struct list){};
}

static const struct bpf_room_vma *list_find(const struct list *list, uint64_t address)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->vmas[i].start <= address && address < list->vmas[i].end)
			return &list->vmas[i];
	return NULL;
}

static struct bpf_room_space space_of(enum bpf_room_way way, pid_t pid)
{
	struct bpf_room_target target = target_of(pid);
	struct bpf_room_space space = {};
	int r;

	r = room->read(way, &target, 0, 0, NULL, NULL, &space);
	target_done(&target);
	if (r != 0)
		printf("# the space of %d: %d\n", pid, r);
	must(r == 0);
	return space;
}

/* Differences between what the room gave and the text; the first few are shown. */
static size_t compare(const struct list *list, const struct smaps *smaps)
{
	size_t count = list->count < smaps->count ? list->count : smaps->count, differences = 0;

	if (list->count != smaps->count) {
		printf("# %zu mappings, the text has %zu\n", list->count, smaps->count);
		differences++;
	}
	for (size_t i = 0; i < count; i++) {
		const struct bpf_room_vma *have = &list->vmas[i];
		const struct smaps_vma *want = &smaps->vmas[i];

		if (have->start == want->start && have->end == want->end &&
		    have->offset == want->offset && have->flags == want->flags &&
		    have->kind == want->kind)
			continue;
		if (differences++ < 5)
			printf("# have %lx-%lx %lx flags %x kind %x,\n"
			       "# want %lx-%lx %lx flags %x kind %x: %s\n",
			       have->start, have->end, have->offset, have->flags, have->kind,
			       want->start, want->end, want->offset, want->flags, want->kind,
			       want->name);
	}
	return differences;
}

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- every sort of mapping ---- */

static bool smaps_has(const struct smaps *smaps, uint32_t kind, uint32_t flags)
{
	for (size_t i = 0; i < smaps->count; i++)
		if (smaps->vmas[i].kind == kind && (smaps->vmas[i].flags & flags) == flags)
			return true;
	return false;
}

static bool smaps_has_name(const struct smaps *smaps, const char *name, uint32_t kind)
{
	for (size_t i = 0; i < smaps->count; i++)
		if (smaps->vmas[i].kind == kind &&
		    strncmp(smaps->vmas[i].name, name, strlen(name)) == 0)
			return true;
	return false;
}

static bool is_untouched(const struct list *list, const struct child *child, size_t address)
{
	const struct bpf_room_vma *vma = list_find(list, child->shared->address[address]);

	must(vma);
	return vma->untouched;
}

static void test_sorts(void)
{
	struct child child;
	struct smaps smaps;

	child_start(&child, setup_sorts, NULL);
	must(child.shared->number[NUMBER_SORTS] == 1);
	smaps_read(child.pid, &smaps);
	ok(smaps.count > 2 * SORTS_MANY, "the target has thousands of mappings");
	for (uint32_t kind = 1; kind <= MEMHINT_KIND_SPECIAL; kind <<= 1)
		ok(smaps_has(&smaps, kind, 0), "one is of kind %x", kind);
	ok(smaps_has(&smaps, MEMHINT_KIND_SPECIAL, MEMHINT_VMA_PFNMAP), "one is device memory");
	ok(smaps_has(&smaps, MEMHINT_KIND_SHMEM, MEMHINT_VMA_EXEC), "one is executable on a tmpfs");
	if (child.shared->number[NUMBER_DROPPABLE])
		ok(smaps_has(&smaps, MEMHINT_KIND_ANON, MEMHINT_VMA_DROPPABLE), "one is droppable");
	else
		skip_one("one is droppable", "this kernel has no MAP_DROPPABLE");
	if (child.shared->number[NUMBER_HUGETLB])
		ok(smaps_has(&smaps, MEMHINT_KIND_ANON, MEMHINT_VMA_HUGETLB) &&
			   smaps_has(&smaps, MEMHINT_KIND_SHMEM, MEMHINT_VMA_HUGETLB) &&
			   smaps_has(&smaps, MEMHINT_KIND_FILE, MEMHINT_VMA_HUGETLB),
		   "some are of hugetlbfs");
	else
		skip_one("some are of hugetlbfs", "this kernel has no hugetlbfs");
	if (child.shared->number[NUMBER_DEVICE])
		ok(smaps_has_name(&smaps, "/dev/loop", MEMHINT_KIND_FILE), "one is a device");
	else
		skip_one("one is a device", "no loop device can be opened");
	if (child.shared->number[NUMBER_UFFD])
		ok(smaps_has(&smaps, MEMHINT_KIND_ANON, MEMHINT_VMA_UFFD),
		   "%d are in a userfaultfd", (int)child.shared->number[NUMBER_UFFD]);
	else
		skip_one("some are in a userfaultfd", "this kernel has no userfaultfd");

	for_each_way(way)
	{
		struct list list;

		is(list_read(way, child.pid, &list), 0, "%s: every sort", way_names[way]);
		is(compare(&list, &smaps), 0, "%s: all as the text says", way_names[way]);
		ok(is_untouched(&list, &child, ADDRESS_FRESH), "%s: fresh is untouched",
		   way_names[way]);
		ok(is_untouched(&list, &child, ADDRESS_ONLY_READ), "%s: so is what was only read",
		   way_names[way]);
		ok(!is_untouched(&list, &child, ADDRESS_WRITTEN), "%s: written is not",
		   way_names[way]);
		ok(!is_untouched(&list, &child, ADDRESS_SHARED), "%s: nor is shared",
		   way_names[way]);
		list_done(&list);
	}
	smaps_done(&smaps);
	child_end(&child);
}

/* ---- more than one batch ---- */

static void setup_10000(struct child_shared *shared)
{
	char *memory = mmap(NULL, 10000 * page_bytes(), PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(memory != MAP_FAILED);
	for (size_t i = 0; i < 10000; i += 2)
		must(mprotect(memory + i * page_bytes(), page_bytes(), PROT_NONE) == 0);
}

static int stop_at_third(const struct bpf_room_vma *vma, void *userdata)
{
	return ++*(int *)userdata == 3 ? 33 : 0;
}

static void test_batches(void)
{
	struct child child;
	struct smaps smaps;

	child_start(&child, setup_10000, NULL);
	smaps_read(child.pid, &smaps);
	ok(smaps.count > 10000, "the target has over 10,000 mappings");
	for_each_way(way)
	{
		struct bpf_room_space space = { 1, 1 };
		struct bpf_room_target target = target_of(child.pid);
		struct list list;
		int seen = 0;

		is(list_read(way, child.pid, &list), 0, "%s: 10,000 mappings", way_names[way]);
		is(compare(&list, &smaps), 0, "%s: each of them right", way_names[way]);
		list_done(&list);
		is(room->read(way, &target, 0, 0, stop_at_third, &seen, &space), 33,
		   "%s: what the sink returned", way_names[way]);
		is(seen, 3, "%s: which was not called again", way_names[way]);
		ok(space.generation == 1 && space.exec_id == 1, "%s: no output then",
		   way_names[way]);
		target_done(&target);
	}
	smaps_done(&smaps);
	child_end(&child);
}

/* ---- the address space as a whole ---- */

enum command {
	TOUCH,
	READ_FAULT,
	MADVISE_COLD,
	MADVISE_PAGEOUT,
	MADVISE_WILLNEED,
	MMAP,
	MPROTECT,
	BRK,
	MUNMAP,
	COMMANDS
};

static const struct {
	const char *name;
	bool changes;
} commands[COMMANDS] = {
	[TOUCH] = { "writing to memory", false },
	[READ_FAULT] = { "reading memory", false },
	[MADVISE_COLD] = { "MADV_COLD", false },
	[MADVISE_PAGEOUT] = { "MADV_PAGEOUT", false },
	[MADVISE_WILLNEED] = { "MADV_WILLNEED", false },
	[MMAP] = { "mmap", true },
	[MPROTECT] = { "mprotect", true },
	[BRK] = { "brk", true },
	[MUNMAP] = { "munmap", true },
};

static char *space_memory;

static void setup_space(struct child_shared *shared)
{
	space_memory =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(space_memory != MAP_FAILED);
	must(madvise(space_memory, 1 << 20, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
}

static long command_space(int what, struct child_shared *shared)
{
	switch ((enum command)what) {
	case TOUCH:
		memset(space_memory, 1, 1 << 19);
		return 0;
	case READ_FAULT:
		return *(volatile char *)(space_memory + (1 << 19));
	case MADVISE_COLD:
		return madvise(space_memory, 1 << 20, MADV_COLD);
	case MADVISE_PAGEOUT:
		return madvise(space_memory, 1 << 20, MADV_PAGEOUT);
	case MADVISE_WILLNEED:
		return madvise(space_memory, 1 << 20, MADV_WILLNEED);
	case MMAP:
		return mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
	case MPROTECT:
		return mprotect(space_memory, page_bytes(), PROT_READ);
	case BRK:
		return sbrk((intptr_t)page_bytes()) == (void *)-1;
	case MUNMAP:
		return munmap(space_memory + (1 << 19), page_bytes());
	case COMMANDS:
		break;
	}
	return -1;
}

static void test_space(void)
{
	struct bpf_room_space before, after;
	struct child child;

	for_each_way(way)
	{
		struct list list;

		child_start(&child, setup_space, command_space);
		/* The first answer on the pipe may touch what no answer has touched before. */
		child_tell(&child, READ_FAULT);
		before = space_of(way, child.pid);
		ok(before.exec_id != 0, "%s: there is an exec id", way_names[way]);
		if (before.generation == 0) {
			skip_one("the generation", "this kernel does not count");
			child_end(&child);
			continue;
		}
		is(list_read(way, child.pid, &list), 0, "%s: read", way_names[way]);
		ok(list.space.generation == before.generation &&
			   list.space.exec_id == before.exec_id,
		   "%s: the list comes with the same", way_names[way]);
		list_done(&list);
		for (int i = 0; i < COMMANDS; i++) {
			before = space_of(way, child.pid);
			is(child_tell(&child, i), 0, "%s: the target does %s", way_names[way],
			   commands[i].name);
			after = space_of(way, child.pid);
			ok((before.generation != after.generation) == commands[i].changes,
			   "%s: %s is %sa change", way_names[way], commands[i].name,
			   commands[i].changes ? "" : "not ");
			ok(before.exec_id == after.exec_id, "%s: but no exec", way_names[way]);
		}
		child_end(&child);
	}
}

/* The test program itself, run by exec: says on fd @ready that it is there, and waits. */
static int be_exec_target(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(ready, "!", 1) != 1)
		return 1;
	pause();
	return 0;
}

static void test_exec(void)
{
	for_each_way(way)
	{
		struct bpf_room_space before, after;
		int go[2], ready[2];
		char byte, number[12];
		pid_t pid;

		must(pipe2(go, O_CLOEXEC) == 0 && pipe(ready) == 0);
		fflush(NULL);
		pid = fork();
		must(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			snprintf(number, sizeof(number), "%d", ready[1]);
			if (read(go[0], &byte, 1) == 1)
				execl("/proc/self/exe", "bpf-room", "be-exec-target", number, NULL);
			_exit(1);
		}
		before = space_of(way, pid);
		must(write(go[1], "!", 1) == 1 && read(ready[0], &byte, 1) == 1);
		after = space_of(way, pid);
		ok(before.exec_id != after.exec_id, "%s: exec changes the exec id", way_names[way]);
		ok(after.exec_id != 0, "%s: to a valid one", way_names[way]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		for (int i = 0; i < 2; i++) {
			close(go[i]);
			close(ready[i]);
		}
	}
}

/* ---- what has no memory ---- */

static int read_pidfd(enum bpf_room_way way, int pidfd, pid_t pid)
{
	const struct bpf_room_target target = { .pidfd = pidfd,
						.dirfd = dirfd_of(pid),
						.pid = pid };
	struct list list = {};
	int r = room->read(way, &target, 0, 0, list_add, &list, &list.space);

	close(target.dirfd);
	list_done(&list);
	return r;
}

static void test_gone(void)
{
	for_each_way(way)
	{
		struct bpf_room_space space = {};
		struct bpf_room_target target;
		struct child child, other;
		int fd;

		child_start(&child, NULL, NULL);
		child_start(&other, NULL, NULL);
		target = target_of(child.pid);
		fd = target.pidfd;
		is(read_pidfd(way, fd, child.pid), 0, "%s: alive", way_names[way]);
		kill(child.pid, SIGKILL);
		waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
		is(read_pidfd(way, fd, child.pid), -ESRCH, "%s: a zombie", way_names[way]);
		is(room->read(way, &target, 0, 0, NULL, NULL, &space), -ESRCH,
		   "%s: which has no address space either", way_names[way]);
		child_end(&child);
		is(read_pidfd(way, fd, child.pid), -ESRCH, "%s: a dead process", way_names[way]);
		is(read_pidfd(way, fd, other.pid), -ESRCH, "%s: whose PID is another's now",
		   way_names[way]);
		target_done(&target);
		is(read_pidfd(way, 9999, other.pid), -EBADF, "%s: no descriptor", way_names[way]);
		is(read_pidfd(way, -1, 0), -EINVAL, "%s: no PID", way_names[way]);
		child_end(&other);
	}
	is(room->load(BPF_ROOM_WAYS), -EINVAL, "no such way");
}

static bool is_kthreadd(void)
{
	char text[64] = "";
	FILE *file = fopen("/proc/2/comm", "re");

	if (file) {
		if (!fgets(text, sizeof(text), file))
			text[0] = '\0';
		fclose(file);
	}
	return strcmp(text, "kthreadd\n") == 0;
}

static void test_kernel_thread(void)
{
	for_each_way(way)
	{
		int fd;

		if (!is_kthreadd()) {
			skip_one("a kernel thread", "none can be seen from this PID namespace");
			continue;
		}
		fd = pidfd_of(2);
		is(read_pidfd(way, fd, 2), -ESRCH, "%s: a kernel thread", way_names[way]);
		close(fd);
	}
}

/* ---- threads and forks ---- */

struct reader {
	pthread_t thread;
	pid_t pid;
	const struct smaps *smaps;
	size_t failures;
};

static void *read_often(void *userdata)
{
	struct reader *reader = userdata;

	for (int i = 0; i < 50; i++)
		for_each_way(way)
		{
			struct list list;

			reader->failures += list_read(way, reader->pid, &list) != 0 ||
					    compare(&list, reader->smaps) != 0;
			list_done(&list);
		}
	return NULL;
}

static void test_threads(void)
{
	struct reader readers[2] = {};
	struct child children[2];
	struct smaps smaps[2];

	child_start(&children[0], setup_10000, NULL);
	child_start(&children[1], setup_sorts, NULL);
	for (size_t i = 0; i < 2; i++) {
		smaps_read(children[i].pid, &smaps[i]);
		readers[i].pid = children[i].pid;
		readers[i].smaps = &smaps[i];
	}
	for (size_t i = 0; i < 2; i++)
		must(pthread_create(&readers[i].thread, NULL, read_often, &readers[i]) == 0);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		is(readers[i].failures, 0, "thread %zu gets its own target's list", i);
	}
	/* A forked child must not share the memory that the programs write to. */
	fflush(NULL);
	pid_t pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		read_often(&readers[1]);
		fflush(NULL);
		_exit(readers[1].failures != 0);
	}
	read_often(&readers[0]);
	int status;
	must(waitpid(pid, &status, 0) == pid);
	is(status, 0, "a forked child gets its own target's list");
	is(readers[0].failures, 0, "and its parent too");
	for (size_t i = 0; i < 2; i++) {
		smaps_done(&smaps[i]);
		child_end(&children[i]);
	}
}

/* ---- a target that maps all the time ---- */

#define BUSY_PAGES 10000
enum { ADDRESS_BUSY = 4 };

#define BUSY_BLOCK 200

/*
 * Merges a block of mappings into one and splits it again, page by page; the area as a whole stays
 * mapped. At times it rests, so that a reader can be between two changes when it begins and ends.
 */
static void *map_forever(void *userdata)
{
	struct child_shared *shared = userdata;
	char *area = (char *)(uintptr_t)shared->address[ADDRESS_BUSY];

	for (size_t block = 0;; block = (block + BUSY_BLOCK) % BUSY_PAGES) {
		char *start = area + block * page_bytes();

		if (mprotect(start, BUSY_BLOCK * page_bytes(), PROT_READ) < 0)
			_exit(1);
		for (size_t i = 0; i < BUSY_BLOCK; i += 2) {
			if (mprotect(start + i * page_bytes(), page_bytes(), PROT_NONE) < 0)
				_exit(1);
			for (volatile size_t rest = 0; rest < i * (block % 7) * 8; rest++)
				;
		}
	}
	return NULL;
}

static void setup_busy(struct child_shared *shared)
{
	char *area = mmap(NULL, BUSY_PAGES * page_bytes(), PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_t thread;

	must(area != MAP_FAILED);
	for (size_t i = 0; i < BUSY_PAGES; i += 2)
		must(mprotect(area + i * page_bytes(), page_bytes(), PROT_NONE) == 0);
	shared->address[ADDRESS_BUSY] = (uintptr_t)area;
	must(pthread_create(&thread, NULL, map_forever, shared) == 0);
}

static bool is_ordered(const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->vmas[i].end <= list->vmas[i].start ||
		    (i > 0 && list->vmas[i].start < list->vmas[i - 1].end))
			return false;
	return true;
}

/* Whether mappings leave no hole in an area. */
static bool covers(const struct list *list, uint64_t start, uint64_t end)
{
	uint64_t covered = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct bpf_room_vma *vma = &list->vmas[i];

		if (vma->end > start && vma->start < end)
			covered += (vma->end < end ? vma->end : end) -
				   (vma->start > start ? vma->start : start);
	}
	return covered == end - start;
}

static void test_busy(void)
{
	struct child child;
	uint64_t start;

	child_start(&child, setup_busy, NULL);
	start = child.shared->address[ADDRESS_BUSY];
	for_each_way(way)
	{
		size_t done = 0, busy = 0, wrong = 0, gaps = 0;

		for (int i = 0; i < 100; i++) {
			struct list list;
			int r = list_read(way, child.pid, &list);

			done += r == 0;
			busy += r == -EAGAIN;
			wrong += r == 0 && !is_ordered(&list);
			gaps += r == 0 && !covers(&list, start, start + BUSY_PAGES * page_bytes());
			list_done(&list);
		}
		printf("# %s: %zu read, %zu busy\n", way_names[way], done, busy);
		is(done + busy, 100, "%s: a target that maps all the time", way_names[way]);
		/* One run sees that it is disturbed and says so, every time perhaps. */
		if (way == BPF_ROOM_SEQ)
			is(done, 100, "%s: is read every time", way_names[way]);
		is(wrong, 0, "%s: in order", way_names[way]);
		/*
		 * Between two reads the iterator goes on at the end of a mapping that it has not shown
		 * yet (kernel/bpf/task_iter.c, task_vma_seq_stop()): split meanwhile, it loses a part.
		 */
		if (way == BPF_ROOM_RUN)
			is(gaps, 0, "%s: and whole", way_names[way]);
	}
	child_end(&child);
}

/* ---- rights ---- */

static void drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	must(syscall(SYS_capset, &header, data) == 0);
}

/* Runs @function in a forked child: what it returns. */
static int in_fork(int (*function)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		_exit(function());
	must(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int load_without_rights(void)
{
	int wrong = 0;

	drop_rights();
	for_each_way(way)
	{
		int r = room->load(way);

		if (r != -EPERM && r != -EACCES) {
			printf("# %s without rights: %d\n", way_names[way], r);
			wrong = 1;
		}
	}
	fflush(stdout);
	return wrong;
}

static pid_t foreign_pid;

static int read_without_ptrace(void)
{
	int wrong = 0, fd = pidfd_of(foreign_pid);

	/* The programs are loaded by then: only the access to the other process is missing. */
	for_each_way(way) wrong |= room->load(way) != 0;
	must(setresuid(65534, 65534, 65534) == 0);
	for_each_way(way)
	{
		int r = read_pidfd(way, fd, foreign_pid);

		if (r != -EACCES) {
			printf("# %s without ptrace access: %d\n", way_names[way], r);
			wrong = 1;
		}
	}
	fflush(stdout);
	return wrong;
}

static void test_rights(void)
{
	struct child child;

	is(in_fork(load_without_rights), 0, "without rights: a permission error");
	child_start(&child, NULL, NULL);
	foreign_pid = child.pid;
	is(in_fork(read_without_ptrace), 0, "without ptrace access: EACCES");
	child_end(&child);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "be-exec-target") == 0)
		return be_exec_target(atoi(argv[2]));
	if (geteuid() != 0)
		skip_all("needs root");
	room = memhint_bpf_room();
	must(room && room->abi == BPF_ROOM_ABI);
	/* The filter on one process is of 6.1, as is this function of it. */
	has_way[BPF_ROOM_RUN] = btf_has("bpf_iter_task_vma_new");
	has_way[BPF_ROOM_SEQ] = btf_has("bpf_iter_attach_task");
	if (!has_way[BPF_ROOM_RUN] && !has_way[BPF_ROOM_SEQ])
		skip_all("this kernel has no iterator over the mappings of one process");
	test_rights();
	for (size_t i = 0; i < BPF_ROOM_WAYS; i++) {
		if (!has_way[i]) {
			skip_one(way_names[i], "this kernel does not have it");
			continue;
		}
		is(room->load((enum bpf_room_way)i), 0, "%s: loads", way_names[i]);
		is(room->load((enum bpf_room_way)i), 0, "%s: once", way_names[i]);
	}
	test_sorts();
	test_batches();
	test_space();
	test_exec();
	test_gone();
	test_kernel_thread();
	test_threads();
	test_busy();
	return done_testing();
}
