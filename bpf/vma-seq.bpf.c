/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel goes through the mappings of a process and runs a program on each of them. */
#include "vma.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vma_head);
} head SEC(".maps");

SEC("iter/task_vma")
int vma_seq(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct vma_record record;
	struct mm_struct *mm;
	struct vma_head *out;
	__u32 zero = 0;

	out = bpf_map_lookup_elem(&head, &zero);
	if (!task || !vma || !out || task->pid != task->tgid)
		return 0;
	mm = vma->vm_mm;
	if (!mm || !head_meet(out, task, mm) || vma->vm_end <= out->start)
		return 0;
	head_note(out, mm);
	vma_fill(&record, vma);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

/* Just the head. */
SEC("iter/task")
int vma_seq_head(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mm_struct *mm;
	struct vma_head *out;
	__u32 zero = 0;

	out = bpf_map_lookup_elem(&head, &zero);
	if (!task || !out)
		return 0;
	mm = task->mm;
	if (mm)
		head_meet(out, task, mm);
	return 0;
}

char _license[] SEC("license") = "GPL";
