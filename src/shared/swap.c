/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "swap.h"

#include "cleanup.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

/* The kernel writes blanks, newlines and backslashes in names as octal. */
static void unescape(const char *from, char *to, size_t size)
{
	size_t n = 0;

	while (*from && n + 1 < size) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			to[n++] = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
					 (from[3] - '0'));
			from += 4;
		} else {
			to[n++] = *from++;
		}
	}
	to[n] = '\0';
}

/* Source: Documentation/admin-guide/blockdev/zram.rst, "mm_stat". */
static void zram_read(int sysfd, struct swap_area *area)
{
	const char *device = strrchr(area->name, '/');
	char path[320], text[256];
	uint64_t original, compressed, memory, limit;

	device = device ? device + 1 : area->name;
	area->is_zram = !area->is_file && strncmp(device, "zram", 4) == 0;
	if (!area->is_zram || sysfd < 0)
		return;
	snprintf(path, sizeof(path), "block/%s/mm_stat", device);
	if (fd_read_file_at(sysfd, path, text, sizeof(text)) < 0)
		return;
	if (sscanf(text, "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64, &original, &compressed,
		   &memory, &limit) != 4)
		return;
	area->zram_original_bytes = original;
	area->zram_compressed_bytes = compressed;
	area->zram_memory_bytes = memory;
	area->zram_limit_bytes = limit;
	area->zram_known = true;
}

int swap_read(int procfd, int sysfd, struct swap *ret_swap)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	struct swap swap = {};
	size_t size = 0;
	int r;

	r = fd_fopen_at(procfd, "swaps", &file);
	if (r == -ENOENT) {
		*ret_swap = swap;
		return 0;
	}
	if (r < 0)
		return r;
	while (getline(&line, &size, file) > 0 && swap.count < SWAP_AREAS_MAX) {
		struct swap_area *area = &swap.areas[swap.count];
		char name[1024], type[32];
		uint64_t total, used;
		int priority;

		/* The first line is a heading; a name is followed by "partition" or "file", and KiB. */
		if (sscanf(line, "%1023s %31s %" SCNu64 " %" SCNu64 " %d", name, type, &total,
			   &used, &priority) != 5)
			continue;
		unescape(name, area->name, sizeof(area->name));
		area->is_file = strcmp(type, "file") == 0;
		area->priority = priority;
		area->total_bytes = total * 1024;
		area->used_bytes = used * 1024;
		zram_read(sysfd, area);
		swap.total_bytes += area->total_bytes;
		swap.used_bytes += area->used_bytes;
		swap.count++;
	}
	if (ferror(file))
		return -EIO;
	swap.free_bytes = swap.total_bytes - swap.used_bytes;
	*ret_swap = swap;
	return 0;
}

int swap_read_system(struct swap *ret_swap)
{
	_cleanup_close_ int procfd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int sysfd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (procfd < 0)
		return -errno;
	return swap_read(procfd, sysfd, ret_swap);
}

int swap_read_free(uint64_t *ret_free_bytes)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return -errno;
	*ret_free_bytes = (uint64_t)info.freeswap * info.mem_unit;
	return 0;
}
