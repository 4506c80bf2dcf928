/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving advice, and the account of what came of it. */
#ifndef MEMHINT_ADVISE_H
#define MEMHINT_ADVISE_H

#include <memhint/filter.h>
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
	uint64_t longest_call_usec;
	uint64_t retries; /* after EAGAIN, EINTR and the like */
	bool measured;	  /* before and after hold numbers */
	bool map_changed; /* seen to change while the run lasted */
	bool exec_seen;	  /* the target replaced its address space */
	bool reserved_flags[5];
	uint64_t reserved[8];
};

/**
 * memhint_advise() - give one advice for many ranges
 * @process: the target; the caller itself is allowed, for any advice that madvise(2) knows.
 * @ranges: from memhint_select() or filled by hand.
 * @advice: MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE; on oneself any.
 * @options: or NULL.
 * @ret_result: filled in always, also on failure.
 *
 * Goes on after a range that the kernel refuses (EINVAL, ENOMEM), tries again a bounded number of
 * times after EAGAIN, EBUSY and EINTR, and stops when the target is gone or permission is missing.
 *
 * Context: any thread; takes some 100 KiB of its stack. Blocks; PAGEOUT takes about 1 s a GiB.
 * Cancelling acts within 50 ms. The callbacks run in this thread, between two system calls, and must
 * not use @process, @ranges or the snapshot but to read from them.
 * Errors: -ESRCH the target ended or replaced its address space; -EPERM CAP_SYS_NICE is missing;
 * -EACCES ptrace access (PTRACE_MODE_READ) is refused; -ECANCELED; -EOPNOTSUPP this kernel does not
 * give this advice to another process; -EINVAL unknown advice or option; -EMFILE, -ENFILE, -ENOMEM,
 * -EIO a range that was refused could not be looked up. Ranges that failed are not an error of the
 * call: see failed and first_failure.
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

#ifdef __cplusplus
}
#endif
#endif
