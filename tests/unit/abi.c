/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs were built with must stay as it is: the sizes of structures that the library fills in,
 * and the numbers of enumerations. Whoever sees this fail has found what would break them.
 */
#include "tap.h"

#include <memhint/memhint.h>

#include <string.h>
#include <unistd.h>

/* On machines of 64 bits, all of which lay these structures out the same. */
static void check_sizes(void)
{
	is(sizeof(struct memhint_amount), 16, "memhint_amount");
	is(sizeof(struct memhint_failure), 24, "memhint_failure");
	is(sizeof(struct memhint_usage), 48, "memhint_usage");
	is(sizeof(struct memhint_result), 800, "memhint_result");
	is(sizeof(struct memhint_process_stat), 216, "memhint_process_stat");
	is(sizeof(struct memhint_vma), 80, "memhint_vma");
	is(offsetof(struct memhint_result, first_failure), 576,
	   "what follows the reasons does not move when there are more");
	is(offsetof(struct memhint_result, was_frozen), 731,
	   "what 0.1 gave out as reserved is used from its beginning on");
	is(offsetof(struct memhint_result, frozen_usec), 744, "a later one");
	is(offsetof(struct memhint_result, reserved) + 48, sizeof(struct memhint_result),
	   "memhint_result ends without padding");
}

static void check_numbers(void)
{
	is(MEMHINT_SKIP_LOCKED, 0, "the first reason");
	is(MEMHINT_SKIP_STOPPED, 15, "the last reason of 0.1");
	is(MEMHINT_SKIP_CHANGED, 16, "the first one after it");
	is(MEMHINT_SKIP_ALREADY, 18, "the last one");
	is(MEMHINT_GUARD_FREEZE, 3, "the last guard");
	is(MEMHINT_VIA_INJECT, 2, "the last way");
	ok(MEMHINT_SKIP_COUNT <= MEMHINT_SKIP_MAX, "all reasons have room in a result");
	is(MEMHINT_FEATURE_PIDFD, 0, "the first feature");
	is(MEMHINT_FEATURE_DROPPABLE, 14, "the last feature of 0.1");
	is(MEMHINT_READER_MAPS, 4, "the last reader of 0.1");
	is(MEMHINT_PAGES_SMAPS, 3, "the last reader of pages of 0.1");
	is(MEMHINT_PACE_BOUND, 2, "the last pace of 0.1");
}

static bool is_zero(const void *memory, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const char *)memory)[i])
			return false;
	return true;
}

/* Callers of later versions read what this one does not know as "none". */
static void check_reserved(void)
{
	struct memhint_process *self;
	struct memhint_ranges *ranges;
	struct memhint_process_stat stat;
	struct memhint_result result;
	struct memhint_vma vma;

	memset(&stat, 0xff, sizeof(stat));
	memset(&result, 0xff, sizeof(result));
	memset(&vma, 0xff, sizeof(vma));
	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	must(memhint_ranges_new(&ranges) == 0);
	is(memhint_process_stat(self, &stat), 0, "stat");
	ok(is_zero(stat.reserved, sizeof(stat.reserved)), "what is reserved there is 0");
	is(memhint_map_lookup(self, 0, &vma), 0, "lookup");
	ok(is_zero(vma.reserved, sizeof(vma.reserved)), "what is reserved there is 0");
	is(memhint_advise(self, ranges, MADV_COLD, NULL, &result), 0, "advise");
	ok(is_zero(result.reserved, sizeof(result.reserved)) &&
		   is_zero(result.reserved_flags, sizeof(result.reserved_flags)) &&
		   is_zero(result.before.reserved, sizeof(result.before.reserved)) &&
		   is_zero(&result.skipped_by[MEMHINT_SKIP_COUNT],
			   sizeof(result.skipped_by[0]) * (MEMHINT_SKIP_MAX - MEMHINT_SKIP_COUNT)),
	   "what is reserved there is 0");
	memhint_ranges_free(ranges);
	memhint_process_close(self);
}

int main(void)
{
	if (sizeof(void *) == 8)
		check_sizes();
	check_numbers();
	check_reserved();
	return done_testing();
}
