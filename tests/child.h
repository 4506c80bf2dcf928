/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child process as a target: it maps memory as told, says when it is ready, then waits for
 * commands. Nothing sleeps: every step is an answer on a pipe.
 */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <stdint.h>
#include <sys/types.h>

/* Memory that test and child share, for addresses and counters. */
struct child_shared {
	uint64_t address[16];
	uint64_t number[16];
};

struct child {
	pid_t pid;
	int command_fd;
	int answer_fd;
	struct child_shared *shared;
};

/*
 * Forks a child that runs @setup, reports ready, and then runs @command for each child_tell(). Either
 * may be NULL. It dies with its parent. Exits the test when the child cannot be made.
 */
void child_start(struct child *child, void (*setup)(struct child_shared *shared),
		 long (*command)(int what, struct child_shared *shared));

/* Runs one command in the child and returns its answer; -1000 when the child has died. */
long child_tell(struct child *child, int what);

/* Kills it and waits for it. */
void child_end(struct child *child);

#endif
