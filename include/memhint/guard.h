/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What keeps a hint from memory that was not looked at: cookies, and targets that stand still. */
#ifndef MEMHINT_GUARD_H
#define MEMHINT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memhint_process;

/* What happens when the target changes its mappings between the look and the advice. */
enum memhint_guard {
	MEMHINT_GUARD_NONE,   /* nothing: harmless for COLD, PAGEOUT and WILLNEED */
	MEMHINT_GUARD_FOLLOW, /* what is left is looked at and selected again */
	MEMHINT_GUARD_COOKIE, /* -ESTALE */
	MEMHINT_GUARD_FREEZE, /* it cannot: it does not run meanwhile */
};

/** memhint_guard_name() - "none", "follow", "cookie", "freeze"; NULL if unknown. Since: 0.1. */
const char *memhint_guard_name(enum memhint_guard guard);

/* What a cookie was made of. */
enum memhint_cookie_kind {
	MEMHINT_COOKIE_INVALID, /* no cookie at all: 0, for instance */
	/*
	 * The kernel's own count of changes of the address space. Moves with every mmap, munmap, brk,
	 * mprotect and the like, also where they change nothing; not with page faults, COLD, PAGEOUT
	 * and WILLNEED. Comes round after 2^31 changes at the earliest.
	 */
	MEMHINT_COOKIE_EXACT,
	/*
	 * A hash of the text of /proc/PID/maps. Cannot see a change that was undone, one mapping in
	 * the place of another just like it, what the text does not show (locked, droppable), nor an
	 * exec that gives the same text.
	 */
	MEMHINT_COOKIE_FINGERPRINT,
};

/** memhint_cookie_kind() - what a cookie was made of. Since: 0.1. */
enum memhint_cookie_kind memhint_cookie_kind(uint64_t cookie);

/** memhint_cookie_kind_name() - "exact", "fingerprint", "invalid". Since: 0.1. */
const char *memhint_cookie_kind_name(enum memhint_cookie_kind kind);

/**
 * memhint_process_cookie() - name the present state of a process's address space
 * @process: whose.
 * @ret_cookie: never 0; of no other process, boot or exec; the same as long as no mapping changes.
 *
 * Exact where MEMHINT_FEATURE_EXACT_COOKIE works, else a fingerprint; see enum memhint_cookie_kind. A
 * fork by the process and a change by one that shares its memory (vfork, CLONE_VM) move it, a new thread
 * does as it maps its stack.
 *
 * One that is met in the middle of a change for 2 ms gets a cookie that is equal to no other.
 *
 * Context: any thread; a reading takes 1 to 4 us once the first has been taken, a fingerprint about
 * 0.3 us a mapping. What it needs is kept in @process. Blocks for 2 ms at most.
 * Errors: -ESRCH the process has ended or has no memory; -EACCES ptrace access is refused; -EMFILE,
 * -ENFILE, -ENOMEM; -EIO.
 * Return: 0 or a negative errno. Since: 0.1. Source: include/linux/mmap_lock.h (mm_lock_seq).
 */
int memhint_process_cookie(struct memhint_process *process, uint64_t *ret_cookie);

/**
 * memhint_cookie_check() - whether the address space is in the state that a cookie names
 * Errors: -ESTALE it is not, or the cookie is of another process, boot or exec; -EINVAL it is no
 * cookie; -EOPNOTSUPP it is exact, and exact ones cannot be read here; else as
 * memhint_process_cookie().
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_cookie_check(struct memhint_process *process, uint64_t cookie);

/* How processes are kept from running. */
enum memhint_freeze_way {
	MEMHINT_FREEZE_AUTO,	/* TRACE; of what is traced already CGROUP, else SIGNAL */
	MEMHINT_FREEZE_TRACE,	/* ptrace(2): the kernel lets go should the caller die */
	MEMHINT_FREEZE_CGROUP,	/* the freezer of a cgroup v2 that holds nothing else */
	MEMHINT_FREEZE_SIGNAL,	/* SIGSTOP */
	MEMHINT_FREEZE_ALREADY, /* reported only: somebody else had stopped it, and it is left so */
};

/** memhint_freeze_way_name() - "auto", "trace", "cgroup", "signal", "already". Since: 0.1. */
const char *memhint_freeze_way_name(enum memhint_freeze_way way);

#define MEMHINT_FREEZE_FORCE (1u << 0) /* also PID 1 and ancestors of the caller */
/*
 * Stays frozen after memhint_freeze_close() and the end of the caller, until memhint_thaw(). Only with
 * CGROUP and SIGNAL; AUTO means these two.
 */
#define MEMHINT_FREEZE_KEEP (1u << 1)

/** struct memhint_freeze_options - how to freeze. Zero is the best default. */
struct memhint_freeze_options {
	size_t size;	/* of this structure */
	uint32_t flags; /* MEMHINT_FREEZE_* */
	enum memhint_freeze_way way;
	uint64_t timeout_usec;	   /* to bring all of it to a stop; 0: 1 s */
	const char *run_directory; /* for records; NULL: memhint_run_directory() */
};

/** struct memhint_freeze - processes that do not run. */
struct memhint_freeze;

/**
 * memhint_freeze_open() - stop processes, all their threads, as one
 * @processes: they must stay open for as long as the freeze.
 * @count: how many.
 * @options: or NULL.
 * @ret_freeze: let go of them with memhint_freeze_close().
 *
 * Every thread is stopped, also those born meanwhile; on failure all run as before. What somebody else
 * had stopped or frozen stays so afterwards. TRACE leaves nothing behind however the caller ends.
 * CGROUP and SIGNAL write a record to the run-time directory before they act, which
 * memhint_freeze_recover() undoes should the caller die; this function does that first, for others.
 *
 * Context: with TRACE only the thread that opened it may use and close it; other threads must not wait
 * for the processes (waitpid(2)), and the caller gets SIGCHLD for each thread that stops; for targets of
 * three threads and more a second thread of the caller stands by meanwhile. Blocks until all threads have
 * stopped: some 60 us for one, at most the timeout.
 * Errors: -EDEADLK the caller itself, or PID 1 or an ancestor of the caller without
 * MEMHINT_FREEZE_FORCE; -ESRCH one of them has ended; -EPERM no right to trace or to signal it, or the
 * directory of records is not safe; -EBUSY it is traced by another process (TRACE), or its cgroup holds
 * others (CGROUP); -ETIMEDOUT it did not come to a stop; -EOPNOTSUPP no cgroup v2 freezer here (CGROUP),
 * or KEEP with TRACE; -EINVAL nobody, somebody twice, an unknown flag or way; -EAGAIN no thread can be
 * made; -EMFILE, -ENFILE, -ENOMEM; those of writing the record.
 * Return: 0 or a negative errno. Since: 0.1. Source: ptrace(2), cgroups(7), signal(7).
 */
int memhint_freeze_open(struct memhint_process *const *processes, size_t count,
			const struct memhint_freeze_options *options,
			struct memhint_freeze **ret_freeze);

/**
 * memhint_freeze_cgroup() - stop all members of a cgroup v2 as one
 * @cgroup_fd: its directory. Members of cgroups below it belong to it.
 *
 * CGROUP freezes the cgroup itself; the other ways its members, those that appear meanwhile included.
 * AUTO is CGROUP here.
 * Errors: as memhint_freeze_open(), and -ENOTDIR, -ENOENT it is no cgroup v2; -ECHILD it has no members.
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_freeze_cgroup(int cgroup_fd, const struct memhint_freeze_options *options,
			  struct memhint_freeze **ret_freeze);

/**
 * memhint_freeze_close() - let go of all; NULL is accepted
 * What somebody else had stopped stays so, what is to be kept (MEMHINT_FREEZE_KEEP) too.
 * Since: 0.1.
 */
void memhint_freeze_close(struct memhint_freeze *freeze);

/** memhint_freeze_count() - number of processes in it. Since: 0.1. */
size_t memhint_freeze_count(const struct memhint_freeze *freeze);

/** memhint_freeze_process() - process number @index, owned by it or by its opener; NULL past the end.
 * Since: 0.1. */
struct memhint_process *memhint_freeze_process(const struct memhint_freeze *freeze, size_t index);

/** memhint_freeze_way() - how process number @index is kept from running. Since: 0.1. */
enum memhint_freeze_way memhint_freeze_way(const struct memhint_freeze *freeze, size_t index);

/** memhint_run_directory() - where records are: /run/memhint for root, else
 * /run/user/UID/memhint. Since: 0.1. */
const char *memhint_run_directory(void);

/** struct memhint_frozen - one record of the run-time directory. */
struct memhint_frozen {
	int pid; /* 0: a cgroup that was frozen as such */
	uint32_t reserved_pid;
	uint64_t unique_id;
	enum memhint_freeze_way way; /* CGROUP or SIGNAL */
	bool is_kept;	/* MEMHINT_FREEZE_KEEP, else a freeze that is going on or was cut off */
	bool is_orphan; /* its maker has died: memhint_freeze_recover() would thaw it */
	bool reserved_flags[2];
	const char *cgroup; /* path below the mount, or NULL */
};

/**
 * memhint_freeze_list() - tell what is recorded as frozen
 * @sink: called for each; non-zero ends the list.
 * Errors: those of reading the directory, -EBADMSG a file is no record; none if it does not exist.
 * Return: 0, what @sink returned, or a negative errno. Since: 0.1.
 */
int memhint_freeze_list(const char *run_directory,
			int (*sink)(const struct memhint_frozen *frozen, void *userdata),
			void *userdata);

/**
 * memhint_freeze_recover() - let go of what callers that died have left frozen
 * @run_directory: NULL for memhint_run_directory().
 * @ret_count: how many processes and cgroups run again; or NULL.
 *
 * A record is held locked (flock(2)) by its living maker, so what is going on is never disturbed. What is
 * to be kept stays frozen, as long as anybody of it lives. A process is known by its unique id: a reused
 * PID is never signalled.
 * Errors: the first that kept a record from being undone, -EBADMSG for a file that is none among them;
 * the others are undone all the same.
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_freeze_recover(const char *run_directory, size_t *ret_count);

/**
 * memhint_thaw() - let a process run again that MEMHINT_FREEZE_KEEP had left frozen
 * Errors: -ENOENT memhint has no record of freezing it; -ESRCH; -EPERM; -EBADMSG; -EIO.
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_thaw(struct memhint_process *process, const char *run_directory);

#ifdef __cplusplus
}
#endif
#endif
