/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what the kernel has of a mapping to what the library says of it. */
#ifndef BPF_CONVERT_H
#define BPF_CONVERT_H

#include "bpf-room.h"

#include <linux/types.h>

#include "vma.h"

struct vma_convert {
	uint64_t page_bytes;
	uint64_t droppable_bit; /* of vm_flags; 0: this kernel has no droppable memory */
};

/* @head as it was after @record's batch. */
void vma_convert(const struct vma_convert *convert, const struct vma_head *head,
		 const struct vma_record *record, struct bpf_room_vma *ret_vma);

/* The same of the address space as a whole; @mm does not leave this room as it is. */
struct bpf_room_space space_convert(bool has_lock_seq, uint32_t lock_seq, uint64_t mm,
				    uint64_t exec_id);

/* A two-letter name of the VmFlags line of smaps as MEMHINT_VMA_* flag; 0 if there is none. */
uint32_t vma_flag_by_letters(const char letters[2]);

#endif
