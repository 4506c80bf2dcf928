/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ranges of one advice call: collected, given, and settled with the account of the run. */
#ifndef LIB_BATCH_H
#define LIB_BATCH_H

#include "uapi.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct run;

struct place {
	size_t index;
	uint64_t offset;
};

struct batch {
	struct iovec ranges[KERNEL_IOV_MAX];
	struct place places[KERNEL_IOV_MAX]; /* where each of them came from */
	size_t count;
	uint64_t bytes;
	uint64_t split_end; /* up to here, go mapping by mapping: something in it refuses */
};

/*
 * Collects ranges for one call. 0, then also with none where only a hole was found; -EDQUOT when not
 * even a page fits; or a negative errno.
 */
int batch_fill(struct batch *batch, struct run *run);

/* The batch was done up to @done bytes: accounts for them and moves back to what was not done. */
void batch_settle(struct batch *batch, struct run *run, uint64_t done);

/*
 * What the kernel refused at the current address, in a range of @length bytes. 0: go on, or a negative
 * errno that ends the run.
 */
int batch_refused(struct batch *batch, struct run *run, uint64_t length, int error);

#endif
