/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom the caller descends from: without them he may get no further. */
#ifndef LIB_ANCESTOR_H
#define LIB_ANCESTOR_H

struct memhint_process;

/* Whether a process is an ancestor of the caller: 1, 0 or a negative errno, -ESRCH if it has ended. */
int ancestor_is(const struct memhint_process *process);

#endif
