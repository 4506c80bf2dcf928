/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drop-in functions: the kernel's errors and partial results, and what they add. */
#include "child.h"
#include "tap.h"
#include "vector.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ull
#define MANY 3000
#define BIG (5ull << 30)

enum { BLOCK, RESERVE, HOLE };

static void set_up(struct child_shared *shared)
{
	char *block = mmap(NULL, 2 * MANY * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	char *reserve = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *hole = mmap(NULL, 12 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED || reserve == MAP_FAILED || hole == MAP_FAILED)
		_exit(3);
	memset(block, 1, 2 * MANY * P);
	memset(hole, 1, 12 * P);
	munmap(hole + 4 * P, 4 * P);
	shared->address[BLOCK] = (uint64_t)block;
	shared->address[RESERVE] = (uint64_t)reserve;
	shared->address[HOLE] = (uint64_t)hole;
}

static struct iovec range(uint64_t start, uint64_t length)
{
	return (struct iovec){ .iov_base = (void *)start, .iov_len = length };
}

static long kernel(int pidfd, const struct iovec *iovec, size_t vlen, int advice,
		   unsigned int flags)
{
	long n = syscall(SYS_process_madvise, pidfd, iovec, vlen, advice, flags);

	return n < 0 ? -errno : n;
}

static long library(int pidfd, const struct iovec *iovec, size_t vlen, int advice,
		    unsigned int flags)
{
	long n = memhint_process_madvise(pidfd, iovec, vlen, advice, flags);

	return n < 0 ? -errno : n;
}

/* Within the kernel's limits the answer is the kernel's. */
static void test_same_as_kernel(const struct child *child, int pidfd)
{
	uint64_t block = child->shared->address[BLOCK], hole = child->shared->address[HOLE];
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const struct {
		const char *what;
		int pidfd;
		struct iovec iovec[3];
		size_t vlen;
		int advice;
		unsigned int flags;
	} calls[] = {
		{ "one range", pidfd, { range(block, 4 * P) }, 1, MADV_COLD, 0 },
		{ "no range", pidfd, {}, 0, MADV_COLD, 0 },
		{ "an odd length", pidfd, { range(block, P + 1) }, 1, MADV_COLD, 0 },
		{ "an unaligned base", pidfd, { range(block + 1, P) }, 1, MADV_COLD, 0 },
		{ "an unaligned base after a good range",
		  pidfd,
		  { range(block, P), range(block + 1, P) },
		  2,
		  MADV_COLD,
		  0 },
		{ "a hole in the first range", pidfd, { range(hole, 12 * P) }, 1, MADV_COLD, 0 },
		{ "a hole in the second range",
		  pidfd,
		  { range(block, P), range(hole, 12 * P), range(block, P) },
		  3,
		  MADV_COLD,
		  0 },
		{ "a length above SSIZE_MAX",
		  pidfd,
		  { range(block, P), range(block, SIZE_MAX) },
		  2,
		  MADV_COLD,
		  0 },
		{ "flags", pidfd, { range(block, P) }, 1, MADV_COLD, 1 },
		{ "an advice not for others", pidfd, { range(block, P) }, 1, MADV_DONTDUMP, 0 },
		{ "an unknown advice", pidfd, { range(block, P) }, 1, 12345, 0 },
		{ "a closed descriptor", 9999, { range(block, P) }, 1, MADV_COLD, 0 },
		{ "a descriptor of a file", file, { range(block, P) }, 1, MADV_COLD, 0 },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		is(library(calls[i].pidfd, calls[i].iovec, calls[i].vlen, calls[i].advice,
			   calls[i].flags),
		   kernel(calls[i].pidfd, calls[i].iovec, calls[i].vlen, calls[i].advice,
			  calls[i].flags),
		   "%s: as the kernel", calls[i].what);
	is(library(pidfd, (struct iovec *)8, 2, MADV_COLD, 0), -EFAULT,
	   "an unreadable vector: EFAULT");
	close(file);
}

static void test_beyond_kernel(const struct child *child, int pidfd)
{
	static struct iovec iovec[MANY];
	uint64_t block = child->shared->address[BLOCK];
	struct iovec big[2] = { range(child->shared->address[RESERVE], BIG), range(block, P) };

	for (size_t i = 0; i < MANY; i++)
		iovec[i] = range(block + 2 * i * P, P);
	is(library(pidfd, iovec, MANY, MADV_COLD, 0), MANY * P, "3,000 ranges in a call");
	iovec[1500].iov_base = (char *)iovec[1500].iov_base + 1;
	is(library(pidfd, iovec, MANY, MADV_COLD, 0), 1500 * P,
	   "the 1,501st is bad: the bytes before it");
	iovec[1500].iov_base = (char *)iovec[1500].iov_base - 1;
	iovec[2999].iov_len = SIZE_MAX;
	is(library(pidfd, iovec, MANY, MADV_COLD, 0), -EINVAL,
	   "the last one's length is absurd: nothing");
	is(library(pidfd, iovec, MANY - 1, MADV_COLD, 7), -EINVAL, "flags with many ranges");
	is(library(pidfd, big, 2, MADV_COLD, 0), (long)(BIG + P), "5 GiB and a page in a call");
	big[0].iov_len = BIG - P + 1;
	is(library(pidfd, big, 2, MADV_COLD, 0), (long)(BIG + 1), "an odd length above 2 GiB");
	is(library(pidfd,
		   (struct iovec[]){ range(block, P + 1),
				     range(child->shared->address[RESERVE], BIG) },
		   2, MADV_COLD, 0),
	   (long)(BIG + P + 1), "an odd length before what is cut");
	big[1] = range(child->shared->address[HOLE], 12 * P);
	is(library(pidfd, big, 2, MADV_COLD, 0), (long)(BIG - P + 1), "a hole after that");
}

static void test_by_id(const struct child *child, int pidfd)
{
	struct iovec one = range(child->shared->address[BLOCK], P);

	is(memhint_process_madvise_id(P_PID, (id_t)child->pid, &one, 1, MADV_COLD, 0, 0), P,
	   "by PID");
	is(memhint_process_madvise_id((idtype_t)P_PIDFD, (id_t)pidfd, &one, 1, MADV_COLD, 0, 0), P,
	   "by pidfd");
	is(memhint_process_madvise_id(P_ALL, (id_t)child->pid, &one, 1, MADV_COLD, 0, 0), -1,
	   "by neither");
	is(errno, EINVAL, "EINVAL");
	is(memhint_process_madvise_id(P_PID, (id_t)child->pid, &one, 1, MADV_COLD, 7, 0), -1,
	   "with what is no cookie");
	is(errno, EINVAL, "EINVAL");
	is(memhint_process_madvise_id(P_PID, 0x3fffffff, &one, 1, MADV_COLD, 0, 0), -1,
	   "a PID out of range");
	is(errno, ESRCH, "ESRCH");
}

static void test_dead(void)
{
	struct child child;
	struct iovec one;
	int pidfd;

	child_start(&child, set_up, NULL);
	one = range(child.shared->address[BLOCK], P);
	pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
	kill(child.pid, SIGKILL);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){}, WEXITED | WNOWAIT);
	is(library(pidfd, &one, 1, MADV_COLD, 0), -ESRCH, "a zombie: ESRCH");
	child_end(&child);
	is(library(pidfd, &one, 1, MADV_COLD, 0), -ESRCH, "a reaped process: ESRCH");
	close(pidfd);
}

/* In a forked child, so that the rights are gone only there. */
static void test_rights(const struct child *child)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct iovec one = range(child->shared->address[BLOCK], P);
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);

		if (syscall(SYS_capget, &header, data) < 0)
			_exit(9);
		data[0].effective &= ~(1u << CAP_SYS_NICE);
		if (syscall(SYS_capset, &header, data) < 0)
			_exit(9);
		_exit(library(pidfd, &one, 1, MADV_COLD, 0) == -EPERM ? 0 : 1);
	}
	must(waitpid(pid, &status, 0) == pid);
	is(status, 0, "without CAP_SYS_NICE: EPERM");
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		_exit(library(pidfd, &one, 1, MADV_COLD, 0) == -EACCES ? 0 : 1);
	}
	must(waitpid(pid, &status, 0) == pid);
	is(status, 0, "without ptrace access: EACCES");
}

static bool range_is_dontdump(const void *memory)
{
	struct memhint_map_options options = {
		.size = sizeof(options),
		.want = MEMHINT_MAP_FLAGS,
		.reader = MEMHINT_READER_SMAPS,
	};
	struct memhint_process *self;
	struct memhint_map *map;
	const struct memhint_vma *vma;
	bool is_dontdump;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	must(memhint_map_open(self, &options, &map) == 0);
	vma = memhint_map_find(map, (uint64_t)memory);
	is_dontdump = vma && vma->start <= (uint64_t)memory && (vma->flags & MEMHINT_VMA_DONTDUMP);
	memhint_map_close(map);
	memhint_process_close(self);
	return is_dontdump;
}

/* Any advice on oneself; native or by madvise(2), the answer is the same. */
static void test_self(void)
{
	char *memory =
		mmap(NULL, 16 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct iovec good[2] = { range((uint64_t)memory, 2 * P),
				 range((uint64_t)memory + 4 * P, P) };
	struct iovec holed[3] = { range((uint64_t)memory, 2 * P),
				  range((uint64_t)memory + 6 * P, 4 * P),
				  range((uint64_t)memory + 12 * P, P) };
	struct memhint_process *self;
	struct memhint_ranges *ranges;
	struct memhint_result result;

	must(memory != MAP_FAILED);
	is(library(pidfd, good, 2, MADV_DONTDUMP, 0), 3 * P, "dontdump on oneself");
	ok(range_is_dontdump(memory), "is done in the first range");
	ok(range_is_dontdump(memory + 4 * P), "and in the second");
	ok(!range_is_dontdump(memory + 2 * P), "and not between them");
	is(vector_advise_self_each(good, 2, MADV_DODUMP), 3 * P,
	   "the loop of madvise: the same answer");
	ok(!range_is_dontdump(memory), "and done");

	munmap(memory + 7 * P, P);
	is(library(pidfd, holed, 3, MADV_DONTDUMP, 0), 2 * P, "a hole in the second range");
	is(vector_advise_self_each(holed, 3, MADV_DONTDUMP), 2 * P, "the loop: the same answer");
	is(library(pidfd, holed + 1, 2, MADV_DONTDUMP, 0), -ENOMEM, "a hole in the first range");
	is(vector_advise_self_each(holed + 1, 2, MADV_DONTDUMP), -ENOMEM,
	   "the loop: the same answer");
	is(library(pidfd, good, 2, 12345, 0), -EINVAL, "an unknown advice");
	is(vector_advise_self_each(good, 2, 12345), -EINVAL, "the loop: the same answer");
	is(library(pidfd, good, 2, MADV_COLD, 0), 3 * P, "cold on oneself");

	memset(memory, 7, P);
	is(library(pidfd, good, 1, MADV_DONTNEED, 0), 2 * P, "dontneed on oneself");
	is(memory[0], 0, "did what it says");

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	must(memhint_ranges_new(&ranges) == 0);
	must(memhint_ranges_add(ranges, (uint64_t)memory, 12 * P) == 0);
	is(memhint_advise(self, ranges, MADV_DONTDUMP, NULL, &result), 0,
	   "memhint_advise() on oneself");
	is(result.advised.bytes, 11 * P, "all but the hole is advised");
	is(result.failed.bytes, P, "the hole failed");
	memhint_ranges_free(ranges);
	memhint_process_close(self);
	close(pidfd);
	munmap(memory, 16 * P);
}

int main(void)
{
	struct child child;
	int pidfd;

	child_start(&child, set_up, NULL);
	pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
	must(pidfd >= 0);
	test_same_as_kernel(&child, pidfd);
	test_beyond_kernel(&child, pidfd);
	test_by_id(&child, pidfd);
	test_rights(&child);
	close(pidfd);
	child_end(&child);
	test_dead();
	test_self();
	return done_testing();
}
