/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs that look at an address space as a whole have in common. */
#ifndef BPF_SPACE_BPF_H
#define BPF_SPACE_BPF_H

#include "mm.bpf.h"

#include "space.h"

static __always_inline void space_fill(struct space_record *record, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	__u32 seq = 0, after = 0, disturbed = 0;

	record->start_boottime = task->start_boottime;
	record->tgid = task->tgid;
	record->mm = (__u64)mm;
	record->exec_id = task->self_exec_id;
	record->has_lock_seq = 0;
	if (mm) {
		/*
		 * The int is counted up when a change has been made, so one that is under way must
		 * be looked for between two looks at it.
		 */
		record->has_lock_seq = mm_lock_seq(mm, &seq);
		barrier();
		disturbed = mm_is_written(mm);
		barrier();
		mm_lock_seq(mm, &after);
		disturbed |= after != seq;
	}
	record->lock_seq = seq;
	/*
	 * Nothing holds the address space: replaced meanwhile, it may have been freed, and what was
	 * read be anything.
	 */
	barrier();
	disturbed |= (__u64)task->mm != record->mm || task->self_exec_id != record->exec_id;
	record->disturbed = disturbed;
}

#endif
