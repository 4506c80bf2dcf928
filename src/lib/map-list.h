/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growing list of mappings in order of address, with their names. */
#ifndef LIB_MAP_LIST_H
#define LIB_MAP_LIST_H

#include <memhint/map.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a mapping beyond the public structure. */
enum map_note {
	MAP_NOTE_UNTOUCHED = 1 << 0, /* private memory, never written */
	MAP_NOTE_HUGETLB = 1 << 1,   /* huge TLB pages, also where flags are not known */
};

/* Zero is an empty list. */
struct map_list {
	struct memhint_vma *vmas;
	uint8_t *notes; /* enum map_note, for each of vmas */
	size_t count;
	size_t allocated;
	char *names; /* "" first, then name after name, each ended by NUL */
	size_t names_used;
	size_t names_allocated;
};

void map_list_done(struct map_list *list);

/* Empties it and keeps the memory. */
void map_list_clear(struct map_list *list);

/*
 * Appends a mapping. Where a list was read while the target changed it, mappings can overlap: what
 * the one before covers already is cut off. 0 or -ENOMEM.
 */
int map_list_add(struct map_list *list, const struct memhint_vma *vma, uint8_t notes);

/*
 * Names mapping @index. vma->name is of no use before map_list_finish(), as names may move in
 * memory while more are added. 0 or -ENOMEM.
 */
int map_list_set_name(struct map_list *list, size_t index, const char *name, size_t length);

/* Makes the names of all mappings pointers: all must have been set. */
void map_list_finish_names(struct map_list *list);

/* The first mapping that ends above @address: its index, or count if there is none. */
size_t map_list_find(const struct map_list *list, uint64_t address);

#endif
