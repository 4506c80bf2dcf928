/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A target that has thousands of mappings, of every sort that this kernel can make. */
#ifndef TESTS_SORTS_H
#define TESTS_SORTS_H

#include "child.h"

/* What of it there is: shared->number[]. */
enum {
	NUMBER_SORTS, /* 1: all done */
	NUMBER_DROPPABLE,
	NUMBER_UFFD, /* how many modes */
	NUMBER_HUGETLB,
	NUMBER_DEVICE,
};

/* Private memory, one page each, and shared memory: shared->address[]. */
enum {
	ADDRESS_FRESH,
	ADDRESS_WRITTEN,
	ADDRESS_ONLY_READ,
	ADDRESS_SHARED,
};

#define SORTS_MANY 2000 /* there are at least twice as many */

/* For child_start(). */
void setup_sorts(struct child_shared *shared);

#endif
