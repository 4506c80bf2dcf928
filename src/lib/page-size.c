/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page-size.h"

#include "fd.h"

#include <errno.h>
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

/* One page of the page table full of entries, which are of 64 bits on all machines of 64 bits. */
static uint64_t huge_page_guess(void)
{
	return page_size() / sizeof(uint64_t) * page_size();
}

uint64_t huge_page_size(void)
{
	static _Atomic uint64_t known; /* the size plus one */
	char text[32];
	ssize_t n;

	if (known)
		return known - 1;
	/* Source: Documentation/admin-guide/mm/transhuge.rst. */
	n = fd_read_file_at(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text,
			    sizeof(text));
	if (n > 0)
		known = strtoull(text, NULL, 10) + 1;
	else if (n == -ENOENT && access("/sys/kernel/mm", F_OK) == 0)
		known = 0 + 1; /* a kernel without them */
	else
		return huge_page_guess(); /* no descriptor left, or no /sys: huge pages may be there */
	return known - 1;
}
