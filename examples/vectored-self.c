/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gives any advice of madvise(2) on memory of one's own, for many ranges in one call. Kernels take that
 * since 6.13; on older ones the library does the same range by range.
 *
 * Here: every second block of a table is given back to the kernel.
 *
 *   cc vectored-self.c $(pkg-config --cflags --libs libmemhint) -o vectored-self
 *   ./vectored-self
 */
#include <err.h>
#include <memhint/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS 4000
#define RANGES (BLOCKS / 2) /* more than the 1,024 that the system call takes */

int main(void)
{
	size_t block = (size_t)sysconf(_SC_PAGESIZE), kept = 0, given_back = 0, wrong = 0;
	static struct iovec ranges[RANGES];
	char *table;
	ssize_t n;

	table = mmap(NULL, BLOCKS * block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (table == MAP_FAILED)
		err(EXIT_FAILURE, "mmap");
	memset(table, 1, BLOCKS * block);

	for (size_t i = 0; i < RANGES; i++)
		ranges[i] = (struct iovec){ .iov_base = table + 2 * i * block, .iov_len = block };
	n = memhint_process_madvise_id(P_PID, (id_t)getpid(), ranges, RANGES, MADV_DONTNEED, 0, 0);
	if (n < 0)
		err(EXIT_FAILURE, "memhint_process_madvise_id");

	for (size_t i = 0; i < BLOCKS; i++) {
		bool is_kept = table[i * block] != 0;

		kept += is_kept;
		given_back += !is_kept;
		wrong += is_kept != (i % 2 == 1);
	}
	printf("advised %zd bytes in %d ranges: %zu blocks given back, %zu kept, %zu of them wrongly\n",
	       n, RANGES, given_back, kept, wrong);
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
