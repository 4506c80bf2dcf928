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

/* include/linux/uio.h and fs.h: limits of one vectored call. */
#define KERNEL_IOV_MAX 1024u
#define KERNEL_RW_MAX 0x7ffff000ull

#endif
