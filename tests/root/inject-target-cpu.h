/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What inject-target.c and its part for one kind of processor ask of each other. */
#ifndef TESTS_INJECT_TARGET_CPU_H
#define TESTS_INJECT_TARGET_CPU_H

#include "inject-target.h"

#include <stddef.h>

#define CALL_ARGUMENTS 5

typedef unsigned long word;

/* Counts it, and keeps what the first was. */
void fail(uint32_t what, uint64_t wanted, uint64_t found);
void compare(uint32_t what, const void *wanted, const void *found, size_t size);
uint32_t next_random(void);
void fill(void *to, size_t size);

/* Finds out which registers there are. */
void cpu_begin(void);

/* Fills all registers, runs a while in user mode, and compares. */
void cpu_spin(void);

/* The same around a system call, whose result is the caller's to judge. @gate: where else to make it. */
long cpu_call(void *gate, long number, const long arguments[CALL_ARGUMENTS]);

/* A system call without checks, for what is around them. */
long plain_call(long number, long a, long b, long c, long d, long e, long f);

#endif
