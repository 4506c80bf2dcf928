/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "convert.h"

#include <memhint/map.h>

#include <linux/magic.h>
#include <stddef.h>
#include <sys/stat.h>

/*
 * The bits of vm_flags, include/linux/mm.h. They have been the same since 2.6.32 or longer on all
 * architectures, but are no promise: calibrate.c compares them with smaps before any is believed.
 * The bit for droppable memory does differ and is found out there. userfaultfd has no row because
 * one of its bits differs too: there the program looks at the mapping's context instead.
 */
static const struct {
	uint64_t bit;
	uint32_t flag;
	char letters[3]; /* in smaps: proc_pid_smaps(5) */
} rows[] = {
	{ 0x00000001, MEMHINT_VMA_READ, "rd" },
	{ 0x00000002, MEMHINT_VMA_WRITE, "wr" },
	{ 0x00000004, MEMHINT_VMA_EXEC, "ex" },
	{ 0x00000008, MEMHINT_VMA_SHARED, "sh" },
	{ 0x00000400, MEMHINT_VMA_PFNMAP, "pf" },
	{ 0x00002000, MEMHINT_VMA_LOCKED, "lo" },
	{ 0x00004000, MEMHINT_VMA_IO, "io" },
	{ 0x00400000, MEMHINT_VMA_HUGETLB, "ht" },
	{ 0x04000000, MEMHINT_VMA_DONTDUMP, "dd" },
	{ 0x10000000, MEMHINT_VMA_MIXEDMAP, "mm" },
	{ 0x20000000, MEMHINT_VMA_HUGEPAGE, "hg" },
	{ 0x40000000, MEMHINT_VMA_NOHUGEPAGE, "nh" },
	{ 0x80000000, MEMHINT_VMA_MERGEABLE, "mg" },
	{ 0, MEMHINT_VMA_DROPPABLE, "dp" },
	{ 0, MEMHINT_VMA_UFFD, "um" },
	{ 0, MEMHINT_VMA_UFFD, "uw" },
	{ 0, MEMHINT_VMA_UFFD, "ui" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

uint32_t vma_flag_by_letters(const char letters[2])
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].letters[0] == letters[0] && rows[i].letters[1] == letters[1])
			return rows[i].flag;
	return 0;
}

static uint32_t record_flags(const struct vma_convert *convert, const struct vma_record *record)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < ROWS; i++)
		if (record->flags & rows[i].bit)
			flags |= rows[i].flag;
	if (record->flags & convert->droppable_bit)
		flags |= MEMHINT_VMA_DROPPABLE;
	if (record->bits & VMA_HAS_UFFD)
		flags |= MEMHINT_VMA_UFFD;
	return flags;
}

static bool record_is_heap(const struct vma_head *head, const struct vma_record *record)
{
	return record->start < head->brk && record->end > head->start_brk;
}

static bool record_is_stack(const struct vma_head *head, const struct vma_record *record)
{
	return record->start <= head->start_stack && record->end >= head->start_stack;
}

/* On its own mount of hugetlbfs the kernel names files anon_hugepage, memfd:NAME or SYSVKEY. */
static bool record_is_anon_hugetlb(const struct vma_record *record)
{
	return record->name_length == sizeof("anon_hugepage") - 1 && record->name_letter == 'a';
}

/* The rules stand in bpf-room.h; those for heap and stack are fs/proc/task_mmu.c's. */
static enum memhint_kind record_kind(const struct vma_head *head, const struct vma_record *record,
				     uint32_t flags)
{
	bool is_internal = record->magic == HUGETLBFS_MAGIC && (record->bits & VMA_IS_INTERNAL);

	if (!(record->bits & VMA_HAS_FILE)) {
		if (record->bits & VMA_HAS_OPS)
			return MEMHINT_KIND_SPECIAL;
		if (record_is_heap(head, record))
			return MEMHINT_KIND_HEAP;
		if (record_is_stack(head, record))
			return MEMHINT_KIND_STACK;
		return MEMHINT_KIND_ANON;
	}
	if (!(record->bits & VMA_HAS_OPS)) /* /dev/zero */
		return MEMHINT_KIND_ANON;
	if (is_internal && record_is_anon_hugetlb(record) && !(flags & MEMHINT_VMA_SHARED))
		return MEMHINT_KIND_ANON;
	/* Device files live on a tmpfs too, devtmpfs, but what they map does not. */
	if (is_internal || (record->magic == TMPFS_MAGIC && record->file_type == S_IFREG >> 12))
		return MEMHINT_KIND_SHMEM;
	return flags & MEMHINT_VMA_EXEC ? MEMHINT_KIND_CODE : MEMHINT_KIND_FILE;
}

void vma_convert(const struct vma_convert *convert, const struct vma_head *head,
		 const struct vma_record *record, struct bpf_room_vma *ret_vma)
{
	uint32_t flags = record_flags(convert, record);

	*ret_vma = (struct bpf_room_vma){
		.start = record->start,
		.end = record->end,
		.offset = record->bits & VMA_HAS_FILE ? record->pgoff * convert->page_bytes : 0,
		.flags = flags,
		.kind = record_kind(head, record, flags),
		.untouched = !(flags & MEMHINT_VMA_SHARED) && !(record->bits & VMA_HAS_ANON),
	};
}

/* Stirs all bits of a number into all others. */
static uint64_t stir(uint64_t x)
{
	x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9;
	return x ^ (x >> 32);
}

/*
 * Bit 63 keeps what is known from being 0. In an exec the address space is replaced first and the
 * task's exec id counted up later; the address of the mm tells the two apart in between. 16 bits of it
 * are enough for that, and too few for anybody to learn where the kernel keeps things.
 */
struct bpf_room_space space_convert(bool has_lock_seq, uint32_t lock_seq, uint64_t mm,
				    uint64_t exec_id)
{
	const uint64_t is_known = 1ull << 63, exec_mask = (1ull << 47) - 1;

	return (struct bpf_room_space){
		.generation = has_lock_seq ? is_known | lock_seq : 0,
		.exec_id = is_known | (stir(mm) & 0xffff) << 47 | (exec_id & exec_mask),
	};
}
