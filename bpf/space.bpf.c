/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of an address space in one run. What it says goes to the reader alone, not to memory that
 * others write to as well, so that any number of readings can be under way.
 */
#include "mm.bpf.h"

#include "space.h"

SEC("iter/task")
int space(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct space_record record = {};
	struct mm_struct *mm;
	__u32 after = 0;

	if (!task || task->pid != task->tgid)
		return 0;
	record.start_boottime = task->start_boottime;
	record.tgid = task->tgid;
	mm = task->mm;
	record.mm = (__u64)mm;
	record.exec_id = task->self_exec_id;
	if (mm) {
		/*
		 * The int is counted up when a change has been made, so one that is under way must
		 * be looked for between two looks at it.
		 */
		record.has_lock_seq = mm_lock_seq(mm, &record.lock_seq);
		barrier();
		record.disturbed = mm_is_written(mm);
		barrier();
		mm_lock_seq(mm, &after);
		record.disturbed |= after != record.lock_seq;
	}
	/*
	 * Nothing holds the address space: replaced meanwhile, it may have been freed, and what was
	 * read be anything.
	 */
	barrier();
	record.disturbed |= (__u64)task->mm != record.mm || task->self_exec_id != record.exec_id;
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char _license[] SEC("license") = "GPL";
