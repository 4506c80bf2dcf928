/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts stat and status. */
#include "fuzz.h"
#include "procfile.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct proc_status status;
	struct proc_stat stat;
	int r;

	memset(&stat, 0xff, sizeof(stat));
	r = proc_stat_parse(text, &stat);
	check(r == 0 || r == -EIO);
	if (r == 0) {
		check(memchr(stat.comm, '\0', sizeof(stat.comm)));
		check(strstr(text, stat.comm));
		check(stat.state);
	}
	r = proc_status_parse(text, &status);
	check(r == 0 || r == -EIO);
	if (r == 0)
		check(status.size_bytes % 1024 == 0 && status.swap_bytes % 1024 == 0);
	free(text);
	return 0;
}
