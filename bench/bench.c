/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void samples_add(struct samples *samples, double value)
{
	if (samples->count == samples->capacity) {
		samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
		samples->values = reallocarray(samples->values, samples->capacity, sizeof(double));
		need(samples->values, "memory");
	}
	samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_quantile(struct samples *samples, double share)
{
	size_t index;

	if (!samples->count)
		return 0;
	qsort(samples->values, samples->count, sizeof(double), compare);
	index = (size_t)(share * (double)samples->count);
	return samples->values[index < samples->count ? index : samples->count - 1];
}

void samples_free(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){};
}

void bench_die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}
