/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a whole mapping is of no use for an advice. */
#ifndef LIB_OBSTACLE_H
#define LIB_OBSTACLE_H

#include <memhint/filter.h>
#include <memhint/map.h>
#include <stdbool.h>

/* MEMHINT_SKIP_COUNT: nothing stands in the way. @flags_known: memhint_map_flags_known(). */
enum memhint_skip obstacle_of(const struct memhint_vma *vma, int advice, bool flags_known);

#endif
