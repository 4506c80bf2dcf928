/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm_flags are no interface of the kernel: their meaning is tried on mappings of our own and
 * compared with what /proc/self/smaps says of these, before anything is told about others.
 */
#ifndef BPF_CALIBRATE_H
#define BPF_CALIBRATE_H

#include "convert.h"
#include "reader.h"

/*
 * 0 or a negative errno: -EOPNOTSUPP what the programs see cannot be trusted on this kernel.
 * The mappings are gone afterwards.
 */
int vma_calibrate(struct vma_reader *reader, struct vma_convert *ret_convert);

#endif
