/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Swap of one's own: made, used, and removed again without a trace. */
#ifndef SHARED_SWAP_DEVICE_H
#define SHARED_SWAP_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define SWAP_DEVICE_PATH_MAX 512

enum swap_kind {
	SWAP_ZRAM, /* a hot-added /dev/zramN */
	SWAP_FILE, /* a file in a folder of the caller's */
};

/*
 * How far the making went. Whoever has to undo it reads this, also when the maker was killed half-way:
 * every field is written before the step that it describes can leave something behind, as far as the
 * kernel's interface allows.
 */
struct swap_device {
	enum swap_kind kind;
	bool exists;	    /* the device was added or the file made */
	bool is_on;	    /* swapon(2) was tried */
	bool loaded_module; /* zram was not there before */
	int zram_id;	    /* N of /dev/zramN */
	char path[SWAP_DEVICE_PATH_MAX];
	uint64_t size_bytes;
};

/*
 * Hot-adds a zram device, loading the module if need be, and swaps on to it with the highest priority.
 * @device is filled in step by step, so that a failure, too, is undone by swap_device_remove().
 * 0 or a negative errno: -EOPNOTSUPP no zram here; -EPERM CAP_SYS_ADMIN is missing; ...
 */
int swap_zram_make(uint64_t size_bytes, struct swap_device *device);

/*
 * The same with a file "swap" in @directory. -EOPNOTSUPP the file system cannot hold swap (tmpfs,
 * overlay); -ENOSPC; -EPERM; ...
 */
int swap_file_make(const char *directory, uint64_t size_bytes, struct swap_device *device);

/*
 * Undoes all that was done, tries each step whatever became of the others, and waits for a device that
 * someone else is just looking at. Removing twice is harmless. 0 or the first negative errno.
 */
int swap_device_remove(struct swap_device *device);

/* Whether the caller may swap on: 0, or -EPERM. Tried, not looked up. */
int swap_permission(void);

#endif
