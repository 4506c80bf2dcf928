/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this kernel lets this process do, found out by trying. */
#ifndef MEMHINT_PROBE_H
#define MEMHINT_PROBE_H

#ifdef __cplusplus
extern "C" {
#endif

enum memhint_feature {
	MEMHINT_FEATURE_PIDFD,		 /* pidfd_open(2) */
	MEMHINT_FEATURE_PIDFS,		 /* unique ids of processes */
	MEMHINT_FEATURE_PROCESS_MADVISE, /* the system call */
	MEMHINT_FEATURE_REMOTE_COLD,	 /* advice for another process, with the caller's rights */
	MEMHINT_FEATURE_REMOTE_PAGEOUT,
	MEMHINT_FEATURE_REMOTE_WILLNEED,
	MEMHINT_FEATURE_REMOTE_COLLAPSE,
	MEMHINT_FEATURE_SELF_ANY, /* any advice on oneself by process_madvise(2) */
	MEMHINT_FEATURE_PAGEMAP_SCAN,
	MEMHINT_FEATURE_PAGEMAP,
	MEMHINT_FEATURE_PROCMAP_QUERY,
	MEMHINT_FEATURE_SMAPS,
	MEMHINT_FEATURE_BPF_VMA,     /* the mappings by a BPF program run */
	MEMHINT_FEATURE_BPF_VMA_SEQ, /* the mappings by the BPF task_vma iterator */
	MEMHINT_FEATURE_DROPPABLE,   /* MAP_DROPPABLE exists */
	MEMHINT_FEATURE_EXACT_COOKIE, /* cookies from the kernel's count of changes; else fingerprints */
	MEMHINT_FEATURE_TRACE, /* ptrace(2): freezing without a record, and running advice inside */
	MEMHINT_FEATURE_CGROUP_FREEZER, /* cgroup v2 */
	MEMHINT_FEATURE_INJECT,		/* any advice on other processes, on this architecture */
	MEMHINT_FEATURE_COUNT
};

/**
 * memhint_probe() - try one feature
 * @feature: which.
 *
 * Tried once, then remembered for the life of the process; a lack of rights or of memory and
 * descriptors, which may pass, is tried again. Tries are made on memory of the caller's own; advice for
 * other processes is tried on the parent or PID 1 with an empty list of ranges, which checks everything
 * and does nothing.
 *
 * Context: any thread; blocks for some milliseconds the first time (BPF: up to 50).
 * Return: 0 it works; a negative errno: why not (-ENOSYS, -EOPNOTSUPP, -ENOTTY, -EINVAL the kernel lacks
 * it; -EPERM, -EACCES the right is missing; -ENOENT memhint was built or installed without it; -EPROTO
 * what is installed is of another version; -ENODATA there is nothing to tell it by, such as a cgroup;
 * -EMFILE, -ENFILE, -ENOMEM). Since: 0.1.
 */
int memhint_probe(enum memhint_feature feature);

/** memhint_feature_name() - "process_madvise", "pagemap_scan", ... Since: 0.1. */
const char *memhint_feature_name(enum memhint_feature feature);

/** memhint_feature_help() - what is lost without it and what mends it: a sentence. Since: 0.1. */
const char *memhint_feature_help(enum memhint_feature feature);

#ifdef __cplusplus
}
#endif
#endif
