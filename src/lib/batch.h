/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ranges of one advice call: collected, given, and settled with the account of the run. */
#ifndef LIB_BATCH_H
#define LIB_BATCH_H

#include "run.h"
#include "uapi.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct batch {
	struct iovec ranges[KERNEL_IOV_MAX];
	struct place places[KERNEL_IOV_MAX]; /* where each of them came from */
	size_t count;
	size_t max_count; /* 0: as many as the kernel takes */
	uint64_t bytes;
	uint64_t split_end; /* up to here, go mapping by mapping: something in it refuses */
};

/* Whether a cut at @address would split a huge page. Unknown counts as yes. */
bool cut_splits_huge_page(const struct run *run, uint64_t address);

/*
 * Collects ranges for one call. 0, then also with none where only a hole was found; -EDQUOT when not
 * even a page fits; or a negative errno.
 */
int batch_fill(struct batch *batch, struct run *run);

/* The batch was done up to @done bytes: accounts for them and moves back to what was not done. */
void batch_settle(struct batch *batch, struct run *run, uint64_t done);

/* After what may pass, a pause that grows each time in a row. False: often enough. */
bool batch_retry(struct run *run);

/*
 * What the kernel refused at the current address, in a range of @length bytes. 0: go on, or a negative
 * errno that ends the run.
 */
int batch_refused(struct batch *batch, struct run *run, uint64_t length, int error);

#endif
