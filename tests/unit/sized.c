/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Structures of callers that were built with an older or a newer library: the same rule for all three. */
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct memhint_process *self;
static struct memhint_map *self_map;
static struct memhint_ranges *no_ranges;

static int take_map_options(const void *options)
{
	struct memhint_map *map;
	int r = memhint_map_open(self, options, &map);

	if (r == 0)
		memhint_map_close(map);
	return r;
}

static int take_filter(const void *filter)
{
	struct memhint_ranges *ranges;
	int r = memhint_select(self, self_map, filter, MADV_COLD, &ranges);

	if (r == 0)
		memhint_ranges_free(ranges);
	return r;
}

static int take_advise_options(const void *options)
{
	struct memhint_result result;

	return memhint_advise(self, no_ranges, MADV_COLD, options, &result);
}

/* The size comes first in each; behind it here a member that no version knows all bits of. */
static const struct {
	const char *name;
	int (*take)(const void *structure);
	size_t size;
	size_t last_end; /* where the last member ends: no padding that callers leave undefined */
} structures[] = {
#define LAST_END(structure, member, type) (offsetof(struct structure, member) + sizeof(type))
	{ "memhint_map_options", take_map_options, sizeof(struct memhint_map_options),
	  LAST_END(memhint_map_options, reserved, uint32_t) },
	{ "memhint_filter", take_filter, sizeof(struct memhint_filter),
	  LAST_END(memhint_filter, min_bytes, uint64_t) },
	{ "memhint_advise_options", take_advise_options, sizeof(struct memhint_advise_options),
	  LAST_END(memhint_advise_options, freeze, void *) },
};

static void check_structure(size_t which)
{
	int (*take)(const void *) = structures[which].take;
	const char *name = structures[which].name;
	size_t size = structures[which].size, length;
	union {
		size_t size;
		char bytes[8192];
	} u = {};

	is(take(NULL), 0, "%s: NULL is the default", name);
	is(take(&u), -EINVAL, "%s: a size of 0 was forgotten", name);
	u.size = size;
	is(take(&u), 0, "%s: its own size", name);
	for (length = sizeof(size_t); length < size; length++) {
		u.size = length;
		if (take(&u) != 0)
			break;
	}
	is(length, size, "%s: any smaller size", name);
	u.size = size + 16;
	is(take(&u), 0, "%s: a larger one with nothing more in it", name);
	u.bytes[size + 15] = 1;
	is(take(&u), -EINVAL, "%s: a larger one that asks for more", name);
	u.size = size + 15;
	is(take(&u), 0, "%s: what lies behind a structure is not looked at", name);
	u.size = sizeof(u);
	memset(u.bytes + sizeof(size_t), 0, sizeof(u) - sizeof(size_t));
	is(take(&u), -EINVAL, "%s: no structure is that large", name);

	memset(u.bytes + sizeof(size_t), 0xff, sizeof(uint32_t) * 2);
	u.size = size;
	is(take(&u), -EINVAL, "%s: flags that are not known", name);
	u.size = sizeof(size_t);
	is(take(&u), 0, "%s: which a smaller structure does not have", name);
	if (sizeof(void *) == 8)
		is(structures[which].last_end, size, "%s: ends without padding", name);
}

int main(void)
{
	struct memhint_map_options options = { .size = sizeof(options), .reserved = 1 };

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	must(memhint_map_open(self, NULL, &self_map) == 0);
	must(memhint_ranges_new(&no_ranges) == 0);
	for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]); i++)
		check_structure(i);
	is(take_map_options(&options), -EINVAL, "what is reserved must be 0");
	memhint_ranges_free(no_ranges);
	memhint_map_close(self_map);
	memhint_process_close(self);
	return done_testing();
}
