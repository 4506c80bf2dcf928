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

/* Opens what they are read from, which serves until the process ends: an fd or a negative errno. */
int exec_marks_open(const struct memhint_process *process);

/* 0 or a negative errno; -ESRCH the process has ended. All are 0 without ptrace access. */
int exec_marks_read(int fd, struct exec_marks *ret_marks);

bool exec_marks_are_same(const struct exec_marks *a, const struct exec_marks *b);

#endif
