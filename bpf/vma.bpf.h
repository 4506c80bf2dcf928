/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs have in common. */
#ifndef BPF_VMA_BPF_H
#define BPF_VMA_BPF_H

#include "mm.bpf.h"

#include "vma.h"

/* Numbers of the kernel: include/uapi/linux/magic.h, include/linux/fs.h. */
#define HUGETLBFS_MAGIC 0x958458f6
#define SB_KERNMOUNT_SHIFT 22

static __always_inline __u8 dentry_first_letter(struct dentry *dentry)
{
	struct dentry___shortname *now = (void *)dentry;
	struct dentry___iname *before = (void *)dentry;

	if (bpf_core_field_exists(now->d_shortname))
		return now->d_shortname.string[0];
	if (bpf_core_field_exists(before->d_iname))
		return before->d_iname[0];
	return 0;
}

/* What can be concluded from it is left to the record's reader. */
static __always_inline void vma_fill(struct vma_record *record, struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;
	__u8 bits = 0;

	if (vma->vm_ops)
		bits |= VMA_HAS_OPS;
	if (vma->anon_vma)
		bits |= VMA_HAS_ANON;
	if (bpf_core_field_exists(vma->vm_userfaultfd_ctx.ctx) && vma->vm_userfaultfd_ctx.ctx)
		bits |= VMA_HAS_UFFD;
	record->magic = 0;
	record->file_type = 0;
	record->name_length = 0;
	record->name_letter = 0;
	if (file) {
		struct inode *inode = file->f_inode;
		struct super_block *sb = inode->i_sb;
		__u32 magic = sb->s_magic;

		bits |= VMA_HAS_FILE;
		record->magic = magic;
		record->file_type = inode->i_mode >> 12;
		if (magic == HUGETLBFS_MAGIC) {
			struct dentry *dentry = file->f_path.dentry;

			bits |= (sb->s_flags >> SB_KERNMOUNT_SHIFT & 1) * VMA_IS_INTERNAL;
			record->name_length = dentry->d_name.len;
			record->name_letter = dentry_first_letter(dentry);
		}
	}
	record->bits = bits;
	record->start = vma->vm_start;
	record->end = vma->vm_end;
	record->pgoff = vma->vm_pgoff;
	record->flags = vma->vm_flags;
}

/* What heap and stack are told by, as it is now. */
static __always_inline void head_note(struct vma_head *head, struct mm_struct *mm)
{
	head->start_brk = mm->start_brk;
	head->brk = mm->brk;
	head->start_stack = mm->start_stack;
}

/* Notes whose address space this is. False: it is not the one that was begun with. */
static __always_inline int head_meet(struct vma_head *head, struct task_struct *task,
				     struct mm_struct *mm)
{
	__u32 seq;

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
	if (mm_lock_seq(mm, &seq)) {
		head->lock_seq = seq;
		head->has_lock_seq = 1;
	}
	return 1;
}

#endif
