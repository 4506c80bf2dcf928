/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map-target.h"

#include "tap.h"
#include "uapi.h"

#include <memhint/map.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of newer headers. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#define UFFD_WP_UNPOPULATED (1 << 13)

#define AREA_BYTES (256ull << 20)
#define HUGE_BYTES (2ull << 20)
#define READ_WRITE (PROT_READ | PROT_WRITE)

static struct target *target;
static uint64_t page, area, area_end, cursor;

/* A place in the area with untouched PROT_NONE memory on both sides, so that nothing merges. */
static void *place(uint64_t length, uint64_t alignment)
{
	uint64_t start = (cursor + page + alignment - 1) & ~(alignment - 1);

	must(start + length < area_end);
	cursor = start + length;
	return (void *)start;
}

static struct piece *describe(const char *what, const void *start, uint64_t length, uint32_t kind,
			      uint32_t flags, uint64_t resident_pages, uint64_t swapped_pages)
{
	struct piece *piece = &target->pieces[target->count++];

	must(target->count < TARGET_PIECES);
	snprintf(piece->what, sizeof(piece->what), "%s", what);
	piece->start = (uint64_t)start;
	piece->length = length;
	piece->kind = kind;
	piece->flags = flags;
	piece->resident_pages = resident_pages;
	piece->swapped_pages = swapped_pages;
	return piece;
}

static void missing(const char *what)
{
	size_t used = strlen(target->missing);

	snprintf(target->missing + used, sizeof(target->missing) - used, "%s%s", used ? ", " : "",
		 what);
}

static char *map(uint64_t pages, int protection, int flags, int fd)
{
	char *memory =
		mmap(place(pages * page, page), pages * page, protection, flags | MAP_FIXED, fd, 0);

	must(memory != MAP_FAILED);
	return memory;
}

static char *map_anon(uint64_t pages, int protection)
{
	return map(pages, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void write_pages(char *memory, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		((volatile char *)memory)[i * page] = (char)(i + 1);
}

static void read_pages(const char *memory, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		(void)((const volatile char *)memory)[i * page];
}

static void make_anon(void)
{
	const uint32_t rw = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE;
	char *p, *reserve;

	describe("untouched", map_anon(16, READ_WRITE), 16 * page, MEMHINT_KIND_ANON, rw, 0, 0);
	p = map_anon(16, READ_WRITE);
	write_pages(p, 16);
	describe("written", p, 16 * page, MEMHINT_KIND_ANON, rw, 16, 0);
	p = map_anon(16, READ_WRITE);
	write_pages(p + 3 * page, 5);
	describe("written in part", p, 16 * page, MEMHINT_KIND_ANON, rw, 5, 0);
	p = map_anon(16, READ_WRITE);
	read_pages(p, 16);
	describe("read only: zero pages", p, 16 * page, MEMHINT_KIND_ANON, rw, 0, 0);
	p = map_anon(16, READ_WRITE);
	read_pages(p, 16);
	write_pages(p, 4);
	describe("read, then written in part", p, 16 * page, MEMHINT_KIND_ANON, rw, 4, 0);
	p = map_anon(16, READ_WRITE);
	write_pages(p, 16);
	must(madvise(p + 8 * page, 8 * page, MADV_DONTNEED) == 0);
	describe("written, then given back in part", p, 16 * page, MEMHINT_KIND_ANON, rw, 8, 0);
	p = map_anon(16, READ_WRITE);
	write_pages(p, 2);
	must(mprotect(p, 16 * page, PROT_NONE) == 0);
	describe("written, then PROT_NONE", p, 16 * page, MEMHINT_KIND_ANON, 0, 2, 0);
	p = map_anon(8, PROT_READ);
	describe("read only", p, 8 * page, MEMHINT_KIND_ANON, MEMHINT_VMA_READ, 0, 0);
	p = map_anon(8, READ_WRITE | PROT_EXEC);
	write_pages(p, 1);
	describe("executable memory", p, 8 * page, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_EXEC, 1, 0);
	p = map_anon(64, READ_WRITE);
	write_pages(p, 64);
	describe("paged out", p, 64 * page, MEMHINT_KIND_ANON, rw, 0, 64)->paged_out = true;
	p = map_anon(4, READ_WRITE);
	must(syscall(SYS_mlock, p, 4 * page) ==
	     0); /* the address sanitizer's mlock() does nothing */
	describe("locked", p, 4 * page, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_LOCKED, 4, 0);
	p = map_anon(4, READ_WRITE);
	must(madvise(p, 4 * page, MADV_DONTDUMP) == 0);
	describe("not for core dumps", p, 4 * page, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_DONTDUMP, 0,
		 0);
	p = map_anon(4, READ_WRITE);
	if (madvise(p, 4 * page, MADV_MERGEABLE) == 0)
		describe("mergeable", p, 4 * page, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_MERGEABLE, 0,
			 0);
	else
		missing("MADV_MERGEABLE");
	/* Executable, so that it does not merge with the other reserve. */
	p = mmap(NULL, 5ull << 30, READ_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(p != MAP_FAILED);
	must(madvise(p, 5ull << 30, MADV_NOHUGEPAGE) == 0);
	write_pages(p + (1ull << 30), 3);
	write_pages(p + (5ull << 30) - page, 1);
	reserve = mmap(NULL, 128ull << 30, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	must(reserve != MAP_FAILED);
	must(madvise(reserve, 128ull << 30, MADV_NOHUGEPAGE) == 0);
	write_pages(reserve + (100ull << 30), 3);
	describe("reserve of 128 GiB", reserve, 128ull << 30, MEMHINT_KIND_ANON, rw, 3, 0);
	describe("reserve of 5 GiB", p, 5ull << 30, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_NOHUGEPAGE,
		 4, 0);
}

static void make_odd(void)
{
	const uint32_t rw = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE;
	struct piece *piece;
	char *p;

	p = mmap(place(4 * page, page), 4 * page, READ_WRITE,
		 MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p != MAP_FAILED) {
		write_pages(p, 2);
		describe("droppable", p, 4 * page, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_DROPPABLE, 2,
			 0);
	} else {
		missing("MAP_DROPPABLE");
	}
	p = map_anon(8, READ_WRITE);
	write_pages(p, 4);
	if (madvise(p + 2 * page, 4 * page, MADV_GUARD_INSTALL) == 0)
		describe("guard region", p, 8 * page, MEMHINT_KIND_ANON, rw, 2, 0);
	else
		missing("guard regions");
	p = map_anon(4, READ_WRITE);
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4 * page, "a name") == 0) {
		piece = describe("named", p, 4 * page, MEMHINT_KIND_ANON, rw, 0, 0);
		snprintf(piece->name, sizeof(piece->name), "[anon:a name]");
	} else {
		missing("names of anonymous memory");
	}
	p = mmap(place(HUGE_BYTES, HUGE_BYTES), HUGE_BYTES, READ_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (p != MAP_FAILED) {
		piece = describe("huge TLB", p, HUGE_BYTES, MEMHINT_KIND_ANON,
				 rw | MEMHINT_VMA_HUGETLB, 0, 0);
		snprintf(piece->name, sizeof(piece->name), "/anon_hugepage (deleted)");
	} else {
		missing("huge TLB pages");
	}
	p = mmap(place(2 * HUGE_BYTES, HUGE_BYTES), 2 * HUGE_BYTES, READ_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(p != MAP_FAILED);
	if (madvise(p, 2 * HUGE_BYTES, MADV_HUGEPAGE) == 0) {
		/* The second half is the huge zero page, or a small one, which counts for nothing. */
		write_pages(p, HUGE_BYTES / page);
		read_pages(p + HUGE_BYTES, 1);
		describe("transparent huge pages", p, 2 * HUGE_BYTES, MEMHINT_KIND_ANON,
			 rw | MEMHINT_VMA_HUGEPAGE, HUGE_BYTES / page, 0)
			->may_be_huge = true;
	} else {
		missing("transparent huge pages");
	}
}

/* Write protected by userfaultfd where there is nothing yet: markers, which are no memory. */
static void make_uffd(void)
{
	const uint32_t rw = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE;
	struct uffdio_api api = { .api = UFFD_API,
				  .features =
					  UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_WP_UNPOPULATED };
	struct uffdio_writeprotect protect = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	char *p = map_anon(16, READ_WRITE);

	write_pages(p, 2);
	write_pages(p + 8 * page, 2);
	reg.range.start = protect.range.start = (uintptr_t)p;
	reg.range.len = 16 * page;
	protect.range.len = 12 * page;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &reg) < 0 ||
	    ioctl(fd, UFFDIO_WRITEPROTECT, &protect) < 0) {
		missing("markers of userfaultfd");
		return;
	}
	describe("userfaultfd", p, 16 * page, MEMHINT_KIND_ANON, rw | MEMHINT_VMA_UFFD, 4, 0);
}

static void make_shared(void)
{
	const uint32_t rws = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_SHARED;
	struct piece *piece;
	int fd, id;
	char *p;

	p = map(8, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	write_pages(p, 3);
	piece = describe("shared anonymous", p, 8 * page, MEMHINT_KIND_SHMEM, rws, 3, 0);
	snprintf(piece->name, sizeof(piece->name), "/dev/zero (deleted)");

	fd = memfd_create("a name", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, (off_t)(8 * page)) == 0);
	p = map(8, READ_WRITE, MAP_SHARED, fd);
	write_pages(p, 8);
	must(madvise(p, 8 * page, MADV_PAGEOUT) == 0);
	write_pages(p, 2);
	must(madvise(p + 2 * page, 6 * page, MADV_DONTNEED) == 0); /* this page table only */
	piece = describe("memfd", p, 8 * page, MEMHINT_KIND_SHMEM, rws, 2, 0);
	snprintf(piece->name, sizeof(piece->name), "/memfd:a name (deleted)");
	p = map(8, READ_WRITE, MAP_PRIVATE, fd);
	write_pages(p, 3);
	describe("private memory from a memfd", p, 8 * page, MEMHINT_KIND_SHMEM, MEMHINT_VMA_WRITE,
		 3, 0);
	close(fd);

	id = shmget(IPC_PRIVATE, 4 * page, IPC_CREAT | 0600);
	must(id >= 0);
	p = shmat(id, place(4 * page, page), SHM_REMAP);
	shmctl(id, IPC_RMID, NULL);
	must(p != (char *)-1);
	write_pages(p, 1);
	piece = describe("System V", p, 4 * page, MEMHINT_KIND_SHMEM, rws, 1, 0);
	snprintf(piece->name, sizeof(piece->name), "/SYSV");

	fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	must(fd >= 0);
	p = map(4, READ_WRITE, MAP_PRIVATE, fd);
	write_pages(p, 2);
	close(fd);
	piece = describe("private /dev/zero", p, 4 * page, MEMHINT_KIND_ANON, MEMHINT_VMA_WRITE, 2,
			 0);
	snprintf(piece->name, sizeof(piece->name), "/dev/zero");
}

/* A file of 8 pages in @directory, gone from there when it is mapped. */
static int file_make(const char *directory, const char *name)
{
	static const char content[65536] = "content";
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/memhint-test-%d", directory, getpid());
	must(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/memhint-test-%d/%s", directory, getpid(), name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	must(fd >= 0 && write(fd, content, 8 * page) == (ssize_t)(8 * page));
	must(unlink(path) == 0);
	snprintf(path, sizeof(path), "%s/memhint-test-%d", directory, getpid());
	must(rmdir(path) == 0);
	return fd;
}

static void make_files(void)
{
	const uint32_t r = MEMHINT_VMA_READ, rw = r | MEMHINT_VMA_WRITE;
	struct piece *piece;
	int fd;
	char *p;

	fd = file_make("/tmp", "a file\nof (deleted)");
	p = map(8, PROT_READ, MAP_PRIVATE, fd);
	piece = describe("untouched file", p, 8 * page, MEMHINT_KIND_FILE, r, 0, 0);
	snprintf(piece->name, sizeof(piece->name), "/a file\\012of (deleted)");
	p = map(8, READ_WRITE, MAP_PRIVATE, fd);
	must(madvise(p, 8 * page, MADV_RANDOM) == 0);
	write_pages(p, 3);
	describe("private file, written", p, 8 * page, MEMHINT_KIND_FILE, rw, 3, 0);
	p = map(8, READ_WRITE, MAP_SHARED, fd);
	must(madvise(p, 8 * page, MADV_POPULATE_WRITE) == 0);
	describe("shared file", p, 8 * page, MEMHINT_KIND_FILE, rw | MEMHINT_VMA_SHARED, 8, 0);
	p = map(8, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd);
	must(madvise(p, 8 * page, MADV_POPULATE_READ) == 0);
	describe("code", p, 8 * page, MEMHINT_KIND_CODE, r | MEMHINT_VMA_EXEC, 8, 0);
	p = mmap(place(4 * page, page), 4 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
		 (off_t)(4 * page));
	must(p != MAP_FAILED);
	describe("from the middle of a file", p, 4 * page, MEMHINT_KIND_FILE, r, 0, 0);
	close(fd);

	if (access("/dev/shm", W_OK) < 0) {
		missing("/dev/shm");
		return;
	}
	fd = file_make("/dev/shm", "tmpfs");
	p = map(8, PROT_READ, MAP_SHARED, fd);
	must(madvise(p, 8 * page, MADV_POPULATE_READ) == 0);
	piece = describe("tmpfs", p, 8 * page, MEMHINT_KIND_SHMEM, r, 8, 0);
	snprintf(piece->name, sizeof(piece->name), "/tmpfs (deleted)");
	close(fd);
}

/* Every second page gets another protection, and so a mapping of its own. */
static void make_small(void)
{
	char *p = mmap(NULL, (2 * TARGET_SMALL + 1) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	must(p != MAP_FAILED);
	target->small_start = (uint64_t)p;
	for (uint64_t i = 0; i < TARGET_SMALL; i++) {
		char *small = p + (2 * i + 1) * page;

		must(mprotect(small, page, READ_WRITE) == 0);
		if (i % 4 == 1 || i % 4 == 3)
			write_pages(small, 1);
		else if (i % 4 == 2)
			read_pages(small, 1);
	}
}

static void setup(struct child_shared *shared)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	area = (uint64_t)mmap(NULL, AREA_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(area != (uint64_t)MAP_FAILED);
	area_end = area + AREA_BYTES;
	cursor = area;
	make_anon();
	make_odd();
	make_uffd();
	make_shared();
	make_files();
	make_small();
}

/* Asks for it until the page table says that it is done: pages in a CPU's batch are passed over. */
static long pageout(int pagemap, uint64_t start, uint64_t length)
{
	for (int i = 0; i < 200; i++) {
		uint64_t entry, present = 0;

		if (madvise((void *)start, length, MADV_PAGEOUT) < 0)
			return errno;
		for (uint64_t at = start; at < start + length; at += page) {
			must(pread(pagemap, &entry, sizeof(entry),
				   (off_t)(at / page * sizeof(entry))) == sizeof(entry));
			present += entry >> 63;
		}
		if (!present)
			return 0;
	}
	return EBUSY;
}

static long command(int what, struct child_shared *shared)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	long error = what == TARGET_PAGEOUT ? 0 : EINVAL;

	must(pagemap >= 0);
	for (uint32_t i = 0; i < target->count && !error; i++)
		if (target->pieces[i].paged_out)
			error = pageout(pagemap, target->pieces[i].start, target->pieces[i].length);
	for (uint64_t i = 3; i < TARGET_SMALL && !error; i += 4)
		error = pageout(pagemap, target->small_start + (2 * i + 1) * page, page);
	close(pagemap);
	return error;
}

struct target *target_start(struct child *child)
{
	target = mmap(NULL, sizeof(*target), READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(target != MAP_FAILED);
	child_start(child, setup, command);
	return target;
}

void target_end(struct child *child, struct target *started)
{
	child_end(child);
	munmap(started, sizeof(*started));
}
