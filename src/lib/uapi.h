/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel interfaces that are newer than some systems' headers. Numbers come from the kernel's headers
 * where these have them; below, each with its source.
 */
#ifndef LIB_UAPI_H
#define LIB_UAPI_H

#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/types.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* include/uapi/asm-generic/mman-common.h; the same on every architecture since 6.2. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

/* include/uapi/linux/magic.h: the file system that pidfds live on since 6.9. */
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif

/* include/uapi/linux/fs.h, PAGEMAP_SCAN: which pages of a range are in which state (6.7). */
struct uapi_page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

struct uapi_pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};

#define UAPI_PAGEMAP_SCAN _IOWR('f', 16, struct uapi_pm_scan_arg)
#define UAPI_PAGE_IS_WRITTEN (1u << 1)
#define UAPI_PAGE_IS_FILE (1u << 2)
#define UAPI_PAGE_IS_PRESENT (1u << 3)
#define UAPI_PAGE_IS_SWAPPED (1u << 4)
#define UAPI_PAGE_IS_PFNZERO (1u << 5)
#define UAPI_PAGE_IS_HUGE (1u << 6)
#define UAPI_PAGE_IS_GUARD (1u << 8) /* 6.15 */

/* Documentation/admin-guide/mm/pagemap.rst: one entry of /proc/PID/pagemap. */
#define UAPI_PM_FRAME ((1ull << 55) - 1)
#define UAPI_PM_SWAP_TYPE 31u
#define UAPI_PM_EXCLUSIVE (1ull << 56)
#define UAPI_PM_GUARD (1ull << 58) /* 6.14 */
#define UAPI_PM_FILE (1ull << 61)
#define UAPI_PM_SWAP (1ull << 62)
#define UAPI_PM_PRESENT (1ull << 63)

/*
 * include/linux/swap.h: of the 32 types of swap entry the last one marks pages that have no content
 * (guard regions, write protection of userfaultfd, poison); the kernel has done so since 5.19.
 */
#define UAPI_SWAP_TYPE_MARKER 31u

/* include/uapi/linux/kernel-page-flags.h: bit of /proc/kpageflags for the zero pages. */
#define UAPI_KPF_ZERO_PAGE 24

/* include/uapi/linux/fs.h, PROCMAP_QUERY: one mapping by address (6.11). */
struct uapi_procmap_query {
	__u64 size;
	__u64 query_flags;
	__u64 query_addr;
	__u64 vma_start;
	__u64 vma_end;
	__u64 vma_flags;
	__u64 vma_page_size;
	__u64 vma_offset;
	__u64 inode;
	__u32 dev_major;
	__u32 dev_minor;
	__u32 vma_name_size;
	__u32 build_id_size;
	__u64 vma_name_addr;
	__u64 build_id_addr;
};

#define UAPI_PROCMAP_QUERY _IOWR('f', 17, struct uapi_procmap_query)
#define UAPI_PROCMAP_READABLE 0x01u
#define UAPI_PROCMAP_WRITABLE 0x02u
#define UAPI_PROCMAP_EXECUTABLE 0x04u
#define UAPI_PROCMAP_SHARED 0x08u
#define UAPI_PROCMAP_COVERING_OR_NEXT 0x10u

/* include/uapi/linux/ptrace.h: restartable sequences (5.13) and dispatch of system calls (6.4). */
#define UAPI_PTRACE_GET_RSEQ 0x420f
struct uapi_rseq_configuration {
	__u64 pointer;
	__u32 size;
	__u32 signature;
	__u32 flags;
	__u32 pad;
};

#define UAPI_PTRACE_GET_SUD_CONFIG 0x4211
struct uapi_sud_config {
	__u64 mode; /* 0: off */
	__u64 selector;
	__u64 offset;
	__u64 length;
};

/* include/uapi/linux/rseq.h: struct rseq_cs, and where struct rseq points to it. */
#define UAPI_RSEQ_CS_OFFSET 8
struct uapi_rseq_cs {
	__u32 version;
	__u32 flags;
	__u64 start;
	__u64 length;
	__u64 abort;
};

/* include/linux/errno.h of the kernel: results that a program does not get to see. */
#define UAPI_RESTART_FIRST (-512)
#define UAPI_RESTART_LAST (-516)

/* include/linux/uio.h and fs.h: limits of one vectored call. */
#define KERNEL_IOV_MAX 1024u
#define KERNEL_RW_MAX 0x7ffff000ull

#endif
