/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rest of the library may ask of a freeze beyond the public functions. */
#ifndef LIB_FREEZE_H
#define LIB_FREEZE_H

#include "trace.h"

#include <memhint/guard.h>

/* The hold on a process of this freeze by ptrace(2); NULL if it is not held that way. */
struct trace *freeze_trace(const struct memhint_freeze *freeze,
			   const struct memhint_process *process);

/* Whether a process is kept from running by this freeze, or was so already when it began. */
bool freeze_has(const struct memhint_freeze *freeze, const struct memhint_process *process);

#endif
