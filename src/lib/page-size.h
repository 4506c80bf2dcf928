/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sizes of a page and of a transparent huge page. */
#ifndef LIB_PAGE_SIZE_H
#define LIB_PAGE_SIZE_H

#include <stdint.h>

uint64_t page_size(void);

/* The size of a huge page that one page table entry of the second level maps; 0 without THP. */
uint64_t huge_page_size(void);

static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
	return value - value % alignment;
}

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return align_down(value + alignment - 1, alignment);
}

#endif
