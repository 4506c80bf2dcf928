/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom the caller descends from. */
#ifndef LIB_ANCESTOR_H
#define LIB_ANCESTOR_H

struct memhint_process;

/*
 * Whether the caller is a child of a process, or of one of its descendants: 1, also where that cannot be
 * told, 0, or a negative errno: -ESRCH it has ended.
 */
int ancestor_check(const struct memhint_process *process);

#endif
