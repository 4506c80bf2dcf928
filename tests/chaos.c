/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chaos.h"

#include "chaos-slot.h"
#include "cleanup.h"
#include "clock.h"
#include "procfile.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIN_BYTES (16u << 10) /* of mappings to hint: what the target's blocks have at least */
#define IDLE_PAUSE_USEC 50u   /* canaries of all targets wait to be looked at */
#define CONTROL_PAUSE_USEC 10000u
#define MANAGER_NICE (-20)
#define CALLS_KEPT 16u	     /* no canary is older */
#define UNLUCKY 10u	     /* times as many calls */
#define STUCK_USEC 10000000u /* a target that does nothing for so long is stopped */

struct target {
	pid_t pid;
	int slot_fd;
	struct chaos_slot *slot;
	struct memhint_process *process;
	uint64_t calls;
	uint64_t met_epoch; /* canaries that a call has met, and that are there yet */
	uint64_t hits_counted;
	int outcomes[CALLS_KEPT]; /* of the last calls */
};

struct run {
	struct chaos_options options;
	struct chaos_account *account;
	struct target targets[CHAOS_TARGETS];
	int advices[2];
	uint32_t signs[2];
};

static void target_spawn(struct target *target)
{
	char name[] = "chaos-target", role[] = "run";
	char *arguments[] = { name, role, NULL };
	char *environment[] = { NULL };

	fflush(NULL);
	target->pid = fork();
	must(target->pid >= 0);
	setpgid(target->pid, 0); /* by both, as either may be first; its children are found by it */
	if (target->pid != 0)
		return;
	setpriority(PRIO_PROCESS, 0, 0);
	if (target->slot_fd == CHAOS_SLOT_FD)
		fcntl(CHAOS_SLOT_FD, F_SETFD, 0);
	else
		dup2(target->slot_fd, CHAOS_SLOT_FD);
	execve(CHAOS_TARGET, arguments, environment);
	_exit(127);
}

static void target_make(struct target *target, const struct run *run, uint64_t seed)
{
	target->slot_fd = memfd_create("chaos-slot", MFD_CLOEXEC);
	must(target->slot_fd >= 0);
	must(ftruncate(target->slot_fd, (off_t)sizeof(*target->slot)) == 0);
	target->slot = mmap(NULL, sizeof(*target->slot), PROT_READ | PROT_WRITE, MAP_SHARED,
			    target->slot_fd, 0);
	must(target->slot != MAP_FAILED);
	target->slot->manager = getpid();
	target->slot->seed = seed;
	memcpy(target->slot->signs, run->signs, sizeof(run->signs));
	target_spawn(target);
}

/* Until it is under way. */
static void target_await(const struct target *target)
{
	siginfo_t info = {};

	while (!target->slot->operations) {
		must(waitid(P_PID, (id_t)target->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
		/* One that ends before it has begun cannot be started at all. */
		must(!info.si_pid || target->slot->operations);
		sched_yield();
	}
}

/* What it and its children leave is reaped as this process's own, which is their subreaper. */
static void target_reap(struct target *target)
{
	kill(-target->pid, SIGKILL);
	while (waitpid(-target->pid, NULL, 0) > 0 || errno == EINTR)
		;
	must(errno == ECHILD);
}

static void target_end(struct target *target)
{
	memhint_process_close(target->process);
	target_reap(target);
	munmap(target->slot, sizeof(*target->slot));
	close(target->slot_fd);
}

/* It ended, as it does from time to time, and another takes its place. */
static void target_again(struct target *target, struct chaos_account *account)
{
	siginfo_t info = {};

	must(waitid(P_PID, (id_t)target->pid, &info, WEXITED | WNOWAIT) == 0);
	account->exits_seen++;
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		account->crashes++;
		fprintf(stderr, "# a target ended: code %d, status %d; line %d, %s\n", info.si_code,
			info.si_status, target->slot->failed_line,
			strerror(target->slot->failed_error));
	}
	memhint_process_close(target->process);
	target->process = NULL;
	target_reap(target);
	target->slot->seed++;
	target_spawn(target);
}

/* 0, or -ESRCH: it ended before it had done anything. */
static int target_open(struct target *target)
{
	return target->process ? 0
			       : memhint_process_open(P_PID, (id_t)target->pid, &target->process);
}

/* Between selection and advice: until canaries are where other memory was. */
static void target_provoke(struct target *target, uint64_t call)
{
	target->slot->provoke = call;
	while (target->slot->provoked < call && memhint_process_is_alive(target->process))
		sched_yield();
}

static void call_account(struct run *run, const struct memhint_result *result, int r)
{
	struct chaos_account *account = run->account;

	account->calls++;
	account->system_calls += result->syscalls;
	account->advised_bytes += result->advised.bytes;
	account->looks += result->looks;
	account->changed_bytes += result->skipped_by[MEMHINT_SKIP_CHANGED].bytes;
	account->frozen_usec += result->frozen_usec;
	if (r == -ESTALE && result->advised.bytes)
		account->stale_after++;
	else if (r == -ESTALE)
		account->stale_before++;
}

static bool call_provokes(const struct run *run, uint64_t call)
{
	return run->options.provoke_every && call % run->options.provoke_every == 0;
}

/* One look and one call of memhint_advise(); 0 or its error. */
static int target_hint(struct run *run, struct target *target, uint64_t call)
{
	const struct memhint_map_options map_options = { .size = sizeof(map_options),
							 .want = MEMHINT_MAP_UNPACED };
	const struct memhint_filter filter = { .size = sizeof(filter),
					       .flags = MEMHINT_FILTER_UNPACED,
					       .kinds = MEMHINT_KIND_ANON,
					       .min_bytes = MIN_BYTES };
	struct memhint_advise_options options = { .size = sizeof(options),
						  .pace = MEMHINT_PACE_NONE,
						  .guard = run->options.guard,
						  .via = run->options.via };
	int advice = run->advices[call % 2], r;
	struct memhint_ranges *ranges = NULL;
	struct memhint_result result;
	struct memhint_map *map;

	r = memhint_map_open(target->process, &map_options, &map);
	if (r < 0)
		return r;
	r = memhint_select(target->process, map, &filter, advice, &ranges);
	if (r == 0) {
		if (call_provokes(run, call)) {
			target_provoke(target, call);
			run->account->provoked++;
		}
		options.map = map;
		r = memhint_advise(target->process, ranges, advice, &options, &result);
		call_account(run, &result, r);
	}
	memhint_ranges_free(ranges);
	memhint_map_close(map);
	return r;
}

/* Whose fault each canary that was hit is: of a call that said so, or of one that did not. */
static void hits_account(const struct run *run, struct target *target)
{
	struct chaos_account *account = run->account;
	uint64_t count = target->slot->hit_count;

	must(count - target->hits_counted <= CHAOS_HITS);
	for (; target->hits_counted < count; target->hits_counted++) {
		uint64_t call = target->slot->hits[target->hits_counted % CHAOS_HITS].call;

		must(!target->calls ||
		     (call <= target->calls && target->calls - call < CALLS_KEPT));
		if (target->calls && target->outcomes[call % CALLS_KEPT] == -ESTALE) {
			account->raced_and_reported++;
			continue;
		}
		account->wrong_ranges++;
		account->wrong_unprovoked += !call_provokes(run, call);
	}
}

/* Memory goes some time before the process does. */
static bool target_is_ending(const struct target *target)
{
	struct proc_stat stat;

	return !memhint_process_is_alive(target->process) ||
	       (proc_stat_read(memhint_process_dirfd(target->process), &stat) == 0 &&
		(stat.flags & PROC_FLAG_EXITING));
}

static void outcome_account(struct run *run, struct target *target, int r)
{
	if (r == -ESRCH && target_is_ending(target)) {
		target_again(target, run->account);
	} else if (r == -ESRCH) {
		run->account->execs_seen++;
	} else if (r == -ETIMEDOUT) {
		run->account->timeouts++;
	} else if (r < 0 && r != -ESTALE) {
		run->account->errors++;
		if (!run->account->first_error)
			run->account->first_error = r;
	}
}

/* False: not now. */
static bool target_turn(struct run *run, struct target *target)
{
	struct chaos_slot *slot = target->slot;
	uint64_t call = target->calls + 1;
	int r = target_open(target);

	if (r == -ESRCH || (r == 0 && !memhint_process_is_alive(target->process))) {
		target_again(target, run->account);
		return true;
	}
	must(r == 0);
	if (slot->epoch % 2 && slot->epoch == target->met_epoch) {
		run->account->held_back++;
		return false;
	}
	target->calls = call;
	slot->call_begun = call;
	r = target_hint(run, target, call);
	target->outcomes[call % CALLS_KEPT] = r;
	slot->call_ended = call;
	target->met_epoch = slot->epoch;
	outcome_account(run, target, r);
	hits_account(run, target);
	return true;
}

/* Any thread of it. Nobody but the manager stops them, and none of its calls is going on. */
static bool target_is_stopped(const struct target *target)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	const struct dirent *entry;
	int fd = openat(memhint_process_dirfd(target->process), "task",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	tasks = fd < 0 ? NULL : fdopendir(fd);
	while (tasks && (entry = readdir(tasks))) {
		_cleanup_close_ int task = openat(fd, entry->d_name, O_DIRECTORY | O_CLOEXEC);
		struct proc_stat stat;

		if (entry->d_name[0] != '.' && task >= 0 && proc_stat_read(task, &stat) == 0 &&
		    (stat.state == 'T' || stat.state == 't'))
			return true;
	}
	return false;
}

/* After the last call: it runs on. One that ends in the meantime is not stopped either. */
static bool target_moves_on(const struct target *target)
{
	uint64_t operations = target->slot->operations;
	uint64_t deadline_usec = clock_usec() + STUCK_USEC;

	while (target->slot->operations == operations) {
		if (!memhint_process_is_alive(target->process))
			return true;
		if (clock_usec() > deadline_usec)
			return false;
		sched_yield();
	}
	return !target_is_stopped(target);
}

/* A target that ends by itself is replaced; here, too, as the counts go on. */
static void target_finish(struct run *run, struct target *target)
{
	struct chaos_account *account = run->account;
	struct chaos_slot *slot = target->slot;

	while (target_open(target) == -ESRCH)
		target_again(target, account);
	if (!target_moves_on(target))
		account->left_stopped++;
	/* So that what hit the last canaries is told, if there is anybody to tell. */
	while (!target_is_stopped(target) && slot->epoch % 2 && slot->epoch == target->met_epoch &&
	       memhint_process_is_alive(target->process))
		sched_yield();
	hits_account(run, target);
	account->canaries += slot->canaries;
	account->operations += slot->operations;
	account->forks += slot->forks;
	account->execs += slot->execs;
	account->threads += slot->threads;
	account->verified_bytes += slot->verified_bytes;
	account->contents_lost += slot->lost;
	account->crashes += slot->crashes;
	target_end(target);
}

static uint64_t cpu_usec(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The control: as long, with as many turns, but no call. */
static bool target_leave_alone(struct run *run, struct target *target)
{
	if (target_open(target) == -ESRCH || !memhint_process_is_alive(target->process))
		target_again(target, run->account);
	return false;
}

static uint64_t done(const struct run *run)
{
	uint64_t canaries = 0;

	if (!run->options.is_control)
		return run->account->calls;
	for (size_t i = 0; i < run->options.targets; i++)
		canaries += run->targets[i].slot->canaries;
	return canaries;
}

/* So far every call came too late: some more, as it says nothing of the guard. */
static bool is_unlucky(const struct run *run)
{
	return !run->options.is_control && !run->account->advised_bytes &&
	       done(run) < UNLUCKY * run->options.count;
}

static void hint_all(struct run *run)
{
	const struct chaos_options *options = &run->options;
	uint64_t start = clock_usec(), cpu = cpu_usec();

	do {
		bool any = false;

		for (size_t i = 0; i < run->options.targets; i++)
			any |= options->is_control ? target_leave_alone(run, &run->targets[i])
						   : target_turn(run, &run->targets[i]);
		if (!any)
			clock_pause(options->is_control ? CONTROL_PAUSE_USEC : IDLE_PAUSE_USEC);
	} while (done(run) < options->count || clock_usec() - start < options->usec ||
		 is_unlucky(run));
	run->account->elapsed_usec = clock_usec() - start;
	run->account->manager_cpu_usec = cpu_usec() - cpu;
}

void chaos_run(const struct chaos_options *options, struct chaos_account *ret_account)
{
	bool inject = options->via == MEMHINT_VIA_INJECT;
	struct run run = {
		.options = *options,
		.account = ret_account,
		.advices = { inject ? MADV_NOHUGEPAGE : MADV_PAGEOUT,
			     inject ? MADV_DONTDUMP : MADV_COLD },
		.signs = { inject ? CHAOS_SIGN_NOHUGEPAGE : CHAOS_SIGN_SWAPPED,
			   inject ? CHAOS_SIGN_DONTDUMP : CHAOS_SIGN_UNREFERENCED },
	};

	must(options->targets && options->targets <= CHAOS_TARGETS);
	*ret_account = (struct chaos_account){};
	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	/* One of nine that want two processors would seldom get to hint. */
	must(setpriority(PRIO_PROCESS, 0, MANAGER_NICE) == 0);
	for (size_t i = 0; i < run.options.targets; i++)
		target_make(&run.targets[i], &run, i + 1);
	for (size_t i = 0; i < run.options.targets; i++)
		target_await(&run.targets[i]);
	hint_all(&run);
	for (size_t i = 0; i < run.options.targets; i++)
		target_finish(&run, &run.targets[i]);
	setpriority(PRIO_PROCESS, 0, 0);
}
