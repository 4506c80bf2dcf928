/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is frozen in a way that outlives its maker, one file each in the run-time directory. It is complete
 * and locked (flock(2)) when it gets its name, which is before anything is frozen; the kernel drops the
 * lock with the last descriptor, so a record that can be locked belongs to nobody that lives. One that
 * is marked as kept is not locked.
 *
 * Nothing is synced to a disk: the records of a machine that went down are void, since what they tell
 * of ended with it, and a maker that is killed leaves its writes to the kernel, which has them.
 */
#ifndef LIB_FREEZE_RECORD_H
#define LIB_FREEZE_RECORD_H

#include "freezer.h"

#include <memhint/guard.h>

struct freeze_record_process {
	pid_t pid;
	uint64_t id;
	enum memhint_freeze_way way; /* CGROUP or SIGNAL */
	size_t cgroup;		     /* index, with CGROUP */
};

struct freeze_record_cgroup {
	uint64_t id;
	char *path;
};

/* What a record says. */
struct freeze_record {
	struct freeze_record_process *processes;
	size_t process_count;
	struct freeze_record_cgroup *cgroups;
	size_t cgroup_count;
	bool is_kept;
};

/* The hold of its maker on a record. */
struct freeze_record_file;

/* -EPERM if the directory is not safe: a link, or somebody else can write to it. */
int freeze_record_create(const char *directory, const struct freeze_record *record,
			 struct freeze_record_file **ret_file);

/* Marks it as kept and lets go of it. On failure it is as before. */
int freeze_record_keep(struct freeze_record_file *file, const struct freeze_record *record);

void freeze_record_remove(struct freeze_record_file *file);

/* Lets go of it as it is, for memhint_freeze_recover() to undo. */
void freeze_record_leave(struct freeze_record_file *file);

#endif
