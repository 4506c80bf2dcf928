/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process as its pidfd, its /proc directory and its unique id: never as a number alone. */
#ifndef MEMHINT_PROCESS_H
#define MEMHINT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct memhint_process;

/**
 * memhint_process_open() - take hold of a process
 * @which: P_PID (@id is a process id) or P_PIDFD (@id is a pidfd, which is duplicated).
 * @id: the process id or the pidfd.
 * @ret_process: the handle; close it with memhint_process_close().
 *
 * The pidfd comes first, then the /proc/PID directory, then the proof through the pidfd that the
 * process still lives: from then on both name the same process, and a reused PID is never touched.
 *
 * Context: any thread; does not block.
 * Errors: -ESRCH no such process, or it has ended (a zombie too); -EINVAL @which is neither, or the
 * id is no process id or names a thread that is not a process; -EBADF not a pidfd; -EACCES it is
 * hidden by the mount option hidepid of /proc; -ENOENT /proc is not mounted, or not for this PID
 * namespace; -ENOSYS before Linux 5.3; -EMFILE, -ENFILE, -ENOMEM.
 * Return: 0 or a negative errno. Since: 0.1. Source: pidfd_open(2), proc(5).
 */
int memhint_process_open(idtype_t which, id_t id, struct memhint_process **ret_process);

/**
 * memhint_process_open_unique() - take hold of a process by PID and unique id
 * @pid: process id.
 * @unique_id: what memhint_process_id() said of it earlier.
 * @ret_process: the handle.
 *
 * Errors: as memhint_process_open(), and -ESTALE the PID now names another process.
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_process_open_unique(pid_t pid, uint64_t unique_id,
				struct memhint_process **ret_process);

/** memhint_process_close() - let go of a process; NULL is accepted. Since: 0.1. */
void memhint_process_close(struct memhint_process *process);

/** memhint_process_pid() - its process id in the caller's PID namespace. Since: 0.1. */
pid_t memhint_process_pid(const struct memhint_process *process);

/** memhint_process_pidfd() - its pidfd, owned by the handle. Since: 0.1. */
int memhint_process_pidfd(const struct memhint_process *process);

/** memhint_process_dirfd() - its /proc/PID directory, owned by the handle. Since: 0.1. */
int memhint_process_dirfd(const struct memhint_process *process);

/**
 * memhint_process_id() - the id that no other process of this boot has
 *
 * The inode of the pidfd on kernels with pidfs (6.9), as util-linux prints it in PID:INODE; on
 * older kernels the start time in clock ticks since boot, which tells apart all processes that had
 * the same PID.
 *
 * Return: the id, never 0. Since: 0.1. Source: pidfd_open(2), proc_pid_stat(5).
 */
uint64_t memhint_process_id(const struct memhint_process *process);

/** memhint_process_is_alive() - false once it has ended, a zombie included. Since: 0.1. */
bool memhint_process_is_alive(const struct memhint_process *process);

/** memhint_process_is_self() - whether the handle names the calling process. Since: 0.1. */
bool memhint_process_is_self(const struct memhint_process *process);

/**
 * memhint_process_is_stopped() - whether no thread of it can run now
 *
 * True for a process stopped by a signal, one whose threads are all stopped by a tracer, and one in
 * a frozen cgroup v2. False when it cannot be told.
 * Since: 0.1. Source: proc_pid_stat(5), cgroups(7).
 */
bool memhint_process_is_stopped(const struct memhint_process *process);

/** struct memhint_process_stat - what /proc says of a process at one moment. Sizes in bytes. */
struct memhint_process_stat {
	char comm[64];	       /* as the kernel gives it, not escaped */
	char state;	       /* R S D T t Z X I as in proc_pid_stat(5) */
	bool is_kernel_thread; /* has no memory of its own */
	pid_t parent_pid;
	uid_t uid; /* effective */
	uint32_t threads;
	uint64_t start_ticks; /* since boot, in clock ticks */
	uint64_t cpu_usec;    /* user and system time used so far */
	uint64_t size_bytes;  /* address space */
	uint64_t rss_bytes;   /* resident: anon + file + shmem */
	uint64_t anon_bytes;
	uint64_t file_bytes;
	uint64_t shmem_bytes;
	uint64_t swap_bytes;   /* anonymous memory in swap */
	uint64_t locked_bytes; /* mlock(2) */
	uint64_t reserved[8];
};

/**
 * memhint_process_stat() - read a process's numbers
 * Context: any thread; one read each of stat and status; does not take the target's mmap lock.
 * Errors: -ESRCH it has ended; -EACCES hidden by hidepid; -EIO text that is not understood.
 * Return: 0 or a negative errno. Since: 0.1. Source: proc_pid_stat(5), proc_pid_status(5).
 */
int memhint_process_stat(const struct memhint_process *process,
			 struct memhint_process_stat *ret_stat);

#ifdef __cplusplus
}
#endif
#endif
