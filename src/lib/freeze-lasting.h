/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways of a freeze that outlive their maker, cgroup and signal: written down before they are gone. */
#ifndef LIB_FREEZE_LASTING_H
#define LIB_FREEZE_LASTING_H

#include <stdbool.h>

struct freezer;
struct memhint_freeze;

/*
 * Stops what ptrace does not hold, after writing down what will be stopped. With @may_end it is no error
 * that one ends meanwhile. 0 or a negative errno, and then lasting_undo() is to be called.
 */
int lasting_stop(struct memhint_freeze *freeze, bool may_end);

/* The same of a cgroup as such, which becomes part of the freeze: @freezer is all zero then. */
int lasting_stop_group(struct memhint_freeze *freeze, struct freezer *freezer);

/* One record of all that stays frozen, in place of the first of those that would be undone. */
int lasting_keep(struct memhint_freeze *freeze);

/* Lets go of all of it. False: something could not be undone, and the records of it are to stay. */
bool lasting_undo(struct memhint_freeze *freeze);

#endif
