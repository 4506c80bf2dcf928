/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All mappings of a process in one run. Alone in its object, because one function that the kernel
 * lacks (they came with 6.7) makes the whole object unusable.
 */
#include "vma.bpf.h"

struct bpf_iter_task_vma {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task,
				 __u64 addr) __ksym;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym;
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym; /* 6.2 */

/* Memory that the reader maps: nothing is copied on the way to it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vma_batch);
} batch SEC(".maps");

SEC("iter/task")
int vma_run(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *seen;
	struct bpf_iter_task_vma it;
	struct vm_area_struct *vma;
	struct vma_batch *out;
	struct mm_struct *mm;
	__u32 zero = 0, seq = 0, after = 0, disturbed;
	int has_seq;

	out = bpf_map_lookup_elem(&batch, &zero);
	if (!task || !out)
		return 0;
	/*
	 * For each look at a pointer of a structure that it trusts the verifier searches the
	 * kernel's whole BTF for rules. We only read: without trust, loading takes 3 ms instead of
	 * 50.
	 */
	seen = bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct));
	mm = seen->mm;
	if (!mm)
		return 0;
	if (out->head.limit == 0) {
		head_meet(&out->head, seen, mm);
		return 0;
	}
	/*
	 * At first the iterator held the mmap lock. Later it came to lock only the mapping that it
	 * looks at (6.18 has that), and leaves out one that somebody is changing. Nobody was if the
	 * count of changes stood still.
	 */
	has_seq = mm_lock_seq(mm, &seq);
	disturbed = mm_is_written(mm);
	out->head.error = bpf_iter_task_vma_new(&it, task, out->head.start);
	if (head_meet(&out->head, seen, mm)) {
		/*
		 * The count is kept in memory, where the verifier does not follow it: in a register
		 * it would go round the loop once for each value.
		 */
		volatile __u32 *count = &out->head.count;

		head_note(&out->head, mm);
		while ((vma = bpf_iter_task_vma_next(&it))) {
			__u32 n = *count;

			if (n >= VMA_BATCH || n >= out->head.limit)
				break;
			vma = bpf_rdonly_cast(vma, bpf_core_type_id_kernel(struct vm_area_struct));
			if ((__u64)vma->vm_mm != out->head.mm) {
				/* It was replaced between our look at it and the iterator's. */
				out->head.moved = 1;
				break;
			}
			vma_fill(&out->records[n], vma);
			*count = n + 1;
		}
	}
	bpf_iter_task_vma_destroy(&it);
	disturbed |= mm_is_written(mm);
	if (has_seq && mm_lock_seq(mm, &after))
		disturbed |= after != seq;
	out->head.disturbed = disturbed;
	return 0;
}

char _license[] SEC("license") = "GPL";
