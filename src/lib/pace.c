/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pace.h"

#include "clock.h"
#include "page-size.h"
#include "uapi.h"

#include <memhint/process.h>

#include <sys/mman.h>

#define DEFAULT_BOUND_USEC 2000u

/* A caller that cancels waits for one call at the most: half of the 50 ms that are promised. */
#define FULL_SPEED_CALL_USEC 20000u

/*
 * Long enough for a sleeping writer to wake up and take the lock: seen on 6.18, its mmap calls take 2.0 ms
 * (p99) beside calls of 1 MiB with such gaps, and 16 ms beside calls of 64 KiB without any.
 */
#define GAP_USEC 200u

/* How much of the bound a call should take. */
#define CALL_PERCENT 70u

/*
 * Calls of cheap advice need not come near the bound: 1 GiB of COLD takes some milliseconds in all, and
 * with calls of this length it still gets more than a third of the time.
 */
#define CHEAP_CALL_USEC 150u

/* How often to look whether the target was stopped or continued. */
#define CHECK_USEC 20000u

#define MAX_CALL_BYTES (1ull << 30)

static bool target_runs(const struct pacer *pacer)
{
	if (pacer->pace == MEMHINT_PACE_AUTO)
		return !memhint_process_is_stopped(pacer->process);
	return pacer->pace == MEMHINT_PACE_BOUND;
}

static void choose_speed(struct pacer *pacer)
{
	if (target_runs(pacer)) {
		/* Less than the bound, since the time of calls of the same size varies. */
		pacer->call_usec = pacer->bound_usec * CALL_PERCENT / 100;
		if (pacer->call_usec > pacer->enough_usec)
			pacer->call_usec = pacer->enough_usec;
		pacer->gap_usec = GAP_USEC;
	} else {
		pacer->call_usec = FULL_SPEED_CALL_USEC;
		pacer->gap_usec = 0;
	}
	if (!pacer->call_usec)
		pacer->call_usec = 1;
}

void pacer_init(struct pacer *pacer, const struct memhint_process *process, enum memhint_pace pace,
		uint64_t bound_usec, int advice)
{
	*pacer = (struct pacer){
		.process = process,
		.pace = pace,
		.enough_usec = advice == MADV_COLD || advice == MADV_WILLNEED ? CHEAP_CALL_USEC
									      : UINT64_MAX,
		.bound_usec = pace == MEMHINT_PACE_BOUND ? bound_usec : DEFAULT_BOUND_USEC,
	};
	choose_speed(pacer);
	pacer->check_usec = clock_usec() + CHECK_USEC;
	/* A careful first guess: PAGEOUT takes about 8 us a page, the others much less. */
	if (!pacer->gap_usec)
		pacer->bytes = 4ull << 20;
	else
		pacer->bytes = advice == MADV_PAGEOUT ? 256ull << 10 : 4ull << 20;
}

void pacer_account(struct pacer *pacer, uint64_t bytes, uint64_t spent_usec)
{
	uint64_t fitting;

	if (pacer->pace == MEMHINT_PACE_AUTO && clock_usec() >= pacer->check_usec) {
		choose_speed(pacer);
		pacer->check_usec = clock_usec() + CHECK_USEC;
	}
	fitting = (uint64_t)((__uint128_t)bytes * pacer->call_usec / (spent_usec ? spent_usec : 1));
	/* Down at once, up by degrees: pages differ in cost, and a stall is worse than a short call. */
	if (fitting < pacer->bytes)
		pacer->bytes = fitting;
	else if (bytes >= pacer->bytes / 2)
		pacer->bytes += (fitting - pacer->bytes) / 2 < pacer->bytes
					? (fitting - pacer->bytes) / 2
					: pacer->bytes;
	if (pacer->bytes < page_size())
		pacer->bytes = page_size();
	if (pacer->bytes > MAX_CALL_BYTES)
		pacer->bytes = MAX_CALL_BYTES;
}

void pacer_gap(const struct pacer *pacer)
{
	if (pacer->gap_usec)
		clock_pause(pacer->gap_usec);
}
