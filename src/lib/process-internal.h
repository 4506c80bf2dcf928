/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rest of the library may ask of a process beyond the public functions. */
#ifndef LIB_PROCESS_INTERNAL_H
#define LIB_PROCESS_INTERNAL_H

#include <stdbool.h>

struct memhint_process;

/* Whether the cgroup v2 that it is in is frozen, by itself or from above. */
bool process_is_frozen(const struct memhint_process *process);

#endif
