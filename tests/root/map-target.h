/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A target whose address space holds one of everything, and 10,000 small mappings. */
#ifndef TESTS_ROOT_MAP_TARGET_H
#define TESTS_ROOT_MAP_TARGET_H

#include "child.h"

#include <stdbool.h>
#include <stdint.h>

#define TARGET_PIECES 48
#define TARGET_SMALL 10000u /* of a page each, one in four untouched, written, read, paged out */

/* What lies where, and what is to be seen of it. */
struct piece {
	char what[48];
	char name[64]; /* part of the name, or "" for none */
	uint64_t start;
	uint64_t length;
	uint32_t kind;
	uint32_t flags; /* that must be set */
	uint64_t resident_pages;
	uint64_t swapped_pages;
	bool paged_out; /* is paged out by TARGET_PAGEOUT */
	bool may_be_huge;
};

struct target {
	uint32_t count;
	struct piece pieces[TARGET_PIECES];
	uint64_t small_start; /* page 2i + 1 from here is small mapping i */
	char missing[256];    /* what this machine cannot do */
};

/* Commands for child_tell(). */
enum target_command {
	TARGET_PAGEOUT, /* pages out again what may have come back; 0 if all is out */
};

/* Starts it; the description is shared memory. */
struct target *target_start(struct child *child);
void target_end(struct child *child, struct target *target);

#endif
