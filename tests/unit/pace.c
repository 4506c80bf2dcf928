/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the pacer adapts, told times instead of measuring them. */
#include "pace.h"
#include "tap.h"

#include <sys/mman.h>

/* Runs @calls calls of what the pacer asks for, at @usec_per_page, and returns the longest. */
static uint64_t simulate(struct pacer *pacer, int calls, double usec_per_page, uint64_t *ret_bytes)
{
	uint64_t longest = 0, bytes = 0;

	for (int i = 0; i < calls; i++) {
		uint64_t spent = (uint64_t)((double)pacer->bytes / 4096 * usec_per_page) + 1;

		longest = spent > longest ? spent : longest;
		bytes += pacer->bytes;
		pacer_account(pacer, pacer->bytes, spent);
	}
	*ret_bytes = bytes;
	return longest;
}

int main(void)
{
	struct pacer pacer;
	uint64_t bytes, slow_bytes, before;

	pacer_init(&pacer, NULL, MEMHINT_PACE_BOUND, 2000, MADV_PAGEOUT);
	ok(pacer.gap_usec > 0, "a bounded pace leaves gaps");
	ok(simulate(&pacer, 200, 8, &bytes) <= 2000, "8 us a page: no call over the bound");
	ok(bytes / 200 > 64 * 4096, "and not needlessly short");
	ok(simulate(&pacer, 1, 64, &slow_bytes) > 2000,
	   "pages turn eight times dearer: one call is over");
	ok(simulate(&pacer, 50, 64, &slow_bytes) <= 2000, "and none after it");
	before = pacer.bytes;
	simulate(&pacer, 1, 0.01, &bytes);
	ok(pacer.bytes <= 2 * before, "one cheap call does not more than double the next");

	pacer_init(&pacer, NULL, MEMHINT_PACE_BOUND, 2000, MADV_PAGEOUT);
	simulate(&pacer, 100, 0.01, &bytes);
	ok(bytes / 100 >= 128 * 4096, "pages that are passed over: calls grow");
	ok(simulate(&pacer, 1, 8, &bytes) <= 2 * 2000,
	   "but not beyond twice the bound, should they end");

	pacer_init(&pacer, NULL, MEMHINT_PACE_BOUND, UINT64_MAX, MADV_PAGEOUT);
	ok(simulate(&pacer, 200, 8, &bytes) <= 25000,
	   "a bound beyond all bounds: a call stays short enough to cancel");
	pacer_init(&pacer, NULL, MEMHINT_PACE_NONE, 0, MADV_PAGEOUT);
	simulate(&pacer, 100, 0.01, &bytes);
	ok(simulate(&pacer, 1, 8, &bytes) <= 50000,
	   "pages that turn dear after many that were passed over: still to be cancelled in 50 ms");

	pacer_init(&pacer, NULL, MEMHINT_PACE_BOUND, 1, MADV_PAGEOUT);
	simulate(&pacer, 50, 8, &bytes);
	is(pacer.bytes, 4096, "a bound below one page's time: a page a call");

	pacer_init(&pacer, NULL, MEMHINT_PACE_NONE, 0, MADV_PAGEOUT);
	is(pacer.gap_usec, 0, "no pace, no gaps");
	ok(simulate(&pacer, 200, 8, &bytes) <= 25000,
	   "no pace: a call stays short enough to cancel");
	ok(bytes / 200 > 1000 * 4096, "no pace: long calls");
	ok(simulate(&pacer, 100, 0.0001, &bytes) <= 25000, "pages that cost nothing");
	ok(pacer.bytes <= 1ull << 30, "never more than 1 GiB a call");

	pacer_init(&pacer, NULL, MEMHINT_PACE_NONE, 0, MADV_COLD);
	simulate(&pacer, 100, 0.0001, &bytes);
	is(pacer.bytes, 1ull << 30, "COLD of pages that cost nothing: 1 GiB a call, and no more");
	return done_testing();
}
