/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units.h"

#include <inttypes.h>
#include <stdio.h>

struct unit_text unit_bytes(uint64_t bytes)
{
	static const char letters[] = "KMGTPE";
	struct unit_text text;
	unsigned unit = 0;
	uint64_t tenths;

	if (bytes < 1024) {
		snprintf(text.text, sizeof(text.text), "%" PRIu64, bytes);
		return text;
	}
	/* Whole numbers all the way: a double would round 2^64 - 1 up to a unit that is not there. */
	while (bytes >= 1024 * 1024) {
		bytes = bytes / 1024 + (bytes % 1024 >= 512);
		unit++;
	}
	tenths = (bytes * 10 + 512) / 1024;
	if (tenths >= 10240) {
		tenths = (tenths + 512) / 1024;
		unit++;
	}
	/* "4K" but "3.0M": pages make whole KiB the rule, not the exception. */
	if (tenths >= 1000 || (unit == 0 && tenths % 10 == 0))
		snprintf(text.text, sizeof(text.text), "%" PRIu64 "%c", (tenths + 5) / 10,
			 letters[unit]);
	else
		snprintf(text.text, sizeof(text.text), "%" PRIu64 ".%" PRIu64 "%c", tenths / 10,
			 tenths % 10, letters[unit]);
	return text;
}

struct unit_text unit_usec(uint64_t usec)
{
	struct unit_text text;
	uint64_t seconds = usec / 1000000;

	if (usec < 1000)
		snprintf(text.text, sizeof(text.text), "%" PRIu64 "us", usec);
	else if (usec < 1000000)
		snprintf(text.text, sizeof(text.text), "%" PRIu64 ".%" PRIu64 "ms", usec / 1000,
			 usec % 1000 / 100);
	else if (seconds < 60)
		snprintf(text.text, sizeof(text.text), "%" PRIu64 ".%02" PRIu64 "s", seconds,
			 usec % 1000000 / 10000);
	else if (seconds < 3600)
		snprintf(text.text, sizeof(text.text), "%" PRIu64 "m%02" PRIu64 "s", seconds / 60,
			 seconds % 60);
	else if (seconds < 86400)
		snprintf(text.text, sizeof(text.text), "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600,
			 seconds % 3600 / 60);
	else
		snprintf(text.text, sizeof(text.text), "%" PRIu64 "d%02" PRIu64 "h",
			 seconds / 86400, seconds % 86400 / 3600);
	return text;
}

struct unit_text unit_rate(uint64_t bytes, uint64_t usec)
{
	struct unit_text text = { "-" };

	if (bytes > 0 && usec > 0) {
		struct unit_text size = unit_bytes((uint64_t)((double)bytes * 1e6 / (double)usec));

		snprintf(text.text, sizeof(text.text), "%.20s/s", size.text);
	}
	return text;
}
