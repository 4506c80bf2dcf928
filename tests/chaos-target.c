/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target that changes its address space as fast as it can: blocks of memory whose contents follow from a
 * seed are mapped, unmapped, moved, resized, protected and replaced, verified all the while, by itself
 * and by children; now and then it execs itself or ends. Now and then, too, some blocks give way to
 * canaries: memory of a sort that the manager does not ask for, at an address where it has seen some that
 * it does. A canary that was advised was advised without having been looked at.
 *
 * usage: chaos-target run|check    with a struct chaos_slot as descriptor CHAOS_SLOT_FD
 */
#include "chaos-slot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ull
#define PAGE_WORDS (P / sizeof(uint64_t))
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

#define BLOCKS_MAX 48u
#define BLOCK_PAGES_MIN 4u /* below that the manager does not ask for it */
#define BLOCK_PAGES_MAX 32u
#define CANARIES_MAX 4u
#define THREADS_MAX 3
#define CHILDREN_MAX 2
#define CHILD_STACK_BYTES (64u << 10)

struct block {
	char *address;
	uint64_t pages;
	uint64_t seed;
	bool is_read_only; /* some of it */
};

static struct chaos_slot *slot;
static struct block blocks[BLOCKS_MAX];
static size_t block_count;
static struct block canaries[CANARIES_MAX];
static size_t canary_count;
static uint64_t canary_call;
static int pagemap_fd, smaps_fd, canary_fd;
static _Atomic int threads;
static int children;
static __thread uint64_t random_state;

__attribute__((noreturn)) static void fail(int line)
{
	if (slot && slot != MAP_FAILED) {
		slot->failed_error = errno;
		slot->failed_line = line;
	}
	_exit(1);
}

/* A step without which it cannot go on; the manager says which. */
#define need(pass)                      \
	do {                            \
		if (!(pass))            \
			fail(__LINE__); \
	} while (0)

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t random_below(uint64_t limit)
{
	return (random_word() >> 16) % limit;
}

static uint64_t content(uint64_t seed, uint64_t word)
{
	return (seed + word / PAGE_WORDS) * 0x9e3779b97f4a7c15ull ^ word % 16;
}

static void fill(char *memory, uint64_t seed, uint64_t first_page, uint64_t end_page)
{
	uint64_t *words = (uint64_t *)(void *)memory;

	for (uint64_t i = first_page * PAGE_WORDS; i < end_page * PAGE_WORDS; i++)
		words[i] = content(seed, i);
}

static void verify(const void *memory, uint64_t seed, uint64_t pages)
{
	const uint64_t *words = memory;

	atomic_fetch_add(&slot->verified_bytes, pages * P);
	for (uint64_t i = 0; i < pages * PAGE_WORDS; i++)
		if (words[i] != content(seed, i)) {
			if (atomic_fetch_add(&slot->lost, 1) == 0)
				slot->lost_address = (uint64_t)(words + i);
			return;
		}
}

static void block_verify(const struct block *block)
{
	verify(block->address, block->seed, block->pages);
}

static void block_make_writable(struct block *block)
{
	if (block->is_read_only)
		need(mprotect(block->address, block->pages * P, READ_WRITE) == 0);
	block->is_read_only = false;
}

static struct block *block_random(void)
{
	return block_count ? &blocks[random_below(block_count)] : NULL;
}

static void block_drop(struct block *block)
{
	*block = blocks[--block_count];
}

static void block_add(char *address, uint64_t pages)
{
	struct block *block = &blocks[block_count++];

	*block = (struct block){ .address = address, .pages = pages, .seed = random_word() };
	fill(address, block->seed, 0, pages);
}

static uint64_t random_pages(void)
{
	return BLOCK_PAGES_MIN + random_below(BLOCK_PAGES_MAX - BLOCK_PAGES_MIN + 1);
}

static char *map(void *address, uint64_t pages, int flags, int fd)
{
	char *memory = mmap(address, pages * P, READ_WRITE, flags, fd, 0);

	need(memory != MAP_FAILED);
	return memory;
}

static void do_map(void)
{
	uint64_t pages = random_pages();

	if (block_count < BLOCKS_MAX - CANARIES_MAX)
		block_add(map(NULL, pages, ANONYMOUS, -1), pages);
}

static void do_unmap(void)
{
	struct block *block = block_random();

	if (!block || block_count < BLOCKS_MAX / 4)
		return;
	block_verify(block);
	need(munmap(block->address, block->pages * P) == 0);
	block_drop(block);
}

static void do_resize(void)
{
	struct block *block = block_random();
	uint64_t pages = random_pages();
	char *address;

	if (!block)
		return;
	block_make_writable(block);
	address = mremap(block->address, block->pages * P, pages * P, MREMAP_MAYMOVE);
	if (address == MAP_FAILED) { /* parts that do not merge again: more than one mapping */
		need(errno == EFAULT);
		return;
	}
	block->address = address;
	if (pages > block->pages)
		fill(address, block->seed, block->pages, pages);
	block->pages = pages;
	block_verify(block);
}

static void do_move(void)
{
	struct block *block = block_random();
	char *wanted, *address;

	if (!block)
		return;
	block_make_writable(block);
	wanted = mmap(NULL, block->pages * P, PROT_NONE, ANONYMOUS, -1, 0);
	need(wanted != MAP_FAILED);
	address = mremap(block->address, block->pages * P, block->pages * P,
			 MREMAP_MAYMOVE | MREMAP_FIXED, wanted);
	if (address == MAP_FAILED) {
		/* It may have unmapped that place, and another thread have taken it: left alone. */
		need(errno == EFAULT);
		return;
	}
	block->address = address;
	block_verify(block);
}

static void do_protect(void)
{
	struct block *block = block_random();
	uint64_t first;

	if (!block)
		return;
	if (block->is_read_only) {
		block_make_writable(block);
		return;
	}
	first = random_below(block->pages);
	need(mprotect(block->address + first * P, (block->pages - first) * P, PROT_READ) == 0);
	block->is_read_only = true;
}

static void do_replace(void)
{
	struct block *block = block_random();
	char *address;
	uint64_t pages;

	if (!block)
		return;
	block_verify(block);
	address = block->address;
	pages = block->pages;
	block_drop(block);
	block_add(map(address, pages, ANONYMOUS | MAP_FIXED, -1), pages);
}

static void do_write(void)
{
	struct block *block = block_random();

	if (!block)
		return;
	block_make_writable(block);
	block_verify(block);
	block->seed = random_word();
	fill(block->address, block->seed, 0, block->pages);
}

static void do_verify(void)
{
	const struct block *block = block_random();

	if (block)
		block_verify(block);
}

/* One that its parent's death killed has nothing to tell. */
static void child_ended(int status)
{
	if (children)
		children--;
	if (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		atomic_fetch_add(&slot->crashes, 1);
}

static void children_reap(bool wait_for_one)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, wait_for_one ? 0 : WNOHANG)) > 0 ||
	       (pid < 0 && errno == EINTR)) {
		if (pid < 0)
			continue;
		child_ended(status);
		wait_for_one = false;
	}
}

static void child_begin(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(0);
}

static void do_fork(void)
{
	pid_t parent = getpid(), pid;

	children_reap(children == CHILDREN_MAX);
	pid = fork();
	need(pid >= 0);
	children += pid > 0;
	if (pid != 0)
		return;
	child_begin(parent);
	for (size_t i = 0; i < block_count; i++)
		block_verify(&blocks[i]);
	for (size_t i = 0; i < canary_count; i++)
		block_verify(&canaries[i]);
	atomic_fetch_add(&slot->forks, 1);
	_exit(0);
}

/* Contents as the kernel reads them, for whoever execs. */
static void handover_write(void)
{
	const struct block *block = block_random();

	if (!block)
		return;
	block_verify(block);
	slot->handover_version |= 1;
	slot->handover_seed = block->seed;
	slot->handover_pages = block->pages;
	need(pwrite(CHAOS_SLOT_FD, block->address, block->pages * P,
		    (off_t)offsetof(struct chaos_slot, handover)) == (ssize_t)(block->pages * P));
	slot->handover_version++;
}

static void handover_check(void)
{
	static uint64_t copy[CHAOS_HANDOVER_BYTES / sizeof(uint64_t)];
	uint64_t version = slot->handover_version, seed = slot->handover_seed,
		 pages = slot->handover_pages;

	if (!version || version % 2)
		return;
	memcpy(copy, slot->handover, pages * P);
	atomic_thread_fence(memory_order_seq_cst);
	if (slot->handover_version == version)
		verify(copy, seed, pages);
}

static void exec_self(const char *role)
{
	char name[] = "chaos-target", run[] = "run", check[] = "check";
	char *arguments[] = { name, strcmp(role, run) == 0 ? run : check, NULL };

	execve("/proc/self/exe", arguments, environ);
	fail(__LINE__);
}

static int shared_child(void *parent)
{
	char *memory;

	child_begin(*(pid_t *)parent);
	if (random_below(2))
		exec_self("check");
	/* Shares the address space, and changes it. */
	memory = mmap(NULL, BLOCK_PAGES_MIN * P, READ_WRITE, ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	*memory = 1;
	return munmap(memory, BLOCK_PAGES_MIN * P) == 0 ? 0 : 1;
}

/* As vfork(2) does it, without what a compiler makes of a function that returns twice. */
static void do_vfork(void)
{
	char *stack = map(NULL, CHILD_STACK_BYTES / P, ANONYMOUS, -1);
	pid_t parent = getpid();

	handover_write();
	need(clone(shared_child, stack + CHILD_STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD,
		   &parent) > 0);
	children++;
	munmap(stack, CHILD_STACK_BYTES);
	children_reap(children > CHILDREN_MAX);
}

static void do_fork_exec(void)
{
	pid_t parent = getpid(), pid;

	handover_write();
	children_reap(children == CHILDREN_MAX);
	pid = fork();
	need(pid >= 0);
	children += pid > 0;
	if (pid == 0) {
		child_begin(parent);
		exec_self("check");
	}
}

static void *thread_run(void *seed)
{
	random_state = (uint64_t)seed;
	for (int i = 0; i < 8; i++) {
		uint64_t pages = random_pages(), word = random_word();
		char *memory = map(NULL, pages, ANONYMOUS, -1);

		fill(memory, word, 0, pages);
		verify(memory, word, pages);
		need(munmap(memory, pages * P) == 0);
		atomic_fetch_add(&slot->operations, 1);
	}
	/* In the midst of whatever the first thread does. */
	if (random_below(100) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exec_self("run");
	}
	threads--;
	return NULL;
}

static void do_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (threads == THREADS_MAX)
		return;
	threads++;
	atomic_fetch_add(&slot->threads, 1);
	need(pthread_attr_init(&attributes) == 0);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, thread_run, (void *)(random_word() | 1));
	pthread_attr_destroy(&attributes);
	/* EAGAIN: another thread is in the midst of an exec (fs/exec.c, check_unsafe_exec()). */
	need(error == 0 || error == EAGAIN);
	threads -= error != 0;
}

static bool canary_is_swapped(const struct block *canary)
{
	static uint64_t entries[BLOCK_PAGES_MAX];
	size_t size = canary->pages * sizeof(uint64_t);
	bool is_swapped = false;

	/* A page that is being moved to another place looks the same, but not for long. */
	for (int look = 0; look < 3; look++) {
		is_swapped = false;
		need(pread(pagemap_fd, entries, size,
			   (off_t)((uint64_t)canary->address / P * sizeof(uint64_t))) ==
		     (ssize_t)size);
		for (uint64_t i = 0; i < canary->pages; i++)
			is_swapped |= (entries[i] >> 62) & 1;
		if (!is_swapped)
			break;
		sched_yield();
	}
	return is_swapped;
}

static const char *smaps_text(void)
{
	static char text[1 << 20];
	size_t length = 0;
	ssize_t n;

	need(lseek(smaps_fd, 0, SEEK_SET) == 0);
	while ((n = read(smaps_fd, text + length, sizeof(text) - length - 1)) > 0)
		length += (size_t)n;
	need(n == 0);
	text[length] = '\0';
	return text;
}

/* What smaps says of the mapping whose lines begin at @line, up to the next one's. */
static bool smaps_shows(const char *line, enum chaos_sign sign)
{
	const char *end = strstr(line, "\nVmFlags:"), *at = NULL;

	need(end);
	switch (sign) {
	case CHAOS_SIGN_UNREFERENCED:
		at = strstr(line, "\nReferenced:");
		need(at && at < end);
		return strtoul(at + strlen("\nReferenced:"), NULL, 10) == 0;
	case CHAOS_SIGN_NOHUGEPAGE:
		at = strstr(end, " nh");
		break;
	case CHAOS_SIGN_DONTDUMP:
		at = strstr(end, " dd");
		break;
	default:
		break;
	}
	return at && at < strchr(end + 1, '\n');
}

static bool canary_is_marked(const struct block *canary, const char *smaps, enum chaos_sign sign)
{
	uint64_t first = (uint64_t)canary->address, last = first + canary->pages * P;

	for (const char *line = smaps; line && *line; line = strstr(line, "\nVmFlags:")) {
		char *rest;
		uint64_t start;

		if (line != smaps)
			line = strchr(line + 1, '\n') + 1;
		start = strtoull(line, &rest, 16);
		if (*rest == '-' && start >= first && start < last && smaps_shows(line, sign))
			return true;
	}
	return false;
}

static void canaries_place(void)
{
	uint64_t begun;

	slot->epoch++;
	begun = slot->call_begun;
	canary_call = slot->call_ended == begun ? begun + 1 : begun;
	canary_count = 0;
	while (canary_count < CANARIES_MAX && block_count) {
		struct block *block = block_random(), *canary = &canaries[canary_count];
		int flags = MAP_PRIVATE | MAP_FIXED;

		*canary = *block;
		block_verify(block);
		block_drop(block);
		if (random_below(2)) {
			need(munmap(canary->address, canary->pages * P) == 0);
			flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
		}
		/* A thread may have been there first. */
		if (mmap(canary->address, canary->pages * P, READ_WRITE, flags, canary_fd, 0) ==
		    MAP_FAILED) {
			need(errno == EEXIST);
			continue;
		}
		canary->seed = random_word();
		fill(canary->address, canary->seed, 0, canary->pages);
		canary_count++;
	}
	slot->canaries += canary_count;
	/* Out of the processor's batch of new pages, which advice passes over. */
	do_map();
	do_map();
}

static void canaries_remove(void)
{
	uint64_t call = slot->call_begun ? canary_call : slot->epoch / 2;
	enum chaos_sign sign = slot->signs[call % 2];
	const char *smaps = NULL;
	bool is_hit;

	/* A canary that no call can have met needs no look; without calls each is looked at. */
	if (slot->call_begun && slot->call_begun < canary_call)
		sign = CHAOS_SIGN_NONE;
	if (sign != CHAOS_SIGN_NONE && sign != CHAOS_SIGN_SWAPPED)
		smaps = smaps_text();
	for (size_t i = 0; i < canary_count; i++) {
		const struct block *canary = &canaries[i];

		is_hit = sign == CHAOS_SIGN_SWAPPED ? canary_is_swapped(canary)
			 : smaps		    ? canary_is_marked(canary, smaps, sign)
						    : false;
		if (is_hit) {
			slot->hits[slot->hit_count % CHAOS_HITS] = (struct chaos_hit){
				.call = canary_call,
				.start = (uint64_t)canary->address,
			};
			slot->hit_count++;
		}
		block_verify(canary);
		map(canary->address, canary->pages, ANONYMOUS | MAP_FIXED, -1);
		block_add(canary->address, canary->pages);
	}
	canary_count = 0;
	slot->epoch++;
}

static void do_exec(void)
{
	canaries_remove();
	handover_write();
	exec_self("run");
}

static void do_exit(void)
{
	canaries_remove();
	handover_write();
	while (children)
		children_reap(true);
	_exit(0);
}

static const struct {
	void (*run)(void);
	unsigned int weight;
} operations[] = {
	{ do_map, 300 },     { do_unmap, 150 },	  { do_resize, 120 }, { do_move, 80 },
	{ do_protect, 120 }, { do_replace, 120 }, { do_write, 80 },   { do_verify, 120 },
	{ do_thread, 30 },   { do_fork, 12 },	  { do_vfork, 12 },   { do_fork_exec, 3 },
	{ do_exec, 2 },	     { do_exit, 1 },
};

static void operate(bool may_end)
{
	uint64_t sum = 0, pick;
	size_t i = 0;

	for (size_t j = 0; j < sizeof(operations) / sizeof(operations[0]); j++)
		sum += operations[j].weight;
	for (pick = random_below(sum); pick >= operations[i].weight; i++)
		pick -= operations[i].weight;
	if (!may_end && (operations[i].run == do_exec || operations[i].run == do_exit))
		return;
	operations[i].run();
	atomic_fetch_add(&slot->operations, 1);
}

static void begin(void)
{
	random_state = slot->seed * 0x9e3779b97f4a7c15ull + slot->execs * 0xbf58476d1ce4e5b9ull + 1;
	slot->execs++;
	slot->epoch += slot->epoch % 2;
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	smaps_fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	canary_fd = memfd_create("canary", MFD_CLOEXEC);
	need(pagemap_fd >= 0 && smaps_fd >= 0 && canary_fd >= 0);
	need(ftruncate(canary_fd, (off_t)(BLOCK_PAGES_MAX * P)) == 0);
	for (size_t i = 0; i < BLOCKS_MAX / 2; i++)
		do_map();
}

int main(int argc, char **argv)
{
	uint64_t held_for = 0;

	slot = mmap(NULL, sizeof(*slot), READ_WRITE, MAP_SHARED, CHAOS_SLOT_FD, 0);
	need(argc == 2 && slot != MAP_FAILED);
	handover_check();
	if (strcmp(argv[1], "run") != 0)
		return 0;
	child_begin(slot->manager);
	begin();
	for (;;) {
		uint64_t provoke = slot->provoke;

		if (provoke > slot->provoked) {
			if (slot->epoch % 2)
				canaries_remove();
			canaries_place();
			held_for = provoke;
			slot->provoked = provoke;
		} else if (slot->epoch % 2 == 0) {
			canaries_place();
		}
		for (uint64_t i = 8 + random_below(24); i; i--)
			operate(slot->call_ended >= held_for);
		if (slot->call_ended >= held_for)
			canaries_remove();
		children_reap(false);
	}
}
