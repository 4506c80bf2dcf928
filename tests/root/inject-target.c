/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target that notices everything: it fills all registers, runs a while in user mode or waits in a
 * system call, and compares. Without libc, so that one source is a 64-bit and a 32-bit program wherever
 * there is a compiler; the 64-bit one is linked with libc all the same, as that has a signal return,
 * but for one that is to have none (BARE).
 * usage: inject-target MODE [gate]
 */
#include "inject-target-cpu.h"

#include <asm/unistd.h>

#define MEMORY_WORDS 65536u

#ifdef __NR_mmap2
#define NR_MMAP __NR_mmap2
#else
#define NR_MMAP __NR_mmap
#endif

static uint32_t memory[MEMORY_WORDS] = { 1 };
static struct target_shared *shared;
static void *gate;

void fail(uint32_t what, uint64_t wanted, uint64_t found)
{
	if (shared->failures++ == 0) {
		shared->what = what;
		shared->want = wanted;
		shared->have = found;
	}
}

static uint32_t seed = 12345;
static uint32_t wakes_seen;

uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed ^ seed >> 15;
}

void fill(void *to, size_t size)
{
	unsigned char *bytes = to;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(next_random() >> 7);
}

void compare(uint32_t what, const void *wanted, const void *found, size_t size)
{
	const unsigned char *a = wanted, *b = found;

	for (size_t i = 0; i < size; i++) {
		if (a[i] != b[i]) {
			fail(what, a[i] | (uint64_t)i << 32, b[i]);
			return;
		}
	}
}

static long checked_call(long number, long a, long b, long c, long d)
{
	const long arguments[CALL_ARGUMENTS] = { a, b, c, d };

	return cpu_call(gate, number, arguments);
}

struct time {
	long seconds;
	long nanoseconds;
};

static struct time now(void)
{
	struct time time;

	plain_call(__NR_clock_gettime, 1, (long)&time, 0, 0, 0, 0);
	return time;
}

static void expect(long result, long wanted)
{
	if (result != wanted)
		fail(TARGET_FAILURE_RESULT, (uint64_t)wanted, (uint64_t)result);
}

static void sleep_round(void)
{
	struct time time = { 0, 2000000 }, left = { 7, 7 }, before = now(), after;
	long elapsed;

	expect(checked_call(__NR_nanosleep, (long)&time, (long)&left, 0, 0), 0);
	after = now();
	elapsed = (after.seconds - before.seconds) * 1000000000 + after.nanoseconds -
		  before.nanoseconds;
	if (after.seconds - before.seconds < 2 && elapsed < time.nanoseconds)
		fail(TARGET_FAILURE_TIME, (uint64_t)time.nanoseconds, (uint64_t)elapsed);
}

static void wait_round(enum target_mode mode)
{
	struct time time = { 1000, 0 };
	struct {
		int fd;
		short events, got;
	} poll = { TARGET_PIPE_FD, 1, 0 };
	char byte = 0;

	shared->is_waiting = 1;
	switch (mode) {
	case TARGET_FUTEX:
		/* FUTEX_WAIT_BITSET: 0 it was woken, -EAGAIN the word was another before. */
		time.seconds += now().seconds;
		while (shared->word == wakes_seen) {
			long result = checked_call(__NR_futex, (long)&shared->word, 9,
						   (long)wakes_seen, (long)&time);

			if (result != 0 && result != -11)
				expect(result, 0);
		}
		wakes_seen++;
		break;
	case TARGET_POLL:
#ifdef __NR_poll
		expect(checked_call(__NR_poll, (long)&poll, 1, 1000000, 0), 1);
#else
		expect(checked_call(__NR_ppoll, (long)&poll, 1, (long)&time, 0), 1);
#endif
		__attribute__((fallthrough));
	default:
		expect(checked_call(__NR_read, TARGET_PIPE_FD, (long)&byte, 1, 0), 1);
		if (byte != 'x')
			fail(TARGET_FAILURE_RESULT, 'x', (uint64_t)byte);
	}
	shared->is_waiting = 0;
}

static void check_memory(void)
{
	for (uint32_t i = 0; i < MEMORY_WORDS; i++) {
		if (memory[i] != i * 2654435761u) {
			fail(TARGET_FAILURE_MEMORY, i * 2654435761u, memory[i]);
			return;
		}
	}
}

__attribute__((noreturn)) static void loop(enum target_mode mode)
{
	const long all = 3, private_memory = 0x22;
	long address;

	address = plain_call(NR_MMAP, 0, sizeof(*shared), all, 1, TARGET_SHARED_FD, 0);
	shared = (struct target_shared *)address;
	shared->all_ones = ~0u;
	cpu_begin();
	for (uint32_t i = 0; i < MEMORY_WORDS; i++)
		memory[i] = i * 2654435761u;
	address = plain_call(NR_MMAP, 0, 1 << 20, all, private_memory, -1, 0);
	shared->address = (word)address;
	shared->length = 1 << 20;
	for (uint32_t i = 0;; i++) {
		switch (mode) {
		case TARGET_SPIN:
			cpu_spin();
			break;
		case TARGET_NANOSLEEP:
			sleep_round();
			break;
		default:
			wait_round(mode);
		}
		if (i % 64 == 0)
			check_memory();
		shared->rounds++;
	}
}

#if !defined(__i386__) && !defined(BARE)
int main(int argc, char **argv)
{
	(void)argc;
	loop((enum target_mode)(argv[1][0] - '0'));
}
#else
void run(word *stack);

void run(word *stack)
{
	char **arguments = (char **)(stack + 1);
	word *auxiliary = stack + 1 + stack[0] + 1;

	while (*auxiliary)
		auxiliary++;
	/* AT_SYSINFO: where the kernel wants to be entered. */
	for (auxiliary++; auxiliary[0]; auxiliary += 2) {
		if (auxiliary[0] == 32 && stack[0] > 2)
			gate = (void *)auxiliary[1];
	}
	loop((enum target_mode)(arguments[1][0] - '0'));
}
#endif
