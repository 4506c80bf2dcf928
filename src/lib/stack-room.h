/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where on the stack of a thread that is held something may be put. */
#ifndef LIB_STACK_ROOM_H
#define LIB_STACK_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memhint_process;

/* Of a thread: from inject_arch_get(). */
struct stack_thread {
	pid_t tid;
	int memory_fd;		 /* of /proc/PID/mem */
	uint64_t stack;		 /* its stack pointer */
	uint64_t thread_pointer; /* its thread-local memory; 0 unknown */
	unsigned int word_bytes; /* 4 or 8 */
};

/* A place on a stack, and what stood there if the program may have put it there. */
struct stack_room {
	uint64_t top;	    /* the end of the place */
	bool is_touched;    /* the program has used it once */
	uint64_t old_start; /* what stack_room_write() found there, for stack_room_restore() */
	unsigned char *old;
	size_t old_size;
};

/*
 * Finds @size bytes where nothing is kept: below the stack pointer, on a stack that the system made for
 * this thread, and if possible in pages that were never touched, so that it does not matter if the program
 * has taken a part of that stack for something else (an alternate stack for signals, the stack of a
 * coroutine). Below is room for a signal handler. 0 or a negative errno: -EBUSY there is none;
 * -ESRCH, -ENOMEM, -EACCES.
 */
int stack_room_find(const struct memhint_process *process, const struct stack_thread *thread,
		    size_t size, struct stack_room *ret_room);

/* What is to be added to the size for stack_room_write(). */
size_t stack_room_extra(void);

/*
 * Writes @data to @address, so that it ends at the top of the place. To the beginning of its lowest page goes
 * a mark, by which stack_room_find() knows a place in untouched pages again as long as nothing else was
 * written there: or each time would take a page more. 0, -EBUSY it cannot be written, -ENOMEM.
 */
int stack_room_write(struct stack_room *room, int memory_fd, uint64_t address, const void *data,
		     size_t size);

/* Puts back what stood there. */
void stack_room_restore(const struct stack_room *room, int memory_fd);

void stack_room_done(struct stack_room *room);

#endif
