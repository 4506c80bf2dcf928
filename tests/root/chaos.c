/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Targets that change their address spaces without pause, hinted under each guard: their contents, whether
 * they run on, and whether memory was advised that was not looked at, which canaries show.
 */
#include "chaos.h"
#include "tap.h"
#include "test-swap.h"

#include <memhint/memhint.h>

#include <string.h>

#define TARGETS 4
#define CALLS 150
#define INJECT_CALLS 48 /* of which each waits until the target gets a processor */
#define CANARIES 1000
#define PROVOKE_EVERY 3 /* odd, so that each of two advices is given to canaries */

static void test_control(enum memhint_via via)
{
	const struct chaos_options options = {
		.targets = TARGETS, .is_control = true, .via = via, .count = CANARIES
	};
	const char *name = memhint_via_name(via);
	struct chaos_account account;

	chaos_run(&options, &account);
	ok(account.canaries >= CANARIES, "control, %s: canaries are put", name);
	is(account.wrong_ranges, 0, "control, %s: without a call none is hit", name);
	is(account.contents_lost, 0, "control, %s: no contents are lost", name);
	is(account.crashes, 0, "control, %s: no target crashes", name);
}

static void test_guard(enum memhint_guard guard, enum memhint_via via)
{
	const bool inject = via == MEMHINT_VIA_INJECT;
	const struct chaos_options options = {
		.targets = TARGETS,
		.guard = guard,
		.via = via,
		.provoke_every = PROVOKE_EVERY,
		.count = inject ? INJECT_CALLS : CALLS,
	};
	const bool is_exact = memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0;
	struct chaos_account account;
	char name[64];

	snprintf(name, sizeof(name), "%s, %s", memhint_guard_name(guard), memhint_via_name(via));
	chaos_run(&options, &account);
	printf("# %s: %llu calls, %llu stale before, %llu after, %llu looks, %llu wrong, %llu reported\n",
	       name, (unsigned long long)account.calls, (unsigned long long)account.stale_before,
	       (unsigned long long)account.stale_after, (unsigned long long)account.looks,
	       (unsigned long long)account.wrong_ranges,
	       (unsigned long long)account.raced_and_reported);
	ok(account.advised_bytes > 0, "%s: memory is advised", name);
	is(account.contents_lost, 0, "%s: no contents are lost", name);
	is(account.crashes, 0, "%s: no target crashes", name);
	is(account.left_stopped, 0, "%s: no target is left stopped", name);
	is(account.errors, 0, "%s: no error but those of change, end and time", name);
	if (account.errors)
		printf("# first: %s\n", strerror(-account.first_error));
	switch (guard) {
	case MEMHINT_GUARD_NONE:
		ok(account.wrong_ranges > 0, "%s: canaries are hit", name);
		break;
	case MEMHINT_GUARD_FOLLOW:
		ok(account.looks > 0, "%s: what changed is looked at again", name);
		break;
	case MEMHINT_GUARD_COOKIE:
		ok(account.stale_before > 0, "%s: what changed before is refused", name);
		/* A fingerprint cannot see a change that was undone. */
		if (is_exact)
			is(account.wrong_ranges, 0, "%s: no canary is hit in silence", name);
		break;
	case MEMHINT_GUARD_FREEZE:
		is(account.wrong_ranges + account.raced_and_reported, 0, "%s: no canary is hit",
		   name);
		break;
	}
}

int main(void)
{
	swap_begin();
	test_control(MEMHINT_VIA_KERNEL);
	for (enum memhint_guard guard = MEMHINT_GUARD_NONE; guard <= MEMHINT_GUARD_FREEZE; guard++)
		test_guard(guard, MEMHINT_VIA_KERNEL);
	if (memhint_probe(MEMHINT_FEATURE_INJECT) == 0) {
		test_control(MEMHINT_VIA_INJECT);
		test_guard(MEMHINT_GUARD_NONE, MEMHINT_VIA_INJECT);
		test_guard(MEMHINT_GUARD_COOKIE, MEMHINT_VIA_INJECT);
		test_guard(MEMHINT_GUARD_FREEZE, MEMHINT_VIA_INJECT);
	} else {
		skip_one("advice run inside targets", "not on this architecture");
	}
	swap_end();
	return done_testing();
}
