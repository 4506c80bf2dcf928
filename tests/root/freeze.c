/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that are kept from running: every thread, whatever they do meanwhile, and none afterwards. */
#include "cgroup.h"
#include "freeze-scene.h"
#include "tap.h"

#include <memhint/guard.h>
#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char run_directory[] = "/tmp/memhint-freeze-XXXXXX";

static int freeze(struct memhint_process *process, enum memhint_freeze_way way, uint32_t flags,
		  struct memhint_freeze **ret_freeze)
{
	const struct memhint_freeze_options options = {
		.size = sizeof(options),
		.way = way,
		.flags = flags,
		.timeout_usec = 10000000,
		.run_directory = run_directory,
	};

	return memhint_freeze_open(&process, 1, &options, ret_freeze);
}

static struct memhint_process *open_process(pid_t pid)
{
	struct memhint_process *process;

	must(memhint_process_open(P_PID, (id_t)pid, &process) == 0);
	return process;
}

/* Freezes and thaws what never rests, and looks each time that it did not go on meanwhile. */
static void test_restless(const char *mode, const char *argument, enum memhint_freeze_way way,
			  int rounds)
{
	struct memhint_process *process;
	int frozen = 0, stood = 0, error = 0;
	struct scene scene;

	scene_start(&scene, mode, argument);
	process = open_process(scene.pid);
	for (int i = 0; i < rounds; i++) {
		struct memhint_freeze *hold;
		int r = freeze(process, way, 0, &hold);

		if (r < 0) {
			error = r;
			continue;
		}
		frozen++;
		stood += scene_stands(&scene) && memhint_process_is_stopped(process);
		memhint_freeze_close(hold);
	}
	is(frozen, rounds, "%s %s: frozen by %s each time (%s)", mode, argument ? argument : "",
	   memhint_freeze_way_name(way), strerror(-error));
	is(stood, frozen, "and stands still each time");
	ok(scene_moves(&scene), "and goes on afterwards");
	memhint_process_close(process);
	scene_end(&scene);
}

/* It ends and begins anew without pause: either it is frozen, or it is gone. */
static void test_ending(void)
{
	int frozen = 0, gone = 0, other = 0;
	struct scene scene;

	scene_start(&scene, "exit", NULL);
	/* On a busy machine it may be a while before one of them is met alive. */
	for (int i = 0; i < 200 || (frozen == 0 && i < 1000000); i++) {
		struct memhint_process *process;
		struct memhint_freeze *hold;
		int r;

		if (memhint_process_open(P_PID, (id_t)scene.shared->pid, &process) < 0)
			continue;
		r = freeze(process, MEMHINT_FREEZE_TRACE, 0, &hold);
		frozen += r == 0;
		gone += r == -ESRCH;
		other += r < 0 && r != -ESRCH;
		if (r == 0)
			memhint_freeze_close(hold);
		memhint_process_close(process);
	}
	is(other, 0, "what ends is frozen (%d times) or gone (%d times)", frozen, gone);
	ok(frozen > 0, "and frozen at least once");
	ok(scene_moves(&scene), "and its parent is told of its end");
	scene_end(&scene);
}

/* An own child that dies while it is held: its end is for the caller to see. */
static void test_killed(void)
{
	struct memhint_process *process;
	struct memhint_freeze *hold;
	struct scene scene;
	int status;

	scene_start(&scene, "count", "5");
	process = open_process(scene.pid);
	is(freeze(process, MEMHINT_FREEZE_TRACE, 0, &hold), 0, "one to be killed");
	kill(scene.pid, SIGKILL);
	ok(scene_wait_state(scene.pid, "Z"), "SIGKILL ends what is held");
	memhint_freeze_close(hold);
	ok(waitpid(scene.pid, &status, 0) == scene.pid && WIFSIGNALED(status) &&
		   WTERMSIG(status) == SIGKILL,
	   "and its parent gets to know");
	is(freeze(process, MEMHINT_FREEZE_AUTO, 0, &hold), -ESRCH, "nothing is there to be frozen");
	memhint_process_close(process);
	scene_end(&scene);
}

/* Signals that come before, during and after; none is lost and none is made up. */
static void test_signals(enum memhint_freeze_way way)
{
	struct memhint_process *process;
	struct memhint_freeze *hold;
	struct scene_shared *shared;
	struct scene scene;

	scene_start(&scene, "signals", NULL);
	shared = scene.shared;
	process = open_process(scene.pid);
	for (int i = 0; i < 100; i++) {
		kill(scene.pid, SIGUSR1);
		must(freeze(process, way, 0, &hold) == 0);
		memhint_freeze_close(hold);
		while (shared->signals[SIGUSR1] != (uint64_t)i + 1)
			sched_yield();
	}
	ok(true, "by %s: 100 signals on the way were all handled once",
	   memhint_freeze_way_name(way));
	is(shared->signals[SIGTRAP] + shared->signals[SIGCHLD], 0, "no other was seen");
	ok((shared->signals[SIGCONT] > 0) == (way == MEMHINT_FREEZE_SIGNAL),
	   "SIGCONT only by the way that needs it");

	must(freeze(process, way, 0, &hold) == 0);
	kill(scene.pid, SIGUSR1);
	ok(scene_stands(&scene), "a signal while it is frozen waits");
	memhint_freeze_close(hold);
	while (shared->signals[SIGUSR1] != 101)
		sched_yield();
	ok(scene_moves(&scene), "until it is let go");
	if (way == MEMHINT_FREEZE_SIGNAL)
		goto end;

	must(freeze(process, way, 0, &hold) == 0);
	kill(scene.pid, SIGSTOP);
	memhint_freeze_close(hold);
	ok(scene_wait_state(scene.pid, "T"), "SIGSTOP while it is frozen stops it afterwards");
	kill(scene.pid, SIGCONT);
	ok(scene_moves(&scene), "SIGCONT lets it run");

	kill(scene.pid, SIGSTOP);
	ok(scene_wait_state(scene.pid, "T"), "stopped before");
	must(freeze(process, way, 0, &hold) == 0);
	is(memhint_freeze_way(hold, 0), MEMHINT_FREEZE_ALREADY, "somebody else had stopped it");
	memhint_freeze_close(hold);
	ok(scene_wait_state(scene.pid, "T") && scene_stands(&scene), "and so it stays");
	must(freeze(process, way, 0, &hold) == 0);
	kill(scene.pid, SIGCONT);
	if (way == MEMHINT_FREEZE_TRACE)
		ok(scene_stands(&scene), "SIGCONT meanwhile does not let it run");
	memhint_freeze_close(hold);
	ok(scene_moves(&scene), "but afterwards");
end:
	memhint_process_close(process);
	scene_end(&scene);
}

/* SIGSTOP and SIGCONT from somebody else at every moment. */
static void test_stop_storm(void)
{
	struct memhint_process *process;
	struct memhint_freeze *hold;
	struct scene scene;
	pid_t storm, parent = getpid();
	int failed = 0;

	scene_start(&scene, "signals", NULL);
	process = open_process(scene.pid);
	storm = fork();
	if (storm == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent) {
			kill(scene.pid, SIGSTOP);
			kill(scene.pid, SIGCONT);
		}
		_exit(0);
	}
	for (int i = 0; i < 500; i++) {
		if (freeze(process, MEMHINT_FREEZE_TRACE, 0, &hold) < 0) {
			failed++;
			continue;
		}
		memhint_freeze_close(hold);
	}
	kill(storm, SIGKILL);
	must(waitpid(storm, NULL, 0) == storm);
	is(failed, 0, "frozen among SIGSTOP and SIGCONT");
	kill(scene.pid, SIGCONT);
	ok(scene_moves(&scene), "and SIGCONT is the last word");
	memhint_process_close(process);
	scene_end(&scene);
}

/* Calls in which it is when it is frozen go on as if nothing had been. */
static void test_calls(void)
{
	static const char *const calls[] = { "nanosleep", "poll", "futex", "read", "epoll" };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct memhint_process *process;
		struct scene scene;
		bool moves = true;

		scene_start(&scene, calls[i], NULL);
		process = open_process(scene.pid);
		for (int turn = 0; turn < 20 && moves; turn++) {
			for (int k = 0; k < 3; k++) {
				struct memhint_freeze *hold;

				must(freeze(process, MEMHINT_FREEZE_TRACE, 0, &hold) == 0);
				memhint_freeze_close(hold);
			}
			/* Some calls begin anew after each freeze: without a pause they would never end. */
			moves = scene_moves(&scene);
		}
		ok(moves, "%s comes to its end", calls[i]);
		is(scene.shared->interrupted, 0, "%s is not interrupted", calls[i]);
		is(scene.shared->early, 0, "nor over before its time");
		memhint_process_close(process);
		scene_end(&scene);
	}
}

/* A tracer of its own: a child that holds @pid, running or at a breakpoint, until it is killed. */
static pid_t start_tracer(pid_t pid, bool stop)
{
	int ready[2];
	char byte;
	pid_t tracer;

	must(pipe2(ready, O_CLOEXEC) == 0);
	tracer = fork();
	must(tracer >= 0);
	if (tracer == 0) {
		int status;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
			_exit(1);
		if (stop) {
			ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
			waitpid(pid, &status, __WALL);
		}
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		while (waitpid(pid, &status, __WALL) == pid) {
			/* As debuggers do: it gets its signals, and stays stopped if they stop it. */
			if (!WIFSTOPPED(status))
				break;
			if (status >> 16 && WSTOPSIG(status) != SIGTRAP)
				ptrace(PTRACE_LISTEN, pid, NULL, NULL);
			else
				ptrace(PTRACE_CONT, pid, NULL,
				       status >> 16 ? 0L : (long)WSTOPSIG(status));
		}
		_exit(0);
	}
	close(ready[1]);
	must(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	return tracer;
}

static void end_tracer(pid_t tracer)
{
	kill(tracer, SIGKILL);
	must(waitpid(tracer, NULL, 0) == tracer);
}

static void test_traced(void)
{
	struct memhint_process *process;
	struct memhint_freeze *hold;
	struct cgroup cgroup;
	struct scene scene, other;
	pid_t tracer;

	scene_start(&scene, "count", NULL);
	process = open_process(scene.pid);
	tracer = start_tracer(scene.pid, false);
	is(freeze(process, MEMHINT_FREEZE_TRACE, 0, &hold), -EBUSY, "one tracer only");
	is(freeze(process, MEMHINT_FREEZE_CGROUP, 0, &hold), -EBUSY, "its cgroup has others");
	is(freeze(process, MEMHINT_FREEZE_AUTO, 0, &hold), 0, "what another traces is frozen");
	is(memhint_freeze_way(hold, 0), MEMHINT_FREEZE_SIGNAL, "by a signal");
	ok(scene_stands(&scene), "it stands still");
	memhint_freeze_close(hold);
	ok(scene_moves(&scene), "and goes on");
	must(cgroup_make(&cgroup, "freeze-traced") && cgroup_add(&cgroup, scene.pid));
	is(freeze(process, MEMHINT_FREEZE_AUTO, 0, &hold), 0, "and with a cgroup of its own");
	is(memhint_freeze_way(hold, 0), MEMHINT_FREEZE_CGROUP, "by that");
	ok(scene_stands(&scene) && cgroup_is_frozen(&cgroup), "it stands still");
	memhint_freeze_close(hold);
	ok(scene_moves(&scene) && !cgroup_is_frozen(&cgroup), "and goes on");
	scene_start(&other, "count", NULL);
	must(cgroup_add(&cgroup, other.pid));
	is(freeze(process, MEMHINT_FREEZE_CGROUP, 0, &hold), -EBUSY, "not with another in it");
	ok(scene_moves(&other), "who runs all the time");
	scene_end(&other);
	end_tracer(tracer);

	tracer = start_tracer(scene.pid, true);
	is(freeze(process, MEMHINT_FREEZE_TRACE, 0, &hold), -EBUSY, "also at a breakpoint");
	is(freeze(process, MEMHINT_FREEZE_AUTO, 0, &hold), 0, "there it stands still");
	is(memhint_freeze_way(hold, 0), MEMHINT_FREEZE_ALREADY, "already");
	memhint_freeze_close(hold);
	is(scene_state(scene.pid), 't', "and stays there");
	end_tracer(tracer);

	must(cgroup_write(&cgroup, "cgroup.freeze", "1") && cgroup_wait(&cgroup, "frozen 1"));
	for (int way = MEMHINT_FREEZE_AUTO; way <= MEMHINT_FREEZE_SIGNAL; way++) {
		is(freeze(process, (enum memhint_freeze_way)way, 0, &hold), 0,
		   "in a frozen cgroup by %s",
		   memhint_freeze_way_name((enum memhint_freeze_way)way));
		is(memhint_freeze_way(hold, 0), MEMHINT_FREEZE_ALREADY, "it was so already");
		memhint_freeze_close(hold);
		ok(cgroup_wait(&cgroup, "frozen 1") && scene_stands(&scene), "and stays so");
	}
	must(cgroup_write(&cgroup, "cgroup.freeze", "0"));
	ok(scene_moves(&scene), "until it is thawed");
	memhint_process_close(process);
	scene_end(&scene);
	ok(cgroup_end(&cgroup), "nothing is left");
}

/* The parent in vfork(2) can be stopped by nothing: it is left alone, in time. */
static void test_vfork(void)
{
	struct memhint_freeze_options options = {
		.size = sizeof(options),
		.timeout_usec = 50000,
		.run_directory = run_directory,
		.way = MEMHINT_FREEZE_TRACE,
	};
	struct memhint_process *process;
	struct memhint_freeze *hold;
	struct cgroup cgroup;
	struct scene scene;
	int fd;

	scene_start(&scene, "vfork", NULL);
	process = open_process(scene.pid);
	must(cgroup_make(&cgroup, "freeze-vfork") && cgroup_add(&cgroup, scene.pid));
	scene.shared->held = 1;
	while (!scene.shared->waiting)
		sched_yield();
	ok(scene_wait_state(scene.pid, "D"), "a parent in vfork");
	is(memhint_freeze_open(&process, 1, &options, &hold), -ETIMEDOUT, "cannot be stopped");
	scene.shared->held = 0;
	ok(scene_moves(&scene) && scene_moves(&scene), "and goes on when its child is done");

	fd = open(cgroup.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	options.timeout_usec = 10000000;
	for (int i = 0; i < 20; i++) {
		int r = memhint_freeze_cgroup(fd, &options, &hold);

		if (r < 0 || !scene_stands(&scene))
			is(r, 0, "parent and child together, round %d", i);
		if (r == 0)
			memhint_freeze_close(hold);
	}
	ok(scene_moves(&scene), "parent and child together stand still and go on");
	close(fd);
	memhint_process_close(process);
	scene_end(&scene);
	ok(cgroup_end(&cgroup), "nothing is left");
}

static void test_group(void)
{
	static const char *const modes[] = { "count", "clone", "fork", "signals" };
	struct memhint_process *processes[5];
	struct memhint_freeze *hold;
	struct memhint_freeze_options options = { .size = sizeof(options),
						  .timeout_usec = 10000000,
						  .run_directory = run_directory };
	struct scene scenes[4];
	bool stand = true, move = true;
	pid_t tracer;

	for (size_t i = 0; i < 4; i++) {
		scene_start(&scenes[i], modes[i], NULL);
		processes[i] = open_process(scenes[i].pid);
	}
	is(memhint_freeze_open(processes, 4, &options, &hold), 0, "four as one");
	is(memhint_freeze_count(hold), 4, "they are four");
	ok(memhint_freeze_process(hold, 2) == processes[2] && !memhint_freeze_process(hold, 4),
	   "and these");
	for (size_t i = 0; i < 4; i++)
		stand = scene_stands(&scenes[i]) && stand;
	ok(stand, "all stand still");
	memhint_freeze_close(hold);
	for (size_t i = 0; i < 4; i++)
		move = scene_moves(&scenes[i]) && move;
	ok(move, "all go on");

	processes[4] = processes[0];
	is(memhint_freeze_open(processes, 5, &options, &hold), -EINVAL, "none twice");
	tracer = start_tracer(scenes[3].pid, false);
	options.way = MEMHINT_FREEZE_TRACE;
	is(memhint_freeze_open(processes, 4, &options, &hold), -EBUSY, "all or none");
	for (size_t i = 0; i < 4; i++)
		move = scene_moves(&scenes[i]) && move;
	ok(move, "then all go on");
	options.way = MEMHINT_FREEZE_AUTO;
	is(memhint_freeze_open(processes, 4, &options, &hold), 0, "each in its way");
	ok(memhint_freeze_way(hold, 0) == MEMHINT_FREEZE_TRACE &&
		   memhint_freeze_way(hold, 3) == MEMHINT_FREEZE_SIGNAL,
	   "by ptrace, and by a signal what another traces");
	memhint_freeze_close(hold);
	end_tracer(tracer);
	for (size_t i = 0; i < 4; i++) {
		memhint_process_close(processes[i]);
		scene_end(&scenes[i]);
	}
}

static void test_cgroup(void)
{
	struct memhint_freeze_options options = { .size = sizeof(options),
						  .timeout_usec = 10000000,
						  .run_directory = run_directory };
	struct memhint_freeze *hold;
	struct scene scenes[3];
	struct cgroup cgroup, below;
	pid_t child;
	int fd;

	must(cgroup_make(&cgroup, "freeze-group"));
	must((size_t)snprintf(below.folder, sizeof(below.folder), "%s/below", cgroup.folder) <
	     sizeof(below.folder));
	must(mkdir(below.folder, 0755) == 0);
	fd = open(cgroup.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is(memhint_freeze_cgroup(fd, &options, &hold), -ECHILD, "a cgroup with nobody in it");
	scene_start(&scenes[0], "fork", NULL);
	scene_start(&scenes[1], "count", "4");
	scene_start(&scenes[2], "exit", NULL);
	for (size_t i = 0; i < 3; i++)
		must(cgroup_add(i == 1 ? &below : &cgroup, scenes[i].pid));
	/* The child that was there before is not in it. */
	child = scenes[2].shared->pid;
	while (scenes[2].shared->pid == child)
		sched_yield();
	for (int way = MEMHINT_FREEZE_AUTO; way <= MEMHINT_FREEZE_SIGNAL; way++) {
		int frozen = 0, stood = 0, error = 0;
		const char *name = memhint_freeze_way_name((enum memhint_freeze_way)way);

		options.way = (enum memhint_freeze_way)way;
		for (int i = 0; i < 10; i++) {
			int r = memhint_freeze_cgroup(fd, &options, &hold);
			bool stand = r == 0 && memhint_freeze_count(hold) >= 3;

			for (size_t j = 0; j < 3 && r == 0; j++)
				stand = scene_stands(&scenes[j]) && stand;
			frozen += r == 0;
			stood += stand;
			error = r < 0 ? r : error;
			if (r == 0)
				memhint_freeze_close(hold);
		}
		is(frozen, 10, "a cgroup by %s (%s)", name, strerror(-error));
		is(stood, 10, "all in it and below stand still, those born meanwhile too");
		ok(scene_moves(&scenes[0]) && scene_moves(&scenes[1]) && scene_moves(&scenes[2]) &&
			   !cgroup_is_frozen(&cgroup),
		   "and go on");
	}
	options.way = MEMHINT_FREEZE_AUTO;
	must(cgroup_add(&below, getpid()));
	is(memhint_freeze_cgroup(fd, &options, &hold), -EDEADLK, "not with the caller in it");
	must(cgroup_write(&(struct cgroup){ .folder = "/sys/fs/cgroup/unified" }, "cgroup.procs",
			  "0") ||
	     cgroup_write(&(struct cgroup){ .folder = "/sys/fs/cgroup" }, "cgroup.procs", "0"));
	is(memhint_freeze_cgroup(STDIN_FILENO, &options, &hold), -ENOENT, "what is no cgroup");
	for (size_t i = 0; i < 3; i++)
		scene_end(&scenes[i]);
	ok(cgroup_wait(&below, "populated 0") && rmdir(below.folder) == 0, "below is empty");
	close(fd);
	ok(cgroup_end(&cgroup), "nothing is left");
}

static int freeze_pid(pid_t pid, uint32_t flags)
{
	struct memhint_process *process = open_process(pid);
	struct memhint_freeze *hold;
	int r = freeze(process, MEMHINT_FREEZE_TRACE, flags, &hold);

	if (r == 0)
		memhint_freeze_close(hold);
	memhint_process_close(process);
	return r;
}

static void test_refused(void)
{
	struct memhint_freeze_options options = { .size = sizeof(options) };
	struct memhint_process *process;
	struct memhint_freeze *hold;
	struct scene scene;
	pid_t child;
	int status;

	is(freeze_pid(getpid(), 0), -EDEADLK, "not oneself");
	is(freeze_pid(getpid(), MEMHINT_FREEZE_FORCE), -EDEADLK, "by no force");
	is(freeze_pid(1, 0), -EDEADLK, "not PID 1");
	is(freeze_pid(getppid(), 0), -EDEADLK, "not the parent");
	/* A parent of the test's own making, so that nothing of others is frozen. */
	fflush(NULL);
	child = fork();
	if (child == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0)
			_exit(freeze_pid(getppid(), 0) != -EDEADLK ||
			      freeze_pid(getppid(), MEMHINT_FREEZE_FORCE) != 0);
		while (waitpid(grandchild, &status, 0) < 0)
			;
		_exit(WEXITSTATUS(status));
	}
	must(waitpid(child, &status, 0) == child);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the parent with force only");

	scene_start(&scene, "count", NULL);
	process = open_process(scene.pid);
	is(memhint_freeze_open(&process, 0, &options, &hold), -EINVAL, "nobody");
	options.way = MEMHINT_FREEZE_ALREADY;
	is(memhint_freeze_open(&process, 1, &options, &hold), -EINVAL, "no way to freeze");
	options.way = MEMHINT_FREEZE_AUTO;
	options.flags = 1u << 31;
	is(memhint_freeze_open(&process, 1, &options, &hold), -EINVAL, "unknown flags");
	is(freeze(process, MEMHINT_FREEZE_TRACE, MEMHINT_FREEZE_KEEP, &hold), -EOPNOTSUPP,
	   "nothing is kept by ptrace");
	ok(scene_moves(&scene), "and it runs all the time");
	memhint_process_close(process);
	scene_end(&scene);
}

int main(void)
{
	if (geteuid() != 0)
		skip_all("needs root");
	must(mkdtemp(run_directory));
	test_restless("count", NULL, MEMHINT_FREEZE_TRACE, 50);
	test_restless("count", "10", MEMHINT_FREEZE_TRACE, 30);
	test_restless("count", "100", MEMHINT_FREEZE_TRACE, 10);
	test_restless("count", "10", MEMHINT_FREEZE_SIGNAL, 10);
	test_restless("clone", NULL, MEMHINT_FREEZE_TRACE, 30);
	test_restless("fork", NULL, MEMHINT_FREEZE_TRACE, 30);
	test_restless("exec", NULL, MEMHINT_FREEZE_TRACE, 30);
	test_restless("exec-thread", NULL, MEMHINT_FREEZE_TRACE, 200);
	test_ending();
	test_killed();
	test_signals(MEMHINT_FREEZE_TRACE);
	test_signals(MEMHINT_FREEZE_SIGNAL);
	test_stop_storm();
	test_calls();
	test_traced();
	test_vfork();
	test_group();
	test_cgroup();
	test_refused();
	ok(rmdir(run_directory) == 0, "no record is left");
	return done_testing();
}
