/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What exec changes, even where the old address space lives on in a process that shared it. */
#ifndef LIB_EXEC_MARKS_H
#define LIB_EXEC_MARKS_H

#include <stdbool.h>
#include <stdint.h>

struct memhint_process;

struct exec_marks {
	uint64_t start_code;
	uint64_t start_stack;
	uint64_t env_start;
};

/* Opens what tells the marks of a process, again and again: an fd or a negative errno. */
int exec_marks_open(const struct memhint_process *process);

/* 0 or a negative errno. */
int exec_marks_read(int fd, struct exec_marks *ret_marks);

static inline bool exec_marks_are_same(const struct exec_marks *a, const struct exec_marks *b)
{
	return a->start_code == b->start_code && a->start_stack == b->start_stack &&
	       a->env_start == b->env_start;
}

#endif
