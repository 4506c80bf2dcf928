/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever happens to who freezes, nothing is left frozen: a process that freezes, advises and thaws is
 * killed at random moments and at each of its system calls, and then every target must run again.
 */
#include "cgroup.h"
#include "freeze-scene.h"
#include "tap.h"

#include <memhint/guard.h>
#include <memhint/process.h>
#include <memhint/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANDOM_KILLS 1000
#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static struct target {
	const char *mode;
	const char *argument;
	struct scene scene;
	struct cgroup cgroup;
} targets[] = {
	{ .mode = "fork" },
	{ .mode = "exec" },
	{ .mode = "exec-thread" },
	{ .mode = "exit" },
	{ .mode = "clone" },
	{ .mode = "signals" },
	{ .mode = "count", .argument = "3" },
};

static char run_directory[] = "/tmp/memhint-freeze-kill-XXXXXX";
static _Atomic uint64_t *freezes; /* done by those that are killed */

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static pid_t target_pid(const struct target *target)
{
	return strcmp(target->mode, "exit") == 0 ? target->scene.shared->pid : target->scene.pid;
}

/* Freezes, hints and thaws one target. What it says may be anything: targets end, and hold others. */
static void freeze_one(const struct target *target, enum memhint_freeze_way way,
		       uint64_t timeout_usec)
{
	const struct memhint_freeze_options options = {
		.size = sizeof(options),
		.way = way,
		.timeout_usec = timeout_usec,
		.run_directory = run_directory,
	};
	struct memhint_process *process;
	struct memhint_freeze *freeze;

	if (memhint_process_open(P_PID, (id_t)target_pid(target), &process) < 0)
		return;
	if (memhint_freeze_open(&process, 1, &options, &freeze) == 0) {
		struct iovec nothing = {};

		memhint_process_madvise(memhint_process_pidfd(process), &nothing, 1, MADV_COLD, 0);
		(*freezes)++;
		memhint_freeze_close(freeze);
	}
	memhint_process_close(process);
}

static void run_victim(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		freeze_one(&targets[next_random() % TARGETS],
			   MEMHINT_FREEZE_TRACE + next_random() % 3, 20000);
	_exit(0);
}

static void spin(uint64_t nsec)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((uint64_t)(now.tv_sec - begin.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec -
		       (uint64_t)begin.tv_nsec <
	       nsec);
}

static unsigned int count_records(void)
{
	DIR *dir = opendir(run_directory);
	struct dirent *entry;
	unsigned int count = 0;

	must(dir);
	while ((entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

/* Undoes what was left, and says what is wrong then. */
static bool all_run(const char *when, uint64_t number)
{
	static struct scene_shared before[TARGETS];
	int r = memhint_freeze_recover(run_directory, NULL);
	bool good = true;

	if (r < 0) {
		printf("# %s %llu: recover: %s\n", when, (unsigned long long)number, strerror(-r));
		good = false;
	}
	for (size_t i = 0; i < TARGETS; i++)
		scene_remember(&targets[i].scene, &before[i]);
	for (size_t i = 0; i < TARGETS; i++) {
		pid_t pid = target_pid(&targets[i]);
		bool moves = scene_moves_since(&targets[i].scene, &before[i]);
		bool frozen = cgroup_is_frozen(&targets[i].cgroup);

		if (moves && !frozen)
			continue;
		printf("# %s %llu: %s (%d) is left %c, frozen %d\n", when,
		       (unsigned long long)number, targets[i].mode, pid, scene_state(pid), frozen);
		good = false;
	}
	if (count_records() > 0) {
		printf("# %s %llu: records are left\n", when, (unsigned long long)number);
		good = false;
	}
	return good;
}

static void test_random(void)
{
	pid_t parent = getpid();
	uint64_t kills = 0;
	bool good = true;

	while (good && kills < RANDOM_KILLS) {
		uint64_t before = *freezes;
		pid_t pid;

		next_random();
		fflush(NULL);
		pid = fork();
		must(pid >= 0);
		if (pid == 0)
			run_victim(parent);
		/* Some at once, some after it has frozen something. */
		if (next_random() % 4)
			while (*freezes == before)
				sched_yield();
		spin(next_random() % 1500000);
		kill(pid, SIGKILL);
		must(waitpid(pid, NULL, 0) == pid);
		kills++;
		good = all_run("kill", kills);
	}
	ok(good, "after each kill all targets run, and no record is left");
	is(kills, RANDOM_KILLS, "kills at random moments");
	ok(*freezes >= RANDOM_KILLS / 2, "%llu times something was frozen meanwhile",
	   (unsigned long long)*freezes);
}

/*
 * Lets a process freeze and thaw one target and kills it at its system call number @number: 1, or 0 if it
 * was through before.
 */
static int kill_at(const struct target *target, enum memhint_freeze_way way, unsigned int number)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		freeze_one(target, way, 10000000);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	must(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD) == 0);
	for (unsigned int stops = 0;;) {
		int number_in_hand = 0;

		if (WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			/* Before a call and after it: at each a stop of its own. */
			if (++stops == number)
				break;
		} else if (WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP) {
			number_in_hand = WSTOPSIG(status);
		}
		must(ptrace(PTRACE_SYSCALL, pid, NULL, (long)number_in_hand) == 0);
		must(waitpid(pid, &status, 0) == pid);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return 0;
	}
	kill(pid, SIGKILL);
	must(waitpid(pid, &status, 0) == pid);
	return 1;
}

static void test_each_call(const struct target *target, enum memhint_freeze_way way)
{
	uint64_t before = *freezes;
	unsigned int number = 1;
	bool good = true;

	while (good && kill_at(target, way, number)) {
		good = all_run("system call", number);
		number++;
	}
	ok(good, "%s by %s: killed at each of its %u stops at system calls", target->mode,
	   memhint_freeze_way_name(way), number - 1);
	ok(number > 30 && *freezes > before, "the last one came to its end");
}

int main(int argc, char **argv)
{
	if (geteuid() != 0)
		skip_all("needs root");
	random_state =
		argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL) * 2654435761u | 1;
	printf("# seed %llu\n", (unsigned long long)random_state);
	freezes = mmap(NULL, sizeof(*freezes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	must(freezes != MAP_FAILED);
	must(mkdtemp(run_directory));
	for (size_t i = 0; i < TARGETS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "kill-%zu", i);
		scene_start(&targets[i].scene, targets[i].mode, targets[i].argument);
		must(cgroup_make(&targets[i].cgroup, name));
		must(cgroup_add(&targets[i].cgroup, targets[i].scene.pid));
	}
	test_random();
	for (int way = MEMHINT_FREEZE_TRACE; way <= MEMHINT_FREEZE_SIGNAL; way++)
		test_each_call(&targets[TARGETS - 1], (enum memhint_freeze_way)way);
	for (size_t i = 0; i < TARGETS; i++) {
		scene_end(&targets[i].scene);
		ok(cgroup_end(&targets[i].cgroup), "nothing is left of %s", targets[i].mode);
	}
	ok(rmdir(run_directory) == 0, "nothing is left of the records");
	return done_testing();
}
