/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The count of changes that the kernel keeps of an address space. */
#ifndef BPF_MM_BPF_H
#define BPF_MM_BPF_H

#include "kernel.h"

/* The count of changes of an address space. False: this kernel has none. */
static __always_inline int mm_lock_seq(struct mm_struct *mm, __u32 *ret_seq)
{
	struct mm_struct___seqcount *now = (void *)mm;
	struct mm_struct___int *before = (void *)mm;

	if (bpf_core_field_exists(now->mm_lock_seq.sequence))
		*ret_seq = now->mm_lock_seq.sequence;
	else if (bpf_core_field_exists(before->mm_lock_seq))
		*ret_seq = before->mm_lock_seq;
	else
		return 0;
	return 1;
}

/* Whether somebody is changing it. */
static __always_inline int mm_is_written(struct mm_struct *mm)
{
	struct mm_struct___seqcount *now = (void *)mm;
	struct mm_struct___rwsem *before = (void *)mm;

	/* A seqcount is odd meanwhile; the int was counted up at the end only. */
	if (bpf_core_field_exists(now->mm_lock_seq.sequence))
		return now->mm_lock_seq.sequence & 1;
	if (bpf_core_field_exists(before->mmap_lock.count.counter))
		return before->mmap_lock.count.counter & 1;
	return 0;
}

#endif
