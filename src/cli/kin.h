/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How other processes stand to a process: who traces it, and whether memhint descends from it. */
#ifndef CLI_KIN_H
#define CLI_KIN_H

#include <memhint/process.h>
#include <stdbool.h>
#include <sys/types.h>

struct kin_tracer {
	pid_t pid;
	char comm[64];
};

/* Who traces a process: 0, -ENOENT nobody (that can be seen), or another negative errno. */
int kin_tracer(const struct memhint_process *process, struct kin_tracer *ret_tracer);

enum kin {
	KIN_NONE,
	KIN_INIT,     /* PID 1 */
	KIN_PARENT,   /* of memhint: the shell that it was started by, mostly */
	KIN_ANCESTOR, /* further up */
};

/* What a process is to memhint itself. */
enum kin kin_of(const struct memhint_process *process);

/* Whether a filter of system calls (seccomp(2)) is in force in a process. */
bool kin_has_filter(const struct memhint_process *process);

#endif
