/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one door between libmemhint and libmemhint-bpf.so, which is looked for at run time: the library
 * never links libbpf, and works without this room.
 */
#ifndef LIB_BPF_ROOM_H
#define LIB_BPF_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BPF_ROOM_ABI 1u
#define BPF_ROOM_LIBRARY "libmemhint-bpf.so.0"
#define BPF_ROOM_SYMBOL "memhint_bpf_room"

/* One mapping as the kernel keeps it. */
struct bpf_room_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint32_t flags;			/* enum memhint_vma_flag, both groups */
	uint32_t kind;			/* enum memhint_kind */
	bool untouched;			/* private memory that was never written: no anonymous page in it */
};

/* The address space as a whole. */
struct bpf_room_space {
	uint64_t generation;		/* moves with every change of the list of mappings; 0: cannot be told */
	uint64_t exec_id;		/* moves with every exec; 0: cannot be told */
};

/* How the programs walk the mappings. */
enum bpf_room_way {
	BPF_ROOM_RUN,			/* one run of a program that loops over all mappings */
	BPF_ROOM_SEQ,			/* task_vma iterator: one run for each mapping */
	BPF_ROOM_WAYS
};

struct bpf_room {
	uint32_t abi;			/* BPF_ROOM_ABI */

	/* Loads the programs for one way, once; threads are welcome. 0 or a negative errno. */
	int (*load)(enum bpf_room_way way);

	/*
	 * Hands every mapping of a process to @sink in order of address, then fills in @ret_space.
	 * @pidfd decides which process; @pid is the same in the caller's PID namespace.
	 * Stops when @sink returns non-zero and returns that. 0 or a negative errno: -ESRCH it has
	 * ended or has no memory.
	 */
	int (*read)(enum bpf_room_way way, int pidfd, pid_t pid,
		    int (*sink)(const struct bpf_room_vma *vma, void *userdata), void *userdata,
		    struct bpf_room_space *ret_space);
};

/* What BPF_ROOM_SYMBOL is. */
typedef const struct bpf_room *(*bpf_room_function)(void);

#endif
