/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a freeze consists of, for the files that make it up. */
#ifndef LIB_FREEZE_INTERNAL_H
#define LIB_FREEZE_INTERNAL_H

#include "freeze-record.h"
#include "freezer.h"
#include "trace.h"

#include <memhint/guard.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct freeze_item {
	struct memhint_process *process;
	struct trace trace;
	enum memhint_freeze_way way;
	size_t group; /* with CGROUP */
	bool is_owned;
	bool is_checked; /* it may be frozen */
	bool is_traced;
	bool is_recorded; /* and frozen by cgroup or signal */
	bool is_held;	  /* it does not run */
};

struct freeze_group {
	struct freezer freezer;
	bool is_recorded; /* and set to frozen */
};

struct memhint_freeze {
	struct freeze_item *items;
	size_t count;
	size_t capacity;
	struct freeze_group *groups;
	size_t group_count;
	struct freeze_record_file **records;
	size_t record_count;
	enum memhint_freeze_way way; /* as asked for */
	uint32_t flags;
	bool is_kept;
	uint64_t deadline_usec;
	const char *run_directory;
};

/* NULL if it is not in the freeze. */
const struct freeze_item *freeze_find_pid(const struct memhint_freeze *freeze, pid_t pid);

#endif
