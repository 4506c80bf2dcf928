/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kind of memory a line of /proc/PID/maps is about. */
#ifndef LIB_KIND_H
#define LIB_KIND_H

#include "maps-text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What lives on a device, as far as it matters for memory. */
enum device_class {
	DEVICE_FILES,
	DEVICE_SHMEM,	/* tmpfs and the kernel's own mount for shared memory */
	DEVICE_HUGETLB, /* hugetlbfs, the kernel's own mounts included */
};

/* The rule, without a look at the machine: an enum memhint_kind. */
uint32_t kind_of_record(const struct maps_record *record, enum device_class class);

#define KIND_DEVICES 32

/* The devices seen so far of one process. Zero is an empty one. */
struct kind_devices {
	struct {
		uint32_t major;
		uint32_t minor;
		enum device_class class;
	} known[KIND_DEVICES];
	unsigned int count; /* ever seen; beyond KIND_DEVICES the oldest make room */
};

/*
 * The class of the device of a mapping of the process whose /proc directory is @dirfd. Asks the file
 * behind the mapping, else the process's mounts, and remembers the answer.
 */
enum device_class kind_device_class(struct kind_devices *devices, int dirfd,
				    const struct maps_record *record);

/*
 * Finds the device @major:@minor in one text of /proc/PID/mountinfo: true and its class, or false.
 * @length need not end with a whole line; what is left of it is not looked at.
 */
bool kind_find_mount(const char *text, size_t length, uint32_t major, uint32_t minor,
		     enum device_class *ret_class);

#endif
