/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, sizes and times as users write them. */
#include "parse.h"
#include "tap.h"

#include <errno.h>

static const struct {
	const char *text;
	int result;
	uint64_t value;
} bytes[] = {
	{ "0", 0, 0 },
	{ "4096", 0, 4096 },
	{ "64K", 0, 65536 },
	{ "64k", 0, 65536 },
	{ "1.5GiB", 0, 1610612736 },
	{ "2mb", 0, 2097152 },
	{ "3B", 0, 3 },
	{ "3KB", 0, 3072 },
	{ "3KiB", 0, 3072 },
	{ "3M", 0, 3145728 },
	{ "3MiB", 0, 3145728 },
	{ "3G", 0, 3221225472 },
	{ "3GB", 0, 3221225472 },
	{ "3TB", 0, 3298534883328 },
	{ "3TiB", 0, 3298534883328 },
	{ "16777215T", 0, 18446742974197923840ull },
	{ "16777216T", -ERANGE, 0 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 K", -EINVAL, 0 },
	{ "1.K", -EINVAL, 0 },
	{ ".5K", -EINVAL, 0 },
	{ "1X", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 },
	{ "1e3", -EINVAL, 0 },
};

static const struct {
	const char *text;
	int base;
	int result;
	uint64_t value;
} numbers[] = {
	{ "123", 10, 0, 123 },
	{ "0x7f00", 16, 0, 0x7f00 },
	{ "7f00", 16, 0, 0x7f00 },
	{ "0x", 16, -EINVAL, 0 },
	{ "0x-1", 16, -EINVAL, 0 },
	{ "12a", 10, -EINVAL, 0 },
	{ "-5", 10, -EINVAL, 0 },
	{ "", 10, -EINVAL, 0 },
	{ "ffffffffffffffff", 16, 0, UINT64_MAX },
	{ "10000000000000000", 16, -ERANGE, 0 },
};

static const struct {
	const char *text;
	int result;
	uint64_t value;
} times[] = {
	{ "250us", 0, 250 },	 { "2ms", 0, 2000 },	 { "1.5s", 0, 1500000 },
	{ "7", 0, 7000 },	 { "3usec", 0, 3 },	 { "3msec", 0, 3000 },
	{ "3sec", 0, 3000000 },	 { "3m", 0, 180000000 }, { "3min", 0, 180000000 },
	{ "1h", 0, 3600000000 }, { "2 ms", -EINVAL, 0 }, { "2d", -EINVAL, 0 },
	{ "", -EINVAL, 0 },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		uint64_t value = 0;

		is(parse_bytes(bytes[i].text, &value), bytes[i].result, "size '%s'", bytes[i].text);
		is(value, bytes[i].value, "size '%s': value", bytes[i].text);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t value = 0;

		is(parse_u64(numbers[i].text, numbers[i].base, &value), numbers[i].result,
		   "number '%s'", numbers[i].text);
		is(value, numbers[i].value, "number '%s': value", numbers[i].text);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint64_t value = 0;

		is(parse_usec(times[i].text, 1000, &value), times[i].result, "time '%s'",
		   times[i].text);
		is(value, times[i].value, "time '%s': value", times[i].text);
	}
	return done_testing();
}
