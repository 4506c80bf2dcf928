/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process with memory as told, for tests of the command.
 *
 * Arguments make mappings, in order: anon=SIZE (touched, incompressible), zero=SIZE (touched, one
 * pattern), reserve=SIZE (never touched), locked=SIZE, none=SIZE (PROT_NONE), droppable=SIZE,
 * shmem=SIZE, single=COUNT (mappings of one page each, gaps between them); comm=NAME sets the name.
 * Then one line of JSON says {"ready":true,...} with the addresses, and every line read is a command
 * that is answered by a line: touch N, digest N, unmap N, map (one more page), exec, thread, child and
 * breed (forks one that waits, or one after the other without end), churn (a thread that maps and unmaps
 * without end), filter (a madvise(2) ends it from now on). End of input ends it, and what it forked.
 */
#include "settle.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* include/uapi/linux/mman.h */
#endif

#define MAPPINGS_MAX 64

static struct {
	const char *kind;
	unsigned char *start;
	size_t size;
} mappings[MAPPINGS_MAX];
static size_t mapping_count;

static void fail(const char *what)
{
	printf("{\"ready\":false,\"what\":\"%s\",\"errno\":%d}\n", what, errno);
	exit(1);
}

static void fill(unsigned char *start, size_t size)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i + 8 <= size; i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(start + i, &state, 8);
	}
}

static void *map_private(size_t size, int protection, int flags)
{
	void *start = mmap(NULL, size, protection, flags | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		fail("mmap");
	return start;
}

/* Two pages more than asked for, without access, keep neighbours from being merged. */
static void *map_apart(size_t size, int protection, int flags)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *room = map_private(size + 2 * page, PROT_NONE, MAP_PRIVATE);

	if (mmap(room + page, size, protection, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		fail("mmap");
	return room + page;
}

static void make(const char *kind, size_t size)
{
	unsigned char *start = NULL;
	int both = PROT_READ | PROT_WRITE;

	if (mapping_count == MAPPINGS_MAX)
		fail("too many mappings");
	if (strcmp(kind, "anon") == 0) {
		start = map_apart(size, both, MAP_PRIVATE);
		fill(start, size);
	} else if (strcmp(kind, "zero") == 0) {
		start = map_apart(size, both, MAP_PRIVATE);
		memset(start, 'z', size);
	} else if (strcmp(kind, "reserve") == 0) {
		start = map_apart(size, both, MAP_PRIVATE | MAP_NORESERVE);
	} else if (strcmp(kind, "locked") == 0) {
		start = map_apart(size, both, MAP_PRIVATE);
		fill(start, size);
		if (mlock(start, size) < 0)
			fail("mlock");
	} else if (strcmp(kind, "none") == 0) {
		start = map_apart(size, PROT_NONE, MAP_PRIVATE);
	} else if (strcmp(kind, "droppable") == 0) {
		start = mmap(NULL, size, both, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
		if (start == MAP_FAILED)
			fail("droppable");
		fill(start, size);
	} else if (strcmp(kind, "shmem") == 0) {
		start = map_apart(size, both, MAP_SHARED);
		fill(start, size);
	} else {
		fail("unknown kind");
	}
	mappings[mapping_count].kind = kind;
	mappings[mapping_count].start = start;
	mappings[mapping_count++].size = size;
}

static void make_single(size_t count)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *start = map_private(count * 2 * page, PROT_NONE, MAP_PRIVATE);

	for (size_t i = 0; i < count; i++) {
		if (mprotect(start + 2 * i * page, page, PROT_READ | PROT_WRITE) < 0)
			fail("mprotect");
		memset(start + 2 * i * page, (int)i, page);
	}
	mappings[mapping_count].kind = "single";
	mappings[mapping_count].start = start;
	mappings[mapping_count++].size = count * 2 * page;
}

static uint64_t digest(size_t number)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < mappings[number].size; i++)
		sum = (sum ^ mappings[number].start[i]) * 1099511628211u;
	return sum;
}

static void *wait_forever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *churn(void *unused)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (;;)
		munmap(map_private(page, PROT_READ, MAP_PRIVATE), page);
	return unused;
}

static pid_t make_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it ended before it could be told */
			_exit(0);
		wait_forever(NULL);
	}
	return pid;
}

static void *breed(void *unused)
{
	/* Those that nobody has time to wait for are to vanish by themselves, and never to be many. */
	signal(SIGCHLD, SIG_IGN);
	for (pid_t previous = 0;;) {
		pid_t pid = make_child();

		if (previous)
			kill(previous, SIGKILL);
		previous = pid;
	}
	return unused;
}

/* A filter that ends the process for a madvise(2), as some sandboxes have it. */
static void set_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		fail("filter");
}

static void start_thread(void *(*function)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, NULL) != 0)
		exit(1);
}

static void obey(char *line)
{
	char *word = strtok(line, " \n"), *argument = strtok(NULL, " \n");
	size_t number = argument ? strtoul(argument, NULL, 10) : 0;

	if (!word)
		return;
	if (number >= MAPPINGS_MAX)
		exit(1);
	if (strcmp(word, "touch") == 0) {
		for (size_t i = 0; i < mappings[number].size; i += 4096)
			((volatile unsigned char *)mappings[number].start)[i]++;
	} else if (strcmp(word, "digest") == 0) {
		printf("{\"digest\":\"%016" PRIx64 "\"}\n", digest(number));
		return;
	} else if (strcmp(word, "unmap") == 0) {
		munmap(mappings[number].start, mappings[number].size);
	} else if (strcmp(word, "thread") == 0) {
		start_thread(wait_forever);
	} else if (strcmp(word, "map") == 0) {
		map_apart((size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_PRIVATE);
	} else if (strcmp(word, "child") == 0) {
		printf("{\"child\":%d}\n", make_child());
		return;
	} else if (strcmp(word, "breed") == 0) {
		start_thread(breed);
	} else if (strcmp(word, "churn") == 0) {
		start_thread(churn);
	} else if (strcmp(word, "filter") == 0) {
		set_filter();
	} else if (strcmp(word, "exec") == 0) {
		execl("/proc/self/exe", "memory-target", (char *)NULL);
		fail("exec");
	}
	printf("{\"done\":true}\n");
}

int main(int argc, char **argv)
{
	cpu_set_t processors;
	char line[256];

	/* Nothing is left behind, whatever becomes of the test. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	settle_begin(&processors);
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			fail("no value");
		*value++ = '\0';
		if (strcmp(argv[i], "comm") == 0)
			prctl(PR_SET_NAME, value);
		else if (strcmp(argv[i], "single") == 0)
			make_single(strtoul(value, NULL, 10));
		else
			make(argv[i], strtoul(value, NULL, 10));
	}
	settle_end(&processors);
	printf("{\"ready\":true,\"pid\":%d,\"mappings\":[", getpid());
	for (size_t i = 0; i < mapping_count; i++)
		printf("%s{\"kind\":\"%s\",\"start\":%" PRIuPTR ",\"size\":%zu}", i ? "," : "",
		       mappings[i].kind, (uintptr_t)mappings[i].start, mappings[i].size);
	printf("]}\n");
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
