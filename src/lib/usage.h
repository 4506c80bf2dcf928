/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of some ranges is resident, swapped out and huge: what an advice achieved. */
#ifndef LIB_USAGE_H
#define LIB_USAGE_H

#include <memhint/advise.h>

struct pages;
struct memhint_ranges;

/* 0 or a negative errno. */
int usage_measure(const struct pages *pages, const struct memhint_ranges *ranges, struct memhint_usage *ret_usage);

#endif
