/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the program that looks at an address space as a whole says of it. */
#ifndef BPF_SPACE_H
#define BPF_SPACE_H

struct space_record {
	/* These two tell the process from all others since the machine was started. */
	__u64 start_boottime;
	__u32 tgid; /* in the first PID namespace */

	__u32 lock_seq; /* mm_lock_seq */
	__u64 mm;	/* tells address spaces apart as long as both exist; 0: it has none */
	__u64 exec_id;
	__u32 has_lock_seq;
	__u32 disturbed; /* it was being changed, or replaced: the rest is of no use */
};

#endif
