/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process in a virtual machine of machine.py: runs the tests that /tests lists, one after the
 * other, and switches the machine off. What it has to say is on lines that begin with '@'; those of the
 * tests begin with '|'.
 *
 * /tests has a word at the beginning of each line: "module FILE", then for each test "env NAME=VALUE" and
 * "arg WORD" as often as needed, and "run NAME SECONDS".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 64

struct words {
	char *word[WORDS_MAX + 1];
	unsigned count;
};

__attribute__((noreturn)) static void power_off(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	_exit(1);
}

__attribute__((noreturn)) static void give_up(const char *what)
{
	printf("@failed %s: %s\n", what, strerror(errno));
	power_off();
}

static void mount_at(const char *type, const char *place, unsigned long flags)
{
	if (mkdir(place, 0755) < 0 && errno != EEXIST)
		give_up(place);
	/* The kernel may have no such file system; a test that needs it says so. */
	if (mount(type, place, type, flags, NULL) < 0 && errno != EBUSY)
		printf("@no %s: %s\n", place, strerror(errno));
}

static void console(void)
{
	struct termios settings;
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		power_off();
	for (int i = 0; i <= 2; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	if (tcgetattr(0, &settings) == 0) {
		cfmakeraw(&settings);
		tcsetattr(0, TCSANOW, &settings);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void add(struct words *words, const char *word)
{
	char *copy = strdup(word);

	if (!copy || words->count == WORDS_MAX)
		give_up("too many words");
	words->word[words->count++] = copy;
	words->word[words->count] = NULL;
}

static void clear(struct words *words)
{
	for (unsigned i = 0; i < words->count; i++)
		free(words->word[i]);
	*words = (struct words){};
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		give_up(path);
	close(fd);
}

static long now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Copies what the test writes to the console, until its end or the time limit; false: time is up. */
static bool follow(int fd, long until_msec)
{
	bool at_start = true;
	char text[4096];

	for (;;) {
		long left = until_msec - now_msec();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&wait, 1, left > INT_MAX ? INT_MAX : (int)left) <= 0)
			continue;
		n = read(fd, text, sizeof(text));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (at_start)
				putchar('|');
			putchar(text[i]);
			at_start = text[i] == '\n';
		}
	}
	if (!at_start)
		putchar('\n');
	return true;
}

/* Nothing of a test outlives it. Init itself is spared by kill(2). */
static void end_all(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void run(const char *name, long seconds, struct words *arguments, struct words *environment)
{
	int ends[2], status = 0;
	bool in_time;
	pid_t pid;

	printf("@begin %s\n", name);
	if (pipe2(ends, O_CLOEXEC) < 0)
		give_up("pipe2");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execve(arguments->word[0], arguments->word, environment->word);
		printf("Bail out! %s: %s\n", arguments->word[0], strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	close(ends[1]);
	in_time = follow(ends[0], now_msec() + seconds * 1000);
	close(ends[0]);
	if (in_time)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	end_all();
	if (!in_time)
		printf("@end %s time\n", name);
	else if (WIFSIGNALED(status))
		printf("@end %s signal %d\n", name, WTERMSIG(status));
	else
		printf("@end %s exit %d\n", name, WEXITSTATUS(status));
}

static void run_all(FILE *list)
{
	struct words arguments = {}, environment = {};
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, list) > 0) {
		char *rest = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (!rest)
			give_up("a line of one word");
		*rest++ = '\0';
		if (strcmp(line, "module") == 0) {
			load_module(rest);
		} else if (strcmp(line, "env") == 0) {
			add(&environment, rest);
		} else if (strcmp(line, "arg") == 0) {
			add(&arguments, rest);
		} else {
			char *seconds = strchr(rest, ' ');

			if (!seconds || !arguments.count)
				give_up("nothing to run");
			*seconds++ = '\0';
			run(rest, strtol(seconds, NULL, 10), &arguments, &environment);
			clear(&arguments);
			clear(&environment);
		}
	}
	free(line);
}

int main(void)
{
	FILE *list;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	console();
	mount_at("proc", "/proc", 0);
	mount_at("sysfs", "/sys", 0);
	mount_at("tmpfs", "/tmp", 0);
	mount_at("tmpfs", "/run", 0);
	mount_at("tmpfs", "/dev/shm", 0);
	mount_at("cgroup2", "/sys/fs/cgroup", 0);
	list = fopen("/tests", "re");
	if (!list)
		give_up("/tests");
	run_all(list);
	printf("@done\n");
	power_off();
}
