/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of mappings: order, overlaps, names, searching. */
#include "tap.h"

#include "map-list.h"

#include <string.h>

static void add(struct map_list *list, uint64_t start, uint64_t end, uint32_t kind, uint8_t notes)
{
	struct memhint_vma vma = { .start = start, .end = end, .offset = 0x10000, .kind = kind };

	must(map_list_add(list, &vma, notes) == 0);
}

static void test_overlaps(void)
{
	struct map_list list = {};

	add(&list, 0x1000, 0x3000, MEMHINT_KIND_ANON, 1);
	add(&list, 0x2000, 0x5000, MEMHINT_KIND_FILE, 2);
	is(list.count, 2, "a mapping that grew between two reads is kept");
	is(list.vmas[1].start, 0x3000, "without what is known already");
	is(list.vmas[1].offset, 0x11000, "its offset moves with it");
	add(&list, 0x4000, 0x6000, MEMHINT_KIND_ANON, 4);
	is(list.vmas[2].start, 0x5000, "so with anonymous memory");
	is(list.vmas[2].offset, 0x10000, "which has no offset to move");
	add(&list, 0x1000, 0x6000, MEMHINT_KIND_ANON, 8);
	is(list.count, 3, "what is known whole is left out");
	ok(list.notes[0] == 1 && list.notes[1] == 2 && list.notes[2] == 4,
	   "notes stay with mappings");
	map_list_clear(&list);
	is(list.count, 0, "cleared");
	add(&list, 0x1000, 0x2000, MEMHINT_KIND_ANON, 0);
	is(list.count, 1, "and used again");
	map_list_done(&list);
}

static void test_find(void)
{
	struct map_list list = {};
	int wrong = 0;

	is(map_list_find(&list, 0), 0, "in an empty list there is nothing");
	for (uint64_t i = 0; i < 1000; i++)
		add(&list, 0x10000 + i * 0x3000, 0x11000 + i * 0x3000, MEMHINT_KIND_ANON, 0);
	is(map_list_find(&list, 0), 0, "below all: the first");
	for (size_t i = 0; i < 1000; i++) {
		uint64_t start = list.vmas[i].start, end = list.vmas[i].end;

		wrong += map_list_find(&list, start) != i;
		wrong += map_list_find(&list, end - 1) != i;
		wrong += map_list_find(&list, end) != i + 1;
		wrong += map_list_find(&list, end + 0x1000) != i + 1;
	}
	is(wrong, 0, "each by its first and last byte, the next one by what lies between");
	is(map_list_find(&list, UINT64_MAX), 1000, "above all: none");
	map_list_done(&list);
}

static void test_names(void)
{
	struct map_list list = {};
	char name[64];
	int wrong = 0;

	for (int round = 0; round < 2; round++) {
		map_list_clear(&list);
		for (size_t i = 0; i < 5000; i++) {
			add(&list, 0x10000 + i * 0x1000, 0x11000 + i * 0x1000, MEMHINT_KIND_FILE,
			    0);
			snprintf(name, sizeof(name), "/file/%zu", i / 3);
			must(map_list_set_name(&list, i, name, i % 7 ? strlen(name) : 0) == 0);
		}
		map_list_finish_names(&list);
		for (size_t i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "/file/%zu", i / 3);
			wrong += strcmp(list.vmas[i].name, i % 7 ? name : "") != 0;
		}
	}
	is(wrong, 0, "5,000 names, twice");
	ok(list.vmas[3].name == list.vmas[4].name, "neighbours share a name");
	map_list_clear(&list);
	add(&list, 0x1000, 0x2000, MEMHINT_KIND_FILE, 0);
	add(&list, 0x2000, 0x3000, MEMHINT_KIND_FILE, 0);
	must(map_list_set_name(&list, 0, "/name-and-more", 14) == 0);
	must(map_list_set_name(&list, 1, "/name-and-more", 5) == 0);
	map_list_finish_names(&list);
	ok(strcmp(list.vmas[1].name, "/name") == 0, "the beginning of a name is not the name");
	map_list_done(&list);
}

int main(void)
{
	test_overlaps();
	test_find();
	test_names();
	return done_testing();
}
