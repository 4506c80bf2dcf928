/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program that does one thing without pause and counts how often; see freeze-scene.h. */
#include "freeze-scene.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALL_NSEC 3000000 /* what a call with a time limit is to last */

static struct scene_shared *shared;
static char **arguments;

static void rest(void)
{
	const struct timespec pause = { .tv_nsec = 50000 };

	nanosleep(&pause, NULL);
}

static void *count(void *data)
{
	_Atomic uint64_t *turns = data;

	for (;;) {
		(*turns)++;
		if (turns == &shared->thread_turns[0])
			shared->turns++;
		rest();
	}
	return NULL;
}

static void *nothing(void *data)
{
	return data;
}

static void *clone_for_ever(void *data)
{
	pthread_t thread;

	for (;;) {
		if (pthread_create(&thread, NULL, nothing, NULL) == 0)
			pthread_join(thread, NULL);
		shared->turns++;
	}
	return data;
}

static void start(void *(*function)(void *data), void *data)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, data) != 0)
		_exit(2);
}

static void count_in_threads(int threads)
{
	shared->threads = threads;
	for (int i = 1; i < threads; i++)
		start(count, &shared->thread_turns[i]);
	count(&shared->thread_turns[0]);
}

static void fork_for_ever(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		shared->turns++;
	}
}

static int run_vforked(void *data)
{
	shared->turns++;
	while (shared->held) {
		shared->waiting = 1;
		syscall(SYS_sched_yield);
	}
	_exit(0);
	return data != NULL;
}

/* With a stack of its own, as vfork(2) itself leaves the child next to nothing that it may do. */
static void vfork_for_ever(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	for (;;) {
		pid_t pid = clone(run_vforked, stack + sizeof(stack),
				  CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void *exec(void *data)
{
	shared->turns++;
	execv("/proc/self/exe", arguments);
	_exit(3);
	return data;
}

static void exec_in_thread(void)
{
	for (int i = 0; i < 3; i++)
		start(count, &shared->thread_turns[i + 1]);
	start(exec, NULL);
	for (;;)
		pause();
}

/* A keeper, whose child does some turns and exits; then the next. */
static void exit_for_ever(void)
{
	for (;;) {
		pid_t keeper = getpid(), pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != keeper)
				_exit(0);
			shared->pid = getpid();
			for (int i = 0; i < 20; i++) {
				shared->turns++;
				rest();
			}
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void handle(int number)
{
	shared->signals[number]++;
}

static void handle_signals(void)
{
	const int numbers[] = { SIGCONT, SIGUSR1, SIGTRAP, SIGCHLD };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };

		sigaction(numbers[i], &action, NULL);
	}
	count_in_threads(2);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Makes one call again and again, each of which nothing but time is to end; read ends by a byte. */
static void call_for_ever(const char *call)
{
	const struct timespec limit = { .tv_nsec = CALL_NSEC };
	int pipes[2], epoll = epoll_create1(0);
	uint32_t word = 0;
	char byte = 0;

	if (pipe(pipes) < 0 || epoll < 0)
		_exit(4);
	for (;;) {
		uint64_t begin = now();
		long r = 0;

		errno = 0;
		if (strcmp(call, "nanosleep") == 0) {
			r = nanosleep(&limit, NULL);
		} else if (strcmp(call, "poll") == 0) {
			struct pollfd pollfd = { .fd = pipes[0], .events = POLLIN };

			r = poll(&pollfd, 1, CALL_NSEC / 1000000);
		} else if (strcmp(call, "futex") == 0) {
			r = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &limit, NULL, 0);
			r = errno == ETIMEDOUT ? 0 : r;
		} else if (strcmp(call, "epoll") == 0) {
			struct epoll_event event;

			r = epoll_wait(epoll, &event, 1, CALL_NSEC / 1000000);
		} else {
			/* From a child, which writes when the time has come. */
			if (fork() == 0) {
				nanosleep(&limit, NULL);
				_exit(write(pipes[1], &byte, 1) != 1);
			}
			r = read(pipes[0], &byte, 1) == 1 ? 0 : -1;
		}
		if (r < 0 && errno == EINTR)
			shared->interrupted++;
		else if (r != 0 || now() - begin < CALL_NSEC)
			shared->early++;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		shared->turns++;
	}
}

int main(int argc, char **argv)
{
	const char *mode;

	if (argc < 3)
		return 2;
	arguments = argv;
	mode = argv[1];
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);
	if (shared == MAP_FAILED)
		return 2;
	if (strcmp(mode, "count") == 0)
		count_in_threads(argc > 3 ? atoi(argv[3]) : 1);
	else if (strcmp(mode, "clone") == 0)
		start(clone_for_ever, NULL), clone_for_ever(NULL);
	else if (strcmp(mode, "fork") == 0)
		fork_for_ever();
	else if (strcmp(mode, "vfork") == 0)
		vfork_for_ever();
	else if (strcmp(mode, "exec") == 0)
		exec(NULL);
	else if (strcmp(mode, "exec-thread") == 0)
		exec_in_thread();
	else if (strcmp(mode, "exit") == 0)
		exit_for_ever();
	else if (strcmp(mode, "signals") == 0)
		handle_signals();
	else
		call_for_ever(mode);
	return 3;
}
