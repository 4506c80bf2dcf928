/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples and their medians; one JSON object a benchmark on stdout. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define ROUNDS 41 /* of each way, interleaved; odd, so that the median is one of them */

struct samples {
	double *values;
	size_t count;
	size_t capacity;
};

double now_usec(void);
void samples_add(struct samples *samples, double value);
/* @share 0.5: the median; 0.999; 1: the largest. Sorts. */
double samples_quantile(struct samples *samples, double share);
void samples_free(struct samples *samples);

/* Ends the benchmark with a message unless @pass. */
#define need(pass, what)                 \
	do {                             \
		if (!(pass))             \
			bench_die(what); \
	} while (0)
__attribute__((noreturn)) void bench_die(const char *what);

#endif
