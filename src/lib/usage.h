/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of some ranges is resident, swapped out and huge: what an advice achieved. */
#ifndef LIB_USAGE_H
#define LIB_USAGE_H

#include <memhint/advise.h>
#include <stdbool.h>
#include <stddef.h>

struct pages;
struct memhint_ranges;

/* The caller's flag, which another thread may set while it is looked at; or NULL. */
static inline bool cancel_is_set(const volatile int *cancel)
{
	return cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED);
}

/* Ends early when @cancel, which may be NULL, is set. 0, -ECANCELED or another negative errno. */
int usage_measure(const struct pages *pages, const struct memhint_ranges *ranges,
		  const volatile int *cancel, struct memhint_usage *ret_usage);

#endif
