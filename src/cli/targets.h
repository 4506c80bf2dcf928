/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes are meant: from PIDs and patterns on the command line to handles. */
#ifndef CLI_TARGETS_H
#define CLI_TARGETS_H

#include "options.h"
#include "proclist.h"

#include <memhint/guard.h>
#include <memhint/process.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target_pid {
	pid_t pid;
	uint64_t id; /* 0: any */
};

struct target_pattern {
	int option; /* OPTION_COMM ... OPTION_USER */
	const char *text;
	uid_t uid; /* for OPTION_USER */
};

struct targets {
	size_t pid_count;
	struct target_pid *pids;
	size_t pattern_count;
	struct target_pattern *patterns;
	bool children;
};

extern const struct option_group target_options;

void targets_done(struct targets *targets);

/* Takes one of the target options in: 0, or EXIT_USAGE after a complaint. */
int targets_option(struct targets *targets, const struct options *options, int id);

/* Takes the arguments that are no options in, as PIDs: the same. */
int targets_arguments(struct targets *targets, char **arguments);

/* Whether nothing was asked for. */
bool targets_are_empty(const struct targets *targets);

/*
 * Sets @selected of the entries that are meant. Patterns of one kind are alternatives, different
 * kinds must all match; PIDs are meant whatever the patterns say; children come last. Patterns and
 * children never mean this process itself, kernel threads and zombies.
 */
void targets_select(const struct targets *targets, int procfd, struct proclist *list);

/* One process that was taken hold of. */
struct target {
	struct memhint_process *process;
	struct memhint_process_stat stat;
	struct memhint_freeze *freeze; /* what keeps it from running, or NULL; see group.h */
	bool by_pid;		       /* named by its PID, not found by a pattern */
	bool left_out;		       /* it was refused, or ended; for the caller */
};

struct target_list {
	size_t count;
	struct target *targets;
};

/* Complains about a control group that does not exist and returns EXIT_GONE; else 0. */
int targets_check_cgroups(const struct targets *targets, int procfd);

/*
 * Takes hold of all processes that are meant. Complains about each named one that is gone, another
 * one, a kernel thread or this process itself, and returns its exit status; nothing is held then.
 * EXIT_GONE when patterns match nothing.
 */
int targets_open(const struct targets *targets, struct target_list *ret_list);
void target_list_done(struct target_list *list);

/* Takes hold of those, too, that patterns and --children mean by now. 0 or a negative errno. */
int targets_open_more(const struct targets *targets, struct target_list *list);

/* Adds a process, which then belongs to the list. 0 or a negative errno. */
int target_list_add(struct target_list *list, struct memhint_process *process,
		    const struct memhint_process_stat *stat, bool by_pid);

/* A sentence about a process that cannot be had, and the exit status for it. */
int target_pid_failed(int procfd, const struct target_pid *pid, int error);

/* The exit status for a negative errno of the library. */
int target_status(int error);

/* A sentence about a target and a negative errno of the library; the same status. */
int target_failed(const struct target *target, int error);

#endif
