/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs have in common. */
#ifndef BPF_VMA_BPF_H
#define BPF_VMA_BPF_H

#include "kernel.h"

#include "vma.h"

/* Numbers of the kernel: include/uapi/linux/magic.h, stat.h, include/linux/fs.h, mm.h. */
#define TMPFS_MAGIC 0x01021994
#define HUGETLBFS_MAGIC 0x958458f6
#define S_IFMT 00170000
#define S_IFREG 0100000
#define SB_KERNMOUNT (1ul << 22)

#define ANON_HUGEPAGE_NAME_LENGTH 13 /* of "anon_hugepage", mm/hugetlb: HUGETLB_ANON_FILE */

static __always_inline unsigned char dentry_first_letter(struct dentry *dentry)
{
	struct dentry___shortname *now = (void *)dentry;
	struct dentry___iname *before = (void *)dentry;

	if (bpf_core_field_exists(now->d_shortname))
		return now->d_shortname.string[0];
	if (bpf_core_field_exists(before->d_iname))
		return before->d_iname[0];
	return 0;
}

/* Which of the kinds of shared memory a file is, if any. */
static __always_inline __u32 file_bits(struct file *file)
{
	struct inode *inode = file->f_inode;
	struct super_block *sb = inode->i_sb;
	struct dentry *dentry;

	/* Device files live on a tmpfs too, devtmpfs, but what they map does not. */
	if (sb->s_magic == TMPFS_MAGIC)
		return (inode->i_mode & S_IFMT) == S_IFREG ? VMA_IS_SHMEM : 0;
	if (sb->s_magic != HUGETLBFS_MAGIC || !(sb->s_flags & SB_KERNMOUNT))
		return 0;
	/* On its own mount the kernel names files anon_hugepage, memfd:NAME or SYSVKEY. */
	dentry = file->f_path.dentry;
	if (dentry->d_name.len == ANON_HUGEPAGE_NAME_LENGTH && dentry_first_letter(dentry) == 'a')
		return VMA_IS_SHMEM | VMA_IS_HUGE_ANON;
	return VMA_IS_SHMEM;
}

/* The rules for heap and stack are those by which /proc/PID/maps names them: fs/proc/task_mmu.c. */
static __always_inline void vma_fill(struct vma_record *record, struct vm_area_struct *vma)
{
	unsigned long start = vma->vm_start, end = vma->vm_end;
	struct mm_struct *mm = vma->vm_mm;
	struct file *file = vma->vm_file;
	__u32 bits = 0;

	if (file)
		bits |= VMA_HAS_FILE | file_bits(file);
	if (vma->vm_ops)
		bits |= VMA_HAS_OPS;
	if (vma->anon_vma)
		bits |= VMA_HAS_ANON;
	if (bpf_core_field_exists(vma->vm_userfaultfd_ctx.ctx) && vma->vm_userfaultfd_ctx.ctx)
		bits |= VMA_HAS_UFFD;
	if (start < mm->brk && end > mm->start_brk)
		bits |= VMA_IS_HEAP;
	if (start <= mm->start_stack && end >= mm->start_stack)
		bits |= VMA_IS_STACK;
	record->start = start;
	record->end = end;
	record->pgoff = vma->vm_pgoff;
	record->flags = vma->vm_flags;
	record->bits = bits;
	record->unused = 0;
}

/* Notes whose address space this is. False: it is not the one that was begun with. */
static __always_inline int head_meet(struct vma_head *head, struct task_struct *task,
				     struct mm_struct *mm)
{
	struct mm_struct___seqcount *now = (void *)mm;
	struct mm_struct___int *before = (void *)mm;

	if (head->tgid) {
		if (head->tgid != (__u32)task->tgid)
			head->foreign = 1;
		else if (head->mm != (__u64)mm)
			head->moved = 1;
		return !head->foreign && !head->moved;
	}
	head->tgid = task->tgid;
	head->mm = (__u64)mm;
	head->exec_id = task->self_exec_id;
	head->task_size = mm->task_size;
	if (bpf_core_field_exists(now->mm_lock_seq.sequence)) {
		head->lock_seq = now->mm_lock_seq.sequence;
		head->has_lock_seq = 1;
	} else if (bpf_core_field_exists(before->mm_lock_seq)) {
		head->lock_seq = before->mm_lock_seq;
		head->has_lock_seq = 1;
	}
	return 1;
}

#endif
