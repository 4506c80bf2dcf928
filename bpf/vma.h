/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the BPF programs and the code that runs them say to each other. */
#ifndef BPF_VMA_H
#define BPF_VMA_H

enum vma_bit {
	VMA_HAS_FILE = 1 << 0,
	VMA_HAS_OPS = 1 << 1,	  /* vm_ops; without, it is anonymous, whatever its file */
	VMA_HAS_ANON = 1 << 2,	  /* anon_vma: somebody has written to it privately */
	VMA_HAS_UFFD = 1 << 3,	  /* registered with a userfaultfd, in any mode */
	VMA_IS_INTERNAL = 1 << 4, /* hugetlbfs: the kernel's own mount */
};

struct vma_record {
	__u64 start;
	__u64 end;
	__u64 pgoff;
	__u64 flags;	  /* vm_flags as the kernel has them */
	__u32 magic;	  /* of the file's file system */
	__u8 file_type;	  /* S_IFMT of the file's mode, shifted down by 12 */
	__u8 bits;	  /* enum vma_bit */
	__u8 name_length; /* hugetlbfs: of the file's name */
	__u8 name_letter; /* hugetlbfs: with what it begins, if it is short */
};

/* One run of a program, and what it says of the address space as a whole. */
struct vma_head {
	/* in */
	__u64 start; /* leave out what ends at or below it */
	__u32 limit; /* at most so many records; 0: just the head */
	/* out */
	__s32 error;	 /* why the list could not be walked */
	__u32 count;	 /* records */
	__u32 tgid;	 /* whose, in the first PID namespace; 0: nobody's */
	__u32 foreign;	 /* another process came too: no filter here */
	__u32 moved;	 /* the address space was replaced meanwhile */
	__u32 disturbed; /* it was being changed: mappings may be missing */
	__u64 mm;	 /* tells address spaces apart as long as both exist */
	__u64 exec_id;
	__u64 task_size;
	__u64 start_brk;
	__u64 brk;
	__u64 start_stack;
	__u32 lock_seq; /* mm_lock_seq */
	__u32 has_lock_seq;
	__u32 unused;
};

/* Some kernels hold the target's mmap lock for a batch: for about half a millisecond. */
#define VMA_BATCH 4096u

struct vma_batch {
	struct vma_head head;
	struct vma_record records[VMA_BATCH];
};

#endif
