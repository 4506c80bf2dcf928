/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, sizes and times as users write them. */
#include "fuzz.h"
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

static void check_result(int r, const char *text)
{
	check(r == 0 || r == -EINVAL || r == -ERANGE);
	if (r == 0)
		check(isxdigit((unsigned char)text[0]));
}

/* A number means the same when it is written anew. */
static void check_number(const char *text, int base)
{
	uint64_t value = 0x5eed, again;
	char written[32];
	int r = parse_u64(text, base, &value);

	check_result(r, text);
	if (r < 0) {
		check(value == 0x5eed);
		return;
	}
	if (base == 10)
		snprintf(written, sizeof(written), "%" PRIu64, value);
	else
		snprintf(written, sizeof(written), "0x%" PRIx64, value);
	check(parse_u64(written, base, &again) == 0 && again == value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	uint64_t value = 0x5eed, seconds;
	int r;

	check_number(text, 10);
	check_number(text, 16);
	r = parse_bytes(text, &value);
	check_result(r, text);
	check(r == 0 || value == 0x5eed);
	value = 0x5eed;
	r = parse_usec(text, 1, &value);
	check_result(r, text);
	check(r == 0 || value == 0x5eed);
	/* Where both are times, a larger unit never makes it less. */
	if (r == 0 && parse_usec(text, 1000000, &seconds) == 0)
		check(seconds >= value);
	free(text);
	return 0;
}
