/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "freeze-scene.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 20

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

void scene_start(struct scene *scene, const char *mode, const char *argument)
{
	int fd = memfd_create("scene", 0);
	pid_t parent = getpid();
	char text[16];

	must(fd >= 0 && ftruncate(fd, sizeof(*scene->shared)) == 0);
	scene->shared =
		mmap(NULL, sizeof(*scene->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(scene->shared != MAP_FAILED);
	snprintf(text, sizeof(text), "%d", fd);
	fflush(NULL);
	scene->pid = fork();
	must(scene->pid >= 0);
	if (scene->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			execl(FREEZE_TARGET, FREEZE_TARGET, mode, text, argument, NULL);
		_exit(127);
	}
	close(fd);
	while (scene->shared->turns == 0) {
		must(waitpid(scene->pid, NULL, WNOHANG) == 0);
		sched_yield();
	}
}

void scene_end(struct scene *scene)
{
	kill(scene->pid, SIGKILL);
	while (waitpid(scene->pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(scene->shared, sizeof(*scene->shared));
}

static bool counter_moves(const _Atomic uint64_t *counter, uint64_t before, time_t until)
{
	const struct timespec pause = { .tv_nsec = 20000 };

	for (unsigned int looks = 0; *counter == before; looks++) {
		if (now() >= until)
			return false;
		if (looks < 20)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
	return true;
}

void scene_remember(const struct scene *scene, struct scene_shared *ret_before)
{
	memcpy(ret_before, scene->shared, sizeof(*ret_before));
}

bool scene_moves_since(const struct scene *scene, const struct scene_shared *before)
{
	time_t until = now() + PATIENCE_SECONDS;

	for (int i = 0; i < before->threads; i++)
		if (!counter_moves(&scene->shared->thread_turns[i], before->thread_turns[i], until))
			return false;
	return counter_moves(&scene->shared->turns, before->turns, until);
}

bool scene_moves(const struct scene *scene)
{
	struct scene_shared before;

	scene_remember(scene, &before);
	return scene_moves_since(scene, &before);
}

bool scene_stands(const struct scene *scene)
{
	struct scene_shared before;
	volatile uint64_t count = 0;

	memcpy(&before, scene->shared, sizeof(before));
	/* On every processor, so that none is left on which it would not get a turn. */
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		cpu_set_t all, one;

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		must(sched_getaffinity(0, sizeof(all), &all) == 0);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			continue;
		for (int turn = 0; turn < 20; turn++) {
			for (int i = 0; i < 20000; i++)
				count++;
			sched_yield();
		}
		must(sched_setaffinity(0, sizeof(all), &all) == 0);
	}
	/* To the byte: what lies between the members was copied with them. */
	return memcmp((const void *)&before, (const void *)scene->shared, sizeof(before)) == 0;
}

char scene_state(pid_t pid)
{
	char path[32], text[512], *end;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	end = strrchr(text, ')');
	if (!end)
		return 0;
	return end[2];
}

bool scene_wait_state(pid_t pid, const char *states)
{
	const struct timespec pause = { .tv_nsec = 50000 };
	time_t until = now() + PATIENCE_SECONDS;
	char state;

	while (!(state = scene_state(pid)) || !strchr(states, state)) {
		if (now() >= until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}
