/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF room on windows of a large address space, and on an address space as a whole: watches, kept
 * over changes, exec, fork, and the end of the target.
 */
#include "bpf-room.h"
#include "btf.h"
#include "child.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ull

const struct bpf_room *memhint_bpf_room(void);

static const struct bpf_room *room;
static const char *const way_names[] = { "run", "seq" };
static bool can_list[BPF_ROOM_WAYS], can_watch[BPF_ROOM_WAYS];

static struct bpf_room_target target_of(pid_t pid)
{
	struct bpf_room_target target = { .pid = pid };
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	target.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	target.dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(target.pidfd >= 0 && target.dirfd >= 0);
	return target;
}

static void target_done(const struct bpf_room_target *target)
{
	close(target->pidfd);
	close(target->dirfd);
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

/* ---- windows ---- */

struct list {
	struct bpf_room_vma vmas[30000];
	size_t count;
};

static int list_add(const struct bpf_room_vma *vma, void *userdata)
{
	struct list *list = userdata;

	must(list->count < sizeof(list->vmas) / sizeof(list->vmas[0]));
	list->vmas[list->count++] = *vma;
	return 0;
}

static void setup_many(struct child_shared *shared)
{
	char *memory = mmap(NULL, 20000 * P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);

	must(memory != MAP_FAILED);
	for (size_t i = 0; i < 20000; i += 2)
		must(mprotect(memory + i * P, P, PROT_NONE) == 0);
	shared->address[0] = (uint64_t)memory;
}

/* What should be in a window, taken from the full list; -1 if a difference is found. */
static long compare(const struct list *have, const struct list *all, uint64_t start, uint32_t limit)
{
	size_t first = 0, count;

	while (first < all->count && all->vmas[first].end <= start)
		first++;
	count = all->count - first;
	if (limit && count > limit)
		count = limit;
	if (have->count != count)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct bpf_room_vma *a = &have->vmas[i], *b = &all->vmas[first + i];

		if (a->start != b->start || a->end != b->end || a->offset != b->offset ||
		    a->flags != b->flags || a->kind != b->kind || a->untouched != b->untouched)
			return -1;
	}
	return (long)count;
}

static void check_window(enum bpf_room_way way, const struct bpf_room_target *target,
			 const struct list *all, uint64_t start, uint32_t limit, long want,
			 const char *what)
{
	static struct list list;
	struct bpf_room_space space = {};
	long have;
	int r;

	list.count = 0;
	r = room->read(way, target, start, limit, list_add, &list, &space);
	have = r < 0 ? r : compare(&list, all, start, limit);
	is(have, want, "%s: %s", way_names[way], what);
	ok(space.exec_id != 0, "%s: with its space", way_names[way]);
}

static int stop_at_third(const struct bpf_room_vma *vma, void *userdata)
{
	return ++*(int *)userdata == 3 ? 33 : 0;
}

/* How often the kernel has run programs of this process, as long as it counts that. */
static uint64_t count_runs(void)
{
	DIR *directory = opendir("/proc/self/fdinfo");
	uint64_t runs = 0;
	struct dirent *entry;

	must(directory);
	while ((entry = readdir(directory))) {
		int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
		char text[4096];
		const char *line;
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = '\0';
		line = strstr(text, "\nrun_cnt:");
		if (line)
			runs += strtoull(line + 9, NULL, 10);
		if (fd >= 0)
			close(fd);
	}
	closedir(directory);
	return runs;
}

/* What is not wanted is not looked at: by one run, and another that tells the program of the end. */
static void check_runs(const struct bpf_room_target *target, uint64_t middle)
{
	union bpf_attr attr;
	struct bpf_room_space space;
	static struct list list;
	uint64_t before;
	int counting;

	memset(&attr, 0, sizeof(attr));
	attr.enable_stats.type = BPF_STATS_RUN_TIME;
	counting = (int)syscall(SYS_bpf, BPF_ENABLE_STATS, &attr, sizeof(attr));
	must(counting >= 0);
	before = count_runs();
	list.count = 0;
	must(room->read(BPF_ROOM_RUN, target, 0, 0, list_add, &list, &space) == 0);
	ok(count_runs() - before > 4, "run: the full list takes %d runs",
	   (int)(count_runs() - before));
	before = count_runs();
	list.count = 0;
	must(room->read(BPF_ROOM_RUN, target, middle, 20, list_add, &list, &space) == 0);
	is(count_runs() - before, 2, "run: 20 from the middle take one, and its end");
	close(counting);
}

static void test_windows(enum bpf_room_way way)
{
	static struct list all;
	struct bpf_room_space space = {};
	struct bpf_room_target target;
	const struct bpf_room_vma *last;
	struct child child;
	uint64_t middle;
	int seen = 0;

	child_start(&child, setup_many, NULL);
	target = target_of(child.pid);
	all.count = 0;
	must(room->read(way, &target, 0, 0, list_add, &all, &space) == 0);
	ok(all.count > 20000, "%s: %zu mappings", way_names[way], all.count);
	middle = child.shared->address[0] + 10000 * P;
	check_window(way, &target, &all, 0, 0, (long)all.count, "all of them");
	check_window(way, &target, &all, 0, 1, 1, "the first");
	check_window(way, &target, &all, 0, 5000, 5000, "more than one batch, less than two");
	check_window(way, &target, &all, middle, 20, 20, "20 from the middle");
	check_window(way, &target, &all, middle + 1, 20, 20, "from the middle of one");
	check_window(way, &target, &all, middle - 1, 20, 20, "the last byte of one");
	check_window(way, &target, &all, middle, 4096, 4096, "a batch from there");
	check_window(way, &target, &all, middle, 4097, 4097, "and one more");
	last = &all.vmas[all.count - 1];
	check_window(way, &target, &all, last->start, 20, 1, "the last, where there are no 20");
	check_window(way, &target, &all, last->end, 20, 0, "nothing above it");
	check_window(way, &target, &all, UINT64_MAX, 0, 0, "nor at the end of the world");
	last = &all.vmas[all.count - 2];
	check_window(way, &target, &all, last->start, 1, 1, "the last but one, and not the last");
	is(room->read(way, &target, middle, 20, stop_at_third, &seen, &space), 33,
	   "%s: what the sink returned", way_names[way]);
	is(seen, 3, "%s: which was not called again", way_names[way]);
	if (way == BPF_ROOM_RUN)
		check_runs(&target, middle);
	target_done(&target);
	child_end(&child);
}

/* ---- watches ---- */

enum command { TOUCH, MMAP, MUNMAP, PROTECT };

static char *memory;

static void setup_memory(struct child_shared *shared)
{
	memory = mmap(NULL, 64 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED);
}

static long command_memory(int what, struct child_shared *shared)
{
	static size_t page;

	switch ((enum command)what) {
	case TOUCH:
		memory[page++ * P] = 1;
		return 0;
	case MMAP:
		return mmap(NULL, P, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
	case MUNMAP:
		return munmap(memory + 60 * P, P);
	case PROTECT:
		return mprotect(memory + 50 * P, P, PROT_READ);
	}
	return -1;
}

static bool is_same(const struct bpf_room_space *a, const struct bpf_room_space *b)
{
	return a->generation == b->generation && a->exec_id == b->exec_id;
}

static void test_watch(enum bpf_room_way way)
{
	struct bpf_room_space space = {}, before, other = {};
	struct bpf_room_watch *watch = NULL;
	struct bpf_room_target target;
	struct child child;

	child_start(&child, setup_memory, command_memory);
	child_tell(&child, TOUCH);
	target = target_of(child.pid);
	is(room->watch_open(way, &target, &watch), 0, "%s: watch", way_names[way]);
	is(room->watch_read(watch, &space), 0, "%s: read", way_names[way]);
	ok(space.generation && space.exec_id, "%s: both can be told", way_names[way]);
	for (enum bpf_room_way lister = BPF_ROOM_RUN; lister < BPF_ROOM_WAYS; lister++)
		if (can_list[lister])
			ok(room->read(lister, &target, 0, 0, NULL, NULL, &other) == 0 &&
				   is_same(&space, &other),
			   "%s: as the list of %s says", way_names[way], way_names[lister]);
	before = space;
	is(child_tell(&child, TOUCH), 0, "%s: the target touches a page", way_names[way]);
	ok(room->watch_read(watch, &space) == 0 && is_same(&space, &before), "%s: no change",
	   way_names[way]);
	for (int what = MMAP; what <= PROTECT; what++) {
		must(child_tell(&child, what) == 0);
		ok(room->watch_read(watch, &space) == 0 && space.generation != before.generation &&
			   space.exec_id == before.exec_id,
		   "%s: change %d is one", way_names[way], what);
		before = space;
	}
	kill(child.pid, SIGKILL);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	is(room->watch_read(watch, &space), -ESRCH, "%s: a zombie", way_names[way]);
	ok(is_same(&space, &before), "%s: no output then", way_names[way]);
	child_end(&child);
	is(room->watch_read(watch, &space), -ESRCH, "%s: a dead process", way_names[way]);
	room->watch_close(watch);
	watch = NULL;
	is(room->watch_open(way, &target, &watch), -ESRCH, "%s: which cannot be watched",
	   way_names[way]);
	ok(!watch, "%s: no output", way_names[way]);
	target_done(&target);
}

static void test_no_memory(enum bpf_room_way way)
{
	struct bpf_room_watch *watch;
	struct bpf_room_target target;
	char text[32] = "";
	int fd = open("/proc/2/comm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || strcmp(text, "kthreadd\n") != 0) {
		skip_one("a kernel thread", "none can be seen from this PID namespace");
	} else {
		target = target_of(2);
		is(room->watch_open(way, &target, &watch), -ESRCH, "%s: a kernel thread",
		   way_names[way]);
		target_done(&target);
	}
	if (fd >= 0)
		close(fd);
	target = (struct bpf_room_target){ .pidfd = -1, .dirfd = -1, .pid = 0 };
	is(room->watch_open(way, &target, &watch), -EINVAL, "%s: no PID", way_names[way]);
	target = target_of(getpid());
	close(target.pidfd);
	target.pidfd = 9999;
	is(room->watch_open(way, &target, &watch), -EBADF, "%s: no descriptor", way_names[way]);
	close(target.dirfd);
	is(room->watch_load(BPF_ROOM_WAYS), -EINVAL, "no such way");
}

/* Where standard input is closed a pidfd may be 0, which the kernel takes for "any process". */
static enum bpf_room_way tried_way;
static pid_t tried_pid;

static int watch_with_descriptor_0(void)
{
	struct bpf_room_target target = target_of(tried_pid);
	struct bpf_room_space space, other;
	struct bpf_room_watch *watch;

	if (dup2(target.pidfd, 0) != 0)
		return 100;
	close(target.pidfd);
	target.pidfd = 0;
	if (room->watch_open(tried_way, &target, &watch) != 0)
		return 1;
	if (room->watch_read(watch, &space) != 0)
		return 2;
	return room->read(can_list[BPF_ROOM_RUN] ? BPF_ROOM_RUN : BPF_ROOM_SEQ, &target, 0, 0, NULL,
			  NULL, &other) != 0 ||
	       !is_same(&space, &other);
}

static void test_descriptor_0(enum bpf_room_way way)
{
	struct child child;

	child_start(&child, setup_memory, command_memory);
	tried_way = way;
	tried_pid = child.pid;
	is(in_fork(watch_with_descriptor_0), 0, "%s: a pidfd of 0", way_names[way]);
	child_end(&child);
}

/* ---- a watch of one's own for each forked process ---- */

static struct bpf_room_watch *kept;
static struct bpf_room_space kept_space;

static int read_in_fork(void)
{
	struct bpf_room_space space;

	for (int i = 0; i < 1000; i++)
		if (room->watch_read(kept, &space) != 0 || !is_same(&space, &kept_space))
			return 1;
	room->watch_close(kept);
	return 0;
}

/* Here the target's number is nobody's, or another's: PID 1 is this process itself. */
static int read_in_namespace(void *unused)
{
	struct bpf_room_space space;
	int r = room->watch_read(kept, &space);

	if (r == 0)
		return is_same(&space, &kept_space) ? 0 : 1;
	return r == -EOPNOTSUPP ? 0 : 2;
}

static int pretend_to_be(void *unused)
{
	pid_t wanted = tried_pid, pid;
	FILE *last;
	int status;

	/* A process with the number that the target has outside. */
	last = fopen("/proc/sys/kernel/ns_last_pid", "we");
	if (!last || fprintf(last, "%d", wanted - 1) < 0 || fclose(last) != 0)
		return 100;
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid != wanted)
		return 101;
	status = read_in_namespace(NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return status;
}

static int status_in_namespace(int (*function)(void *))
{
	static char stack[256 * 1024] __attribute__((aligned(16)));
	int status;
	pid_t pid;

	fflush(NULL);
	pid = clone(function, stack + sizeof(stack), CLONE_NEWPID | SIGCHLD, NULL);
	must(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_fork(enum bpf_room_way way)
{
	struct bpf_room_target target;
	struct bpf_room_space space;
	struct child child;

	child_start(&child, setup_memory, command_memory);
	target = target_of(child.pid);
	tried_pid = child.pid;
	must(room->watch_open(way, &target, &kept) == 0);
	must(room->watch_read(kept, &kept_space) == 0);
	is(in_fork(read_in_fork), 0, "%s: a forked child reads the same", way_names[way]);
	ok(room->watch_read(kept, &space) == 0 && is_same(&space, &kept_space),
	   "%s: and the parent goes on", way_names[way]);
	is(status_in_namespace(read_in_namespace), 0,
	   "%s: in another PID namespace: the same or nothing", way_names[way]);
	is(status_in_namespace(pretend_to_be), 0, "%s: where another has the number: nobody else's",
	   way_names[way]);
	room->watch_close(kept);
	target_done(&target);
	child_end(&child);
}

/* ---- rights ---- */

static int open_without_ptrace(void)
{
	struct bpf_room_target target = target_of(tried_pid);
	struct bpf_room_watch *watch;

	must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0);
	must(setresuid(65534, 65534, 65534) == 0);
	return room->watch_open(tried_way, &target, &watch) != -EACCES;
}

static const char *program; /* a copy of cat */

/* Becomes an ordinary user who watches a process of his own, which then execs. */
static int watch_over_exec(void)
{
	struct bpf_room_space space, after;
	struct bpf_room_target target;
	struct bpf_room_watch *watch;
	int in[2], out[2], r;
	char byte = '!';
	pid_t pid;

	must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0);
	must(setresuid(65534, 65534, 65534) == 0);
	must(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 1); /* lost with the user ids */
		if (write(out[1], &byte, 1) == 1 && read(in[0], &byte, 1) == 1 &&
		    dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1)
			execl(program, "cat", NULL);
		_exit(1);
	}
	must(read(out[0], &byte, 1) == 1);
	target = target_of(pid);
	r = room->watch_open(tried_way, &target, &watch);
	if (r == 0)
		r = room->watch_read(watch, &space);
	must(r == 0);
	/* One byte to let it go, one that it says again. */
	must(write(in[1], "!!", 2) == 2 && read(out[0], &byte, 1) == 1);
	r = room->watch_read(watch, &after);
	close(in[1]); /* which ends it: it may be somebody else's now */
	waitpid(pid, NULL, 0);
	return r == 0 ? is_same(&space, &after) : -r;
}

static void copy_cat(const char *path, mode_t mode)
{
	int from = open("/bin/cat", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	char buffer[65536];
	ssize_t n;

	must(from >= 0 && to >= 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		must(write(to, buffer, (size_t)n) == n);
	must(fchmod(to, mode) == 0);
	close(from);
	close(to);
}

/* Where a program can be set-user-ID; NULL if nowhere. */
static char *directory_for_setuid(void)
{
	static const char *const places[] = { "/tmp", "/var/tmp", "/run" };
	static char path[64];
	struct statvfs fs;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (statvfs(places[i], &fs) < 0 || fs.f_flag & (ST_NOSUID | ST_NOEXEC))
			continue;
		snprintf(path, sizeof(path), "%s/memhint-test-XXXXXX", places[i]);
		if (mkdtemp(path) && chmod(path, 0755) == 0)
			return path;
	}
	return NULL;
}

static void test_rights(void)
{
	const char *directory = directory_for_setuid();
	char ordinary[96], privileged[96];
	struct child child;

	child_start(&child, setup_memory, command_memory);
	tried_pid = child.pid;
	if (directory) {
		snprintf(ordinary, sizeof(ordinary), "%s/ordinary", directory);
		snprintf(privileged, sizeof(privileged), "%s/privileged", directory);
		copy_cat(ordinary, 0755);
		copy_cat(privileged, 04755);
	}
	for (tried_way = BPF_ROOM_RUN; tried_way < BPF_ROOM_WAYS; tried_way++) {
		if (!can_watch[tried_way])
			continue;
		is(in_fork(open_without_ptrace), 0, "%s: without ptrace access",
		   way_names[tried_way]);
		if (!directory) {
			skip_one("exec", "no program can be set-user-ID here");
			continue;
		}
		program = ordinary;
		is(in_fork(watch_over_exec), 0, "%s: over an exec, which is a change",
		   way_names[tried_way]);
		program = privileged;
		is(in_fork(watch_over_exec), EACCES,
		   "%s: not over an exec that gives it more rights", way_names[tried_way]);
	}
	if (directory) {
		unlink(ordinary);
		unlink(privileged);
		rmdir(directory);
	}
	child_end(&child);
}

/* ---- descriptors ---- */

static void test_descriptors(enum bpf_room_way way)
{
	struct bpf_room_space space, before;
	struct rlimit limit, none;
	struct bpf_room_watch *watch;
	struct bpf_room_target target;
	struct child child;
	int opened, read;

	child_start(&child, setup_memory, command_memory);
	target = target_of(child.pid);
	must(room->watch_open(way, &target, &watch) == 0);
	must(room->watch_read(watch, &before) == 0);
	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	/* With none at all poll(2) would have nothing to look at. */
	none = (struct rlimit){ .rlim_cur = 1, .rlim_max = limit.rlim_max };
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
	read = room->watch_read(watch, &space);
	room->watch_close(watch);
	opened = room->watch_open(way, &target, &watch);
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (way == BPF_ROOM_RUN)
		ok(read == 0 && is_same(&space, &before), "run: a reading takes no descriptor");
	else
		is(read, -EMFILE, "seq: a reading takes a descriptor");
	is(opened, -EMFILE, "%s: to begin takes some", way_names[way]);
	is(room->watch_open(way, &target, &watch), 0, "%s: that was not for ever", way_names[way]);
	room->watch_close(watch);
	target_done(&target);
	child_end(&child);
}

/* ---- within a change ---- */

/* Forks all the time: its mappings are locked for as long as its page tables are copied. */
static void setup_forker(struct child_shared *shared)
{
	size_t bytes = 64 << 20;
	char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(block != MAP_FAILED);
	madvise(block, bytes, MADV_NOHUGEPAGE);
	memset(block, 1, bytes);
}

static long command_fork(int what, struct child_shared *shared)
{
	/* Not to be waited for: the answer comes at once, the forks follow. */
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		shared->number[0] = (uint64_t)getpid();
		while (!__atomic_load_n(&shared->number[1], __ATOMIC_ACQUIRE)) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			if (pid > 0)
				waitpid(pid, NULL, 0);
			__atomic_fetch_add(&shared->number[2], 1, __ATOMIC_RELEASE);
		}
		_exit(0);
	}
	while (!__atomic_load_n(&shared->number[2], __ATOMIC_ACQUIRE))
		sched_yield();
	return 0;
}

static void test_within_change(enum bpf_room_way way)
{
	size_t quiet = 0, busy = 0, other = 0;
	struct bpf_room_target target;
	struct bpf_room_space space;
	struct bpf_room_watch *watch;
	struct child child;
	int r;

	child_start(&child, setup_forker, command_fork);
	must(child_tell(&child, 0) == 0);
	target = target_of((pid_t)child.shared->number[0]);
	do
		r = room->watch_open(way, &target, &watch);
	while (r == -EAGAIN);
	must(r == 0);
	/* Both are seen long before so many forks. */
	while ((!quiet || !busy) && !other &&
	       __atomic_load_n(&child.shared->number[2], __ATOMIC_RELAXED) < 1000) {
		r = room->watch_read(watch, &space);
		quiet += r == 0;
		busy += r == -EAGAIN;
		other += r != 0 && r != -EAGAIN;
	}
	ok(quiet && busy, "%s: a moment within a change is told from others", way_names[way]);
	room->watch_close(watch);
	target_done(&target);
	__atomic_store_n(&child.shared->number[1], 1, __ATOMIC_RELEASE);
	child_end(&child);
}

int main(void)
{
	if (geteuid() != 0)
		skip_all("needs root");
	room = memhint_bpf_room();
	must(room && room->abi == BPF_ROOM_ABI);
	can_list[BPF_ROOM_RUN] = btf_has("bpf_iter_task_vma_new");
	can_list[BPF_ROOM_SEQ] = btf_has("bpf_iter_attach_task");
	can_watch[BPF_ROOM_SEQ] = !exact_cookies_lack();
	/* Older kernels may let its program call what it calls, too; those with this one do. */
	can_watch[BPF_ROOM_RUN] = can_watch[BPF_ROOM_SEQ] && btf_has("bpf_task_from_vpid");
	if (!can_list[BPF_ROOM_SEQ])
		skip_all("this kernel has no iterator over the mappings of one process");
	for (enum bpf_room_way way = BPF_ROOM_RUN; way < BPF_ROOM_WAYS; way++) {
		if (!can_watch[way]) {
			can_watch[way] = room->watch_load(way) == 0;
			if (!can_watch[way]) {
				skip_one(way_names[way], "this kernel does not have it");
				continue;
			}
		}
		is(room->watch_load(way), 0, "%s: loads", way_names[way]);
		is(room->watch_load(way), 0, "%s: once", way_names[way]);
	}
	for (enum bpf_room_way way = BPF_ROOM_RUN; way < BPF_ROOM_WAYS; way++) {
		if (can_list[way])
			test_windows(way);
		if (!can_watch[way])
			continue;
		test_watch(way);
		test_no_memory(way);
		test_descriptor_0(way);
		test_fork(way);
		test_descriptors(way);
		test_within_change(way);
	}
	test_rights();
	return done_testing();
}
