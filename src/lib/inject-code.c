/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inject-code.h"

#include "cleanup.h"
#include "exec-marks.h"
#include "fd.h"
#include "maps-file.h"
#include "process-internal.h"

#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (64u << 10)
#define HEADER_BYTES 20u /* of an ELF file, up to e_machine */

/* Where the instructions are likely to be, and little has to be read. */
enum rank { RANK_VDSO, RANK_LIBC, RANK_OTHER, RANK_COUNT };

struct place {
	uint64_t start;
	uint64_t end;
	enum rank rank;
};

struct places {
	struct place *places;
	size_t count;
	size_t capacity;
};

static void places_done(struct places *places)
{
	free(places->places);
}

static bool name_has(const struct maps_record *record, const char *part)
{
	return memmem(record->name, record->name_length, part, strlen(part)) != NULL;
}

static int see_mapping(const struct maps_record *record, void *userdata)
{
	const uint32_t access = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_EXEC;
	struct places *places = userdata;
	bool is_vdso = name_has(record, "[vdso]");

	/* Neither what a program has generated, nor what it could change this moment. */
	if ((record->flags & access) != (MEMHINT_VMA_READ | MEMHINT_VMA_EXEC) ||
	    !(is_vdso || record->inode))
		return 0;
	if (places->count == places->capacity) {
		size_t capacity = places->capacity ? places->capacity * 2 : 32;
		struct place *grown = reallocarray(places->places, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		places->places = grown;
		places->capacity = capacity;
	}
	places->places[places->count++] = (struct place){
		.start = record->start,
		.end = record->end,
		.rank = is_vdso							? RANK_VDSO
			: name_has(record, "/libc") || name_has(record, "/ld-") ? RANK_LIBC
										: RANK_OTHER,
	};
	return 0;
}

static void search_place(int memory_fd, const struct inject_abi *abi, const struct place *place,
			 unsigned char *piece, struct inject_code *code)
{
	for (uint64_t at = place->start; at < place->end && !(code->call && code->restorer);) {
		uint64_t left = place->end - at;
		size_t size = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		ssize_t n = pread(memory_fd, piece, size, (off_t)at);

		if (n <= 0)
			return;
		inject_arch_find(abi, piece, (size_t)n, at, code);
		if ((size_t)n <= INJECT_CODE_BYTES)
			return;
		/* What begins near the end of this piece is looked at again whole. */
		at += (uint64_t)n == left ? left : (uint64_t)n - INJECT_CODE_BYTES;
	}
}

/* The vDSO says best what the program is, as it is made for it; not all have one. */
static const struct inject_abi *find_abi(int dirfd, int memory_fd, const struct places *places)
{
	unsigned char header[HEADER_BYTES];
	_cleanup_close_ int exe = -1;

	for (size_t i = 0; i < places->count; i++) {
		if (places->places[i].rank == RANK_VDSO &&
		    pread(memory_fd, header, sizeof(header), (off_t)places->places[i].start) ==
			    (ssize_t)sizeof(header))
			return inject_arch_abi(header, sizeof(header));
	}
	exe = fd_openat(dirfd, "exe");
	if (exe < 0 || fd_read_all(exe, header, sizeof(header)) != (ssize_t)sizeof(header))
		return NULL;
	return inject_arch_abi(header, sizeof(header));
}

/* Less than what is asked for only at the end of a mapping. */
static bool read_texts(int memory_fd, struct inject_code *code)
{
	memset(code->call_text, 0, sizeof(code->call_text));
	memset(code->restorer_text, 0, sizeof(code->restorer_text));
	return pread(memory_fd, code->call_text, sizeof(code->call_text), (off_t)code->call) > 0 &&
	       pread(memory_fd, code->restorer_text, sizeof(code->restorer_text),
		     (off_t)code->restorer) > 0;
}

static int find(const struct memhint_process *process, const struct inject_abi **ret_abi,
		struct inject_code *ret_code)
{
	_cleanup_(maps_buffer_done) struct maps_buffer buffer = {};
	_cleanup_(places_done) struct places places = {};
	_cleanup_close_ int maps = -1, memory = -1;
	_cleanup_free_ unsigned char *piece = NULL;
	int dirfd = memhint_process_dirfd(process);
	const struct inject_abi *abi;
	struct inject_code code = {};
	int r;

	maps = fd_openat(dirfd, "maps");
	if (maps < 0)
		return maps == -ENOENT ? -ESRCH : maps;
	r = maps_file_read(maps, MAPS_TEXT_MAPS, true, &buffer, see_mapping, &places);
	if (r < 0)
		return r;
	memory = fd_openat(dirfd, "mem");
	if (memory < 0)
		return memory == -ENOENT ? -ESRCH : memory;
	abi = find_abi(dirfd, memory, &places);
	if (!abi)
		return -EOPNOTSUPP;
	piece = malloc(PIECE_BYTES);
	if (!piece)
		return -ENOMEM;
	for (enum rank rank = 0; rank < RANK_COUNT; rank++) {
		for (size_t i = 0; i < places.count; i++) {
			if (places.places[i].rank == rank)
				search_place(memory, abi, &places.places[i], piece, &code);
		}
	}
	if (!code.call || !code.restorer || !read_texts(memory, &code))
		return -EOPNOTSUPP;
	*ret_abi = abi;
	*ret_code = code;
	return 0;
}

int inject_code_find(const struct memhint_process *process, const struct inject_abi **ret_abi,
		     struct inject_code *ret_code)
{
	_cleanup_close_ int marks_fd = exec_marks_open(process);
	struct exec_marks before, after;
	int r;

	if (marks_fd < 0)
		return marks_fd;
	do {
		r = exec_marks_read(marks_fd, &before);
		if (r == 0)
			r = find(process, ret_abi, ret_code);
		if (r == 0 || r == -ENOMEM)
			return r;
		/* Memory is gone before the process is, and another one's after an exec. */
		if (process_is_ending(process) || exec_marks_read(marks_fd, &after) < 0)
			return -ESRCH;
	} while (!exec_marks_are_same(&before, &after));
	/* A new address space takes the place of the old one before it has code, and marks last of all. */
	return r == -EOPNOTSUPP && !after.start_code ? -ESRCH : r;
}

bool inject_code_is_there(int memory_fd, const struct inject_code *code)
{
	struct inject_code now = *code;

	return read_texts(memory_fd, &now) &&
	       memcmp(now.call_text, code->call_text, sizeof(now.call_text)) == 0 &&
	       memcmp(now.restorer_text, code->restorer_text, sizeof(now.restorer_text)) == 0;
}
