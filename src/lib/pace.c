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
 * Long enough for a sleeping writer to wake up and take the lock, which it does not get between calls
 * without a gap: readers may pass it for 4 ms (kernel/locking/rwsem.c, RWSEM_WAIT_TIMEOUT).
 */
#define GAP_USEC 150u

/*
 * How much of the bound a call should take. One call in a thousand takes three times as long as others
 * of its size, and a mapping call that slips into a gap too late waits for the next call as well.
 */
#define CALL_PERCENT 35u

/*
 * Calls of cheap advice need not come near the bound: 1 GiB of COLD takes some milliseconds in all, and
 * with calls of this length it still gets more than a third of the time.
 */
#define CHEAP_CALL_USEC 150u

/* How often to look whether the target was stopped or continued. */
#define CHECK_USEC 20000u

#define MAX_CALL_BYTES (1ull << 30)

/*
 * Pages that PAGEOUT passes over, such as those shared with a child, cost it 10 ns; the next ones may
 * be its own, at 8 us each. So its calls stay so short that pages which turn dear break the bound no
 * more than twice. Nothing is lost: what costs little is still done at some GiB/s.
 */
#define PAGEOUT_PAGE_USEC 8u
#define PAGEOUT_CALL_EXCESS 2u

static bool target_runs(const struct pacer *pacer)
{
	if (pacer->pace == MEMHINT_PACE_AUTO)
		return !memhint_process_is_stopped(pacer->process);
	return pacer->pace == MEMHINT_PACE_BOUND;
}

static void choose_speed(struct pacer *pacer)
{
	if (target_runs(pacer)) {
		pacer->call_usec = pacer->bound_usec / 100 * CALL_PERCENT +
				   pacer->bound_usec % 100 * CALL_PERCENT / 100;
		if (pacer->call_usec > pacer->enough_usec)
			pacer->call_usec = pacer->enough_usec;
		/* However much the target may be held up, cancelling acts as soon as ever. */
		if (pacer->call_usec > FULL_SPEED_CALL_USEC)
			pacer->call_usec = FULL_SPEED_CALL_USEC;
		pacer->gap_usec = GAP_USEC;
	} else {
		pacer->call_usec = FULL_SPEED_CALL_USEC;
		pacer->gap_usec = 0;
	}
	if (!pacer->call_usec)
		pacer->call_usec = 1;
	pacer->max_bytes = MAX_CALL_BYTES;
	if (pacer->advice == MADV_PAGEOUT)
		pacer->max_bytes =
			pacer->call_usec / PAGEOUT_PAGE_USEC * PAGEOUT_CALL_EXCESS * page_size();
}

void pacer_init(struct pacer *pacer, const struct memhint_process *process, enum memhint_pace pace,
		uint64_t bound_usec, int advice)
{
	*pacer = (struct pacer){
		.process = process,
		.pace = pace,
		.advice = advice,
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
	if (pacer->bytes > pacer->max_bytes)
		pacer->bytes = pacer->max_bytes;
	if (pacer->bytes < page_size())
		pacer->bytes = page_size();
}

void pacer_gap(const struct pacer *pacer)
{
	if (pacer->gap_usec)
		clock_pause(pacer->gap_usec);
}
