/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rest of the library may ask of a process beyond the public functions. */
#ifndef LIB_PROCESS_INTERNAL_H
#define LIB_PROCESS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

struct memhint_process;

/*
 * Tells it from all others since the machine was started: the unique id, and the PID with it where that
 * is but the start time.
 */
uint64_t process_key(const struct memhint_process *process);

/* What cookie.c keeps between two readings; NULL at first, freed by cookie_keep_free(). */
struct cookie_keep;
struct cookie_keep **process_cookie_keep(struct memhint_process *process);

/* Whether the cgroup v2 that it is in is frozen, by itself or from above. */
bool process_is_frozen(const struct memhint_process *process);

/* Whether it has ended or is about to: its memory is gone some time before it is. */
bool process_is_ending(const struct memhint_process *process);

#endif
