/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of an address space, by an iterator over the threads of a process. What it says goes to the
 * reader alone, not to memory that others write to as well, so that any number of readings can be under
 * way.
 */
#include "space.bpf.h"

SEC("iter/task")
int space_seq(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct space_record record;

	if (!task || task->pid != task->tgid)
		return 0;
	space_fill(&record, task);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char _license[] SEC("license") = "GPL";
