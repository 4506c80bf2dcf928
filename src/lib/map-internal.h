/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rest of the library may ask of a snapshot beyond the public functions. */
#ifndef LIB_MAP_INTERNAL_H
#define LIB_MAP_INTERNAL_H

#include "exec-marks.h"

#include <memhint/map.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private memory that is known to have never been written: no look at its pages is needed. */
bool map_is_untouched(const struct memhint_map *map, size_t index);

/* Whether names, pages were asked for when it was opened; and all that was, MEMHINT_MAP_*. */
bool map_has_names(const struct memhint_map *map);
bool map_has_pages(const struct memhint_map *map);
uint32_t map_want(const struct memhint_map *map);

/* What tells an exec since. */
struct exec_marks map_exec_marks(const struct memhint_map *map);

/* memhint_map_refresh(), but only the first @limit mappings that end above @start. */
int map_refresh_window(struct memhint_map *map, uint64_t start, uint32_t limit);

/* Whether the process's mappings are the same now: 1 yes, 0 no, negative errno: cannot be told. */
int map_is_unchanged(const struct memhint_map *map);

#endif
