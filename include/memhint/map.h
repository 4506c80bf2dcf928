/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One snapshot of a process's address space. */
#ifndef MEMHINT_MAP_H
#define MEMHINT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memhint_process;
struct memhint_map;

/* What a mapping is. One bit each, so that a filter can name several. */
enum memhint_kind {
	MEMHINT_KIND_ANON = 1 << 0,    /* private anonymous memory but heap and stack */
	MEMHINT_KIND_HEAP = 1 << 1,    /* the brk area */
	MEMHINT_KIND_STACK = 1 << 2,   /* the main thread's stack */
	MEMHINT_KIND_FILE = 1 << 3,    /* a file, not executable */
	MEMHINT_KIND_SHMEM = 1 << 4,   /* tmpfs, memfd, System V, shared anonymous */
	MEMHINT_KIND_CODE = 1 << 5,    /* a file, executable */
	MEMHINT_KIND_SPECIAL = 1 << 6, /* vdso, vvar, vsyscall and the like */
};
#define MEMHINT_KIND_PRIVATE (MEMHINT_KIND_ANON | MEMHINT_KIND_HEAP | MEMHINT_KIND_STACK)
#define MEMHINT_KIND_ALL 0x7fu

/* What is known of a mapping. The second group is there only if map->flags_known. */
enum memhint_vma_flag {
	MEMHINT_VMA_READ = 1 << 0,
	MEMHINT_VMA_WRITE = 1 << 1,
	MEMHINT_VMA_EXEC = 1 << 2,
	MEMHINT_VMA_SHARED = 1 << 3,
	/* from VmFlags of smaps or the BPF iterator: */
	MEMHINT_VMA_LOCKED = 1 << 8,	  /* lo: mlock(2) */
	MEMHINT_VMA_HUGETLB = 1 << 9,	  /* ht */
	MEMHINT_VMA_PFNMAP = 1 << 10,	  /* pf: no struct pages behind it */
	MEMHINT_VMA_IO = 1 << 11,	  /* io: device memory */
	MEMHINT_VMA_DROPPABLE = 1 << 12,  /* dp: MAP_DROPPABLE, loses its content on PAGEOUT */
	MEMHINT_VMA_UFFD = 1 << 13,	  /* um, uw, ui: registered with userfaultfd */
	MEMHINT_VMA_HUGEPAGE = 1 << 14,	  /* hg: MADV_HUGEPAGE */
	MEMHINT_VMA_NOHUGEPAGE = 1 << 15, /* nh */
	MEMHINT_VMA_MERGEABLE = 1 << 16,  /* mg: MADV_MERGEABLE */
	MEMHINT_VMA_DONTDUMP = 1 << 17,	  /* dd */
	MEMHINT_VMA_MIXEDMAP = 1 << 18,	  /* mm */
};

/** struct memhint_vma - one mapping. Addresses and sizes in bytes. */
struct memhint_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* in the file */
	uint32_t flags;	 /* enum memhint_vma_flag */
	uint32_t kind;	 /* enum memhint_kind */
	/* With MEMHINT_MAP_PAGES, these three: */
	uint64_t resident_bytes; /* present in the page table */
	uint64_t swapped_bytes;	 /* swap entries in the page table */
	uint64_t huge_bytes;	 /* part of resident_bytes mapped by transparent huge pages */
	const char *name;	 /* path or [name], "" if none; NULL without MEMHINT_MAP_NAMES */
	uint64_t reserved[2];
};

/* How the list of mappings was read. */
enum memhint_reader {
	MEMHINT_READER_AUTO,	/* the fastest that works here */
	MEMHINT_READER_BPF,	/* BPF, one program run over all mappings (6.7) */
	MEMHINT_READER_BPF_SEQ, /* BPF task_vma iterator (5.12; one process from 6.1) */
	MEMHINT_READER_SMAPS,	/* /proc/PID/smaps: slow, but knows all */
	MEMHINT_READER_MAPS,	/* /proc/PID/maps: no flags of the second group */
};

/* How resident and swapped pages were read. */
enum memhint_pages_reader {
	MEMHINT_PAGES_AUTO,
	MEMHINT_PAGES_SCAN,    /* PAGEMAP_SCAN (6.7) */
	MEMHINT_PAGES_PAGEMAP, /* /proc/PID/pagemap, page by page: cannot tell huge_bytes; of
					 * mappings above 64 GiB the sums of smaps */
	MEMHINT_PAGES_SMAPS,   /* the sums of /proc/PID/smaps: swapped_bytes of shared memory holds,
					 * too, what is swapped out of the file, but in no page table */
};

#define MEMHINT_MAP_NAMES (1u << 0)   /* fill in name */
#define MEMHINT_MAP_FLAGS (1u << 1)   /* the second group of flags is needed, whatever it costs */
#define MEMHINT_MAP_PAGES (1u << 2)   /* fill in resident_bytes, swapped_bytes, huge_bytes */
#define MEMHINT_MAP_UNPACED (1u << 3) /* no gaps between the pieces of a page scan */

/** struct memhint_map_options - how to read the address space. Zero is the best default. */
struct memhint_map_options {
	size_t size;   /* of this structure */
	uint32_t want; /* MEMHINT_MAP_* */
	enum memhint_reader reader;
	enum memhint_pages_reader pages_reader;
	uint32_t reserved; /* 0 */
};

/**
 * memhint_map_open() - take a snapshot of a process's address space
 * @process: whose; it must stay open for as long as the snapshot.
 * @options: or NULL.
 * @ret_map: the snapshot; close it with memhint_map_close().
 *
 * Reads the list of mappings by the first reader that works: BPF, then smaps (when the flags are
 * asked for, or the target is small enough for that to be cheap), then maps. All readers give the
 * same answer, except that maps knows no flags of the second group. Pages are read in pieces, with
 * gaps in which a target that runs can take its mmap lock.
 *
 * A page counts as resident when the page table has it, the shared zero pages and guard regions never;
 * as swapped when the page table has a swap entry. Without CAP_SYS_ADMIN MEMHINT_PAGES_PAGEMAP cannot
 * see zero pages and counts them as resident. Names are as the kernel prints them: a newline is \012.
 *
 * Context: any thread; blocks for about 0.2 us a mapping and, with MEMHINT_MAP_PAGES, 10 ns a page.
 * Errors: -ESRCH the process has ended or, for a kernel thread, has no memory; -EACCES ptrace
 * access is refused; -EOPNOTSUPP the reader asked for does not work here; -EINVAL an option that is
 * not known; -EMFILE, -ENFILE, -ENOMEM; -EIO.
 * Return: 0 or a negative errno. Since: 0.1. Source: proc_pid_maps(5), proc_pid_smaps(5).
 */
int memhint_map_open(struct memhint_process *process, const struct memhint_map_options *options,
		     struct memhint_map **ret_map);

/**
 * memhint_map_refresh() - read it again into the same memory
 * Invalidates pointers from memhint_map_get(). On failure the old snapshot stays.
 * Errors: as memhint_map_open(); -ESRCH also when the process has replaced its address space since the
 * snapshot was opened: the new one needs a snapshot of its own.
 * Return: 0 or a negative errno. Since: 0.1.
 */
int memhint_map_refresh(struct memhint_map *map);

/** memhint_map_close() - free a snapshot; NULL is accepted. Since: 0.1. */
void memhint_map_close(struct memhint_map *map);

/** memhint_map_count() - number of mappings. Since: 0.1. */
size_t memhint_map_count(const struct memhint_map *map);

/** memhint_map_get() - mapping number @index in order of address, or NULL past the end. Since: 0.1. */
const struct memhint_vma *memhint_map_get(const struct memhint_map *map, size_t index);

/** memhint_map_find() - the mapping that holds @address, or else the next one up, or NULL. Since: 0.1. */
const struct memhint_vma *memhint_map_find(const struct memhint_map *map, uint64_t address);

/** memhint_map_reader() - which reader gave the list. Since: 0.1. */
enum memhint_reader memhint_map_reader(const struct memhint_map *map);

/** memhint_map_pages_reader() - which reader gave the pages; AUTO when none was asked for. Since: 0.1. */
enum memhint_pages_reader memhint_map_pages_reader(const struct memhint_map *map);

/**
 * memhint_map_cookie() - the state of the address space as it was when the snapshot was begun
 * As memhint_process_cookie() would have said it: exact if the list was read through BPF, else a
 * fingerprint. Never 0. Since: 0.1.
 */
uint64_t memhint_map_cookie(const struct memhint_map *map);

/** memhint_map_flags_known() - whether locked, droppable and the like can be told. Since: 0.1. */
bool memhint_map_flags_known(const struct memhint_map *map);

/**
 * memhint_map_is_current() - whether the process still has the address space of the snapshot
 * False once it has ended or replaced it by exec. Says nothing of mappings that changed.
 * Context: two small reads, about 5 us. Since: 0.1.
 */
bool memhint_map_is_current(const struct memhint_map *map);

/**
 * memhint_map_lookup() - look one address up, without a snapshot
 * @process: whose.
 * @address: where to look.
 * @ret_vma: the mapping that holds @address or the next one up; name is NULL, kind is not filled
 * in, of the flags only the first group, no pages.
 *
 * Errors: -ENOENT nothing at or above it; else as memhint_map_open().
 * Return: 0 or a negative errno. Since: 0.1. Source: PROCMAP_QUERY (6.11), else proc_pid_maps(5).
 */
int memhint_map_lookup(struct memhint_process *process, uint64_t address,
		       struct memhint_vma *ret_vma);

/** memhint_kind_name() - "anon", "heap", "stack", "file", "shmem", "code", "special". Since: 0.1. */
const char *memhint_kind_name(enum memhint_kind kind);

/** memhint_reader_name() - "bpf", "bpf-seq", "smaps", "maps". Since: 0.1. */
const char *memhint_reader_name(enum memhint_reader reader);

/** memhint_pages_reader_name() - "pagemap-scan", "pagemap", "smaps", "none" for AUTO. Since: 0.1. */
const char *memhint_pages_reader_name(enum memhint_pages_reader reader);

#ifdef __cplusplus
}
#endif
#endif
