/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test-swap.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL "/sys/class/zram-control"

static int device = -1;
static pid_t remover;
static int remover_fd = -1;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static void remove_device(void)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/dev/zram%d", device);
	swapoff(path);
	snprintf(text, sizeof(text), "%d", device);
	/* Whoever looks at a new device has it open for a moment. */
	for (int i = 0; i < 1000 && write_text(CONTROL "/hot_remove", text) < 0; i++)
		usleep(1000);
}

/* Waits for the test's end, which it sees as the end of a pipe, and cleans up after it. */
static void start_remover(void)
{
	int ends[2];
	char byte;

	must(pipe2(ends, O_CLOEXEC) == 0);
	fflush(NULL);
	remover = fork();
	must(remover >= 0);
	if (remover == 0) {
		close(ends[1]);
		setsid();
		/* The test's own pipes are not this process's to keep open. */
		close(STDOUT_FILENO);
		while (read(ends[0], &byte, 1) > 0)
			;
		remove_device();
		_exit(0);
	}
	close(ends[0]);
	remover_fd = ends[1];
}

/* mkswap(8) writes the header; it is part of util-linux, which is always there. */
static void make_swap(const char *path)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl("/sbin/mkswap", "mkswap", path, (char *)NULL);
		_exit(127);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	must(swapon(path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) == 0); /* before all others */
}

/* Waits until no other test has a device: pages go to either, and would come back with the other one. */
static void take_turn(void)
{
	int lock = open(CONTROL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(lock >= 0);
	while (flock(lock, LOCK_EX) < 0)
		must(errno == EINTR);
	/* Never closed: the remover has it, too, and lets go of it last. */
}

void swap_begin_bytes(uint64_t bytes)
{
	char path[64], text[32];
	struct sysinfo info;
	ssize_t n;
	int fd;

	must(remover_fd < 0);
	must(sysinfo(&info) == 0);
	/* Swap of somebody else's may go at any time, so it is used only where none can be made. */
	if (access(CONTROL, F_OK) < 0 && (uint64_t)info.freeswap * info.mem_unit >= bytes)
		return;
	take_turn();
	fd = open(CONTROL "/hot_add", O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	n = read(fd, text, sizeof(text) - 1); /* each read makes a device */
	must(n > 0);
	close(fd);
	text[n] = '\0';
	device = atoi(text);
	start_remover();
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", device);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	must(write_text(path, text) == 0);
	snprintf(path, sizeof(path), "/dev/zram%d", device);
	make_swap(path);
}

void swap_begin(void)
{
	swap_begin_bytes(512ull << 20);
}

void swap_end(void)
{
	int status;

	if (remover_fd < 0)
		return;
	close(remover_fd);
	remover_fd = -1;
	must(waitpid(remover, &status, 0) == remover);
}
