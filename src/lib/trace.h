/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All threads of one process, held by ptrace(2). Only the thread that began it may use it. */
#ifndef LIB_TRACE_H
#define LIB_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memhint_process;
struct trace_watch;

struct trace_thread {
	pid_t tid;
	/*
	 * In a stop of PTRACE_INTERRUPT or a group stop (PTRACE_EVENT_STOP): at the edge of user mode,
	 * with no signal under way. In each of these its registers may be changed.
	 */
	bool is_held;
	bool is_seized;
	bool is_ended; /* a first thread that has ended before the others: it stays as a zombie */
	uint8_t refusals;
	unsigned int listing; /* the last one that had it */
	uint64_t turns; /* of the processor, when it was found in a sleep that nothing interrupts */
};

struct trace {
	struct memhint_process *process;
	struct trace_thread *threads;
	size_t count;
	size_t capacity;
	unsigned int listing;
	struct trace_watch *watch;
	bool has_seized;  /* any thread, so one that is traced may be its own */
	bool was_stopped; /* by a signal, before; it will be so again */
};

/*
 * Seizes and interrupts every thread; does not wait. For several processes that are to be frozen as one,
 * begin all, then wait for all. 0 or a negative errno, and then nothing is held: -EBUSY another
 * process traces it, -EPERM, -ESRCH, -ENOMEM.
 */
int trace_begin(struct trace *trace, struct memhint_process *process);

/*
 * Until every thread is held, those born meanwhile too. 0 or a negative errno, and then the caller ends
 * it: -ETIMEDOUT at @deadline_usec (clock_usec()), -ESRCH it has ended, -EBUSY, -EPERM, -ENOMEM.
 */
int trace_wait(struct trace *trace, uint64_t deadline_usec);

/*
 * How many threads are left that cannot be stopped, since they are in a sleep that nothing interrupts; 0 if
 * others do not stand still either.
 */
size_t trace_sleepers(const struct trace *trace);

/*
 * Lets go of what is held now, and does not wait. For several processes: let go of all, then end all. A
 * thread may need another process to run before it can be let go.
 */
void trace_let_go(struct trace *trace);

/*
 * Lets go of all threads but this one, if it is in a call and has not had a processor since the last time
 * that this was asked (@turns, 0 at first): it may wait for one of them. Whether it did.
 */
bool trace_let_others_go(struct trace *trace, pid_t tid, uint64_t *turns);

/* Lets go of all threads, as they were. Also of a trace that is all zero. */
void trace_end(struct trace *trace);

/*
 * Waits for the next stop of a thread that was let run by the caller, as waitpid(2) reports it. 0 or a
 * negative errno: -ETIMEDOUT, -ESRCH the thread has ended.
 */
int trace_wait_thread(struct trace *trace, pid_t tid, uint64_t deadline_usec, int *ret_status);

#endif
