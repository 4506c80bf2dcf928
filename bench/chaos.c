/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chaos: eight targets that map, unmap, move, fork and exec as fast as they can, hinted without pause under
 * each guard, and once not at all. What must never be seen: contents lost, a target left stopped, memory
 * advised that was not looked at, which canaries show (tests/chaos-target.c).
 *
 * usage: bench-chaos [SECONDS [RUN]]    seconds for each guard; a quarter of that for injected advice
 */
#include "bench.h"

#include "chaos.h"
#include "test-swap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each waits until the target gets a processor. */
#define INJECT_CALLS 200

/* Calls of a target: for either advice in turns. The others leave it to luck. */
#define PROVOKE_EVERY 7

static const struct {
	const char *name;
	bool is_control;
	enum memhint_guard guard;
	enum memhint_via via;
} runs[] = {
	{ "control", true, MEMHINT_GUARD_NONE, MEMHINT_VIA_KERNEL },
	{ "none", false, MEMHINT_GUARD_NONE, MEMHINT_VIA_KERNEL },
	{ "follow", false, MEMHINT_GUARD_FOLLOW, MEMHINT_VIA_KERNEL },
	{ "cookie", false, MEMHINT_GUARD_COOKIE, MEMHINT_VIA_KERNEL },
	{ "freeze", false, MEMHINT_GUARD_FREEZE, MEMHINT_VIA_KERNEL },
	{ "inject_none", false, MEMHINT_GUARD_NONE, MEMHINT_VIA_INJECT },
	{ "inject_cookie", false, MEMHINT_GUARD_COOKIE, MEMHINT_VIA_INJECT },
	{ "inject_freeze", false, MEMHINT_GUARD_FREEZE, MEMHINT_VIA_INJECT },
};
#define RUNS (sizeof(runs) / sizeof(runs[0]))

static void print_run(const char *name, const struct chaos_account *account)
{
	double seconds = (double)account->elapsed_usec / 1e6;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "calls", account->calls },
		{ "system_calls", account->system_calls },
		{ "advised_bytes", account->advised_bytes },
		{ "estale_before", account->stale_before },
		{ "estale_after", account->stale_after },
		{ "looks", account->looks },
		{ "changed_bytes", account->changed_bytes },
		{ "execs_seen", account->execs_seen },
		{ "exits_seen", account->exits_seen },
		{ "timeouts", account->timeouts },
		{ "other_errors", account->errors },
		{ "held_back", account->held_back },
		{ "frozen_usec", account->frozen_usec },
		{ "canaries", account->canaries },
		{ "provoked", account->provoked },
		{ "wrong_ranges", account->wrong_ranges },
		{ "wrong_unprovoked", account->wrong_unprovoked },
		{ "raced_and_reported", account->raced_and_reported },
		{ "contents_lost", account->contents_lost },
		{ "crashes", account->crashes },
		{ "left_stopped", account->left_stopped },
		{ "forks", account->forks },
		{ "execs", account->execs },
		{ "threads", account->threads },
		{ "verified_bytes", account->verified_bytes },
	};

	printf(",\"%s\":{\"seconds\":%.1f", name, seconds);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		printf(",\"%s\":%llu", numbers[i].name, (unsigned long long)numbers[i].value);
	if (account->errors)
		printf(",\"first_error\":\"%s\"", strerrorname_np(-account->first_error));
	printf(",\"operations_per_second\":%.0f,\"manager_cpu_percent\":%.1f}",
	       (double)account->operations / seconds,
	       100.0 * (double)account->manager_cpu_usec / (double)account->elapsed_usec);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 60;
	uint64_t lost = 0, stopped = 0;
	bool canary_works = false;

	swap_begin();
	printf("{\"benchmark\":\"chaos\",\"targets\":%d,\"exact_cookies\":%s", CHAOS_TARGETS,
	       memhint_probe(MEMHINT_FEATURE_EXACT_COOKIE) == 0 ? "true" : "false");
	for (size_t i = 0; i < RUNS; i++) {
		struct chaos_options options = {
			.targets = CHAOS_TARGETS,
			.is_control = runs[i].is_control,
			.guard = runs[i].guard,
			.via = runs[i].via,
			.provoke_every = PROVOKE_EVERY,
			.usec = (uint64_t)(seconds * 1e6),
		};
		struct chaos_account account;

		if (argc > 2 && strcmp(argv[2], runs[i].name) != 0)
			continue;
		if (runs[i].via == MEMHINT_VIA_INJECT) {
			options.usec /= 4;
			options.count = INJECT_CALLS;
		}
		fprintf(stderr, "bench: chaos: %s\n", runs[i].name);
		chaos_run(&options, &account);
		print_run(runs[i].name, &account);
		canary_works |= runs[i].guard == MEMHINT_GUARD_NONE && !runs[i].is_control &&
				account.wrong_ranges;
		lost += account.contents_lost + account.crashes;
		stopped += account.left_stopped;
	}
	printf(",\"canary_works\":%s,\"contents_lost\":%llu,\"left_stopped\":%llu}\n",
	       canary_works ? "true" : "false", (unsigned long long)lost,
	       (unsigned long long)stopped);
	swap_end();
	return 0;
}
