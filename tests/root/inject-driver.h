/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting and watching inject-target, and giving advice inside it. */
#ifndef TESTS_INJECT_DRIVER_H
#define TESTS_INJECT_DRIVER_H

#include "inject-target.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct memhint_process;

struct target {
	const char *name;
	enum target_mode mode;
	pid_t pid;
	int pipe_fd;
	struct target_shared *shared;
};

/* A program and how it is run. */
struct target_kind {
	const char *name;
	const char *program;
	const char *gate; /* or NULL */
};

#ifdef __x86_64__
#define TARGET_KINDS 3
#else
#define TARGET_KINDS 1
#endif
extern const struct target_kind target_kinds[TARGET_KINDS];

/*
 * Starts one and waits for its first rounds. NULL, or why there can be none here. It dies with the
 * test.
 */
const char *target_start(struct target *target, const struct target_kind *kind,
			 enum target_mode mode);

/* Lets it end what it waits for. */
void target_wake(struct target *target);

/* Until it has done so many rounds more; wakes it for each. False: it does not go on. */
bool target_goes_on(struct target *target, uint32_t rounds);

/* Whether it is neither stopped nor traced. */
bool target_is_free(const struct target *target);

/* Whether nothing was wrong so far; prints the first that was. */
bool target_is_whole(const struct target *target);

void target_end(struct target *target);

/* Trace, inject, advise, let go: what inject_advise() said, or a negative errno of a step before it. */
ssize_t inject_once(struct memhint_process *process, const struct iovec *ranges, size_t count,
		    int advice);

/*
 * The same in a child that dies after having waited for so many stops of the thread: one at the beginning
 * of the call, one at its end, one after it. 1 it has died, 0 it was done before, or a negative errno.
 */
#define DEATHS 3
int die_injecting(struct memhint_process *process, const struct iovec *range, int advice,
		  int stops);

#endif
