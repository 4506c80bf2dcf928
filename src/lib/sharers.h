/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other processes that run on the same memory (clone(2), CLONE_VM). */
#ifndef LIB_SHARERS_H
#define LIB_SHARERS_H

#include <memhint/guard.h>

/*
 * Whether a process shares its memory with one that is not part of @freeze, which may be NULL. Of one that
 * stands still a no is true for as long as it does: only those who share a memory can make more. 1, 0,
 * or a negative errno: -ENOMEM, -EMFILE, -ENFILE. Where the kernel cannot tell (no kcmp(2)) it is 0.
 */
int sharers_look(const struct memhint_process *process, const struct memhint_freeze *freeze);

#endif
