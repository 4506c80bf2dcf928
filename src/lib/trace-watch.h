/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps ptrace(2) from waiting for ever. PTRACE_SEIZE waits for an exec in the target to be over; an exec
 * waits for the threads that it has killed to be gone; and those that are traced go only when their tracer
 * takes note, which waits in PTRACE_SEIZE. No signal gets it out of there, so another thread of the caller
 * has to step in. Source: "BUGS" of ptrace(2); fs/exec.c, de_thread().
 */
#ifndef LIB_TRACE_WATCH_H
#define LIB_TRACE_WATCH_H

struct trace_watch;

/* Begins to watch over the threads of one process. @dirfd: its /proc/PID, to stay open. */
int trace_watch_start(int dirfd, int pid, struct trace_watch **ret_watch);

/* Around a call that may wait. */
void trace_watch_enter(struct trace_watch *watch);
void trace_watch_leave(struct trace_watch *watch);

/* NULL is accepted. */
void trace_watch_stop(struct trace_watch *watch);

#endif
