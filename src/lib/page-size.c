/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page-size.h"

#include "fd.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t page_size(void)
{
	static _Atomic uint64_t size;

	if (!size)
		size = (uint64_t)sysconf(_SC_PAGESIZE);
	return size;
}

uint64_t huge_page_size(void)
{
	static _Atomic uint64_t known; /* the size plus one */
	char text[32];

	if (!known) {
		/* Documentation/admin-guide/mm/transhuge.rst; the file is missing without THP. */
		ssize_t n = fd_read_file_at(AT_FDCWD,
					    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
					    text, sizeof(text));

		known = (n > 0 ? strtoull(text, NULL, 10) : 0) + 1;
	}
	return known - 1;
}
