/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sources: ptrace(2), and kernel/ptrace.c, kernel/signal.c and kernel/exit.c for what it leaves open. No
 * thread is ever seized with PTRACE_O_EXITKILL: when the tracer dies the kernel lets go of all, at any
 * moment.
 */
#include "trace.h"

#include "cleanup.h"
#include "clock.h"
#include "fd.h"
#include "inject-arch.h"
#include "procfile.h"
#include "trace-watch.h"

#include <memhint/process.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

#define SPINS 64 /* looks without a pause in between: most threads stop within them */
#define LONGEST_PAUSE_USEC 200
#define LET_GO_USEC 1000000 /* for threads to come to the stop in which they can be let go */
#define LEFTOVER_LIMIT 256

/*
 * Threads that could not be let go in time: only a stopped thread can, and one in a sleep that nothing
 * interrupts stops when it wakes. It is looked after when the same thread of the caller traces again;
 * should that end, the kernel lets go.
 */
static _Thread_local struct leftover {
	pid_t tid;
	pid_t pid;
} leftovers[LEFTOVER_LIMIT];
static _Thread_local size_t leftover_count;

static bool take_leftover(pid_t tid)
{
	for (size_t i = 0; i < leftover_count; i++)
		if (leftovers[i].tid == tid) {
			leftovers[i] = leftovers[--leftover_count];
			return true;
		}
	return false;
}

struct waiting {
	unsigned int looks;
};

/* Between two looks. -ETIMEDOUT when the time is up. */
static int wait_a_little(struct waiting *waiting, uint64_t deadline_usec)
{
	uint64_t pause_usec;

	if (waiting->looks++ < SPINS) {
		sched_yield();
		return 0;
	}
	if (clock_usec() >= deadline_usec)
		return -ETIMEDOUT;
	pause_usec = (waiting->looks - SPINS) * 10;
	clock_pause(pause_usec < LONGEST_PAUSE_USEC ? pause_usec : LONGEST_PAUSE_USEC);
	return 0;
}

static bool is_leader(const struct trace *trace, pid_t tid)
{
	return tid == memhint_process_pid(trace->process);
}

static int thread_stat(const struct trace *trace, pid_t tid, struct proc_stat *ret_stat)
{
	char path[64], text[1024];
	ssize_t n;

	snprintf(path, sizeof(path), "task/%d/stat", tid);
	n = fd_read_file_at(memhint_process_dirfd(trace->process), path, text, sizeof(text));
	return n < 0 ? (int)n : proc_stat_parse(text, ret_stat);
}

/* How often a thread had a processor; 0 if the kernel does not count it. */
static uint64_t thread_turns(const struct trace *trace, pid_t tid)
{
	char path[64], text[128];
	unsigned long long turns;

	snprintf(path, sizeof(path), "task/%d/schedstat", tid);
	if (fd_read_file_at(memhint_process_dirfd(trace->process), path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%*u %*u %llu", &turns) != 1)
		return 0;
	return turns;
}

/* The thread that traces one; 0 if none does, or it has ended. */
static pid_t thread_tracer(pid_t tid)
{
	char path[32], text[8192];
	const char *line;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	n = fd_read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n == -EFBIG) /* it is among the first lines */
		text[sizeof(text) - 1] = '\0';
	else if (n < 0)
		return 0;
	line = strstr(text, "\nTracerPid:");
	return line ? (pid_t)strtol(line + 11, NULL, 10) : 0;
}

static struct trace_thread *thread_add(struct trace *trace, pid_t tid)
{
	struct trace_thread *thread;

	if (trace->count == trace->capacity) {
		size_t capacity = trace->capacity ? 2 * trace->capacity : 16;

		thread = reallocarray(trace->threads, capacity, sizeof(*thread));
		if (!thread)
			return NULL;
		trace->threads = thread;
		trace->capacity = capacity;
	}
	thread = &trace->threads[trace->count++];
	*thread = (struct trace_thread){ .tid = tid };
	return thread;
}

/* Finds a thread; listings have them in the same order, so it is mostly the one at @expected. */
static struct trace_thread *thread_find(const struct trace *trace, pid_t tid, size_t expected)
{
	if (expected < trace->count && trace->threads[expected].tid == tid)
		return &trace->threads[expected];
	for (size_t i = 0; i < trace->count; i++)
		if (trace->threads[i].tid == tid)
			return &trace->threads[i];
	return NULL;
}

static void thread_drop(struct trace *trace, size_t index)
{
	trace->count--;
	memmove(&trace->threads[index], &trace->threads[index + 1],
		(trace->count - index) * sizeof(*trace->threads));
}

/*
 * Whether a thread sleeps on and on in a way that nothing interrupts, as the parent in vfork(2) does
 * until its child is done. It would stop only when that is over, and could not be let go before.
 */
static bool sleeps_on(const struct trace *trace, struct trace_thread *thread)
{
	uint64_t turns = thread_turns(trace, thread->tid);
	bool is_same = turns == thread->turns || thread->turns == 0;

	thread->turns = turns;
	return is_same;
}

/* As in sleeps_on(), when it was looked at last. */
static bool is_asleep(const struct trace_thread *thread)
{
	return !thread->is_seized && thread->turns != 0;
}

/*
 * Why a thread could not be seized: a negative errno, -ESRCH if it has ended, 0 if another try may do, 1
 * if it is seized already.
 */
static int thread_refused(const struct trace *trace, const struct trace_thread *thread, int error)
{
	struct proc_stat stat;
	pid_t tracer;

	if (error != EPERM)
		return -error;
	tracer = thread_tracer(thread->tid);
	/* It was seized under another number, and took this one over by an exec. */
	if (tracer == gettid() && (trace->has_seized || take_leftover(thread->tid)))
		return 1;
	if (tracer != 0)
		return -EBUSY;
	if (thread_stat(trace, thread->tid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X' ||
	    stat.flags & PROC_FLAG_EXITING)
		return -ESRCH;
	/* Or it was ending, and another thread lives on under its number. */
	return thread->refusals > 2 ? -EPERM : 0;
}

/*
 * Whether it is not the time to seize a thread. The first thread of several comes last and then alone: in
 * its stop at its end, an exec by another would wait for it, and the next PTRACE_SEIZE for the exec.
 */
static bool must_wait(const struct trace *trace, pid_t tid, uint32_t num_threads)
{
	bool leader = is_leader(trace, tid), all_held = trace->count > 1;

	if (leader && num_threads == 1)
		return false;
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_thread *other = &trace->threads[i];

		if (is_leader(trace, other->tid)) {
			if (!leader && other->is_seized && !other->is_held)
				return true;
		} else if (!other->is_held && !is_asleep(other)) {
			all_held = false;
		}
	}
	return leader && !all_held;
}

/* PTRACE_SEIZE that cannot wait for ever: a first thread and one more can be seized without a watch. */
static int seize(struct trace *trace, pid_t tid, unsigned long options)
{
	size_t seized = 0;
	int r;

	for (size_t i = 0; i < trace->count && !trace->watch; i++)
		seized += trace->threads[i].is_seized && !is_leader(trace, trace->threads[i].tid);
	if (seized > 0) {
		r = trace_watch_start(memhint_process_dirfd(trace->process),
				      memhint_process_pid(trace->process), &trace->watch);
		if (r < 0)
			return r;
	}
	if (trace->watch)
		trace_watch_enter(trace->watch);
	r = ptrace(PTRACE_SEIZE, tid, NULL, options) < 0 ? -errno : 0;
	if (trace->watch)
		trace_watch_leave(trace->watch);
	return r;
}

/*
 * Seizes and interrupts one thread, if it can be stopped now. -ESRCH it has ended, or is about to; another
 * negative errno if it cannot be traced.
 */
static int thread_seize(struct trace *trace, struct trace_thread *thread)
{
	struct proc_stat stat;
	unsigned long options = 0;
	int r = thread_stat(trace, thread->tid, &stat);

	if (r == -ENOENT || r == -ESRCH)
		return -ESRCH;
	if (r < 0)
		return r;
	if (stat.state == 'Z' && is_leader(trace, thread->tid) && stat.num_threads > 1) {
		thread->is_ended = true;
		return 0;
	}
	/*
	 * One that is ending must not be seized: a first thread would stay ours to wait for as long
	 * as the others live, and the real parent would not be told of their end.
	 */
	if (stat.state == 'Z' || stat.state == 'X' || stat.flags & PROC_FLAG_EXITING)
		return -ESRCH;
	if (stat.state == 'D' && sleeps_on(trace, thread))
		return 0;
	thread->turns = 0;
	if (must_wait(trace, thread->tid, stat.num_threads))
		return 0;
	/* For the same reason it is caught should it be on its way to its end now. */
	if (is_leader(trace, thread->tid) && stat.num_threads > 1)
		options = PTRACE_O_TRACEEXIT;
	r = seize(trace, thread->tid, options);
	if (r < 0) {
		thread->refusals++;
		r = thread_refused(trace, thread, -r);
		if (r <= 0)
			return r;
	}
	thread->is_seized = trace->has_seized = true;
	ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL); /* fails only where it has ended */
	return 0;
}

enum news {
	NO_NEWS,
	HAS_STOPPED,
	HAS_ENDED,
	HAS_GONE, /* by an exec: either it was another thread's, or its own and it has the first's number */
};

static bool is_end(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED || info->si_code == CLD_KILLED ||
	       info->si_code == CLD_DUMPED;
}

/* A zombie keeps its number, so it can be asked for by it. */
static bool is_own_child(pid_t pid)
{
	char path[32], text[1024];
	struct proc_stat stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) >= 0 &&
	       proc_stat_parse(text, &stat) == 0 && stat.ppid == getpid();
}

/*
 * What has become of a thread that the caller traces; a stop with its code: a signal, and an event above
 * it. Its tracer has to take note of its end before the kernel takes it away and tells the real parent;
 * but the end of a child of the caller's own is left for him to wait for.
 */
static enum news thread_news(pid_t tid, bool leader, int *ret_code)
{
	/* Both at once: asked for stops only, the kernel denies that a zombie is there. */
	int options = WSTOPPED | WEXITED | WNOHANG | __WALL;
	siginfo_t info = {};

	/* A first thread is only looked at, to begin with: it may be such a child. */
	if (waitid(P_PID, (id_t)tid, &info, leader ? options | WNOWAIT : options) < 0)
		return HAS_GONE;
	if (info.si_pid == 0)
		return NO_NEWS;
	if (leader && (!is_end(&info) || !is_own_child(tid))) {
		info = (siginfo_t){};
		if (waitid(P_PID, (id_t)tid, &info, options) < 0)
			return HAS_GONE;
		if (info.si_pid == 0)
			return NO_NEWS;
	}
	*ret_code = info.si_status;
	return is_end(&info) ? HAS_ENDED : HAS_STOPPED;
}

/* Whether a thread is in the stop in which it is held, told or not. */
static bool is_in_stop(pid_t tid)
{
	siginfo_t info;

	return ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 &&
	       info.si_code >> 8 == PTRACE_EVENT_STOP;
}

/*
 * Lets go of a thread that was not in a stop before, if it is in one now or has gone. One whose number an
 * exec has taken away may go on under that of the first thread, which is looked for then.
 */
static bool let_go_later(pid_t *tid, pid_t pid)
{
	int code;

	switch (thread_news(*tid, *tid == pid, &code)) {
	case HAS_STOPPED:
		/* Without an event it is a signal that it is about to get. */
		return ptrace(PTRACE_DETACH, *tid, NULL, (long)(code >> 8 ? 0 : code)) == 0;
	case HAS_ENDED:
		return true;
	case HAS_GONE:
		*tid = pid;
		break;
	case NO_NEWS:
		/* Told of before, under another number. */
		if (is_in_stop(*tid))
			return ptrace(PTRACE_DETACH, *tid, NULL, NULL) == 0;
		ptrace(PTRACE_INTERRUPT, *tid, NULL, NULL);
		break;
	}
	/* The caller's own children can be waited for also when they are not traced. */
	return *tid == pid && thread_tracer(pid) != gettid();
}

static void reap_leftovers(void)
{
	for (size_t i = leftover_count; i-- > 0;)
		if (let_go_later(&leftovers[i].tid, leftovers[i].pid))
			leftovers[i] = leftovers[--leftover_count];
}

/* Takes hold of a thread that has come to its stop. */
static int thread_hold(const struct trace *trace, struct trace_thread *thread)
{
	/* From now on its end is to be no stop, or SIGKILL would not end it. */
	thread->is_held = !is_leader(trace, thread->tid) ||
			  ptrace(PTRACE_SETOPTIONS, thread->tid, NULL, NULL) == 0;
	/* Some calls would say EINTR for it: they are begun anew instead. */
	inject_arch_mend(thread->tid);
	return 0;
}

/* What a thread that is not held yet has come to. 1: it is no longer to be waited for. */
static int thread_look(struct trace *trace, struct trace_thread *thread, bool again)
{
	struct trace_thread *first;
	int code;

	switch (thread_news(thread->tid, is_leader(trace, thread->tid), &code)) {
	case NO_NEWS:
		if (thread->is_held || !again)
			return 0;
		if (is_in_stop(thread->tid)) /* told of before, under another number */
			return thread_hold(trace, thread);
		/* An exec may forget an interrupt that comes meanwhile. */
		ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
		return 0;
	case HAS_ENDED:
		return 1;
	case HAS_GONE:
		if (is_leader(trace, thread->tid))
			return 1;
		/* It may go on under the number of the first thread. */
		first = thread_find(trace, memhint_process_pid(trace->process), 0);
		if (first) {
			first->is_ended = false;
			first->is_seized = thread_tracer(first->tid) == gettid();
			first->is_held =
				first->is_seized && first->is_held && is_in_stop(first->tid);
			return 1;
		}
		thread->tid = memhint_process_pid(trace->process);
		return thread_tracer(thread->tid) != gettid();
	case HAS_STOPPED:
		break;
	}
	switch (code >> 8) {
	case PTRACE_EVENT_STOP:
		return thread_hold(trace, thread);
	case PTRACE_EVENT_EXIT:
		ptrace(PTRACE_DETACH, thread->tid, NULL, NULL);
		return 1;
	case 0:
		/* A signal that it was about to get before it was interrupted: it gets it. */
		ptrace(PTRACE_CONT, thread->tid, NULL, (long)code);
		return 0;
	default:
		ptrace(PTRACE_CONT, thread->tid, NULL, NULL);
		return 0;
	}
}

/*
 * A look at every thread. With @thorough also at those held: one that is killed, by an exec for instance,
 * waits for its tracer to notice, and the exec for it. How many are not held, or a negative errno.
 */
static ssize_t look_at_all(struct trace *trace, bool thorough)
{
	ssize_t open = 0;

	for (size_t i = 0; i < trace->count;) {
		struct trace_thread *thread = &trace->threads[i];
		int r = 0;

		if (thread->is_seized) {
			if (!thread->is_held || thorough)
				r = thread_look(trace, thread, thorough);
			/* As in let_go_later(). */
			if (r == 0 && thorough && is_leader(trace, thread->tid) &&
			    thread_tracer(thread->tid) != gettid())
				r = 1;
		} else if (!thread->is_ended)
			r = thread_seize(trace, thread);
		if (r == 1 || r == -ESRCH) {
			thread_drop(trace, i);
			continue;
		}
		if (r < 0)
			return r;
		open += !thread->is_held && !thread->is_ended;
		i++;
	}
	return open;
}

/* Seizes what a listing of the threads has and was not known: how many, or a negative errno. */
static ssize_t list_threads(struct trace *trace, size_t *ret_listed)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = fd_opendir_at(memhint_process_dirfd(trace->process), "task", &dir);
	struct dirent *entry;
	size_t expected = 0, listed = 0;
	ssize_t found = 0;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	trace->listing++;
	while ((entry = readdir(dir))) {
		struct trace_thread *thread;
		pid_t tid;
		int r = 0;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		tid = (pid_t)strtol(entry->d_name, NULL, 10);
		thread = thread_find(trace, tid, expected);
		if (!thread) {
			thread = thread_add(trace, tid);
			if (!thread)
				return -ENOMEM;
			r = thread_seize(trace, thread);
			found++;
		}
		if (r == -ESRCH) {
			trace->count--; /* the one just added */
			continue;
		}
		if (r < 0)
			return r;
		thread->listing = trace->listing;
		listed++;
		expected = (size_t)(thread - trace->threads) + 1;
	}
	*ret_listed = listed;
	return found;
}

/*
 * Lets go of threads that the last listing, a whole one, did not have: their numbers had been those of
 * threads of this process, but belong to others now.
 */
static void drop_strays(struct trace *trace)
{
	for (size_t i = trace->count; i-- > 0;) {
		struct trace_thread *thread = &trace->threads[i];

		if (thread->listing == trace->listing)
			continue;
		if (!thread->is_seized || ptrace(PTRACE_DETACH, thread->tid, NULL, NULL) == 0)
			thread_drop(trace, i);
		else
			thread->is_held = false; /* it ends, which is looked for next time */
	}
}

/*
 * Whether all are in the stop in which they were seen: an exec or SIGKILL takes them out of it. And there
 * has to be one, for a first thread that has ended proves nothing: after an exec there is another.
 */
static bool are_held(struct trace *trace)
{
	bool all = true, any = false;

	for (size_t i = 0; i < trace->count; i++) {
		struct trace_thread *thread = &trace->threads[i];
		struct proc_stat stat;

		if (thread->is_ended) {
			thread->is_ended =
				thread_stat(trace, thread->tid, &stat) == 0 && stat.state == 'Z';
			all = all && thread->is_ended;
		} else {
			thread->is_held = is_in_stop(thread->tid);
			all = all && thread->is_held;
			any = any || thread->is_held;
		}
	}
	return all && any;
}

/*
 * Whether those that are held are all that there are: 1, 0 or a negative errno. A listing alone does not
 * tell: it ends early when a thread ends meanwhile.
 */
static int is_complete(struct trace *trace)
{
	struct proc_stat stat;
	size_t listed = 1;
	ssize_t found;
	int r = proc_stat_read(memhint_process_dirfd(trace->process), &stat);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The one thread of a process needs no listing: its number is that of the pidfd. */
	if (stat.num_threads != 1 || trace->count != 1 ||
	    !is_leader(trace, trace->threads[0].tid)) {
		found = list_threads(trace, &listed);
		if (found != 0)
			return found < 0 ? (int)found : 0;
		r = proc_stat_read(memhint_process_dirfd(trace->process), &stat);
		if (r < 0)
			return r == -ENOENT ? -ESRCH : r;
	}
	if (stat.num_threads != listed)
		return 0;
	if (listed != trace->count) {
		drop_strays(trace);
		return 0;
	}
	if (!are_held(trace))
		return 0;
	return memhint_process_is_alive(trace->process) ? 1 : -ESRCH;
}

int trace_begin(struct trace *trace, struct memhint_process *process)
{
	struct proc_stat stat;
	size_t listed;
	ssize_t n;
	int r;

	reap_leftovers();
	*trace = (struct trace){ .process = process };
	r = proc_stat_read(memhint_process_dirfd(process), &stat);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	trace->was_stopped = stat.state == 'T';
	n = list_threads(trace, &listed);
	/* In the middle of an exec there may be no thread to be seen for a moment. */
	if ((n >= 0 || n == -ESRCH) && memhint_process_is_alive(process))
		return 0;
	trace_end(trace);
	return n < 0 ? (int)n : -ESRCH;
}

static void stop_watch(struct trace *trace)
{
	trace_watch_stop(trace->watch);
	trace->watch = NULL;
}

int trace_wait(struct trace *trace, uint64_t deadline_usec)
{
	struct waiting waiting = {};
	int r;

	for (;;) {
		ssize_t open = look_at_all(trace, waiting.looks > SPINS / 2);

		if (open < 0)
			return (int)open;
		if (!memhint_process_is_alive(trace->process))
			return -ESRCH;
		if (open == 0) {
			r = is_complete(trace);
			if (r > 0) {
				stop_watch(trace);
				return 0;
			}
			if (r < 0 && (r != -ESRCH || !memhint_process_is_alive(trace->process)))
				return r;
		}
		r = wait_a_little(&waiting, deadline_usec);
		if (r < 0)
			return r;
	}
}

size_t trace_sleepers(const struct trace *trace)
{
	size_t count = 0;

	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_thread *thread = &trace->threads[i];

		if (thread->is_held || thread->is_ended)
			continue;
		if (!is_asleep(thread))
			return 0;
		count++;
	}
	return count;
}

void trace_let_go(struct trace *trace)
{
	for (size_t i = 0; i < trace->count;) {
		struct trace_thread *thread = &trace->threads[i];

		if (!thread->is_seized ||
		    (thread->is_held && ptrace(PTRACE_DETACH, thread->tid, NULL, NULL) == 0)) {
			thread_drop(trace, i);
			continue;
		}
		/* It runs, or ends, or is about to get a signal: it is let go when that is told. */
		thread->is_held = false;
		ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
		i++;
	}
}

bool trace_let_others_go(struct trace *trace, pid_t tid, uint64_t *turns)
{
	uint64_t now = thread_turns(trace, tid);
	bool is_stuck = now == *turns;

	*turns = now;
	if (!is_stuck)
		return false;
	for (size_t i = trace->count; i-- > 0;) {
		struct trace_thread *thread = &trace->threads[i];

		if (thread->tid == tid)
			continue;
		if (!thread->is_seized || ptrace(PTRACE_DETACH, thread->tid, NULL, NULL) == 0)
			thread_drop(trace, i);
		else
			thread->is_held = false; /* it ends */
	}
	return true;
}

void trace_end(struct trace *trace)
{
	uint64_t deadline_usec = clock_usec() + LET_GO_USEC;
	pid_t pid = trace->process ? memhint_process_pid(trace->process) : 0;
	struct waiting waiting = {};

	stop_watch(trace);
	trace_let_go(trace);
	while (trace->count) {
		for (size_t i = trace->count; i-- > 0;)
			if (let_go_later(&trace->threads[i].tid, pid))
				thread_drop(trace, i);
		/* With no room left to remember them they must be waited for. */
		if (wait_a_little(&waiting, deadline_usec) < 0 &&
		    leftover_count + trace->count <= LEFTOVER_LIMIT)
			break;
	}
	for (size_t i = 0; i < trace->count; i++)
		leftovers[leftover_count++] = (struct leftover){
			.tid = trace->threads[i].tid,
			.pid = pid,
		};
	free(trace->threads);
	*trace = (struct trace){};
}

int trace_wait_thread(struct trace *trace, pid_t tid, uint64_t deadline_usec, int *ret_status)
{
	struct waiting waiting = {};
	int code, r;

	for (;;) {
		switch (thread_news(tid, is_leader(trace, tid), &code)) {
		case HAS_STOPPED:
			*ret_status = code << 8 | 0x7f;
			return 0;
		case HAS_ENDED:
		case HAS_GONE:
			return -ESRCH;
		case NO_NEWS:
			break;
		}
		r = wait_a_little(&waiting, deadline_usec);
		if (r < 0)
			return r;
	}
}
