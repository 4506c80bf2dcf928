/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets that end, exec or remap while they are read; foreign ones; and looking up one address. */
#include "child.h"
#include "tap.h"

#include "bpf-door.h"
#include "map-internal.h"
#include "map-lookup.h"
#include "map-read.h"

#include <memhint/memhint.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const enum memhint_reader readers[] = { MEMHINT_READER_AUTO, MEMHINT_READER_BPF,
					       MEMHINT_READER_BPF_SEQ, MEMHINT_READER_SMAPS,
					       MEMHINT_READER_MAPS };
#define READERS (sizeof(readers) / sizeof(readers[0]))

static uint64_t page;

static int snapshot(struct memhint_process *process, enum memhint_reader reader, uint32_t want,
		    struct memhint_map **ret_map)
{
	struct memhint_map_options options = { .size = sizeof(options),
					       .want = want,
					       .reader = reader };

	return memhint_map_open(process, &options, ret_map);
}

static bool reader_works(enum memhint_reader reader)
{
	struct memhint_process *self;
	struct memhint_map *map = NULL;
	int r;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	r = snapshot(self, reader, 0, &map);
	memhint_map_close(map);
	memhint_process_close(self);
	return r == 0;
}

/* Commands of the target. */
enum { EXEC_SLEEP, MAP_ONE, UNMAP_ONE };

static long change(int what, struct child_shared *shared)
{
	static void *one;

	switch (what) {
	case EXEC_SLEEP:
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		return errno;
	case MAP_ONE:
		one = mmap(NULL, 64 * page, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1,
			   0);
		shared->address[0] = (uint64_t)one;
		return one == MAP_FAILED;
	case UNMAP_ONE:
		return munmap(one, 64 * page);
	default:
		return 0;
	}
}

/* The exec has happened when the pipe that it closes is at its end. */
static void tell_exec(struct child *child)
{
	int what = EXEC_SLEEP;
	long answer;

	must(write(child->command_fd, &what, sizeof(what)) == sizeof(what));
	must(read(child->answer_fd, &answer, sizeof(answer)) == 0);
}

static void test_exec(enum memhint_reader reader)
{
	const char *name = memhint_reader_name(reader);
	struct memhint_process *process;
	struct memhint_map *map, *fresh;
	struct memhint_vma vma;
	struct child child;
	uint64_t first;
	size_t count;

	child_start(&child, NULL, change);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(snapshot(process, reader, MEMHINT_MAP_NAMES | MEMHINT_MAP_PAGES, &map) == 0);
	ok(memhint_map_is_current(map), "%s: current before exec", name);
	count = memhint_map_count(map);
	first = memhint_map_get(map, 0)->start;
	tell_exec(&child);
	ok(memhint_process_is_alive(process), "%s: exec keeps the process", name);
	ok(!memhint_map_is_current(map), "%s: but not the address space", name);
	is(map_is_unchanged(map), 0, "%s: which has changed", name);
	is(memhint_map_refresh(map), -ESRCH, "%s: it cannot be read again", name);
	ok(memhint_map_count(map) == count && memhint_map_get(map, 0)->start == first,
	   "%s: the old snapshot stays", name);
	is(snapshot(process, reader, MEMHINT_MAP_NAMES, &fresh), 0, "%s: the new one can be read",
	   name);
	ok(strstr(memhint_map_get(fresh, 0)->name, "sleep") != NULL,
	   "%s: and is of another program", name);
	is(memhint_map_lookup(process, 0, &vma), 0, "%s: lookup sees the new one", name);
	is(vma.start, memhint_map_get(fresh, 0)->start, "%s: at its first address", name);
	memhint_map_close(fresh);

	is(snapshot(process, reader, 0, &fresh), 0, "%s: once more, then it ends", name);
	child_end(&child);
	ok(!memhint_map_is_current(fresh), "%s: no longer current", name);
	is(map_is_unchanged(fresh), 0, "%s: nor unchanged", name);
	is(memhint_map_refresh(fresh), -ESRCH, "%s: nor readable", name);
	memhint_map_close(fresh);
	fresh = NULL;
	is(snapshot(process, reader, 0, &fresh), -ESRCH, "%s: no snapshot of what has ended", name);
	ok(!fresh, "%s: and no output", name);
	is(memhint_map_lookup(process, 0, &vma), -ESRCH, "%s: no lookup either", name);
	memhint_map_close(map);
	memhint_process_close(process);
}

static void test_zombie(void)
{
	struct memhint_process *process;
	struct memhint_map *map = NULL;
	struct child child;

	child_start(&child, NULL, NULL);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	kill(child.pid, SIGKILL);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	for (size_t i = 0; i < READERS; i++)
		if (reader_works(readers[i]))
			is(snapshot(process, readers[i], 0, &map), -ESRCH, "%s: a zombie",
			   memhint_reader_name(readers[i]));
	memhint_process_close(process);
	child_end(&child);
}

static void test_unchanged(enum memhint_reader reader)
{
	const char *name = memhint_reader_name(reader);
	struct memhint_process *process;
	const struct memhint_vma *vma;
	struct memhint_map *map;
	struct child child;
	size_t count;
	int r;

	child_start(&child, NULL, change);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(snapshot(process, reader, 0, &map) == 0);
	count = memhint_map_count(map);
	r = map_is_unchanged(map);
	if (r == -EOPNOTSUPP) {
		skip_one(name, "this kernel shows no generation of the list");
	} else {
		is(r, 1, "%s: unchanged at first", name);
		must(child_tell(&child, MAP_ONE) == 0);
		is(map_is_unchanged(map), 0, "%s: a new mapping is seen", name);
		is(memhint_map_refresh(map), 0, "%s: read again", name);
		is(memhint_map_count(map), count + 1, "%s: one mapping more", name);
		vma = memhint_map_find(map, child.shared->address[0] + page);
		ok(vma && vma->start == child.shared->address[0] &&
			   vma->end == vma->start + 64 * page && vma->kind == MEMHINT_KIND_SHMEM,
		   "%s: the right one", name);
		is(map_is_unchanged(map), 1, "%s: unchanged since", name);
		must(child_tell(&child, UNMAP_ONE) == 0);
		is(map_is_unchanged(map), 0, "%s: a mapping less is seen", name);
	}
	memhint_map_close(map);
	memhint_process_close(process);
	child_end(&child);
}

/* A process that shares its parent's address space until it execs: the old one lives on. */
static int go[2], gone[2];

static int shared_space(void *unused)
{
	char byte;

	if (read(go[0], &byte, 1) == 1)
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(1);
}

static void share_space(struct child_shared *shared)
{
	static char stack[65536] __attribute__((aligned(16)));

	shared->number[0] =
		(uint64_t)clone(shared_space, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	close(gone[1]); /* not shared: the last one closes with the exec */
}

static void test_shared_space(void)
{
	struct memhint_process *process;
	struct memhint_map *map;
	struct child child;
	char byte = 0;

	must(pipe2(go, O_CLOEXEC) == 0 && pipe2(gone, O_CLOEXEC) == 0);
	child_start(&child, share_space, NULL);
	close(gone[1]);
	must(memhint_process_open(P_PID, (id_t)child.shared->number[0], &process) == 0);
	must(snapshot(process, MEMHINT_READER_AUTO, 0, &map) == 0);
	ok(memhint_map_is_current(map), "an address space that two processes share");
	must(write(go[1], &byte, 1) == 1);
	must(read(gone[0], &byte, 1) == 0);
	ok(memhint_process_is_alive(process), "one of them execs");
	ok(!memhint_map_is_current(map),
	   "it is no longer that one's, though the other still has it");
	is(memhint_map_refresh(map), -ESRCH, "and cannot be read again");
	memhint_map_close(map);
	kill((pid_t)child.shared->number[0], SIGKILL);
	memhint_process_close(process);
	child_end(&child);
	close(go[0]);
	close(go[1]);
	close(gone[0]);
}

/* Execs itself again and again: what is read must be one address space or none. */
static void exec_loop(char *program)
{
	char *arguments[] = { program, (char *)"exec-loop", NULL };

	execv("/proc/self/exe", arguments);
	_exit(1);
}

static void test_exec_during(char *program)
{
	struct memhint_process *process;
	unsigned int good = 0, gone_by = 0, wrong = 0, spaces = 0;
	uint64_t code = 0;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exec_loop(program);
	}
	must(memhint_process_open(P_PID, (id_t)pid, &process) == 0);
	for (unsigned int i = 0; i < 500; i++) {
		struct memhint_map *map = NULL;
		unsigned int stacks = 0;
		uint64_t end = 0;
		int r = snapshot(process, readers[i % READERS],
				 MEMHINT_MAP_NAMES | MEMHINT_MAP_PAGES, &map);

		if (r == -EOPNOTSUPP)
			continue;
		if (r < 0) {
			gone_by += r == -ESRCH;
			wrong += r != -ESRCH;
			if (r != -ESRCH)
				printf("# %s: %s\n", memhint_reader_name(readers[i % READERS]),
				       memhint_error_name(r));
			continue;
		}
		good++;
		spaces += memhint_map_get(map, 0)->start != code;
		code = memhint_map_get(map, 0)->start;
		for (size_t j = 0; j < memhint_map_count(map); j++) {
			const struct memhint_vma *vma = memhint_map_get(map, j);

			stacks += vma->kind == MEMHINT_KIND_STACK;
			wrong += vma->start < end || vma->resident_bytes > vma->end - vma->start;
			end = vma->end;
		}
		/* Right after exec the stack is there before anything else, and none is there twice. */
		wrong += stacks > 1;
		memhint_map_close(map);
	}
	is(wrong, 0, "500 snapshots of a process that execs all the time");
	ok(spaces > 1, "which has had more than one address space");
	printf("# %u were whole, %u met an exec each time, %u address spaces\n", good, gone_by,
	       spaces);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	memhint_process_close(process);
}

static void map_memfd(const char *name, char *where)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, (off_t)(4 * page)) == 0);
	must(mmap(where, 4 * page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == where);
	close(fd);
}

/*
 * Maps and unmaps all the time, but for one mapping, "kept"; and moves another one, "moved", from below
 * to above it and back, so that the list has as many mappings as before, in another order.
 */
static void remap_setup(struct child_shared *shared)
{
	char *area = mmap(NULL, 32 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *below = area + 2 * page, *kept = area + 10 * page, *above = area + 18 * page;
	pid_t pid;

	must(area != MAP_FAILED);
	must(munmap(above, 4 * page) == 0);
	map_memfd("kept", kept);
	map_memfd("moved", below);
	shared->address[0] = (uint64_t)kept;
	pid = fork();
	must(pid >= 0);
	if (pid > 0) {
		shared->number[0] = (uint64_t)pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int round = 0;; round++) {
		char *p;

		if (mremap(round % 2 ? above : below, 4 * page, 4 * page,
			   MREMAP_MAYMOVE | MREMAP_FIXED, round % 2 ? below : above) == MAP_FAILED)
			_exit(1);
		atomic_fetch_add((_Atomic uint64_t *)&shared->number[1], 1);
		if (round % 512 < 256)
			continue;
		p = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
		if (p == MAP_FAILED)
			_exit(1);
		for (int i = 1; i < 16; i += 2)
			mprotect(p + i * (long)page, page, PROT_NONE);
		munmap(p, 16 * page);
	}
}

static void test_change_during(void)
{
	struct memhint_process *process;
	unsigned int wrong = 0, others = 0, met = 0;
	struct child child;

	child_start(&child, remap_setup, NULL);
	must(memhint_process_open(P_PID, (id_t)child.shared->number[0], &process) == 0);
	/* As many as it takes: on a busy machine the target may not run while it is read. */
	for (unsigned int i = 0; i < 50000 && met < 500; i++) {
		uint64_t before = atomic_load((_Atomic uint64_t *)&child.shared->number[1]);
		enum memhint_reader reader = readers[i % READERS];
		const struct memhint_vma *kept;
		struct memhint_map *map = NULL;
		uint64_t end = 0;
		int r = snapshot(process, reader, MEMHINT_MAP_NAMES, &map);

		if (r == -EOPNOTSUPP)
			continue;
		if (r < 0) {
			wrong++;
			printf("# %s: %s\n", memhint_reader_name(reader), memhint_error_name(r));
			continue;
		}
		met += atomic_load((_Atomic uint64_t *)&child.shared->number[1]) != before;
		others += reader != MEMHINT_READER_AUTO && memhint_map_reader(map) != reader;
		kept = memhint_map_find(map, child.shared->address[0]);
		wrong += !kept || kept->start != child.shared->address[0] ||
			 kept->end != kept->start + 4 * page ||
			 strcmp(kept->name, "/memfd:kept (deleted)") != 0;
		for (size_t j = 0; j < memhint_map_count(map); j++) {
			wrong += memhint_map_get(map, j)->start < end;
			end = memhint_map_get(map, j)->end;
		}
		memhint_map_close(map);
	}
	is(wrong, 0, "snapshots of a process that maps all the time");
	ok(met > 0, "which did so while it was read");
	printf("# %u met a change, %u fell back to smaps\n", met, others);
	kill((pid_t)child.shared->number[0], SIGKILL);
	memhint_process_close(process);
	child_end(&child);
}

/* The door leads to the BPF room where that is, and says so where it is not. */
static void test_door(void)
{
	void *library = dlopen(BPF_ROOM_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	const struct bpf_room *room = NULL, *again = NULL;

	is(bpf_door_open(&room), library ? 0 : -ENOENT, "the door is open where there is a room");
	is(bpf_door_open(&again), library ? 0 : -ENOENT, "and stays so");
	ok(room == again, "it is the same room");
	if (!library)
		return;
	ok(room && room->abi == BPF_ROOM_ABI, "of the version that is understood");
	for (int way = 0; way < BPF_ROOM_WAYS; way++) {
		enum memhint_reader reader = way ? MEMHINT_READER_BPF_SEQ : MEMHINT_READER_BPF;

		is(reader_works(reader), room->load((enum bpf_room_way)way) == 0,
		   "%s works if its programs load", memhint_reader_name(reader));
	}
	dlclose(library);
}

/* Every mapping by its first and last byte and by the gap above it, in all three ways. */
static void test_lookup(void)
{
	struct memhint_process *self;
	unsigned int wrong = 0, queries = 0;
	struct memhint_vma vma, other;
	struct memhint_map *map;
	struct child child;
	int fd, r;

	child_start(&child, NULL, NULL);
	must(memhint_process_open(P_PID, (id_t)child.pid, &self) == 0);
	must(snapshot(self, MEMHINT_READER_MAPS, 0, &map) == 0);
	fd = map_text_open(self, "maps");
	must(fd >= 0);
	for (size_t i = 0; i < memhint_map_count(map); i++) {
		const struct memhint_vma *want = memhint_map_get(map, i);
		uint64_t addresses[] = { want->start, want->end - 1,
					 i ? memhint_map_get(map, i - 1)->end : 0 };

		for (int j = 0; j < 3; j++) {
			r = memhint_map_lookup(self, addresses[j], &vma);
			wrong += r != 0 || vma.start != want->start || vma.end != want->end ||
				 vma.offset != want->offset || vma.flags != want->flags || vma.name;
			r = map_lookup_text(fd, addresses[j], &other);
			wrong += r != 0 || memcmp(&other, &vma, sizeof(vma)) != 0;
			r = map_lookup_query(fd, addresses[j], &other);
			if (r == 0) {
				queries++;
				wrong += memcmp(&other, &vma, sizeof(vma)) != 0;
			}
		}
	}
	is(wrong, 0, "lookup by query and by text agrees with the list");
	if (queries)
		ok(queries >= (memhint_map_count(map) - 1) * 3, "the query answered");
	else
		skip_one("lookup by query", "this kernel has no PROCMAP_QUERY");
	is(memhint_map_lookup(self, UINT64_MAX, &vma), -ENOENT, "nothing is above all");
	close(fd);
	memhint_map_close(map);
	memhint_process_close(self);
	child_end(&child);
}

static void test_kernel_thread(void)
{
	struct memhint_process_stat stat;
	struct memhint_process *process;
	struct memhint_map *map = NULL;
	struct memhint_vma vma;
	int r = memhint_process_open(P_PID, 2, &process);

	if (r < 0 || memhint_process_stat(process, &stat) < 0 || !stat.is_kernel_thread) {
		skip_one("a kernel thread", "there is none to be seen here");
		return;
	}
	for (size_t i = 0; i < READERS; i++)
		if (reader_works(readers[i]))
			is(snapshot(process, readers[i], MEMHINT_MAP_PAGES, &map), -ESRCH,
			   "%s: a kernel thread has no memory", memhint_reader_name(readers[i]));
	is(memhint_map_lookup(process, 0, &vma), -ESRCH, "nor an address");
	memhint_process_close(process);
}

/* What an ordinary user sees: nothing of others, and the same as root of himself. */
static void nobody(struct child_shared *shared)
{
	const gid_t group = 65534;
	struct memhint_process *process;
	struct memhint_map *map = NULL;
	struct memhint_vma vma;
	int fd;
	char *p;

	shared->number[0] = 100;
	if (setgroups(1, &group) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		return;
	shared->number[0] = 0;
	must(memhint_process_open(P_PID, (id_t)getppid(), &process) == 0);
	for (size_t i = 0; i < READERS; i++)
		shared->number[0] += snapshot(process, readers[i], 0, &map) != -EACCES;
	shared->number[1] = memhint_map_lookup(process, 0, &vma) != -EACCES;
	memhint_process_close(process);

	/* Now /proc/self belongs to this user again. */
	must(prctl(PR_SET_DUMPABLE, 1) == 0);
	fd = memfd_create("own", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, (off_t)(8 * page)) == 0);
	p = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	close(fd);
	memset(p, 1, 3 * page);
	shared->address[0] = (uint64_t)p;
	/* A guard region, where the kernel has them, is no memory. Executable, so that nothing merges. */
	p = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	must(p != MAP_FAILED);
	memset(p, 1, 2 * page);
	if (madvise(p + 4 * page, 2 * page, 102) == 0) /* MADV_GUARD_INSTALL */
		shared->address[2] = (uint64_t)p;
	fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	must(ftruncate(fd, (off_t)(8 * page)) == 0);
	p = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	memset(p, 1, 5 * page);
	shared->address[1] = (uint64_t)p;
}

static long nobody_looks(int what, struct child_shared *shared)
{
	struct memhint_process *process;
	struct memhint_map *map;
	long wrong = 0;

	if (memhint_process_open(P_PID, (id_t)getpid(), &process) < 0)
		return -1;
	for (size_t i = 0; i < READERS; i++)
		for (int j = MEMHINT_PAGES_AUTO; j <= MEMHINT_PAGES_SMAPS; j++) {
			struct memhint_map_options options = {
				.size = sizeof(options),
				.want = MEMHINT_MAP_PAGES,
				.reader = readers[i],
				.pages_reader = (enum memhint_pages_reader)j,
			};
			int r = memhint_map_open(process, &options, &map);

			if (r == -EOPNOTSUPP)
				continue;
			if (r < 0)
				return r;
			for (int k = 0; k < 3; k++) {
				const uint32_t kinds[] = { MEMHINT_KIND_SHMEM, MEMHINT_KIND_SHMEM,
							   MEMHINT_KIND_ANON };
				const uint64_t resident[] = { 3, 5, 2 };
				const struct memhint_vma *vma =
					memhint_map_find(map, shared->address[k]);

				if (shared->address[k])
					wrong += vma->kind != kinds[k] || vma->swapped_bytes ||
						 vma->resident_bytes != resident[k] * page;
			}
			memhint_map_close(map);
		}
	memhint_process_close(process);
	return wrong;
}

static void test_permission(void)
{
	struct child child;

	if (geteuid() != 0) {
		skip_one("an ordinary user", "needs root to become one");
		return;
	}
	child_start(&child, nobody, nobody_looks);
	is(child.shared->number[0], 0, "an ordinary user has no snapshot of root's process");
	is(child.shared->number[1], 0, "and no lookup");
	is(child_tell(&child, 0), 0, "but all of himself, kinds and pages included");
	child_end(&child);
}

static void test_options(void)
{
	struct {
		struct memhint_map_options options;
		uint64_t future;
	} larger = { .options = { .size = sizeof(larger), .want = MEMHINT_MAP_NAMES } };
	struct memhint_map_options options = { .size = sizeof(options), .want = 1u << 30 };
	struct memhint_process *self;
	struct memhint_map *map = NULL;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	is(memhint_map_open(self, &options, &map), -EINVAL, "a want that is not known");
	options = (struct memhint_map_options){ .size = sizeof(options), .reader = 17 };
	is(memhint_map_open(self, &options, &map), -EINVAL, "a reader that is not known");
	options = (struct memhint_map_options){ .size = sizeof(options), .pages_reader = 17 };
	is(memhint_map_open(self, &options, &map), -EINVAL, "a pages reader that is not known");
	options = (struct memhint_map_options){ .want = MEMHINT_MAP_NAMES };
	is(memhint_map_open(self, &options, &map), -EINVAL, "options without a size");
	larger.future = 1;
	is(memhint_map_open(self, &larger.options, &map), -EINVAL, "an option of a later version");
	ok(!map, "and no output");
	larger.future = 0;
	is(memhint_map_open(self, &larger.options, &map), 0, "which is not set");
	ok(memhint_map_get(map, 0)->name != NULL, "names as asked for");
	is(memhint_map_pages_reader(map), MEMHINT_PAGES_AUTO, "no pages");
	ok(!memhint_map_get(map, memhint_map_count(map)), "nothing past the end");
	ok(!memhint_map_find(map, UINT64_MAX), "nothing above all");
	memhint_map_close(map);
	options =
		(struct memhint_map_options){ .size = offsetof(struct memhint_map_options, reader),
					      .reader = 17 };
	is(memhint_map_open(self, &options, &map), 0, "options of an earlier version");
	ok(memhint_map_get(map, 0)->name == NULL, "no names");
	memhint_map_close(map);
	memhint_map_close(NULL);
	memhint_process_close(self);
}

int main(int argc, char **argv)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (argc > 1 && strcmp(argv[1], "exec-loop") == 0)
		exec_loop(argv[0]);
	for (size_t i = 0; i < READERS; i++) {
		if (!reader_works(readers[i])) {
			skip_one(memhint_reader_name(readers[i]),
				 "the BPF room is not there or does not work here");
			continue;
		}
		test_exec(readers[i]);
		test_unchanged(readers[i]);
	}
	test_door();
	test_zombie();
	test_shared_space();
	test_exec_during(argv[0]);
	test_change_during();
	test_lookup();
	test_kernel_thread();
	test_permission();
	test_options();
	return done_testing();
}
