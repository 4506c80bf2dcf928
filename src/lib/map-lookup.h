/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One address, without a snapshot. */
#ifndef LIB_MAP_LOOKUP_H
#define LIB_MAP_LOOKUP_H

#include <stdint.h>

struct memhint_vma;

/*
 * The two ways of memhint_map_lookup(), on an fd of /proc/PID/maps. 0, -ENOENT nothing at @address or
 * above, or another negative errno. The query does not see vsyscall.
 */
int map_lookup_query(int fd, uint64_t address, struct memhint_vma *ret_vma);
int map_lookup_text(int fd, uint64_t address, struct memhint_vma *ret_vma);

#endif
