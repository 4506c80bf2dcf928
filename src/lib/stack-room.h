/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the stack of a thread that is held something may be put. */
#ifndef LIB_STACK_ROOM_H
#define LIB_STACK_ROOM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memhint_process;

/* Of a thread: from inject_arch_get(). */
struct stack_thread {
	pid_t tid;
	uint64_t stack;		 /* its stack pointer */
	uint64_t thread_pointer; /* its thread-local memory; 0 unknown */
};

/*
 * Finds @size bytes that end at @ret_top, where nothing is kept: below the stack pointer, on a stack that
 * the system made for this thread, and if possible in pages that were never touched, so that it does not
 * matter if the program has taken a part of that stack for something else (an alternate stack for
 * signals, the stack of a coroutine). Below is room for a signal handler. 0 or a negative errno: -EBUSY
 * there is none; -ESRCH, -ENOMEM, -EACCES.
 */
int stack_room_find(const struct memhint_process *process, const struct stack_thread *thread,
		    size_t size, uint64_t *ret_top);

#endif
