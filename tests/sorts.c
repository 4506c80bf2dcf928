/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sorts.h"

#include "tap.h"
#include "uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static char *map(int protection, int flags, int fd, off_t offset)
{
	char *memory = mmap(NULL, 4 * page_bytes(), protection, flags, fd, offset);

	return memory == MAP_FAILED ? NULL : memory;
}

static void map_many(void)
{
	char *memory = mmap(NULL, SORTS_MANY * 2 * page_bytes(), PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(memory != MAP_FAILED);
	for (size_t i = 0; i < SORTS_MANY; i++)
		must(mprotect(memory + i * 2 * page_bytes(), page_bytes(),
			      i % 3 == 0 ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
	for (size_t i = 1; i < SORTS_MANY; i += 3)
		memory[i * 2 * page_bytes()] = 1;
}

static void map_advised(struct child_shared *shared)
{
	static const int advices[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
				       MADV_DONTDUMP, MADV_DONTFORK,   MADV_WIPEONFORK,
				       MADV_RANDOM };
	char *memory;

	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(memory && (madvise(memory, page_bytes(), advices[i]) == 0 || errno == EINVAL));
	}
	memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory && mlock(memory, 2 * page_bytes()) == 0);
	if (map(PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0))
		shared->number[NUMBER_DROPPABLE] = 1;
	map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory, page_bytes(), "a name");
	/* The heap: in pieces, one of which has a name. */
	memory = sbrk((intptr_t)(8 * page_bytes()));
	must(memory != (char *)-1);
	memory = (char *)(((uintptr_t)memory + page_bytes() - 1) / page_bytes() * page_bytes());
	must(mprotect(memory + page_bytes(), page_bytes(), PROT_READ) == 0);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory + 3 * page_bytes(), page_bytes(), "heap");
}

static void map_touched(struct child_shared *shared)
{
	char *memory[3];

	for (size_t i = 0; i < 3; i++) {
		/* Apart, lest they be merged. */
		memory[i] =
			mmap(NULL, 3 * page_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(memory[i] != MAP_FAILED);
		memory[i] += page_bytes();
		must(mprotect(memory[i], page_bytes(), PROT_READ | PROT_WRITE) == 0);
	}
	*(volatile char *)memory[1] = 1;
	(void)*(volatile char *)memory[2];
	shared->address[ADDRESS_FRESH] = (uintptr_t)memory[0];
	shared->address[ADDRESS_WRITTEN] = (uintptr_t)memory[1];
	shared->address[ADDRESS_ONLY_READ] = (uintptr_t)memory[2];
	shared->address[ADDRESS_SHARED] = (uintptr_t)shared;
}

/* All the ways to map a file; it is at least 8 pages long. */
static void map_file(int fd)
{
	off_t offset = (off_t)(2 * page_bytes());
	char *memory;

	must(fd >= 0);
	map(PROT_READ, MAP_PRIVATE, fd, 0);
	map(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);
	map(PROT_READ, MAP_SHARED, fd, offset);
	map(PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset);
	must(memory);
	memory[page_bytes()] = 1;
	must(mprotect(memory, page_bytes(), PROT_READ) == 0);
}

/* A mount that nobody else sees, and that goes with its last descriptor. */
static int mount_of(const char *type)
{
	int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), mount;

	must(fs >= 0);
	must(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	must(mount >= 0);
	close(fs);
	return mount;
}

static int file_on(const char *type)
{
	int mount = mount_of(type), file;

	file = openat(mount, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	must(file >= 0);
	close(mount);
	return file;
}

/*
 * Device files are on a tmpfs too, devtmpfs. Loop devices may be opened by whoever may do anything.
 */
static void map_device(struct child_shared *shared)
{
	char path[32];

	for (int i = 0; i < 8; i++) {
		int device;

		snprintf(path, sizeof(path), "/dev/loop%d", i);
		device = open(path, O_RDONLY | O_CLOEXEC);
		if (device < 0)
			continue;
		if (map(PROT_READ, MAP_SHARED, device, 0)) {
			shared->number[NUMBER_DEVICE] = 1;
			return;
		}
		close(device);
	}
}

static void map_shmem(void)
{
	int fd = memfd_create("a memfd", MFD_CLOEXEC), id;
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);

	must(fd >= 0 && zero >= 0 && ftruncate(fd, (off_t)(8 * page_bytes())) == 0);
	map_file(fd);
	must(map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	must(map(PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0));
	must(map(PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0));
	id = shmget(IPC_PRIVATE, 4 * page_bytes(), 0600);
	must(id >= 0);
	must(shmat(id, NULL, 0) != (void *)-1);
	shmctl(id, IPC_RMID, NULL);
	fd = file_on("tmpfs");
	must(fd >= 0 && ftruncate(fd, (off_t)(8 * page_bytes())) == 0);
	map_file(fd);
}

/* Without a reserve: there need not be any huge page. */
static void map_hugetlb(struct child_shared *shared)
{
	size_t bytes = 2u << 20;
	int fd, flags = MAP_NORESERVE, anonymous = MAP_ANONYMOUS | MAP_HUGETLB | flags;

	if (mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | anonymous, -1, 0) == MAP_FAILED)
		return;
	shared->number[NUMBER_HUGETLB] = 1;
	must(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | anonymous, -1, 0) !=
	     MAP_FAILED);
	/* Its name is as long as that of anonymous ones. */
	fd = memfd_create("aaaaaaa", MFD_CLOEXEC | MFD_HUGETLB);
	must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	must(mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | flags, fd, 0) != MAP_FAILED);
	must(mmap(NULL, bytes, PROT_READ, MAP_SHARED | flags, fd, 0) != MAP_FAILED);
	fd = file_on("hugetlbfs");
	must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	must(mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | flags, fd, 0) != MAP_FAILED);
	must(mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | flags, fd, 0) != MAP_FAILED);
}

static void map_userfaultfd(struct child_shared *shared)
{
	static const uint64_t modes[] = { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
					  UFFDIO_REGISTER_MODE_MINOR };
	struct uffdio_api api = { .api = UFFD_API };
	/* Stays open: closing it would end the registration. */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		return;
	for (size_t i = 0; i < 3; i++) {
		char *memory =
			map(PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | (modes[i] == UFFDIO_REGISTER_MODE_MINOR ? MAP_SHARED
										    : MAP_PRIVATE),
			    -1, 0);
		struct uffdio_register uffd = {
			.range = { .start = (uintptr_t)memory, .len = page_bytes() },
			.mode = modes[i],
		};

		if (ioctl(fd, UFFDIO_REGISTER, &uffd) == 0)
			shared->number[NUMBER_UFFD]++;
	}
}

/* A thread that shares no descriptors with the others: an iterator may take it for a process. */
static void *be_apart(void *userdata)
{
	must(unshare(CLONE_FILES) == 0);
	pthread_barrier_wait(userdata);
	pause();
	return NULL;
}

static void start_threads(void)
{
	static pthread_barrier_t barrier;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 4);
	for (size_t i = 0; i < 3; i++)
		must(pthread_create(&thread, NULL, be_apart, &barrier) == 0);
	pthread_barrier_wait(&barrier);
}

void setup_sorts(struct child_shared *shared)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	map_many();
	map_advised(shared);
	map_touched(shared);
	map_file(self);
	map_shmem();
	map_device(shared);
	map_hugetlb(shared);
	map_userfaultfd(shared);
	start_threads();
	shared->number[NUMBER_SORTS] = 1;
}
