/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A target that changes its mappings between two readings that belong together. */
#include "child.h"
#include "maps-file.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull
#define PIECES 8ull

enum { BLOCK };

/* Told before the next reading of a text. */
static struct child *child_to_tell;
static unsigned int readings;

int __real_maps_file_read(int fd, enum maps_text_form form, bool gaps, struct maps_buffer *buffer,
			  int (*sink)(const struct maps_record *record, void *userdata),
			  void *userdata);
int __wrap_maps_file_read(int fd, enum maps_text_form form, bool gaps, struct maps_buffer *buffer,
			  int (*sink)(const struct maps_record *record, void *userdata),
			  void *userdata);

int __wrap_maps_file_read(int fd, enum maps_text_form form, bool gaps, struct maps_buffer *buffer,
			  int (*sink)(const struct maps_record *record, void *userdata),
			  void *userdata)
{
	struct child *child = child_to_tell;

	readings++;
	child_to_tell = NULL;
	if (child)
		must(child_tell(child, 0) == 0);
	return __real_maps_file_read(fd, form, gaps, buffer, sink, userdata);
}

static void set_up(struct child_shared *shared)
{
	int fd = memfd_create("piece", MFD_CLOEXEC);
	char *block = mmap(NULL, 4 * PIECES * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || ftruncate(fd, P) < 0 || block == MAP_FAILED ||
	    munmap(block, 4 * PIECES * P) < 0)
		_exit(3);
	/* With gaps: a piece of a file, a piece without one, and so on. */
	for (uint64_t i = 0; i < PIECES; i++)
		if (mmap(block + 2 * i * P, P, PROT_READ,
			 MAP_PRIVATE | MAP_FIXED | (i % 2 ? MAP_ANONYMOUS : 0), i % 2 ? -1 : fd,
			 0) == MAP_FAILED)
			_exit(3);
	shared->address[BLOCK] = (uint64_t)block;
}

/* Moves the first piece behind the last: as many mappings as before, but every name one further on. */
static long move_piece(int what, struct child_shared *shared)
{
	char *block = (char *)shared->address[BLOCK], *wanted = block + 2 * PIECES * P;

	return mremap(block, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, wanted) == wanted ? 0 : -errno;
}

static void test_moved(enum memhint_reader reader)
{
	const struct memhint_map_options options = { .size = sizeof(options),
						     .want = MEMHINT_MAP_NAMES,
						     .reader = reader };
	const char *name = memhint_reader_name(reader);
	struct memhint_process *process;
	struct memhint_map *map = NULL;
	unsigned int wrong = 0;
	struct child child;
	uint64_t block;
	int r;

	child_start(&child, set_up, move_piece);
	block = child.shared->address[BLOCK];
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	child_to_tell = &child;
	readings = 0;
	r = memhint_map_open(process, &options, &map);
	child_to_tell = NULL;
	if (r == -EOPNOTSUPP) {
		skip_one(name, "the BPF room is not there or does not work here");
	} else {
		is(r, 0, "%s: a target whose mappings move meanwhile", name);
		ok(readings >= 2, "%s: its names are read again", name);
		for (uint64_t i = 1; i <= PIECES; i++) {
			const struct memhint_vma *vma = memhint_map_find(map, block + 2 * i * P);
			bool is_file = i == PIECES || i % 2 == 0;

			wrong += !vma || vma->start != block + 2 * i * P ||
				 (strstr(vma->name, "piece") != NULL) != is_file;
		}
		is(wrong, 0, "%s: each goes to its mapping", name);
	}
	memhint_map_close(map);
	memhint_process_close(process);
	child_end(&child);
}

int main(void)
{
	test_moved(MEMHINT_READER_BPF);
	test_moved(MEMHINT_READER_BPF_SEQ);
	return done_testing();
}
