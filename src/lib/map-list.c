/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map-list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_VMAS 256u
#define FIRST_NAMES 8192u

void map_list_done(struct map_list *list)
{
	free(list->vmas);
	free(list->notes);
	free(list->names);
	*list = (struct map_list){};
}

void map_list_clear(struct map_list *list)
{
	list->count = 0;
	list->names_used = 0;
}

static int list_grow(struct map_list *list)
{
	size_t allocated = list->allocated ? list->allocated * 2 : FIRST_VMAS;
	void *vmas, *notes;

	vmas = reallocarray(list->vmas, allocated, sizeof(list->vmas[0]));
	if (!vmas)
		return -ENOMEM;
	list->vmas = vmas;
	notes = reallocarray(list->notes, allocated, sizeof(list->notes[0]));
	if (!notes)
		return -ENOMEM;
	list->notes = notes;
	list->allocated = allocated;
	return 0;
}

int map_list_add(struct map_list *list, const struct memhint_vma *vma, uint8_t notes)
{
	uint64_t floor = list->count ? list->vmas[list->count - 1].end : 0;
	struct memhint_vma *added;
	int r;

	if (vma->end <= floor)
		return 0;
	if (list->count == list->allocated) {
		r = list_grow(list);
		if (r < 0)
			return r;
	}
	list->notes[list->count] = notes;
	added = &list->vmas[list->count++];
	*added = *vma;
	if (added->start < floor) {
		if (added->kind & (MEMHINT_KIND_FILE | MEMHINT_KIND_CODE | MEMHINT_KIND_SHMEM))
			added->offset += floor - added->start;
		added->start = floor;
	}
	return 0;
}

static int names_reserve(struct map_list *list, size_t more)
{
	size_t allocated = list->names_allocated ? list->names_allocated : FIRST_NAMES;
	char *names;

	while (allocated - list->names_used < more)
		if (__builtin_mul_overflow(allocated, 2, &allocated))
			return -ENOMEM;
	if (allocated == list->names_allocated)
		return 0;
	names = realloc(list->names, allocated);
	if (!names)
		return -ENOMEM;
	list->names = names;
	list->names_allocated = allocated;
	return 0;
}

/* Until they are finished, names are offsets in the arena. */
static const char *name_pack(size_t offset)
{
	return (const char *)offset;
}

static size_t name_unpack(const char *name)
{
	return (size_t)name;
}

int map_list_set_name(struct map_list *list, size_t index, const char *name, size_t length)
{
	size_t last;
	int r;

	r = names_reserve(list, length + 2);
	if (r < 0)
		return r;
	if (list->names_used == 0)
		list->names[list->names_used++] = '\0';
	if (length == 0) {
		list->vmas[index].name = name_pack(0);
		return 0;
	}
	/* The parts of a program or library follow each other and share their name. */
	last = index ? name_unpack(list->vmas[index - 1].name) : 0;
	if (last && strncmp(list->names + last, name, length) == 0 &&
	    list->names[last + length] == '\0') {
		list->vmas[index].name = name_pack(last);
		return 0;
	}
	list->vmas[index].name = name_pack(list->names_used);
	memcpy(list->names + list->names_used, name, length);
	list->names_used += length;
	list->names[list->names_used++] = '\0';
	return 0;
}

void map_list_finish_names(struct map_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->vmas[i].name = list->names + name_unpack(list->vmas[i].name);
}

size_t map_list_find(const struct map_list *list, uint64_t address)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->vmas[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
