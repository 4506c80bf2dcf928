/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of an address space, by one system call that runs a program. Alone in its object, because
 * one function that the kernel lacks, or does not let programs of this type call, makes the whole object
 * unusable.
 */
#include "space.bpf.h"

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;

/* In: tgid. Out: all of it, or tgid 0 if there is nobody of that number. */
SEC("syscall")
int space_run(struct space_record *record)
{
	struct task_struct *task = bpf_task_from_pid((__s32)record->tgid);

	if (!task) {
		record->tgid = 0;
		return 0;
	}
	/* Without trust in what we only read, loading takes a third of the time. */
	space_fill(record, bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct)));
	bpf_task_release(task);
	return 0;
}

char _license[] SEC("license") = "GPL";
