/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rest of the library may ask of the selection beyond the public function. */
#ifndef LIB_FILTER_INTERNAL_H
#define LIB_FILTER_INTERNAL_H

#include <stdint.h>

struct memhint_map;
struct memhint_ranges;
struct origin;
struct pages;

/*
 * Selects as it was done before, from a fresh snapshot, in what of the filter lies in [start, end). @pages
 * are of the same process. Fills @ranges, which are empty. 0 or a negative errno.
 */
int select_again(const struct origin *origin, const struct memhint_map *map,
		 const struct pages *pages, uint64_t start, uint64_t end,
		 struct memhint_ranges *ranges);

#endif
