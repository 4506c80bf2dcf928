/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few structures of the kernel that the programs look into. Only the names of the fields
 * matter: where they are is looked up in the running kernel's BTF when a program is loaded.
 */
#ifndef BPF_KERNEL_H
#define BPF_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
/* Names in the prototypes of bpf_helper_defs.h. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

/* include/uapi/linux/bpf.h */
enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_F_MMAPABLE = 1 << 10,
};

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#define _core_ __attribute__((preserve_access_index))

struct seqcount {
	unsigned int sequence;
} _core_;

struct mm_struct {
	unsigned long start_brk, brk, start_stack, task_size;
} _core_;

/* mm_lock_seq came with 6.4 as an int, and is a seqcount_t since 6.13. */
struct mm_struct___int {
	int mm_lock_seq;
} _core_;

struct mm_struct___seqcount {
	struct seqcount mm_lock_seq;
} _core_;

/* The count of an rw_semaphore that is not PREEMPT_RT's: bit 0 is set while a writer holds it. */
typedef struct {
	__s64 counter;
} _core_ atomic64_t;

typedef atomic64_t atomic_long_t;

struct rw_semaphore {
	atomic_long_t count;
} _core_;

struct mm_struct___rwsem {
	struct rw_semaphore mmap_lock;
} _core_;

struct super_block {
	unsigned long s_flags, s_magic;
} _core_;

struct inode {
	__u16 i_mode;
	struct super_block *i_sb;
} _core_;

struct qstr {
	__u32 len;
} _core_;

struct dentry {
	struct qstr d_name;
} _core_;

/* The start of a short name, under the field's two names: until 6.13, and since. */
struct dentry___iname {
	unsigned char d_iname[1];
} _core_;

union shortname_store {
	unsigned char string[1];
} _core_;

struct dentry___shortname {
	union shortname_store d_shortname;
} _core_;

struct path {
	struct dentry *dentry;
} _core_;

struct file {
	struct inode *f_inode;
	struct path f_path;
} _core_;

struct anon_vma;
struct vm_operations_struct;
struct userfaultfd_ctx;

struct vm_userfaultfd_ctx {
	struct userfaultfd_ctx *ctx;
} _core_;

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags, vm_pgoff;
	struct mm_struct *vm_mm;
	struct file *vm_file;
	struct anon_vma *anon_vma;
	const struct vm_operations_struct *vm_ops;
	struct vm_userfaultfd_ctx vm_userfaultfd_ctx;
} _core_;

struct task_struct {
	int pid, tgid;
	struct mm_struct *mm;
	__u64 start_boottime, self_exec_id;
} _core_;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} _core_;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} _core_;

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
} _core_;

#endif
