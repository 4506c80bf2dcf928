/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test and its target (inject-target.c, of either word size) say to each other, in shared memory. */
#ifndef TESTS_INJECT_TARGET_H
#define TESTS_INJECT_TARGET_H

#include <stdint.h>

/* What it does again and again, each time with other contents of all registers. */
enum target_mode {
	TARGET_SPIN,	  /* nothing, in user mode */
	TARGET_NANOSLEEP, /* 2 ms */
	TARGET_FUTEX,	  /* until woken, with a time-out that is never reached */
	TARGET_READ,	  /* from a pipe */
	TARGET_POLL,	  /* that pipe, with such a time-out; then a read */
	TARGET_MODES,
};

struct target_shared {
	volatile uint32_t rounds;   /* done, and found right */
	volatile uint32_t failures; /* of the registers, the memory or the result of the call */
	volatile uint32_t is_waiting;
	volatile uint32_t word;	    /* for TARGET_FUTEX: how often it was woken */
	volatile uint32_t all_ones; /* what no struct pollfd has after its descriptor */
	/* Of the first failure. */
	volatile uint32_t what;	       /* enum target_failure, and a number below it */
	volatile uint32_t reserved[2]; /* 8 bytes are aligned to 4 in 32-bit programs */
	volatile uint64_t want;
	volatile uint64_t have;
	volatile uint64_t address; /* of memory that the test may give advice for */
	volatile uint64_t length;
};

enum target_failure {
	TARGET_FAILURE_REGISTER = 0x100,
	TARGET_FAILURE_FLAGS = 0x200,
	TARGET_FAILURE_STACK = 0x300,
	TARGET_FAILURE_VECTOR = 0x400,
	TARGET_FAILURE_RESULT = 0x500,
	TARGET_FAILURE_MEMORY = 0x600,
	TARGET_FAILURE_TIME = 0x700,
};

/* File descriptors that it is given. */
#define TARGET_SHARED_FD 10
#define TARGET_PIPE_FD 11

#endif
