/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Advice of every sort inside a child, and what it finds of it; threads, signals, stops. */
#include "child.h"
#include "clock.h"
#include "inject-driver.h"
#include "inject.h"
#include "tap.h"
#include "uapi.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (1u << 20)
#define PAGE 4096u

static struct memhint_process *open_child(const struct child *child)
{
	struct memhint_process *process;

	must(memhint_process_open(P_PID, (id_t)child->pid, &process) == 0);
	return process;
}

static ssize_t advise(struct memhint_process *process, uint64_t address, size_t length, int advice)
{
	struct iovec range = { .iov_base = (void *)(uintptr_t)address, .iov_len = length };

	return inject_once(process, &range, 1, advice);
}

/* --- every advice ---------------------------------------------------------------------------------- */

enum { ANON, FILE_BACKED, SHARED, UNTOUCHED, THREADS };
enum { SUM_ANON, SUM_SHARED, COUNT_RESIDENT };

static void map_all(struct child_shared *shared)
{
	int file = memfd_create("inject", MFD_CLOEXEC);

	if (ftruncate(file, SIZE) < 0)
		_exit(3);
	for (int i = 0; i <= UNTOUCHED; i++) {
		bool has_file = i == FILE_BACKED;
		char *address = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				     (i == SHARED ? MAP_SHARED | MAP_ANONYMOUS
				      : has_file  ? MAP_PRIVATE
						  : MAP_PRIVATE | MAP_ANONYMOUS),
				     has_file ? file : -1, 0);

		/* A page between them, so that no two are one mapping. */
		if (address == MAP_FAILED ||
		    mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			_exit(3);
		if (i != UNTOUCHED)
			memset(address, 'a' + i, SIZE);
		shared->address[i] = (uintptr_t)address;
	}
}

static long sum_of(const struct child_shared *shared, int which)
{
	const unsigned char *bytes = (const unsigned char *)(uintptr_t)shared->address[which];
	long sum = 0;

	for (size_t i = 0; i < SIZE; i += PAGE)
		sum += bytes[i];
	return sum;
}

/* A command from here on: an advice, and above it the mapping that it is for, plus one. */
#define ADVISE_ITSELF (1 << 20)

static long advise_itself(int what, const struct child_shared *shared)
{
	void *address = (void *)(uintptr_t)shared->address[what / ADVISE_ITSELF - 1];

	return madvise(address, SIZE, what % ADVISE_ITSELF) == 0 ? (long)SIZE : -errno;
}

static long answer(int what, struct child_shared *shared)
{
	unsigned char resident[SIZE / PAGE];
	long count = 0;

	if (what >= ADVISE_ITSELF)
		return advise_itself(what, shared);
	switch (what) {
	case SUM_ANON:
		return sum_of(shared, ANON);
	case SUM_SHARED:
		return sum_of(shared, SHARED);
	default:
		if (mincore((void *)(uintptr_t)shared->address[UNTOUCHED], SIZE, resident) < 0)
			return -errno;
		for (size_t i = 0; i < sizeof(resident); i++)
			count += resident[i] & 1;
		return count;
	}
}

/* Whether the mapping at @address has a flag in its VmFlags. */
static bool has_flag(pid_t pid, uint64_t address, const char *flag)
{
	char path[64], line[512], wanted[8];
	bool here = false, found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	snprintf(wanted, sizeof(wanted), " %s", flag);
	file = fopen(path, "re");
	must(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long long start, end;

		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			here = start <= address && address < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, wanted) != NULL;
	}
	fclose(file);
	return found;
}

/* An advice that sets a flag, and one that takes it back. */
static const struct {
	const char *name, *flag;
	int set, clear, where;
} flags[] = {
	{ "RANDOM", "rr", MADV_RANDOM, MADV_NORMAL, ANON },
	{ "SEQUENTIAL", "sr", MADV_SEQUENTIAL, MADV_NORMAL, FILE_BACKED },
	{ "DONTFORK", "dc", MADV_DONTFORK, MADV_DOFORK, ANON },
	{ "MERGEABLE", "mg", MADV_MERGEABLE, MADV_UNMERGEABLE, ANON },
	{ "HUGEPAGE", "hg", MADV_HUGEPAGE, MADV_NOHUGEPAGE, ANON },
	{ "NOHUGEPAGE", "nh", MADV_NOHUGEPAGE, MADV_HUGEPAGE, UNTOUCHED },
	{ "DONTDUMP", "dd", MADV_DONTDUMP, MADV_DODUMP, FILE_BACKED },
	{ "WIPEONFORK", "wf", MADV_WIPEONFORK, MADV_KEEPONFORK, ANON },
};

/* Those of which this test sees only that they are taken as from the child itself. */
static const struct {
	const char *name;
	int advice, where;
} others[] = {
	{ "WILLNEED", MADV_WILLNEED, FILE_BACKED }, { "COLD", MADV_COLD, ANON },
	{ "PAGEOUT", MADV_PAGEOUT, ANON },	    { "COLLAPSE", MADV_COLLAPSE, ANON },
	{ "one that does not exist", 9999, ANON },
};

static void test_flags(const struct child *child, struct memhint_process *process)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		uint64_t address = child->shared->address[flags[i].where];
		char *own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		bool is_known = madvise(own, SIZE, flags[i].set) == 0;

		munmap(own, SIZE);
		if (!is_known) {
			is(advise(process, address, SIZE, flags[i].set), -EINVAL,
			   "%s is not known to this kernel, and it says so", flags[i].name);
			continue;
		}
		ok(!has_flag(child->pid, address, flags[i].flag), "%s: not yet", flags[i].name);
		is(advise(process, address, SIZE, flags[i].set), SIZE, "given");
		ok(has_flag(child->pid, address, flags[i].flag), "its mapping has it");
		is(advise(process, address, SIZE, flags[i].clear), SIZE, "taken back");
		ok(!has_flag(child->pid, address, flags[i].flag), "it has it no more");
	}
}

static void test_others(struct child *child, struct memhint_process *process)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		int what = (others[i].where + 1) * ADVISE_ITSELF + others[i].advice;

		is(advise(process, child->shared->address[others[i].where], SIZE, others[i].advice),
		   child_tell(child, what), "%s: as when it does so itself", others[i].name);
	}
}

static void test_contents(struct child *child, struct memhint_process *process)
{
	const uint64_t *address = child->shared->address;
	const long pages = SIZE / PAGE;

	is(child_tell(child, COUNT_RESIDENT), 0, "memory that was never touched");
	is(advise(process, address[UNTOUCHED], SIZE / 2, MADV_POPULATE_READ), SIZE / 2,
	   "POPULATE_READ");
	is(advise(process, address[UNTOUCHED] + SIZE / 2, SIZE / 2, MADV_POPULATE_WRITE), SIZE / 2,
	   "POPULATE_WRITE");
	is(child_tell(child, COUNT_RESIDENT), pages, "it is there");

	is(child_tell(child, SUM_ANON), pages * 'a', "what was written");
	is(advise(process, address[ANON], SIZE / 2, MADV_DONTNEED), SIZE / 2, "DONTNEED");
	is(child_tell(child, SUM_ANON), pages / 2 * 'a', "half of it is lost");
	is(advise(process, address[ANON], SIZE, MADV_FREE), SIZE, "FREE");
	is(child_tell(child, SUM_SHARED), pages * ('a' + SHARED), "shared memory");
	is(advise(process, address[SHARED], SIZE / 4, MADV_REMOVE), SIZE / 4, "REMOVE");
	is(child_tell(child, SUM_SHARED), pages * 3 / 4 * ('a' + SHARED),
	   "a quarter of it is lost");
}

static void test_errors(const struct child *child, struct memhint_process *process)
{
	uint64_t address = child->shared->address[ANON];
	struct iovec ranges[3] = {
		{ (void *)(uintptr_t)address, PAGE },
		{ (void *)(uintptr_t)(address + PAGE), PAGE + 1 },
		{ (void *)(uintptr_t)(address + 1), PAGE },
	};

	is(inject_once(process, ranges, 3, MADV_NORMAL), 2 * PAGE + 1,
	   "it stops at the range that fails, and counts lengths as given");
	is(inject_once(process, ranges + 2, 1, MADV_NORMAL), -EINVAL,
	   "EINVAL as the target got it");
	is(advise(process, 0x1000, PAGE, MADV_NORMAL), -ENOMEM, "ENOMEM where nothing is mapped");
	is(advise(process, address, 0, MADV_NORMAL), 0, "no bytes");
	is(inject_once(process, ranges, 0, MADV_NORMAL), 0, "no ranges");
	is(advise(process, UINT64_MAX - PAGE + 1, PAGE, MADV_NORMAL), -EINVAL,
	   "a range that wraps around");
}

static void test_advice(void)
{
	struct memhint_process *process;
	struct child child;

	child_start(&child, map_all, answer);
	process = open_child(&child);
	test_flags(&child, process);
	test_others(&child, process);
	test_contents(&child, process);
	test_errors(&child, process);
	memhint_process_close(process);
	child_end(&child);
}

/* --- without ending between calls ------------------------------------------------------------------ */

static void test_many(void)
{
	struct memhint_process *process;
	struct injector *injector;
	struct iovec ranges[64];
	struct trace trace;
	struct child child;

	child_start(&child, map_all, answer);
	process = open_child(&child);
	for (size_t i = 0; i < 64; i++)
		ranges[i] = (struct iovec){
			(char *)(uintptr_t)child.shared->address[ANON] + 2 * i * PAGE, PAGE
		};
	is(inject_open(process, &injector), 0, "an injector");
	for (int round = 0; round < 3; round++) {
		must(trace_begin(&trace, process) == 0);
		must(trace_wait(&trace, clock_usec() + 20000000) == 0);
		is(inject_begin(injector, &trace), 0, "begun");
		is(inject_advise(injector, ranges, 64, MADV_RANDOM), 64 * PAGE, "64 ranges");
		is(inject_advise(injector, ranges, 1, 9999), -EINVAL, "then an error");
		is(inject_advise(injector, ranges, 64, MADV_NORMAL), 64 * PAGE, "then 64 more");
		inject_end(injector);
		trace_end(&trace);
		is(child_tell(&child, SUM_ANON), SIZE / PAGE * 'a', "the child goes on");
	}
	must(trace_begin(&trace, process) == 0);
	must(trace_wait(&trace, clock_usec() + 20000000) == 0);
	is(inject_begin(injector, &trace), 0, "begun, and no call made");
	inject_close(injector);
	trace_end(&trace);
	is(child_tell(&child, SUM_ANON), SIZE / PAGE * 'a', "the child goes on");
	memhint_process_close(process);
	child_end(&child);
}

/* --- signals --------------------------------------------------------------------------------------- */

static struct child_shared *signal_shared;
enum { HANDLED, WRONG, STEPS, FINISH, IN_HANDLER, QUEUED };

static void count_signal(int signal)
{
	__atomic_add_fetch(&signal_shared->number[HANDLED], 1, __ATOMIC_RELAXED);
}

static void count_queued(int signal)
{
	__atomic_add_fetch(&signal_shared->number[QUEUED], 1, __ATOMIC_RELAXED);
}

/* Counts in two places that a signal handler never sees apart, as it runs on this thread. */
static void run_with_timer(struct child_shared *shared)
{
	struct itimerval timer = { { 0, 500 }, { 0, 500 } };
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	signal_shared = shared;
	map_all(shared);
	sigaction(SIGALRM, &action, NULL);
	action.sa_flags |= SA_NODEFER;
	sigaction(SIGPROF, &action, NULL);
	action.sa_handler = count_queued;
	sigaction(SIGRTMIN, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	setitimer(ITIMER_PROF, &timer, NULL);
}

static long spin(int what, struct child_shared *shared)
{
	volatile uint64_t *number = shared->number;
	uint64_t checksum = 0;

	while (!number[FINISH]) {
		uint64_t before = checksum;
		double number_a = (double)(checksum & 0xff), number_b = number_a * 3.5;

		for (int i = 0; i < 100; i++)
			checksum = checksum * 31 + 7;
		for (int i = 0; i < 100; i++)
			before = before * 31 + 7;
		if (before != checksum || number_b != (double)(number_a * 3.5))
			number[WRONG]++;
		number[STEPS]++;
	}
	return (long)number[WRONG];
}

static void test_signals(void)
{
	struct memhint_process *process;
	unsigned int given = 0, died = 0;
	struct child child;
	int what = 0;
	long wrong;

	child_start(&child, run_with_timer, spin);
	process = open_child(&child);
	must(write(child.command_fd, &what, sizeof(what)) == sizeof(what));
	while (!((volatile uint64_t *)child.shared->number)[STEPS])
		sched_yield();
	for (int i = 0; i < 300; i++) {
		ssize_t n;

		must(sigqueue(child.pid, SIGRTMIN, (union sigval){ .sival_int = i }) == 0);
		n = advise(process, child.shared->address[ANON], SIZE, MADV_NORMAL);
		given += n == (ssize_t)SIZE;
		if (n != (ssize_t)SIZE)
			printf("# %zd\n", n);
	}
	is(given, 300, "given among signals");
	for (int i = 0; i < 60; i++) {
		struct iovec range = { (void *)(uintptr_t)child.shared->address[ANON], SIZE };

		must(sigqueue(child.pid, SIGRTMIN, (union sigval){ .sival_int = i }) == 0);
		died += die_injecting(process, &range, MADV_NORMAL, i % DEATHS) == 1;
	}
	ok(died > 30, "and by some who have died");
	child.shared->number[FINISH] = 1;
	must(read(child.answer_fd, &wrong, sizeof(wrong)) == sizeof(wrong));
	is(wrong, 0, "the target has gone on rightly");
	ok(child.shared->number[HANDLED] > 0, "and its handlers have run");
	is(child.shared->number[QUEUED], 360, "once for each signal");
	memhint_process_close(process);
	child_end(&child);
}

static void handle_on_stack(int signal)
{
	volatile uint64_t *number = signal_shared->number;

	number[IN_HANDLER] = 1;
	while (number[IN_HANDLER])
		;
}

static void set_up_handler(struct child_shared *shared, int flags_of_action)
{
	static char alternate[65536];
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_handler = handle_on_stack, .sa_flags = flags_of_action };

	signal_shared = shared;
	map_all(shared);
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

static void set_up_plain_handler(struct child_shared *shared)
{
	set_up_handler(shared, SA_RESTART);
}

static void set_up_alternate_handler(struct child_shared *shared)
{
	set_up_handler(shared, SA_RESTART | SA_ONSTACK);
}

/* In a handler: on the thread's stack it can be done, on the alternate one there is no telling what is free. */
static void test_handler(bool is_alternate)
{
	struct memhint_process *process;
	struct child child;
	ssize_t n;

	child_start(&child, is_alternate ? set_up_alternate_handler : set_up_plain_handler, answer);
	process = open_child(&child);
	kill(child.pid, SIGUSR1);
	while (!((volatile uint64_t *)child.shared->number)[IN_HANDLER])
		sched_yield();
	n = advise(process, child.shared->address[ANON], SIZE, MADV_NORMAL);
	if (is_alternate)
		is(n, -EBUSY, "not on an alternate stack");
	else
		is(n, SIZE, "in a signal handler");
	child.shared->number[IN_HANDLER] = 0;
	is(child_tell(&child, SUM_ANON), SIZE / PAGE * 'a', "it returns from the handler");
	memhint_process_close(process);
	child_end(&child);
}

/* --- stops ----------------------------------------------------------------------------------------- */

static char state_of(pid_t pid)
{
	char path[64], text[512];
	char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	must(n > 0);
	text[n] = '\0';
	end = strrchr(text, ')');
	must(end);
	return end[2];
}

static bool wait_for_state(pid_t pid, char state)
{
	uint64_t deadline_usec = clock_usec() + 20000000;

	while (state_of(pid) != state) {
		if (clock_usec() > deadline_usec)
			return false;
		sched_yield();
	}
	return true;
}

static void test_stopped(void)
{
	struct memhint_process *process;
	struct child child;

	child_start(&child, map_all, answer);
	process = open_child(&child);
	kill(child.pid, SIGSTOP);
	ok(wait_for_state(child.pid, 'T'), "stopped by a signal");
	for (int i = 0; i < 3; i++) {
		is(advise(process, child.shared->address[ANON], SIZE, MADV_RANDOM), SIZE,
		   "it takes advice");
		ok(wait_for_state(child.pid, 'T'), "and is stopped afterwards");
	}
	for (int stops = 0; stops < DEATHS; stops++) {
		struct iovec range = { (void *)(uintptr_t)child.shared->address[ANON], SIZE };

		ok(die_injecting(process, &range, MADV_RANDOM, stops) != 0, "and a death");
		ok(wait_for_state(child.pid, 'T'), "and is stopped afterwards");
	}
	kill(child.pid, SIGCONT);
	is(child_tell(&child, SUM_ANON), SIZE / PAGE * 'a', "until it is continued");
	ok(has_flag(child.pid, child.shared->address[ANON], "rr"), "the advice was taken");
	memhint_process_close(process);
	child_end(&child);
}

/* SIGSTOP and SIGCONT from another process all the time, and no SIGCONT is lost. */
static void test_stopping(void)
{
	struct memhint_process *process;
	unsigned int odd = 0;
	struct child child;
	pid_t other;

	child_start(&child, map_all, answer);
	process = open_child(&child);
	fflush(NULL);
	other = fork();
	must(other >= 0);
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			kill(child.pid, SIGSTOP);
			for (volatile int i = 0; i < 20000; i++)
				;
			kill(child.pid, SIGCONT);
			for (volatile int i = 0; i < 20000; i++)
				;
		}
	}
	for (int i = 0; i < 300; i++) {
		ssize_t n = advise(process, child.shared->address[ANON], SIZE, MADV_NORMAL);

		if (n != (ssize_t)SIZE && n != -EBUSY) {
			odd++;
			printf("# %zd\n", n);
		}
	}
	is(odd, 0, "given to a target that is stopped and continued all the time");
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	kill(child.pid, SIGCONT);
	is(child_tell(&child, SUM_ANON), SIZE / PAGE * 'a', "it goes on");
	memhint_process_close(process);
	child_end(&child);
}

/* --- threads --------------------------------------------------------------------------------------- */

static void *run_thread(void *data)
{
	volatile uint64_t *stop = data;
	volatile uint64_t count = 0;

	while (!*stop)
		count++;
	return NULL;
}

static pthread_t threads[8];

static void start_threads(struct child_shared *shared)
{
	map_all(shared);
	for (size_t i = 0; i < 8; i++) {
		if (pthread_create(&threads[i], NULL, run_thread, &shared->number[FINISH]) != 0)
			_exit(3);
	}
}

static long join_threads(int what, struct child_shared *shared)
{
	shared->number[FINISH] = 1;
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	return 8;
}

static void test_threads(void)
{
	struct memhint_process *process;
	unsigned int given = 0;
	struct child child;

	child_start(&child, start_threads, join_threads);
	process = open_child(&child);
	for (int i = 0; i < 30; i++)
		given += advise(process, child.shared->address[ANON], SIZE, MADV_RANDOM) ==
			 (ssize_t)SIZE;
	is(given, 30, "given to a target with 9 threads");
	is(child_tell(&child, 0), 8, "all of them go on");
	memhint_process_close(process);
	child_end(&child);
}

/* --- the end of the target ------------------------------------------------------------------------- */

static void test_killed(void)
{
	unsigned int odd = 0, gone = 0;
	uint32_t seed = 7;

	for (int i = 0; i < 100; i++) {
		struct memhint_process *process;
		struct child child;
		pid_t killer;
		ssize_t n;

		child_start(&child, map_all, answer);
		process = open_child(&child);
		seed = seed * 1103515245u + 12345u;
		fflush(NULL);
		killer = fork();
		must(killer >= 0);
		if (killer == 0) {
			uint64_t until_usec = clock_usec() + (seed >> 16) % 1500;

			while (clock_usec() < until_usec)
				;
			kill(child.pid, SIGKILL);
			_exit(0);
		}
		do
			n = advise(process, child.shared->address[ANON], SIZE, MADV_NORMAL);
		while (n == (ssize_t)SIZE);
		if (n == -ESRCH) {
			gone++;
		} else {
			odd++;
			printf("# %zd\n", n);
		}
		waitpid(killer, NULL, 0);
		memhint_process_close(process);
		child_end(&child);
	}
	is(odd, 0, "a target that is killed meanwhile: ESRCH each time");
	is(gone, 100, "100 times");
}

#define EXECS_GIVEN 10

/* A shell that replaces itself by itself until a file is no longer empty. */
static void test_exec(void)
{
	static const char script[] =
		"[ -s /proc/self/fd/9 ] && exit 42; exec sh -c \"$1\" sh \"$1\"";
	uint64_t deadline_usec = clock_usec() + 60000000;
	unsigned int odd = 0, given = 0;
	struct memhint_process *process;
	int status, file = memfd_create("inject-exec", 0);
	pid_t pid;

	must(file >= 0);
	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(file, 9) == 9)
			execl("/bin/sh", "sh", "-c", script, "sh", script, NULL);
		_exit(1);
	}
	must(memhint_process_open(P_PID, (id_t)pid, &process) == 0);
	while (given < EXECS_GIVEN && clock_usec() < deadline_usec) {
		ssize_t n = advise(process, 0x1000, 0, MADV_NORMAL);

		given += n == 0;
		/* Between two address spaces there is none to give it to. */
		if (n != 0 && n != -EBUSY && n != -ESRCH) {
			odd++;
			printf("# %zd\n", n);
		}
	}
	is(odd, 0, "a target that execs all the time");
	is(given, EXECS_GIVEN, "is given advice");
	must(write(file, "x", 1) == 1);
	must(waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 42, "and it ends as it would have");
	memhint_process_close(process);
	close(file);
}

/* A program of the other word size. */
#if TARGET_KINDS > 1
static void test_narrow(void)
{
	struct memhint_process *process;
	struct target target;
	const char *why = target_start(&target, &target_kinds[1], TARGET_SPIN);

	if (why) {
		skip_one("a 32-bit program", why);
		return;
	}
	must(memhint_process_open(P_PID, (id_t)target.pid, &process) == 0);
	is(advise(process, target.shared->address, target.shared->length, MADV_DONTDUMP),
	   target.shared->length, "a 32-bit program");
	ok(has_flag(target.pid, target.shared->address, "dd"), "its mapping has the flag");
	is(advise(process, target.shared->address, 1, 9999), -EINVAL, "an error");
	is(advise(process, 1ull << 32, PAGE, MADV_NORMAL), -ENOMEM, "what it cannot have mapped");
	is(advise(process, target.shared->address, 1ull << 32, MADV_NORMAL), -ENOMEM,
	   "nor so much of it");
	ok(target_goes_on(&target, 10) && target_is_whole(&target), "it goes on");
	memhint_process_close(process);
	target_end(&target);
}
#endif

int main(void)
{
	struct memhint_process *self;
	struct injector *injector;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	if (inject_open(self, &injector) == -EOPNOTSUPP)
		skip_all("not on this architecture");
	inject_close(injector);
	memhint_process_close(self);
	test_advice();
#if TARGET_KINDS > 1
	test_narrow();
#endif
	test_many();
	test_signals();
	test_handler(false);
	test_handler(true);
	test_stopped();
	test_stopping();
	test_threads();
	test_killed();
	test_exec();
	return done_testing();
}
