/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What moves a cookie and what does not, of both kinds: faults, hints, changes, threads, forks, those
 * that share the memory, exec, other processes, other boots.
 */
#include "btf.h"
#include "child.h"
#include "cookie.h"
#include "tap.h"
#include "test-swap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ull

static enum memhint_cookie_kind kinds[2];
static size_t kind_count;

#define for_each_kind(kind)                                                                 \
	for (size_t kind##_at = 0; kind##_at < kind_count; kind##_at++)                     \
		for (enum memhint_cookie_kind kind = kinds[kind##_at], *once = &kind; once; \
		     once = NULL)

static const char *name_of(enum memhint_cookie_kind kind)
{
	return memhint_cookie_kind_name(kind);
}

static struct memhint_process *open_pid(pid_t pid)
{
	struct memhint_process *process;

	must(memhint_process_open(P_PID, (id_t)pid, &process) == 0);
	return process;
}

static uint64_t read_cookie(struct memhint_process *process, enum memhint_cookie_kind kind)
{
	uint64_t cookie = 0;
	int r = cookie_read(process, kind, &cookie);

	if (r < 0)
		printf("# %s of %d: %d\n", name_of(kind), memhint_process_pid(process), r);
	must(r == 0);
	return cookie;
}

/* ---- what moves it ---- */

enum command {
	FIRST_TOUCH,
	FIRST_READ,
	BREAK_COW,
	TOUCH_AGAIN,
	SELF_COLD,
	SELF_PAGEOUT,
	SELF_WILLNEED,
	SELF_DONTNEED,
	MMAP,
	MUNMAP,
	BRK,
	MPROTECT,
	MREMAP,
	THREAD,
	STACK,
	MLOCK,
	DONTDUMP,
	UNDONE,
	REPLACED,
	COMMANDS
};

enum { NEVER, EXACT_ONLY, ALWAYS };

static const struct {
	const char *name;
	int moves;
} commands[COMMANDS] = {
	[FIRST_TOUCH] = { "a first touch", NEVER },
	[FIRST_READ] = { "a first read", NEVER },
	[BREAK_COW] = { "a write to what is shared since a fork", NEVER },
	[TOUCH_AGAIN] = { "a second touch", NEVER },
	[SELF_COLD] = { "MADV_COLD", NEVER },
	[SELF_PAGEOUT] = { "MADV_PAGEOUT", NEVER },
	[SELF_WILLNEED] = { "MADV_WILLNEED", NEVER },
	[SELF_DONTNEED] = { "MADV_DONTNEED", NEVER },
	[MMAP] = { "mmap", ALWAYS },
	[MUNMAP] = { "munmap", ALWAYS },
	[BRK] = { "brk", ALWAYS },
	[MPROTECT] = { "mprotect", ALWAYS },
	[MREMAP] = { "mremap", ALWAYS },
	[THREAD] = { "a thread", ALWAYS },
	[STACK] = { "the growth of a stack", ALWAYS },
	/* What the text of maps does not show: */
	[MLOCK] = { "mlock", EXACT_ONLY },
	[DONTDUMP] = { "MADV_DONTDUMP", EXACT_ONLY },
	[UNDONE] = { "a change that is undone", EXACT_ONLY },
	[REPLACED] = { "a mapping in the place of another just like it", EXACT_ONLY },
};

/* Pieces of one page each with a gap between them, so that none merges with another. */
enum {
	PIECE_TOUCH,
	PIECE_READ,
	PIECE_COW,
	PIECE_MOVE,
	PIECE_LOCK,
	PIECE_DUMP,
	PIECE_REPLACE,
	PIECES
};

static char *pieces[PIECES];
static char *hole, *body;

static char *map_fixed(char *address, size_t bytes, int protection)
{
	char *memory =
		mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	must(memory == address);
	return memory;
}

static void setup_commands(struct child_shared *shared)
{
	char *block = mmap(NULL, 256 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(block != MAP_FAILED && munmap(block, 256 * P) == 0);
	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = map_fixed(block + 2 * i * P, P, PROT_READ | PROT_WRITE);
	hole = block + 2 * PIECES * P;
	body = map_fixed(block + 64 * P, 128 * P, PROT_READ | PROT_WRITE);
	memset(body, 1, 128 * P);
	pieces[PIECE_COW][0] = 1;
	if (fork() == 0) { /* shares that page until it ends */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	shared->address[0] = (uint64_t)body;
}

static void *wait_in_thread(void *running)
{
	__atomic_store_n((bool *)running, true, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

/* Far below what the main thread has used of its stack. */
/* One large frame, all of it seen by code that is not known: else a compiler may make do with less. */
__attribute__((noinline)) static long grow_stack(void)
{
	char frame[1024 * P];

	frame[0] = 0;
	__asm__ volatile("" : : "r"(frame) : "memory");
	return frame[0];
}

static long command_run(int what, struct child_shared *shared)
{
	static bool running;
	pthread_t thread;

	switch ((enum command)what) {
	case FIRST_TOUCH:
		pieces[PIECE_TOUCH][0] = 1;
		return 0;
	case FIRST_READ:
		return *(volatile char *)pieces[PIECE_READ];
	case BREAK_COW:
		pieces[PIECE_COW][0] = 2;
		return 0;
	case TOUCH_AGAIN:
		memset(body, 2, 128 * P);
		return 0;
	case SELF_COLD:
		return madvise(body, 128 * P, MADV_COLD);
	case SELF_PAGEOUT:
		return madvise(body, 128 * P, MADV_PAGEOUT);
	case SELF_WILLNEED:
		return madvise(body, 128 * P, MADV_WILLNEED);
	case SELF_DONTNEED:
		return madvise(body, 128 * P, MADV_DONTNEED);
	case MMAP:
		return mmap(NULL, P, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
	case MUNMAP:
		return munmap(body + 100 * P, P);
	case BRK:
		return sbrk((intptr_t)P) == (void *)-1;
	case MPROTECT:
		return mprotect(body + 50 * P, P, PROT_READ);
	case MREMAP:
		return mremap(pieces[PIECE_MOVE], P, P, MREMAP_MAYMOVE | MREMAP_FIXED,
			      hole + 4 * P) == MAP_FAILED;
	case THREAD:
		if (pthread_create(&thread, NULL, wait_in_thread, &running) != 0)
			return -1;
		/* What it maps to begin with is part of it. */
		while (!__atomic_load_n(&running, __ATOMIC_ACQUIRE))
			sched_yield();
		return 0;
	case STACK:
		return grow_stack();
	case MLOCK:
		/* Not mlock(), which does nothing where sanitizers have their own. */
		return syscall(SYS_mlock, pieces[PIECE_LOCK], P);
	case DONTDUMP:
		return madvise(pieces[PIECE_DUMP], P, MADV_DONTDUMP);
	case UNDONE:
		return munmap(map_fixed(hole + 8 * P, P, PROT_READ), P);
	case REPLACED:
		map_fixed(pieces[PIECE_REPLACE], P, PROT_READ | PROT_WRITE);
		return 0;
	case COMMANDS:
		break;
	}
	return -1;
}

static void test_commands(enum memhint_cookie_kind kind)
{
	struct memhint_process *process;
	struct child child;

	child_start(&child, setup_commands, command_run);
	process = open_pid(child.pid);
	child_tell(&child, TOUCH_AGAIN);
	for (int what = 0; what < COMMANDS; what++) {
		bool moves = commands[what].moves == ALWAYS ||
			     (commands[what].moves == EXACT_ONLY && kind == MEMHINT_COOKIE_EXACT);
		uint64_t before = read_cookie(process, kind);

		is(memhint_cookie_kind(before), kind, "%s: its kind", name_of(kind));
		is(memhint_cookie_check(process, before), 0, "%s: is what it is", name_of(kind));
		is(child_tell(&child, what), 0, "%s: the target does %s", name_of(kind),
		   commands[what].name);
		is(memhint_cookie_check(process, before), moves ? -ESTALE : 0,
		   "%s: which moves it%s", name_of(kind), moves ? "" : " not");
	}
	memhint_process_close(process);
	child_end(&child);
}

static void test_hints(enum memhint_cookie_kind kind)
{
	static const struct {
		const char *name;
		int advice;
	} hints[] = { { "COLD", MADV_COLD },
		      { "PAGEOUT", MADV_PAGEOUT },
		      { "WILLNEED", MADV_WILLNEED },
		      { "PAGEOUT", MADV_PAGEOUT } };
	struct memhint_process_stat stat;
	struct memhint_process *process;
	struct iovec range;
	struct child child;
	uint64_t before;

	child_start(&child, setup_commands, command_run);
	process = open_pid(child.pid);
	child_tell(&child, TOUCH_AGAIN);
	before = read_cookie(process, kind);
	range = (struct iovec){ (void *)child.shared->address[0], 128 * P };
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		is(memhint_process_madvise(memhint_process_pidfd(process), &range, 1,
					   hints[i].advice, 0),
		   128 * P, "%s: %s from here", name_of(kind), hints[i].name);
		is(memhint_cookie_check(process, before), 0, "%s: is no change", name_of(kind));
	}
	must(memhint_process_stat(process, &stat) == 0);
	ok(stat.swap_bytes >= 64 * P, "%s: memory is out", name_of(kind));
	must(child_tell(&child, TOUCH_AGAIN) == 0);
	must(memhint_process_stat(process, &stat) == 0);
	is(stat.swap_bytes, 0, "%s: and in again", name_of(kind));
	is(memhint_cookie_check(process, before), 0, "%s: which is no change", name_of(kind));
	memhint_process_close(process);
	child_end(&child);
}

/* ---- forks, and those who share the memory ---- */

/* Steps of a process made by clone(), told and answered in shared memory. */
enum { STEP, AT_STEP, PID_OF_OTHER };

static struct child_shared *steps;
static char *shared_hole;

static void wait_for(const uint64_t *number, uint64_t value)
{
	while (__atomic_load_n(number, __ATOMIC_ACQUIRE) < value)
		sched_yield();
}

static int other_run(void *unused)
{
	__atomic_store_n(&steps->number[PID_OF_OTHER], (uint64_t)syscall(SYS_getpid),
			 __ATOMIC_RELEASE);
	__atomic_store_n(&steps->number[AT_STEP], 1, __ATOMIC_RELEASE);
	wait_for(&steps->number[STEP], 1);
	if (mmap(shared_hole, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		syscall(SYS_exit_group, 1);
	__atomic_store_n(&steps->number[AT_STEP], 2, __ATOMIC_RELEASE);
	wait_for(&steps->number[STEP], 2);
	syscall(SYS_exit_group, 0);
	return 0;
}

static char other_stack[64 * 1024] __attribute__((aligned(16)));

static void setup_other(struct child_shared *shared)
{
	char *block = mmap(NULL, 64 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(block != MAP_FAILED && munmap(block, 64 * P) == 0);
	shared_hole = block + 32 * P;
	steps = shared;
	memset(other_stack, 0, sizeof(other_stack));
}

/* Without an answer before the other process lets this one go on: see CLONE_VFORK. */
static long command_other(int flags, struct child_shared *shared)
{
	return clone(other_run, other_stack + sizeof(other_stack), flags | SIGCHLD, NULL) < 0;
}

static const struct sharer {
	const char *name;
	int flags;
	bool shares;
} sharers[] = {
	{ "a fork", 0, false },
	{ "a vfork child", CLONE_VM | CLONE_VFORK, true },
	{ "a process with the same memory", CLONE_VM, true },
};

static void test_other(enum memhint_cookie_kind kind, const struct sharer *sharer)
{
	bool is_exact = kind == MEMHINT_COOKIE_EXACT;
	struct memhint_process *process, *other;
	uint64_t before, now, others;
	struct child child;
	long answer;

	child_start(&child, setup_other, command_other);
	process = open_pid(child.pid);
	before = read_cookie(process, kind);
	must(write(child.command_fd, &sharer->flags, sizeof(int)) == sizeof(int));
	wait_for(&child.shared->number[AT_STEP], 1);
	/* Its answer, where it does not wait for the other's end: then it is quiet. */
	if (!(sharer->flags & CLONE_VFORK))
		must(read(child.answer_fd, &answer, sizeof(answer)) == sizeof(answer));
	other = open_pid((pid_t)child.shared->number[PID_OF_OTHER]);
	now = read_cookie(process, kind);
	/* A fork locks the mappings that it copies, so the kernel counts it as a change. */
	ok((now != before) == (is_exact && !sharer->shares), "%s: %s is %sa change", name_of(kind),
	   sharer->name, is_exact && !sharer->shares ? "" : "not ");
	others = read_cookie(other, kind);
	ok(others != now && others != before, "%s: %s has a cookie of its own", name_of(kind),
	   sharer->name);
	is(memhint_cookie_check(other, now), -ESTALE, "%s: and not the parent's", name_of(kind));
	is(memhint_cookie_check(process, others), -ESTALE, "%s: nor the other way", name_of(kind));

	__atomic_store_n(&child.shared->number[STEP], 1, __ATOMIC_RELEASE);
	wait_for(&child.shared->number[AT_STEP], 2);
	is(memhint_cookie_check(other, others), -ESTALE, "%s: it maps memory", name_of(kind));
	is(memhint_cookie_check(process, now), sharer->shares ? -ESTALE : 0, "%s: %s",
	   name_of(kind), sharer->shares ? "the parent's is the same" : "the parent's is another");
	now = read_cookie(process, kind);
	__atomic_store_n(&child.shared->number[STEP], 2, __ATOMIC_RELEASE);
	while (memhint_process_is_alive(other))
		sched_yield();
	if (sharer->flags & CLONE_VFORK)
		must(read(child.answer_fd, &answer, sizeof(answer)) == sizeof(answer));
	is(memhint_cookie_check(process, now), 0, "%s: its end is no change", name_of(kind));
	is(memhint_cookie_check(other, others), -ESRCH, "%s: and it is gone", name_of(kind));
	memhint_process_close(other);
	memhint_process_close(process);
	child_end(&child);
}

/* ---- exec ---- */

/* This program, run by exec: again and again, for each byte that it is told, by '+' with more to know. */
static int be_exec_target(const char *go, const char *ready)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(atoi(ready), "!", 1) == 1 && read(atoi(go), &byte, 1) == 1 &&
	    (byte == '!' || putenv("MEMHINT_TEST=x") == 0))
		execl("/proc/self/exe", "cookie", "be-exec-target", go, ready, NULL);
	return 0;
}

struct exec_target {
	pid_t pid;
	int go;
	int ready;
};

static void exec_target_start(struct exec_target *target, bool randomized)
{
	int go[2], ready[2];
	char byte;

	must(pipe(go) == 0 && pipe(ready) == 0);
	fflush(NULL);
	target->pid = fork();
	must(target->pid >= 0);
	if (target->pid == 0) {
		char numbers[2][12];

		close(go[1]);
		close(ready[0]);
		snprintf(numbers[0], sizeof(numbers[0]), "%d", go[0]);
		snprintf(numbers[1], sizeof(numbers[1]), "%d", ready[1]);
		if (!randomized)
			personality(ADDR_NO_RANDOMIZE);
		_exit(be_exec_target(numbers[0], numbers[1]));
	}
	close(go[0]);
	close(ready[1]);
	target->go = go[1];
	target->ready = ready[0];
	must(read(target->ready, &byte, 1) == 1);
}

static void exec_target_exec(struct exec_target *target, char what)
{
	char byte;

	must(write(target->go, &what, 1) == 1 && read(target->ready, &byte, 1) == 1);
}

static void exec_target_end(struct exec_target *target)
{
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
	close(target->go);
	close(target->ready);
}

static void test_exec(enum memhint_cookie_kind kind)
{
	struct memhint_process *process, *fresh;
	struct exec_target target;
	uint64_t before, after;

	exec_target_start(&target, true);
	process = open_pid(target.pid);
	before = read_cookie(process, kind);
	exec_target_exec(&target, '!');
	after = read_cookie(process, kind);
	ok(before != after, "%s: exec is a change", name_of(kind));
	is(memhint_cookie_check(process, before), -ESTALE, "%s: of which one is told",
	   name_of(kind));
	fresh = open_pid(target.pid);
	is(memhint_cookie_check(fresh, after), 0, "%s: it is of the memory that is there now",
	   name_of(kind));
	memhint_process_close(fresh);
	memhint_process_close(process);
	exec_target_end(&target);

	/* The same program at the same addresses. */
	exec_target_start(&target, false);
	exec_target_exec(&target, '!');
	process = open_pid(target.pid);
	before = read_cookie(process, kind);
	exec_target_exec(&target, '!');
	if (kind == MEMHINT_COOKIE_EXACT)
		is(memhint_cookie_check(process, before), -ESTALE,
		   "exact: exec to the same memory");
	else
		is(memhint_cookie_check(process, before), 0,
		   "fingerprint: exec to the same memory is not seen");
	before = read_cookie(process, kind);
	exec_target_exec(&target, '+');
	is(memhint_cookie_check(process, before), -ESTALE,
	   "%s: but to the same with another content", name_of(kind));
	memhint_process_close(process);
	exec_target_end(&target);
}

/* ---- whose it is ---- */

static void test_twins(enum memhint_cookie_kind kind)
{
	struct memhint_process *one, *two;
	struct child first, second;

	child_start(&first, NULL, NULL);
	child_start(&second, NULL, NULL);
	one = open_pid(first.pid);
	two = open_pid(second.pid);
	is(memhint_cookie_check(two, read_cookie(one, kind)), -ESTALE, "%s: another process",
	   name_of(kind));
	kill(first.pid, SIGKILL);
	waitid(P_PID, (id_t)first.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	is(memhint_cookie_check(one, read_cookie(two, kind)), -ESRCH, "%s: a zombie",
	   name_of(kind));
	child_end(&first);
	is(memhint_cookie_check(one, read_cookie(two, kind)), -ESRCH, "%s: a dead process",
	   name_of(kind));
	memhint_process_close(one);
	memhint_process_close(two);
	child_end(&second);
}

static bool choose_next_pid(pid_t pid)
{
	FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");

	return last && fprintf(last, "%d", pid - 1) > 0 && fclose(last) == 0;
}

static pid_t fork_idle(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int reuse_in_namespace(void *unused)
{
	struct memhint_process *first, *second;
	uint64_t cookies[2];
	int failures = 0;
	pid_t one, two;

	if (mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 100;
	one = fork_idle();
	if (memhint_process_open(P_PID, (id_t)one, &first) < 0)
		return 101;
	for_each_kind(kind) failures += cookie_read(first, kind, &cookies[kind_at]) != 0;
	kill(one, SIGKILL);
	waitpid(one, NULL, 0);
	if (!choose_next_pid(one))
		return 102;
	two = fork_idle();
	if (two != one)
		return 103;
	if (memhint_process_open(P_PID, (id_t)two, &second) < 0)
		return 104;
	for_each_kind(kind)
	{
		failures += memhint_cookie_check(first, cookies[kind_at]) != -ESRCH;
		failures += memhint_cookie_check(second, cookies[kind_at]) != -ESTALE;
		failures += cookie_read(first, kind, &cookies[kind_at]) != -ESRCH;
		failures += cookie_read(second, kind, &cookies[kind_at]) != 0;
		failures += memhint_cookie_check(second, cookies[kind_at]) != 0;
	}
	kill(two, SIGKILL);
	waitpid(two, NULL, 0);
	return failures;
}

static void test_reuse(void)
{
	static char stack[256 * 1024] __attribute__((aligned(16)));
	int status;
	pid_t pid;

	fflush(NULL);
	pid = clone(reuse_in_namespace, stack + sizeof(stack), CLONE_NEWPID | CLONE_NEWNS | SIGCHLD,
		    NULL);
	must(pid > 0 && waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status), "the namespace's init ended by itself");
	is(WEXITSTATUS(status), 0, "a reused PID is another process");
}

static void test_malformed(void)
{
	struct memhint_process *self = open_pid(getpid());

	is(memhint_cookie_check(self, 0), -EINVAL, "0 is no cookie");
	is(memhint_cookie_check(self, 1), -EINVAL, "nor is 1");
	is(memhint_cookie_check(self, UINT64_MAX), -EINVAL, "nor is -1");
	is(memhint_cookie_check(self, UINT64_MAX >> 2), -EINVAL, "nor is one of no kind");
	for_each_kind(kind) is(memhint_cookie_check(self, read_cookie(self, kind) ^ 1), -ESTALE,
			       "%s: one that was made up", name_of(kind));
	memhint_process_close(self);
}

/* ---- the other functions that give cookies ---- */

static void test_one_shot(void)
{
	struct memhint_process *process;
	uint64_t want, have = 0;
	struct child child;

	child_start(&child, NULL, NULL);
	process = open_pid(child.pid);
	must(memhint_process_cookie(process, &want) == 0);
	is(memhint_cookie_kind(want), kinds[0], "the best kind that there is: %s",
	   name_of(kinds[0]));
	is(memhint_cookie(P_PID, (id_t)child.pid, &have), 0, "by PID");
	ok(have == want, "the same");
	have = 0;
	is(memhint_cookie((idtype_t)P_PIDFD, (id_t)memhint_process_pidfd(process), &have), 0,
	   "by pidfd");
	ok(have == want, "the same");
	have = 5;
	ok(memhint_cookie((idtype_t)P_PIDFD, 9999, &have) == -1 && errno == EBADF, "no descriptor");
	ok(memhint_cookie(P_PGID, (id_t)child.pid, &have) == -1 && errno == EINVAL, "no such name");
	child_end(&child);
	ok(memhint_cookie(P_PID, (id_t)child.pid, &have) == -1 && errno == ESRCH, "nobody");
	is(memhint_process_cookie(process, &have), -ESRCH, "nor by handle");
	is(have, 5, "no output on failure");
	memhint_process_close(process);
}

static void test_maps(void)
{
	static const enum memhint_reader readers[] = { MEMHINT_READER_BPF, MEMHINT_READER_BPF_SEQ,
						       MEMHINT_READER_SMAPS, MEMHINT_READER_MAPS };
	struct memhint_process *process;
	struct child child;

	child_start(&child, setup_commands, command_run);
	process = open_pid(child.pid);
	child_tell(&child, TOUCH_AGAIN);
	for (size_t i = 0; i < 4; i++) {
		const struct memhint_map_options options = { .size = sizeof(options),
							     .reader = readers[i] };
		const char *name = memhint_reader_name(readers[i]);
		struct memhint_map *map;
		uint64_t cookie;

		if (i < 2 && kind_count < 2) {
			skip_one(name, "exact cookies do not work here");
			continue;
		}
		must(memhint_map_open(process, &options, &map) == 0);
		cookie = memhint_map_cookie(map);
		ok(cookie == read_cookie(process,
					 i < 2 ? MEMHINT_COOKIE_EXACT : MEMHINT_COOKIE_FINGERPRINT),
		   "a map by %s has the cookie of its kind", name);
		must(child_tell(&child, MMAP) == 0);
		ok(memhint_map_cookie(map) == cookie, "%s: that of the time when it was read",
		   name);
		is(memhint_cookie_check(process, cookie), -ESTALE, "%s: which has passed", name);
		must(memhint_map_refresh(map) == 0);
		is(memhint_cookie_check(process, memhint_map_cookie(map)), 0,
		   "%s: and with a fresh look comes a fresh one", name);
		memhint_map_close(map);
	}
	memhint_process_close(process);
	child_end(&child);
}

/* ---- want of descriptors ---- */

static void test_descriptors(void)
{
	struct memhint_process *process;
	struct rlimit limit, none;
	uint64_t cookie = 5;
	struct child child;
	int r, exact;

	child_start(&child, NULL, NULL);
	process = open_pid(child.pid);
	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = (struct rlimit){ .rlim_cur = 1, .rlim_max = limit.rlim_max };
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
	r = memhint_process_cookie(process, &cookie);
	exact = cookie_read(process, MEMHINT_COOKIE_EXACT, &cookie);
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	is(r, -EMFILE, "without a descriptor: no cookie of the other kind");
	is(exact, kind_count == 2 ? -EMFILE : -EOPNOTSUPP, "and for want of what");
	is(cookie, 5, "no output");
	must(memhint_process_cookie(process, &cookie) == 0);
	is(memhint_cookie_kind(cookie), kinds[0], "the same kind as before when there are some");
	memhint_process_close(process);
	child_end(&child);
}

/* ---- before anything is loaded: a user without rights, and another boot ---- */

static int status_of(int (*function)(struct child *child), struct child *child)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		_exit(function(child));
	must(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int be_ordinary(struct child *foreign)
{
	struct memhint_process *process;
	uint64_t cookie, exact;
	int failures = 0;
	pid_t pid;

	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return 100;
	if (memhint_process_open(P_PID, (id_t)foreign->pid, &process) < 0)
		return 101;
	failures += memhint_process_cookie(process, &cookie) != -EACCES;
	memhint_process_close(process);
	pid = fork_idle();
	if (memhint_process_open(P_PID, (id_t)pid, &process) < 0)
		return 102;
	failures += memhint_process_cookie(process, &cookie) != 0;
	failures += memhint_cookie_kind(cookie) != MEMHINT_COOKIE_FINGERPRINT;
	failures += memhint_cookie_check(process, cookie) != 0;
	failures += cookie_read(process, MEMHINT_COOKIE_EXACT, &exact) != -EOPNOTSUPP;
	failures += memhint_cookie_check(process, 5ull << 60) != -EOPNOTSUPP;
	failures += memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0;
	memhint_process_close(process);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return failures;
}

/* The cookies that the target would have after the machine was started again. */
static int read_in_other_boot(struct child *child)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	struct memhint_process *process;
	char own[] = "/tmp/memhint-test-XXXXXX";
	int fd = mkstemp(own), r;

	if (write(fd, "01234567-89ab-cdef-0123-456789abcdef\n", 37) != 37 ||
	    unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(own, path, NULL, MS_BIND, NULL) < 0) {
		unlink(own);
		return 100;
	}
	unlink(own);
	if (memhint_process_open(P_PID, (id_t)child->pid, &process) < 0)
		return 101;
	r = cookie_read(process, MEMHINT_COOKIE_FINGERPRINT, &child->shared->number[0]);
	if (r == 0 && memhint_process_cookie(process, &child->shared->number[1]) < 0)
		r = -1;
	return r != 0;
}

static void test_other_boot(struct child *child)
{
	struct memhint_process *process = open_pid(child->pid);
	uint64_t fingerprint = child->shared->number[0], best = child->shared->number[1];

	is(memhint_cookie_kind(fingerprint), MEMHINT_COOKIE_FINGERPRINT, "one of another boot");
	is(memhint_cookie_check(process, fingerprint), -ESTALE, "is of no use in this");
	is(memhint_cookie_kind(best), kinds[0], "another");
	is(memhint_cookie_check(process, best), -ESTALE, "is not either");
	memhint_process_close(process);
}

int main(int argc, char **argv)
{
	const char *lack;
	struct child child;

	if (argc == 4 && strcmp(argv[1], "be-exec-target") == 0)
		return be_exec_target(argv[2], argv[3]);
	if (geteuid() != 0)
		skip_all("needs root");
	child_start(&child, NULL, NULL);
	is(status_of(be_ordinary, &child), 0, "without rights: a fingerprint, and that is said");
	is(status_of(read_in_other_boot, &child), 0, "cookies of another boot");

	lack = exact_cookies_lack();
	if (lack) {
		skip_one("exact cookies", lack);
		ok(memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) < 0, "which the library knows");
	} else {
		is(memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE), 0, "exact cookies");
		kinds[kind_count++] = MEMHINT_COOKIE_EXACT;
	}
	kinds[kind_count++] = MEMHINT_COOKIE_FINGERPRINT;
	test_other_boot(&child);
	child_end(&child);
	test_descriptors();

	swap_begin();
	for_each_kind(kind) test_hints(kind);
	for_each_kind(kind) test_commands(kind);
	swap_end();
	for_each_kind(kind)
	{
		for (size_t i = 0; i < sizeof(sharers) / sizeof(sharers[0]); i++)
			test_other(kind, &sharers[i]);
		test_exec(kind);
		test_twins(kind);
	}
	test_reuse();
	test_malformed();
	test_one_shot();
	test_maps();
	return done_testing();
}
