/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that compresses like that of real programs, about three to one. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdint.h>
#include <string.h>

/* Fills whole pages: a quarter noise, the rest a short pattern. */
static inline void memory_fill(char *memory, uint64_t bytes, uint64_t seed)
{
	for (uint64_t page = 0; page < bytes; page += 4096) {
		uint64_t *words = (uint64_t *)(void *)(memory + page);

		for (int i = 0; i < 128; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			words[i] = seed;
		}
		for (int i = 128; i < 512; i++)
			words[i] = 0x0000000100000000ull + (page >> 12);
	}
}

#endif
