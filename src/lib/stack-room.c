/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stack-room.h"

#include "cleanup.h"
#include "fd.h"
#include "maps-file.h"
#include "page-size.h"
#include "uapi.h"

#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* Below the stack pointer and not free: the red zone of x86-64 (System V ABI, 3.2.2), and a margin. */
#define RED_ZONE_BYTES 256u
/* For a signal handler that runs below what is put there. */
#define HANDLER_BYTES (32u << 10)
/* The kernel lets no stack grow nearer to the mapping below it (mm/mmap.c, stack_guard_gap). */
#define GUARD_GAP_BYTES (1ull << 20)

/* Free below what is put there, so that a function which is called there does not come to the mark. */
#define GAP_BYTES 512u
#define AREA_LIMIT (1u << 20)

/* To both sides of the thread pointer: glibc and musl keep what they know of a thread within. */
#define DESCRIPTOR_BYTES 4096u

/* At the beginning of the lowest page of what is put somewhere. */
struct mark {
	uint64_t magic[2];
	uint64_t start; /* of the page */
	uint64_t address;
	uint64_t size;
	uint64_t fingerprint; /* of what is at the address */
};

static const uint64_t mark_magic[2] = { 0x6d656d68696e7420, 0x73746163206d726b };

struct search {
	const struct stack_thread *thread;
	uint64_t start, end;	/* the mapping that the stack pointer is in; 0: not seen */
	uint64_t whole_end;	/* of the last that follows without a gap, up to [stack] */
	uint64_t below_end;	/* of the one below it */
	bool is_below_guard;	/* which may not be accessed */
	bool is_private_memory; /* writable, and no file */
	bool is_main;		/* [stack] */
};

static bool has_name(const struct maps_record *record, const char *name)
{
	return record->name_length == strlen(name) &&
	       memcmp(record->name, name, record->name_length) == 0;
}

static bool is_private_memory(const struct maps_record *record)
{
	return record->flags & MEMHINT_VMA_WRITE && !(record->flags & MEMHINT_VMA_SHARED) &&
	       !maps_record_has_file(record);
}

/*
 * Advice for a part of it cuts a stack into several mappings, and a call that is for all of it does so for
 * a while. Only the uppermost is [stack] then. 1: no more need be seen.
 */
static int see_above(const struct maps_record *record, struct search *search)
{
	if (record->start != search->whole_end || !is_private_memory(record))
		return 1;
	search->whole_end = record->end;
	search->is_main = has_name(record, "[stack]");
	return search->is_main;
}

static int see_mapping(const struct maps_record *record, void *userdata)
{
	const uint32_t access = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_EXEC;
	struct search *search = userdata;

	if (search->end)
		return see_above(record, search);
	if (search->thread->stack >= record->end) {
		search->below_end = record->end;
		search->is_below_guard = !(record->flags & access);
		return 0;
	}
	if (search->thread->stack < record->start)
		return 1;
	search->start = record->start;
	search->end = search->whole_end = record->end;
	search->is_private_memory = is_private_memory(record);
	search->is_main = has_name(record, "[stack]");
	return search->is_main || !search->is_private_memory;
}

static bool is_guarded(const struct search *search)
{
	return search->below_end < search->start || search->is_below_guard;
}

/*
 * The stack of the main thread is what the kernel calls so. That of another one holds its thread-local
 * memory too, at the upper end, as glibc and musl lay it out. Memory in which a program runs something
 * on a stack of its own making has neither mark.
 */
static bool is_made_for_thread(const struct search *search, const struct memhint_process *process)
{
	const struct stack_thread *thread = search->thread;

	if (!search->end || !search->is_private_memory)
		return false;
	if (thread->tid == memhint_process_pid(process))
		return search->is_main;
	return !search->is_main && thread->thread_pointer > thread->stack &&
	       thread->thread_pointer < search->end;
}

/* A word of the target, which may be a 32-bit one. */
static uint64_t word_at(const unsigned char *at, unsigned int bytes)
{
	uint32_t narrow;
	uint64_t wide;

	if (bytes == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

/*
 * A mapping does not end where a stack does: the kernel makes one of neighbours, and a program may have set
 * aside a part of its own for the stack (pthread_attr_setstack(3)). But the thread library has written
 * down beside each other where it begins and its size: glibc and musl as fields of what the thread pointer
 * leads to. Raises the start of the search to it. False if there is nothing of the kind.
 */
static bool find_block(struct search *search)
{
	const struct stack_thread *thread = search->thread;
	uint64_t pointer = thread->thread_pointer, best = 0;
	uint64_t start = align_down(pointer - DESCRIPTOR_BYTES, sizeof(uint64_t));
	uint64_t end = align_down(pointer, sizeof(uint64_t)) + DESCRIPTOR_BYTES;
	unsigned char words[2 * DESCRIPTOR_BYTES + sizeof(uint64_t)];
	ssize_t n;

	if (start < search->start)
		start = align_up(search->start, sizeof(uint64_t));
	if (end > search->end)
		end = search->end;
	n = pread(thread->memory_fd, words, end - start, (off_t)start);
	for (ssize_t i = 0; i + 2 * (ssize_t)thread->word_bytes <= n; i += thread->word_bytes) {
		uint64_t block = word_at(words + i, thread->word_bytes);
		uint64_t size = word_at(words + i + thread->word_bytes, thread->word_bytes);

		if (block > best && block <= thread->stack && size > pointer - block &&
		    size <= search->end - block)
			best = block;
	}
	if (best > search->start)
		search->start = align_up(best, page_size());
	return best;
}

/*
 * The lowest page with content is where the deepest call so far has been: below it nothing is kept.
 * Pages of a guard inside the mapping are its end. 1 found, 0 all is guard, or a negative errno.
 */
static int find_touched(int pagemap, struct search *search, uint64_t *ret_touched,
			bool *ret_has_guard)
{
	uint64_t page = page_size(), entries[512];

	for (uint64_t at = search->start; at < search->end;) {
		uint64_t left = (search->end - at) / page;
		size_t count = left < 512 ? (size_t)left : 512;
		ssize_t n = pread(pagemap, entries, count * sizeof(entries[0]),
				  (off_t)(at / page * sizeof(entries[0])));

		if (n < (ssize_t)sizeof(entries[0]))
			return n < 0 ? -errno : -ESRCH;
		count = (size_t)n / sizeof(entries[0]);
		for (size_t i = 0; i < count; i++, at += page) {
			if (entries[i] & UAPI_PM_GUARD) {
				search->start = at + page;
				*ret_has_guard = true;
			} else if (entries[i] & (UAPI_PM_PRESENT | UAPI_PM_SWAP)) {
				*ret_touched = at;
				return 1;
			}
		}
	}
	return 0;
}

static uint64_t fingerprint_of(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t fingerprint = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		fingerprint = (fingerprint ^ bytes[i]) * 0x100000001b3;
	return fingerprint;
}

/* Where what was put at @start ends, if it is there still and unchanged; else @start. */
static uint64_t skip_own(const struct stack_thread *thread, uint64_t start)
{
	_cleanup_free_ unsigned char *data = NULL;
	struct mark mark;

	if (pread(thread->memory_fd, &mark, sizeof(mark), (off_t)start) != (ssize_t)sizeof(mark) ||
	    memcmp(mark.magic, mark_magic, sizeof(mark_magic)) != 0 || mark.start != start ||
	    mark.address < start || mark.address - start > AREA_LIMIT || mark.size > AREA_LIMIT)
		return start;
	data = malloc(mark.size);
	if (!data ||
	    pread(thread->memory_fd, data, mark.size, (off_t)mark.address) != (ssize_t)mark.size ||
	    fingerprint_of(data, mark.size) != mark.fingerprint)
		return start;
	return mark.address + mark.size;
}

size_t stack_room_extra(void)
{
	return (size_t)page_size() + GAP_BYTES;
}

void stack_room_done(struct stack_room *room)
{
	free(room->old);
	*room = (struct stack_room){};
}

static int keep_old(struct stack_room *room, int memory_fd, uint64_t start, size_t size)
{
	unsigned char *old = malloc(size);

	if (!old)
		return -ENOMEM;
	if (pread(memory_fd, old, size, (off_t)start) != (ssize_t)size) {
		free(old);
		return -EBUSY;
	}
	room->old = old;
	room->old_start = start;
	room->old_size = size;
	return 0;
}

int stack_room_write(struct stack_room *room, int memory_fd, uint64_t address, const void *data,
		     size_t size)
{
	uint64_t start = align_down(address - GAP_BYTES, page_size());
	size_t whole = (size_t)(address - start) + size;
	_cleanup_free_ unsigned char *area = calloc(1, whole);
	struct mark mark = {
		.start = start,
		.address = address,
		.size = size,
		.fingerprint = fingerprint_of(data, size),
	};
	int r = 0;

	if (!area)
		return -ENOMEM;
	if (room->is_touched)
		r = keep_old(room, memory_fd, start, whole);
	if (r < 0)
		return r;
	memcpy(mark.magic, mark_magic, sizeof(mark.magic));
	memcpy(area, &mark, sizeof(mark));
	memcpy(area + (address - start), data, size);
	return pwrite(memory_fd, area, whole, (off_t)start) == (ssize_t)whole ? 0 : -EBUSY;
}

void stack_room_restore(const struct stack_room *room, int memory_fd)
{
	/* Fails only where the process has ended. */
	if (room->old && pwrite(memory_fd, room->old, room->old_size, (off_t)room->old_start) < 0)
		return;
}

/* Whether [stack] may still grow downwards by as much as a signal handler takes. */
static bool can_grow(const struct search *search)
{
	uint64_t bytes = search->whole_end - search->start + HANDLER_BYTES;
	struct rlimit limit;

	if (search->start < search->below_end + GUARD_GAP_BYTES + HANDLER_BYTES)
		return false;
	return prlimit(search->thread->tid, RLIMIT_STACK, NULL, &limit) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes);
}

static int choose(const struct search *search, size_t size, uint64_t touched,
		  struct stack_room *ret_room)
{
	uint64_t limit = search->thread->stack - RED_ZONE_BYTES;
	uint64_t top = touched < limit ? touched : limit;
	uint64_t lowest;

	if (top >= search->start + size + HANDLER_BYTES) {
		*ret_room = (struct stack_room){ .top = top };
		return 0;
	}
	/*
	 * [stack] has been used down to its beginning. What the deepest call has left there is not
	 * needed unless the program is that deep now, so there must be some distance. And as it may
	 * be that deep and run on a part of its stack that is less so, it is put back afterwards.
	 */
	lowest = search->start + (can_grow(search) ? 0 : HANDLER_BYTES) + size;
	if (search->is_main && limit >= lowest + (uint64_t)2 * HANDLER_BYTES) {
		*ret_room = (struct stack_room){ .top = lowest, .is_touched = true };
		return 0;
	}
	return -EBUSY;
}

int stack_room_find(const struct memhint_process *process, const struct stack_thread *thread,
		    size_t size, struct stack_room *ret_room)
{
	_cleanup_(maps_buffer_done) struct maps_buffer buffer = {};
	_cleanup_close_ int maps = -1, pagemap = -1;
	struct search search = { .thread = thread };
	int dirfd = memhint_process_dirfd(process);
	bool has_guard = false;
	uint64_t touched = 0;
	int r;

	maps = fd_openat(dirfd, "maps");
	if (maps < 0)
		return maps == -ENOENT ? -ESRCH : maps;
	r = maps_file_read(maps, MAPS_TEXT_MAPS, false, &buffer, see_mapping, &search);
	if (r < 0)
		return r;
	if (!is_made_for_thread(&search, process) || (!search.is_main && !find_block(&search)))
		return -EBUSY;
	pagemap = fd_openat(dirfd, "pagemap");
	if (pagemap < 0)
		return pagemap == -ENOENT ? -ESRCH : pagemap;
	has_guard = is_guarded(&search);
	r = find_touched(pagemap, &search, &touched, &has_guard);
	if (r < 0)
		return r;
	/* The kernel joins [stack] with nothing else, so all of its mapping is stack also without one. */
	if (r == 0 || (!has_guard && !search.is_main))
		return -EBUSY;
	return choose(&search, size, skip_own(thread, touched), ret_room);
}
