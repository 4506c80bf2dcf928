/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that are frozen as one, those that appear meanwhile included. */
#ifndef CLI_GROUP_H
#define CLI_GROUP_H

#include "targets.h"

#include <memhint/guard.h>
#include <stddef.h>
#include <stdint.h>

struct group {
	size_t count;
	struct memhint_freeze **freezes;
	uint64_t begun_usec;
};

/*
 * Freezes all of @list that are not left out, sets what holds each, and adds to @list what @targets
 * mean besides once those stand. 0, or a negative errno of memhint_freeze_open() and then all run as
 * before, those whose freeze was to be kept included; -EAGAIN: new ones appeared again and again.
 * @list may have grown all the same.
 */
int group_freeze(const struct targets *targets, struct target_list *list,
		 const struct memhint_freeze_options *options, struct group *ret_group);

/* Lets go of all that is not to be kept, and forgets the rest; how long they stood, in microseconds. */
uint64_t group_close(struct group *group, struct target_list *list);

/* Lets go of all, also of what was to be kept. */
void group_undo(struct group *group, struct target_list *list,
		const struct memhint_freeze_options *options);

/*
 * A sentence about why processes could not be frozen: about the first of them that explains it, or about
 * all if none does. @instead: "or ...": what else can be done where a tracer is in the way; @outcome:
 * "nothing was done". The exit status.
 */
int group_failed(const struct target_list *list, int error, const char *instead,
		 const char *outcome);

/* The same about one process. */
int freeze_failed(const struct target *target, int error, const char *instead, const char *outcome);

#endif
