/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bits of a cookie: its kind at the top, and below it nothing that is not mixed. */
#include "cookie.h"
#include "tap.h"

#include <string.h>

#define EXACT MEMHINT_COOKIE_EXACT
#define FINGERPRINT MEMHINT_COOKIE_FINGERPRINT

static uint64_t mix(enum memhint_cookie_kind kind, uint64_t boot, uint64_t key, uint64_t a,
		    uint64_t b)
{
	const uint64_t numbers[] = { a, b };

	return cookie_mix(kind, boot, key, numbers, 2);
}

static void test_kinds(void)
{
	is(memhint_cookie_kind(0), MEMHINT_COOKIE_INVALID, "0 is no cookie");
	is(memhint_cookie_kind(UINT64_MAX), MEMHINT_COOKIE_INVALID, "nor has one both kinds");
	is(memhint_cookie_kind(1ull << 62), EXACT, "bit 62: exact");
	is(memhint_cookie_kind(1ull << 63), FINGERPRINT, "bit 63: fingerprint");
	ok(strcmp(memhint_cookie_kind_name(EXACT), "exact") == 0, "exact");
	ok(strcmp(memhint_cookie_kind_name(FINGERPRINT), "fingerprint") == 0, "fingerprint");
	ok(strcmp(memhint_cookie_kind_name(MEMHINT_COOKIE_INVALID), "invalid") == 0, "invalid");
	ok(!memhint_cookie_kind_name((enum memhint_cookie_kind)3), "no such kind");
	for (uint64_t i = 0; i < 1000; i++)
		if (memhint_cookie_kind(mix(EXACT, i, i, i, i)) != EXACT ||
		    memhint_cookie_kind(mix(FINGERPRINT, i, i, i, i)) != FINGERPRINT) {
			ok(false, "kind of number %d", (int)i);
			return;
		}
	ok(true, "a cookie says of what kind it is, whatever it is made of");
}

static void test_mix(void)
{
	uint64_t cookie = mix(EXACT, 1, 2, 3, 4);

	ok(cookie == mix(EXACT, 1, 2, 3, 4), "the same state, the same cookie");
	ok(cookie != mix(EXACT, 5, 2, 3, 4), "another boot");
	ok(cookie != mix(EXACT, 1, 5, 3, 4), "another process");
	ok(cookie != mix(EXACT, 1, 2, 5, 4), "another exec");
	ok(cookie != mix(EXACT, 1, 2, 3, 5), "another generation");
	ok(cookie != mix(EXACT, 1, 2, 4, 3), "each in its place");
	ok((cookie ^ mix(FINGERPRINT, 1, 2, 3, 4)) == 3ull << 62, "another kind");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Neighbours in all that counts up, as they come in life. */
static void test_neighbours(void)
{
	static uint64_t cookies[16 * 16 * 16 * 64];
	size_t count = 0, same = 0;

	for (uint64_t key = 0; key < 16; key++)
		for (uint64_t exec = 0; exec < 16; exec++)
			for (uint64_t boot = 0; boot < 16; boot++)
				for (uint64_t generation = 0; generation < 64; generation++)
					cookies[count++] = mix(EXACT, boot << 32, key, exec,
							       1ull << 63 | 2 * generation);
	qsort(cookies, count, sizeof(cookies[0]), compare);
	for (size_t i = 1; i < count; i++)
		same += cookies[i] == cookies[i - 1];
	is(same, 0, "no two of %zu are equal", count);
}

static void test_boot(void)
{
	uint64_t first = 0, second = 1;

	ok(cookie_boot(&first) == 0 && first != 0, "the boot can be told");
	ok(cookie_boot(&second) == 0 && first == second, "and is always the same");
}

int main(void)
{
	test_kinds();
	test_mix();
	test_neighbours();
	test_boot();
	return done_testing();
}
