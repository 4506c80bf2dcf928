/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The swap of this machine: its areas, what is free, and what zram makes of it. */
#ifndef SHARED_SWAP_H
#define SHARED_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SWAP_AREAS_MAX 32 /* the kernel allows no more: MAX_SWAPFILES of include/linux/swap.h */

struct swap_area {
	char name[256]; /* path of the device or file */
	bool is_file;	/* a file, else a block device */
	int priority;
	uint64_t total_bytes;
	uint64_t used_bytes;

	bool is_zram;
	bool zram_known;		/* the numbers below were read */
	uint64_t zram_original_bytes;	/* stored in it */
	uint64_t zram_compressed_bytes; /* what that was compressed to */
	uint64_t zram_memory_bytes;	/* memory that it takes */
	uint64_t zram_limit_bytes;	/* memory that it may take; 0: no limit */
};

struct swap {
	size_t count;
	struct swap_area areas[SWAP_AREAS_MAX];
	uint64_t total_bytes;
	uint64_t used_bytes;
	uint64_t free_bytes;
};

/*
 * @procfd is /proc or a directory like it, @sysfd the same for /sys, or -1: no zram numbers.
 * 0 (also without swap) or a negative errno; no /proc/swaps: the kernel has no swap, count is 0.
 */
int swap_read(int procfd, int sysfd, struct swap *ret_swap);

/* The same of this machine. */
int swap_read_system(struct swap *ret_swap);

/* Free swap alone, quick enough to be asked often: 0 or a negative errno. */
int swap_read_free(uint64_t *ret_free_bytes);

#endif
