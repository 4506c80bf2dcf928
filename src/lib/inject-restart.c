/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inject-restart.h"

#include <linux/futex.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#define SECONDS_LIMIT (1ll << 31)
#define POLL_LIMIT 65536u
#define POLL_EVENTS 0x3fff
#define DESCRIPTOR_LIMIT (1 << 24)
#define FUTEX_FLAGS (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

/* Clocks that can be slept on have small numbers, those of a process's time negative ones. */
#define CLOCK_LIMIT 16

struct guess {
	int memory_fd;
	unsigned int time_bytes;
	int64_t a, b, c, d; /* the arguments, with their sign */
};

static bool can_read(const struct guess *guess, int64_t address, void *buffer, size_t size)
{
	return address > 0 &&
	       pread(guess->memory_fd, buffer, size, (off_t)address) == (ssize_t)size;
}

static bool is_time(const struct guess *guess, int64_t address)
{
	int64_t seconds, nanoseconds;

	if (guess->time_bytes == sizeof(int64_t)) {
		int64_t time[2];

		if (!can_read(guess, address, time, sizeof(time)))
			return false;
		seconds = time[0];
		nanoseconds = time[1];
	} else {
		int32_t time[2];

		if (!can_read(guess, address, time, sizeof(time)))
			return false;
		seconds = time[0];
		nanoseconds = time[1];
	}
	/* For no time at all nothing waits. */
	return seconds >= 0 && seconds < SECONDS_LIMIT && nanoseconds >= 0 &&
	       nanoseconds < 1000000000 && (seconds || nanoseconds);
}

static bool is_null_or_memory(const struct guess *guess, int64_t address)
{
	char byte;

	return address == 0 || can_read(guess, address, &byte, sizeof(byte));
}

static bool is_nanosleep(const struct guess *guess)
{
	return is_time(guess, guess->a) && is_null_or_memory(guess, guess->b);
}

static bool is_clock_nanosleep(const struct guess *guess)
{
	return (int32_t)guess->a < CLOCK_LIMIT && guess->b == 0 && is_time(guess, guess->c) &&
	       is_null_or_memory(guess, guess->d);
}

static bool is_futex(const struct guess *guess)
{
	int64_t operation = guess->b & ~(int64_t)FUTEX_FLAGS;
	uint32_t word;

	return (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET) &&
	       guess->a % (int64_t)sizeof(word) == 0 &&
	       can_read(guess, guess->a, &word, sizeof(word)) && is_time(guess, guess->d);
}

/* Descriptors, at least one to be waited for, events that exist, and none that has come. */
static bool is_poll(const struct guess *guess)
{
	bool any = false;

	if (guess->b < 0 || guess->b > POLL_LIMIT || (int32_t)guess->c <= 0)
		return false;
	if (guess->b == 0)
		return guess->a == 0;
	for (int64_t i = 0; i < guess->b; i++) {
		struct pollfd poll;

		if (!can_read(guess, guess->a + i * (int64_t)sizeof(poll), &poll, sizeof(poll)) ||
		    poll.fd >= DESCRIPTOR_LIMIT || poll.events & ~POLL_EVENTS || poll.revents)
			return false;
		any = any || (poll.fd >= 0 && poll.events);
	}
	return any;
}

int64_t restart_call_of(int memory_fd, unsigned int word_bytes, const struct restart_calls *calls,
			size_t count, const uint64_t arguments[4])
{
	uint64_t mask = word_bytes == sizeof(uint64_t) ? UINT64_MAX : UINT32_MAX;
	struct guess guess = {
		.memory_fd = memory_fd,
		.a = (int64_t)(arguments[0] & mask),
		.b = (int64_t)(arguments[1] & mask),
		.c = (int64_t)(arguments[2] & mask),
		.d = (int64_t)(arguments[3] & mask),
	};
	int64_t found = -1;
	size_t kind = 0;

	for (size_t i = 0; i < count; i++) {
		const struct {
			int64_t call;
			bool (*fits)(const struct guess *guess);
		} tries[] = {
			{ calls[i].nanosleep, is_nanosleep },
			{ calls[i].clock_nanosleep, is_clock_nanosleep },
			{ calls[i].futex, is_futex },
			{ calls[i].poll, is_poll },
		};

		guess.time_bytes = calls[i].time_bytes;
		for (size_t j = 0; j < sizeof(tries) / sizeof(tries[0]); j++) {
			if (tries[j].call < 0 || !tries[j].fits(&guess))
				continue;
			/*
			 * A long time without a fraction looks like a short one, and then both
			 * mean the same but for that fraction.
			 */
			if (found >= 0 && kind != j)
				return -1;
			found = tries[j].call;
			kind = j;
		}
	}
	return found;
}
