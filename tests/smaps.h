/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc/PID/smaps says of a process; its kinds are found out another way than the library's. */
#ifndef TESTS_SMAPS_H
#define TESTS_SMAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct smaps_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint32_t flags; /* enum memhint_vma_flag */
	uint32_t kind;	/* enum memhint_kind */
	char name[128];
};

struct smaps {
	struct smaps_vma *vmas;
	size_t count;
};

/* Exits the test when it cannot be read. */
void smaps_read(pid_t pid, struct smaps *ret_smaps);
void smaps_done(struct smaps *smaps);

#endif
