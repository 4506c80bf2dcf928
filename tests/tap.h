/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Test Anything Protocol: ok(), skip_all(), done_testing(). */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool tap_ok(bool pass, const char *file,
								 int line, const char *format, ...)
{
	__builtin_va_list list;

	printf("%s %d - ", pass ? "ok" : "not ok", ++tap_count);
	__builtin_va_start(list, format);
	vprintf(format, list);
	__builtin_va_end(list);
	printf("\n");
	if (!pass) {
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return pass;
}

#define ok(pass, ...) tap_ok((pass), __FILE__, __LINE__, __VA_ARGS__)

/* Compares two integers and prints both when they differ. */
#define is(have, want, ...)                                                     \
	do {                                                                    \
		long long have_ = (long long)(have), want_ = (long long)(want); \
		if (!tap_ok(have_ == want_, __FILE__, __LINE__, __VA_ARGS__))   \
			printf("# have %lld, want %lld\n", have_, want_);       \
	} while (0)

__attribute__((unused)) static void skip_one(const char *name, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, name, why);
}

__attribute__((noreturn, unused)) static void skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(0);
}

/* A step without which the test makes no sense. */
#define must(pass)                                                                  \
	do {                                                                        \
		if (!(pass)) {                                                      \
			printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #pass); \
			exit(1);                                                    \
		}                                                                   \
	} while (0)

__attribute__((unused)) static int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
