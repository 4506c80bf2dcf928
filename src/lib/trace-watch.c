/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace-watch.h"

#include "cleanup.h"
#include "clock.h"
#include "fd.h"
#include "procfile.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>

#define LOOK_NSEC 1000000 /* no call but one that waits for an exec lasts as long */

struct trace_watch {
	pthread_t thread;
	sem_t end;
	_Atomic uint64_t entered_nsec; /* 0: not in such a call */
	int dirfd;
	int pid;
};

/*
 * Takes note of the threads that have ended: not of the first one, which the exec takes care of itself.
 * Nobody can be told of the end of a thread that he does not trace, so no other is hit.
 */
static void reap(const struct trace_watch *watch)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = fd_opendir_at(watch->dirfd, "task", &dir);
	struct dirent *entry;

	if (fd < 0)
		return;
	while ((entry = readdir(dir))) {
		char path[300], text[1024];
		struct proc_stat stat;
		siginfo_t info;
		int tid;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		tid = (int)strtol(entry->d_name, NULL, 10);
		snprintf(path, sizeof(path), "%s/stat", entry->d_name);
		/* Asked about one that lives, waitid(2) could take away its stop. */
		if (tid != watch->pid && fd_read_file_at(fd, path, text, sizeof(text)) >= 0 &&
		    proc_stat_parse(text, &stat) == 0 && stat.state == 'Z')
			waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL);
	}
}

static bool wait_for_end(struct trace_watch *watch)
{
	struct timespec until;

	/* Not the time of day: set back, it would have this wait until it is that late again. */
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_NSEC;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return sem_clockwait(&watch->end, CLOCK_MONOTONIC, &until) == 0;
}

static void *run(void *data)
{
	struct trace_watch *watch = data;

	while (!wait_for_end(watch)) {
		uint64_t entered_nsec = atomic_load(&watch->entered_nsec);

		if (entered_nsec && clock_nsec() - entered_nsec >= LOOK_NSEC)
			reap(watch);
	}
	return NULL;
}

/* The handlers of the program are not to run in the thread, not even at its very beginning. */
static int create(struct trace_watch *watch)
{
	pthread_attr_t attributes;
	sigset_t all;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return r;
	sigfillset(&all);
	r = pthread_attr_setsigmask_np(&attributes, &all);
	if (r == 0)
		r = pthread_create(&watch->thread, &attributes, run, watch);
	pthread_attr_destroy(&attributes);
	return r;
}

int trace_watch_start(int dirfd, int pid, struct trace_watch **ret_watch)
{
	struct trace_watch *watch = malloc(sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	*watch = (struct trace_watch){ .dirfd = dirfd, .pid = pid };
	sem_init(&watch->end, 0, 0);
	r = create(watch);
	if (r != 0) {
		sem_destroy(&watch->end);
		free(watch);
		return -r;
	}
	*ret_watch = watch;
	return 0;
}

void trace_watch_enter(struct trace_watch *watch)
{
	atomic_store(&watch->entered_nsec, clock_nsec());
}

void trace_watch_leave(struct trace_watch *watch)
{
	atomic_store(&watch->entered_nsec, 0);
}

void trace_watch_stop(struct trace_watch *watch)
{
	if (!watch)
		return;
	sem_post(&watch->end);
	pthread_join(watch->thread, NULL);
	sem_destroy(&watch->end);
	free(watch);
}
