/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving advice, and the account of what came of it. */
#ifndef MEMHINT_ADVISE_H
#define MEMHINT_ADVISE_H

#include <memhint/filter.h>
#include <memhint/guard.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memhint_map;
struct memhint_process;
struct memhint_ranges;

/* How a target that runs is kept from stalling. */
enum memhint_pace {
	MEMHINT_PACE_AUTO,  /* full speed if it is stopped or frozen, else as BOUND with 2,000 us */
	MEMHINT_PACE_NONE,  /* full speed */
	MEMHINT_PACE_BOUND, /* keep the stall of its mmap calls under pace_usec */
};

/** struct memhint_progress - how far a run is. */
struct memhint_progress {
	uint64_t done_bytes; /* advised, skipped or failed so far */
	uint64_t total_bytes;
	uint64_t elapsed_usec;
};

/** struct memhint_failure - one range that the kernel refused. */
struct memhint_failure {
	uint64_t start;
	uint64_t end;
	int error; /* a positive errno */
	uint32_t reserved;
};

#define MEMHINT_ADVISE_DRY_RUN (1u << 0) /* everything but the advice itself */
#define MEMHINT_ADVISE_MEASURE (1u << 1) /* fill in before and after in the result */
/* Advice that destroys data or withholds it from children: see memhint_advice_is_destructive(). */
#define MEMHINT_ADVISE_DESTRUCTIVE (1u << 2)
#define MEMHINT_ADVISE_FORCE (1u << 3) /* guard FREEZE: also PID 1 and ancestors of the caller */

/* Who makes the system call. */
enum memhint_via {
	MEMHINT_VIA_AUTO,   /* KERNEL if it takes the advice for other processes, else INJECT */
	MEMHINT_VIA_KERNEL, /* the caller: process_madvise(2) */
	MEMHINT_VIA_INJECT, /* the target, stopped by ptrace(2) for the time of a call: madvise(2) */
};

/** memhint_via_name() - "auto", "kernel", "inject"; NULL if unknown. Since: 0.1. */
const char *memhint_via_name(enum memhint_via via);

/** struct memhint_advise_options - how to give it. Zero is the best default. */
struct memhint_advise_options {
	size_t size;	/* of this structure */
	uint32_t flags; /* MEMHINT_ADVISE_* */
	enum memhint_pace pace;
	uint64_t pace_usec;	   /* for MEMHINT_PACE_BOUND */
	uint64_t max_bytes;	   /* advise no more than this; 0: no limit */
	uint64_t bytes_per_second; /* on average over the run; 0: no limit */
	const volatile int
		*cancel; /* set to non-zero by a signal handler or thread to stop; or NULL */
	/* Called between system calls, at most about 20 times a second; non-zero cancels. Or NULL. */
	int (*progress)(const struct memhint_progress *progress, void *userdata);
	/* Called for every range that failed. Or NULL. */
	void (*failure)(const struct memhint_failure *failure, void *userdata);
	void *userdata;
	const struct memhint_map *map; /* the snapshot that the ranges came from: with it exec and
					 * changed mappings are noticed; or NULL */
	enum memhint_guard guard;
	enum memhint_via via;
	/*
	 * Guard COOKIE: the state that the ranges were found in; 0: that of the snapshot they were
	 * selected from. With another guard it must be 0.
	 */
	uint64_t cookie;
	/*
	 * What the target is held by already, or NULL. Guard FREEZE freezes nothing of its own then,
	 * and the way INJECT uses its hold. It must be open for the same thread.
	 */
	struct memhint_freeze *freeze;
};

/** struct memhint_usage - how much of the ranges is where. Bytes. */
struct memhint_usage {
	uint64_t rss_bytes;  /* resident */
	uint64_t swap_bytes; /* swap entries */
	uint64_t huge_bytes; /* part of rss_bytes in transparent huge pages */
	uint64_t reserved[3];
};

/**
 * struct memhint_result - the account of one run
 *
 * requested = advised + skipped + failed, in bytes and in ranges, always. A range that was done in
 * part counts in ranges once for each part. advised is what the kernel walked, not what it freed:
 * before and after, measured on just these ranges, say what was achieved.
 */
struct memhint_result {
	struct memhint_amount requested; /* matched the filter */
	struct memhint_amount advised;
	struct memhint_amount skipped; /* the sum of skipped_by */
	struct memhint_amount failed;
	struct memhint_amount skipped_by[MEMHINT_SKIP_MAX]; /* enum memhint_skip */
	struct memhint_failure first_failure;		    /* error 0: none */
	struct memhint_usage before;
	struct memhint_usage after;
	uint64_t syscalls; /* advice calls */
	uint64_t elapsed_usec;
	uint64_t longest_call_usec; /* INJECT: of the longest batch */
	uint64_t retries;	    /* after EAGAIN, EINTR and the like */
	bool measured;		    /* before and after hold numbers */
	/* Seen to change since the selection or meanwhile; without a guard where cookies are exact. */
	bool map_changed;
	bool exec_seen;	 /* the target replaced its address space */
	bool was_frozen; /* stood still all the while, by this run or by somebody else */
	bool reserved_flags[4];
	uint32_t via;	      /* enum memhint_via: KERNEL or INJECT; AUTO: no call was made */
	uint32_t looks;	      /* guard FOLLOW: how often a part was selected again */
	uint64_t frozen_usec; /* how long this run kept the target from running, in all */
	uint64_t reserved[6];
};

/**
 * memhint_advise() - give one advice for many ranges
 * @process: the target; the caller itself is allowed, for any advice that madvise(2) knows.
 * @ranges: from memhint_select() or filled by hand.
 * @advice: MADV_*.
 * @options: or NULL.
 * @ret_result: filled in always, also on failure.
 *
 * Goes on after a range that the kernel refuses (EINVAL, ENOMEM), tries again a bounded number of
 * times after EAGAIN, EBUSY and EINTR, and stops when the target is gone or permission is missing.
 *
 * Guards: NONE gives the advice whatever happens. FOLLOW compares a cookie before each system call;
 * after a change the part that the call is for is looked at and selected again (the ranges must come from
 * memhint_select()), what is left out then counts as MEMHINT_SKIP_CHANGED, and what is found in addition
 * counts as requested. COOKIE compares before each call and after the last: a change before the first
 * is -ESTALE and nothing done; one later is -ESTALE with what was done in the result and the rest
 * MEMHINT_SKIP_CHANGED. FREEZE keeps the target from running all the while; if it had changed before it
 * stood still, the ranges are selected again, or, if they were made by hand, refused with -ESTALE (which
 * takes options.map to be told). A process that shares the memory (CLONE_VM) is not stopped: what it changes
 * is -ESTALE, and advice that is destructive is refused while there is one. COLLAPSE moves an exact cookie by itself, so around its calls fingerprints are compared.
 *
 * By way of INJECT any advice that madvise(2) knows can be given. The target stands still for each batch
 * of calls, and compares with the cookie are made while it does. Advice that is
 * memhint_advice_is_destructive() needs MEMHINT_ADVISE_DESTRUCTIVE and guard COOKIE or FREEZE.
 *
 * Context: any thread; takes some 100 KiB of its stack. Blocks; PAGEOUT takes about 1 s a GiB.
 * Cancelling acts within 50 ms. The callbacks run in this thread, between two system calls, and must
 * not use @process, @ranges or the snapshot but to read from them.
 * Errors: -ESRCH the target ended or replaced its address space; -EPERM CAP_SYS_NICE is missing;
 * -EACCES ptrace access (PTRACE_MODE_READ) is refused; -ECANCELED; -EOPNOTSUPP this kernel does not
 * give this advice to another process (VIA_KERNEL), the cookie is exact and cannot be compared here,
 * or nothing can be run inside this target (its architecture, its seccomp filters, no code or stack to
 * use); -ESTALE the map changed (guard COOKIE, FREEZE); -EBUSY another process traces it (INJECT),
 * or a cgroup keeps it frozen, or another process shares its memory (destructive advice); -ETIMEDOUT it did not come to a stop; -EDEADLK guard FREEZE on
 * oneself, PID 1 or an ancestor; -EINVAL unknown advice or option, destructive advice without flag or
 * guard, no cookie, FOLLOW with ranges made by hand; -EMFILE, -ENFILE, -ENOMEM, -EIO a range that was
 * refused could not be looked up. Ranges that failed are not an error of the call: see failed and
 * first_failure.
 * Return: 0 or a negative errno. Since: 0.1. Source: process_madvise(2).
 */
int memhint_advise(struct memhint_process *process, const struct memhint_ranges *ranges, int advice,
		   const struct memhint_advise_options *options, struct memhint_result *ret_result);

/** memhint_advice_name() - "cold", "pageout", "populate_read", ...; NULL if unknown. Since: 0.1. */
const char *memhint_advice_name(int advice);

/**
 * memhint_advice_parse() - the reverse, "MADV_COLD" and "COLD" too
 * Errors: -EINVAL. Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_advice_parse(const char *name, int *ret_advice);

/** memhint_advice_is_remote() - whether process_madvise(2) takes it for other processes. Since: 0.1. */
bool memhint_advice_is_remote(int advice);

/**
 * memhint_advice_is_destructive() - whether it destroys data (DONTNEED, FREE, REMOVE) or withholds it
 * from children (DONTFORK, WIPEONFORK). Since: 0.1.
 */
bool memhint_advice_is_destructive(int advice);

#ifdef __cplusplus
}
#endif
#endif
