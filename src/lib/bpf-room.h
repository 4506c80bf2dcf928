/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one door between libmemhint and libmemhint-bpf.so, which is looked for at run time: the
 * library never links libbpf, and works without this room.
 */
#ifndef LIB_BPF_ROOM_H
#define LIB_BPF_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BPF_ROOM_ABI 2u
#define BPF_ROOM_LIBRARY "libmemhint-bpf.so.0"
#define BPF_ROOM_SYMBOL "memhint_bpf_room"

/*
 * The kind of a mapping, the same for every reader of maps, first rule that fits:
 *
 * - SPECIAL: no file, but the kernel has operations for it. In /proc/PID/maps a name in brackets
 *   that is none of [heap], [stack], [anon:NAME]: [vdso], [vvar], [uprobes]... and [vsyscall],
 *   which is no mapping at all: it comes last, with the permissions that maps shows.
 * - HEAP: no file, and maps says [heap]: start < brk && end > start_brk.
 * - STACK: no file, and maps says [stack]: start <= start_stack <= end.
 * - ANON: no file; or a private mapping of /dev/zero, which maps shows by that name; or private and
 *   MAP_ANONYMOUS | MAP_HUGETLB, in maps "/anon_hugepage (deleted)".
 * - SHMEM: a regular file of any tmpfs, private or shared, executable or not: shared anonymous
 *   memory and shared /dev/zero ("/dev/zero (deleted)"), memfds, System V, files below /dev/shm; or
 *   of the kernel's own mount of hugetlbfs: shared "/anon_hugepage", and "/memfd:", "/SYSV" there.
 * - CODE: any other file, executable.
 * - FILE: any other file, devices and named hugetlbfs files too.
 *
 * The file counts as the kernel maps it: of an overlay, the file on the layer below.
 */

/* One mapping as the kernel keeps it. */
struct bpf_room_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* in the file, 0 without one */
	uint32_t flags;	 /* enum memhint_vma_flag, both groups */
	uint32_t kind;	 /* enum memhint_kind */
	bool untouched;	 /* private memory that was never written: no anonymous page in it */
};

/* The address space as a whole. */
struct bpf_room_space {
	/* Each 0 when it cannot be told. */
	uint64_t generation; /* moves with every change of the list of mappings */
	uint64_t exec_id;    /* moves with every exec */
};

/* One process by all its names; what it is called by is not opened, closed or kept. */
struct bpf_room_target {
	int pidfd; /* decides which process */
	int dirfd; /* its directory below /proc */
	pid_t pid; /* in the caller's PID namespace */
};

/* What is kept of a process between two readings of its address space as a whole. */
struct bpf_room_watch;

/* How the programs look at the mappings, or at the address space as a whole. */
enum bpf_room_way {
	BPF_ROOM_RUN, /* one run of a program that loops over all mappings */
	/*
	 * The kernel's iterators: one run for each mapping. Of a target that splits its mappings meanwhile
	 * it may leave out a part, where one read of the kernel's ends and the next begins.
	 */
	BPF_ROOM_SEQ,
	BPF_ROOM_WAYS
};

struct bpf_room {
	uint32_t abi; /* BPF_ROOM_ABI */

	/*
	 * Loads the programs for one way, once; threads are welcome. 0 or a negative errno:
	 * -EPERM needs CAP_BPF and CAP_PERFMON; -EOPNOTSUPP what they see cannot be trusted here;
	 * anything else: this kernel does not have what they need.
	 */
	int (*load)(enum bpf_room_way way);

	/*
	 * Hands the mappings of a process that end above @start to @sink in order of address, @limit
	 * of them at most (0: all), then fills in @ret_space. Stops when @sink returns non-zero and
	 * returns that. 0 or a negative errno: -ESRCH it has ended or has no memory; -EAGAIN it
	 * changes its mappings all the time (RUN only: SEQ waits its turn), or exec replaced them
	 * meanwhile; -EACCES ptrace access is refused; -EBADF; and what load() may say, for what is
	 * not loaded is loaded. On failure what @sink got is void.
	 *
	 * RUN looks at no more mappings than it hands out; SEQ at all of those below @start, too.
	 *
	 * @ret_space is as it was before the first mapping was read: if it is the same when the
	 * last one has been, or any time later, the list still is what it was.
	 * @sink NULL: fills in @ret_space only, in the time of a few system calls.
	 * @sink must not call into this room, nor fork.
	 */
	int (*read)(enum bpf_room_way way, const struct bpf_room_target *target, uint64_t start,
		    uint32_t limit, int (*sink)(const struct bpf_room_vma *vma, void *userdata),
		    void *userdata, struct bpf_room_space *ret_space);

	/*
	 * Loads the program of one way for watches, once, and tries it on the caller's own address space. As
	 * load(); -EOPNOTSUPP this kernel does not count changes, either.
	 */
	int (*watch_load)(enum bpf_room_way way);

	/*
	 * Begins to watch a process. The descriptors of @target must stay open for as long as the
	 * watch. A watch is not for two threads at once; the copy that a forked
	 * child has is its own. Errors as for watch_read(), and those of watch_load().
	 */
	int (*watch_open)(enum bpf_room_way way, const struct bpf_room_target *target,
			  struct bpf_room_watch **ret_watch);

	/*
	 * The same as read() with no sink, in 1 us (RUN) or 4 us (SEQ). 0 or a negative errno: -EAGAIN its mappings are
	 * being changed at this moment; -ESRCH it has ended or has no memory; -EACCES ptrace access
	 * is refused, to what it has become by exec perhaps; -EOPNOTSUPP it is not in the caller's
	 * PID namespace; -EMFILE, -ENFILE, -ENOMEM.
	 *
	 * In kernels that count a change when it has been made a moment within one is told by the
	 * mmap lock, unless they are built for PREEMPT_RT.
	 */
	int (*watch_read)(struct bpf_room_watch *watch, struct bpf_room_space *ret_space);

	void (*watch_close)(struct bpf_room_watch *watch);
};

/* What BPF_ROOM_SYMBOL is. */
typedef const struct bpf_room *(*bpf_room_function)(void);

#endif
