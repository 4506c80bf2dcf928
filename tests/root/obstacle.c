/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mappings are dropped for which advice, held against the kernel: what is not dropped it must take,
 * and what is said to be refused it must refuse, on memory of this process's own.
 */
#include "obstacle.h"
#include "tap.h"
#include "uapi.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull
#define SIZE (8 * P)

static const int advices[] = {
	MADV_NORMAL,	     MADV_RANDOM,     MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
	MADV_FREE,	     MADV_REMOVE,     MADV_DONTFORK,   MADV_DOFORK,   MADV_MERGEABLE,
	MADV_UNMERGEABLE,    MADV_HUGEPAGE,   MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
	MADV_WIPEONFORK,     MADV_KEEPONFORK, MADV_COLD,       MADV_PAGEOUT,  MADV_POPULATE_READ,
	MADV_POPULATE_WRITE,
};

enum sort { ANON, READ_ONLY, NO_ACCESS, LOCKED, DROPPABLE, SHARED, MEMFD, FILE_PRIVATE, SORTS };

static const char *const sort_names[SORTS] = {
	"anonymous", "read-only", "no access", "locked",
	"droppable", "shared",	  "memfd",     "private file"
};

static char *map_sort(enum sort sort)
{
	int private = MAP_PRIVATE | MAP_ANONYMOUS, fd = -1, protection = PROT_READ | PROT_WRITE;
	int flags = private;
	char *memory;

	switch (sort) {
	case READ_ONLY:
		protection = PROT_READ;
		break;
	case NO_ACCESS:
		protection = PROT_NONE;
		break;
	case DROPPABLE:
		flags = MAP_DROPPABLE | MAP_ANONYMOUS;
		break;
	case SHARED:
		flags = MAP_SHARED | MAP_ANONYMOUS;
		break;
	case MEMFD:
		flags = MAP_SHARED;
		fd = memfd_create("memhint-obstacle", MFD_CLOEXEC);
		must(fd >= 0 && ftruncate(fd, (off_t)SIZE) == 0);
		break;
	case FILE_PRIVATE:
		flags = MAP_PRIVATE;
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		must(fd >= 0);
		break;
	default:
		break;
	}
	memory = mmap(NULL, SIZE, protection, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	if (memory == MAP_FAILED)
		return NULL;
	if (sort == LOCKED)
		must(mlock(memory, SIZE) == 0);
	return memory;
}

/* A snapshot's word on the mapping at an address. */
static struct memhint_vma see(struct memhint_process *self, const void *address,
			      bool *ret_flags_known)
{
	struct memhint_map *map;
	struct memhint_vma vma;

	must(memhint_map_open(self, NULL, &map) == 0);
	vma = *memhint_map_find(map, (uint64_t)address);
	*ret_flags_known = memhint_map_flags_known(map);
	memhint_map_close(map);
	must(vma.start <= (uint64_t)address && (uint64_t)address < vma.end);
	return vma;
}

/* Whether the kernel itself says no to what is dropped for this reason; else it would be of no use. */
static bool is_refusal(enum memhint_skip reason, int advice)
{
	if (reason == MEMHINT_SKIP_LOCKED)
		return true;
	if (reason == MEMHINT_SKIP_NO_ACCESS)
		return advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;
	return reason == MEMHINT_SKIP_UNSUITABLE && advice != MADV_MERGEABLE;
}

static void test_sort(struct memhint_process *self, enum sort sort)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		const char *name = memhint_advice_name(advices[i]);
		char *memory = map_sort(sort);
		enum memhint_skip reason;
		struct memhint_vma vma;
		bool flags_known;
		int r;

		if (!memory) {
			skip_one(sort_names[sort], "cannot be mapped here");
			return;
		}
		vma = see(self, memory, &flags_known);
		reason = obstacle_of(&vma, advices[i], flags_known);
		r = madvise(memory, SIZE, advices[i]) < 0 ? -errno : 0;
		if (r == -EINVAL &&
		    (advices[i] == MADV_MERGEABLE || advices[i] == MADV_UNMERGEABLE ||
		     advices[i] == MADV_HUGEPAGE || advices[i] == MADV_NOHUGEPAGE))
			skip_one(name, "this kernel has it not");
		else if (reason == MEMHINT_SKIP_COUNT)
			is(r, 0, "%s, %s: not dropped, and the kernel takes it", sort_names[sort],
			   name);
		else if (is_refusal(reason, advices[i]))
			ok(r < 0, "%s, %s: dropped as %s, and the kernel refuses it",
			   sort_names[sort], name, memhint_skip_name(reason));
		else
			ok(reason != MEMHINT_SKIP_EMPTY, "%s, %s: dropped as %s", sort_names[sort],
			   name, memhint_skip_name(reason));
		munmap(memory, SIZE);
	}
}

/* What is marked is not marked again. */
static void test_marks(struct memhint_process *self)
{
	static const struct {
		int mark, unmark;
	} pairs[] = { { MADV_MERGEABLE, MADV_UNMERGEABLE },
		      { MADV_DONTDUMP, MADV_DODUMP },
		      { MADV_HUGEPAGE, MADV_NOHUGEPAGE } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *name = memhint_advice_name(pairs[i].mark);
		char *memory = map_sort(ANON);
		struct memhint_vma vma;
		bool flags_known;

		must(memory);
		vma = see(self, memory, &flags_known);
		is(obstacle_of(&vma, pairs[i].mark, flags_known), MEMHINT_SKIP_COUNT,
		   "%s: to be marked", name);
		if (pairs[i].mark != MADV_HUGEPAGE) {
			is(obstacle_of(&vma, pairs[i].unmark, true), MEMHINT_SKIP_ALREADY,
			   "%s: not to be unmarked", name);
			is(obstacle_of(&vma, pairs[i].unmark, false), MEMHINT_SKIP_COUNT,
			   "%s: but where flags are not known, perhaps", name);
		}
		if (madvise(memory, SIZE, pairs[i].mark) < 0) {
			skip_one(name, "this kernel has it not");
		} else {
			vma = see(self, memory, &flags_known);
			is(obstacle_of(&vma, pairs[i].mark, flags_known), MEMHINT_SKIP_ALREADY,
			   "%s: marked", name);
			is(obstacle_of(&vma, pairs[i].unmark, flags_known), MEMHINT_SKIP_COUNT,
			   "%s: to be unmarked", name);
		}
		munmap(memory, SIZE);
	}
}

/* Memory that shall have no huge pages is not collapsed, and may be once that is taken back. */
static void test_collapse(struct memhint_process *self)
{
	const size_t huge = (size_t)2 << 20;
	char *memory =
		mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aligned = (char *)(((uintptr_t)memory + huge - 1) & -huge);
	struct memhint_vma vma;
	bool flags_known;

	must(memory != MAP_FAILED);
	memset(aligned, 1, huge);
	if (madvise(memory, 2 * huge, MADV_NOHUGEPAGE) < 0) {
		skip_one("collapse", "this kernel has no huge pages");
	} else {
		vma = see(self, aligned, &flags_known);
		is(obstacle_of(&vma, MADV_COLLAPSE, flags_known), MEMHINT_SKIP_UNSUITABLE,
		   "collapse: not where there shall be no huge pages");
		ok(madvise(aligned, huge, MADV_COLLAPSE) < 0,
		   "collapse: and the kernel refuses it");
		must(madvise(memory, 2 * huge, MADV_HUGEPAGE) == 0);
		vma = see(self, aligned, &flags_known);
		is(obstacle_of(&vma, MADV_COLLAPSE, flags_known), MEMHINT_SKIP_COUNT,
		   "collapse: where there may be");
	}
	munmap(memory, 2 * huge);
}

/* Device memory and the like, which a test cannot map. */
static void test_devices(void)
{
	static const struct {
		uint32_t flag;
		int advice;
		enum memhint_skip reason;
	} cases[] = {
		{ MEMHINT_VMA_SHARED | MEMHINT_VMA_LOCKED, MADV_REMOVE, MEMHINT_SKIP_LOCKED },
		{ MEMHINT_VMA_IO, MADV_DOFORK, MEMHINT_SKIP_IO },
		{ MEMHINT_VMA_IO, MADV_POPULATE_READ, MEMHINT_SKIP_IO },
		{ MEMHINT_VMA_PFNMAP, MADV_POPULATE_WRITE, MEMHINT_SKIP_PFNMAP },
		{ MEMHINT_VMA_UFFD, MADV_POPULATE_READ, MEMHINT_SKIP_UNSUITABLE },
		{ MEMHINT_VMA_PFNMAP, MADV_MERGEABLE, MEMHINT_SKIP_PFNMAP },
		{ MEMHINT_VMA_MIXEDMAP, MADV_MERGEABLE, MEMHINT_SKIP_UNSUITABLE },
		{ MEMHINT_VMA_HUGETLB, MADV_MERGEABLE, MEMHINT_SKIP_HUGETLB },
		{ MEMHINT_VMA_HUGETLB, MADV_HUGEPAGE, MEMHINT_SKIP_HUGETLB },
		{ MEMHINT_VMA_HUGETLB, MADV_DONTDUMP, MEMHINT_SKIP_COUNT },
		{ MEMHINT_VMA_HUGETLB, MADV_DONTNEED, MEMHINT_SKIP_HUGETLB },
		{ MEMHINT_VMA_IO | MEMHINT_VMA_DONTDUMP, MADV_DODUMP, MEMHINT_SKIP_IO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct memhint_vma vma = {
			.flags = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | cases[i].flag,
			.kind = MEMHINT_KIND_ANON,
		};

		is(obstacle_of(&vma, cases[i].advice, true), cases[i].reason, "%s: %s",
		   memhint_advice_name(cases[i].advice),
		   cases[i].reason == MEMHINT_SKIP_COUNT ? "taken"
							 : memhint_skip_name(cases[i].reason));
	}
}

int main(void)
{
	struct memhint_process *self;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	for (int sort = 0; sort < SORTS; sort++)
		test_sort(self, (enum sort)sort);
	test_marks(self);
	test_collapse(self);
	test_devices();
	memhint_process_close(self);
	return done_testing();
}
