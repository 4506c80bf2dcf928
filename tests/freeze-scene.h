/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that are never idle, to be frozen, and what they can tell about it. */
#ifndef TESTS_FREEZE_SCENE_H
#define TESTS_FREEZE_SCENE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SCENE_THREADS 128

/* Memory of the target's, which the test maps as well; it stays through forks and execs. */
struct scene_shared {
	_Atomic uint64_t turns; /* of whatever it does without pause */
	_Atomic uint64_t thread_turns[SCENE_THREADS];
	_Atomic int threads;	      /* that count there */
	_Atomic int pid;	      /* of the present process, with "exit" */
	_Atomic int held;	      /* with "vfork": while it is set the child does not end */
	_Atomic int waiting;	      /* and it has seen that */
	_Atomic uint64_t signals[65]; /* seen by handlers */
	_Atomic uint64_t interrupted; /* calls that failed with EINTR */
	_Atomic uint64_t early;	      /* calls that were over too soon */
};

struct scene {
	struct scene_shared *shared;
	pid_t pid;
};

/*
 * Starts a target, which dies with the test, and waits until it has done a turn. Modes: count (with
 * "N", threads), clone, fork, vfork, exec, exec-thread, exit, signals, and the calls nanosleep, poll,
 * futex, read, epoll.
 */
void scene_start(struct scene *scene, const char *mode, const char *argument);
void scene_end(struct scene *scene);

/* Waits until it has gone on, with all that it counts; false after 20 s. */
bool scene_moves(const struct scene *scene);

/* The same in two steps, for several at once. */
void scene_remember(const struct scene *scene, struct scene_shared *ret_before);
bool scene_moves_since(const struct scene *scene, const struct scene_shared *before);

/* Whether nothing of it goes on while a thread of the test counts on. */
bool scene_stands(const struct scene *scene);

/* The state of its first thread, as in /proc/PID/stat; 0 if it is gone. */
char scene_state(pid_t pid);

/* Waits for a state; false after 20 s. */
bool scene_wait_state(pid_t pid, const char *states);

#endif
