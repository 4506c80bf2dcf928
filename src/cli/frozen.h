/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What memhint has left frozen, by the records of it. */
#ifndef CLI_FROZEN_H
#define CLI_FROZEN_H

#include <memhint/guard.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where records of this user's freezes are to be; NULL: where the library has them. */
const char *frozen_directory(void);

/* Whether records can be made: 0 or a negative errno. @ret_path: of the directory. */
int frozen_directory_check(const char **ret_path);

/* One process, or a control group of which no process is recorded. */
struct frozen {
	pid_t pid; /* 0: it is a group */
	uint64_t id;
	enum memhint_freeze_way way;
	bool is_kept;
	bool is_orphan;
	bool is_gone;  /* that process has ended, that group was removed */
	char comm[64]; /* "" if it is gone, and of groups */
	char *cgroup;  /* the path of the group that is frozen, or NULL */
	const char *directory;
};

struct frozen_list {
	size_t count;
	struct frozen *items;
};

/*
 * Every record there is, also of guards, which have theirs where the library does. 0 or a negative errno;
 * those that can be read are in the list also then.
 */
int frozen_read(struct frozen_list *ret_list);

/* As memhint_freeze_recover(), for the same places. */
int frozen_recover(size_t *ret_count);
void frozen_list_done(struct frozen_list *list);

/* "kept", "going on", "orphan" or "gone". */
const char *frozen_state(const struct frozen *frozen);

#endif
