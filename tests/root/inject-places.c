/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a target's stack pointer may be: what is kept near it must not be overwritten, whether the one who
 * injects lives or dies; and where that cannot be known, nothing is done.
 */
#include "child.h"
#include "clock.h"
#include "inject-driver.h"
#include "inject.h"
#include "tap.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SIZE 65536u
#define KEPT_BYTES (512u << 10)

enum { IS_THERE, RELEASED, WRONG, ABORTED, GENERATION, ENTERED };
enum { MEMORY, THREAD_ID };

static struct child_shared *the_shared;

static uint64_t load(const struct child *child, int index)
{
	return __atomic_load_n(&child->shared->number[index], __ATOMIC_SEQ_CST);
}

static void fill(unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 7 + 1);
}

static uint64_t count_wrong(const unsigned char *bytes, size_t size)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < size; i++)
		wrong += bytes[i] != (unsigned char)(i * 7 + 1);
	return wrong;
}

/* In user mode, with the stack pointer where it is, until the test has done its part. */
static void stay(void)
{
	volatile uint64_t *number = the_shared->number;

	__atomic_add_fetch(&number[IS_THERE], 1, __ATOMIC_SEQ_CST);
	while (!number[RELEASED])
		;
}

static void map_memory(struct child_shared *shared)
{
	the_shared = shared;
	shared->address[MEMORY] = (uintptr_t)mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
						  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* --- stacks of a program's own making -------------------------------------------------------------- */

static ucontext_t outside, inside;

static void coroutine(void)
{
	stay();
}

static void run_on(unsigned char *stack, size_t size)
{
	getcontext(&inside);
	inside.uc_stack.ss_sp = stack;
	inside.uc_stack.ss_size = size;
	inside.uc_link = &outside;
	makecontext(&inside, coroutine, 0);
	swapcontext(&outside, &inside);
}

/* What is below and above the part of it that a coroutine runs on is kept, and so is that of the rest. */
__attribute__((noinline)) static long run_inside(unsigned char *memory)
{
	const size_t begin = KEPT_BYTES / 2, size = 4096;
	uint64_t wrong;

	fill(memory, KEPT_BYTES);
	run_on(memory + begin, size);
	wrong = count_wrong(memory, begin);
	for (size_t i = begin + size; i < KEPT_BYTES; i++)
		wrong += memory[i] != (unsigned char)(i * 7 + 1);
	return (long)wrong;
}

static long on_heap(void)
{
	unsigned char *memory = malloc(KEPT_BYTES);
	long wrong = run_inside(memory);

	free(memory);
	return wrong;
}

static long on_mapping(void)
{
	unsigned char *memory = mmap(NULL, KEPT_BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	long wrong = run_inside(memory);

	munmap(memory, KEPT_BYTES);
	return wrong;
}

/* Untouched but for its upper end, with a guard below it: like a thread's, but for the thread. */
static long on_guarded_mapping(void)
{
	unsigned char *memory =
		mmap(NULL, KEPT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	mprotect(memory + 65536, KEPT_BYTES - 65536, PROT_READ | PROT_WRITE);
	run_on(memory + 65536, KEPT_BYTES - 65536);
	munmap(memory, KEPT_BYTES);
	return 0;
}

/* As deep as it ever was, and yet the stack pointer is further up. */
static long on_own_stack(void)
{
	unsigned char memory[KEPT_BYTES];

	return run_inside(memory);
}

static long plainly(void)
{
	stay();
	return 0;
}

__attribute__((noinline)) static void go_deep(void)
{
	unsigned char memory[KEPT_BYTES * 2];

	fill(memory, sizeof(memory));
	__asm__ volatile("" : : "r"(memory) : "memory");
}

/* Its stack has been used down to the beginning of its mapping. */
static long after_depth(void)
{
	go_deep();
	stay();
	return 0;
}

/* The same, on a stack within the stack. */
static long inside_after_depth(void)
{
	go_deep();
	return on_own_stack();
}

/* And it is that deep now. */
static long in_depth(void)
{
	struct rlimit limit = { KEPT_BYTES * 2, KEPT_BYTES * 2 };
	unsigned char memory[KEPT_BYTES * 2 - (160u << 10)];

	setrlimit(RLIMIT_STACK, &limit);
	fill(memory, sizeof(memory));
	stay();
	return (long)count_wrong(memory, sizeof(memory));
}

/*
 * The mapping that the stack pointer is in becomes two, as by advice for a part of it: @distance bytes below
 * the stack pointer or, if negative, above it.
 */
__attribute__((noinline)) static void cut(ptrdiff_t distance)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	must(madvise((void *)((here - (uintptr_t)distance) & -page), page, MADV_RANDOM) == 0);
}

static long above_cut(void)
{
	cut(64 << 10);
	return plainly();
}

static long above_cut_after_depth(void)
{
	go_deep();
	cut(256 << 10);
	return plainly();
}

static long below_cut(void)
{
	unsigned char memory[KEPT_BYTES];

	fill(memory, sizeof(memory));
	go_deep();
	cut(-(128 << 10));
	stay();
	return (long)count_wrong(memory, sizeof(memory));
}

static long (*const runs[])(void) = {
	on_heap,     on_mapping,	 on_guarded_mapping, on_own_stack, plainly,
	after_depth, inside_after_depth, in_depth,	     above_cut,	   above_cut_after_depth,
	below_cut,
};

static long run(int what, struct child_shared *shared)
{
	return runs[what]();
}

/* It is tried until the target has come back from where the last death has left it. */
static bool die_once(struct memhint_process *process, const struct iovec *range, int stops)
{
	uint64_t deadline_usec = clock_usec() + 20000000;
	int r;

	do
		r = die_injecting(process, range, MADV_NORMAL, stops);
	while (r == -EBUSY && clock_usec() < deadline_usec);
	return r == 1;
}

static void test_place(int what, bool is_possible, bool has_deaths, const char *name)
{
	struct memhint_process *process;
	struct iovec range;
	struct child child;
	unsigned int died = 0;
	ssize_t want = is_possible ? (ssize_t)SIZE : -EBUSY;
	long wrong;

	child_start(&child, map_memory, run);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	range = (struct iovec){ (void *)(uintptr_t)child.shared->address[MEMORY], SIZE };
	must(write(child.command_fd, &what, sizeof(what)) == sizeof(what));
	while (!load(&child, IS_THERE))
		sched_yield();
	for (int i = 0; i < 5; i++)
		is(inject_once(process, &range, 1, MADV_NORMAL), want, "%s", name);
	for (int stops = 0; stops < DEATHS && has_deaths; stops++)
		died += die_once(process, &range, stops);
	is(died, has_deaths ? DEATHS : 0, "and with deaths on the way");
	child.shared->number[RELEASED] = 1;
	if (read(child.answer_fd, &wrong, sizeof(wrong)) != sizeof(wrong))
		wrong = -1;
	is(wrong, 0, "nothing of the target's was overwritten");
	memhint_process_close(process);
	child_end(&child);
}

/* --- threads --------------------------------------------------------------------------------------- */

static void *stay_in_thread(void *data)
{
	stay();
	return NULL;
}

static size_t stack_bytes;

/* The main thread runs where nothing can be put, so that it is the other one's turn. */
static long with_thread(int what, struct child_shared *shared)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack_bytes);
	if (pthread_create(&thread, &attributes, stay_in_thread, NULL) != 0)
		return -1;
	on_heap();
	return -pthread_join(thread, NULL);
}

static void test_thread(size_t bytes, bool is_possible)
{
	struct memhint_process *process;
	struct iovec range;
	struct child child;
	unsigned int given = 0;
	int what = 0;
	long result;

	stack_bytes = bytes;
	child_start(&child, map_memory, with_thread);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	range = (struct iovec){ (void *)(uintptr_t)child.shared->address[MEMORY], SIZE };
	must(write(child.command_fd, &what, sizeof(what)) == sizeof(what));
	/* Both threads: the main one is not to be of use. */
	while (load(&child, IS_THERE) < 2)
		sched_yield();
	/* More often than its stack has pages. */
	for (int i = 0; i < 300; i++)
		given += inject_once(process, &range, 1, MADV_NORMAL) ==
			 (is_possible ? (ssize_t)SIZE : -EBUSY);
	is(given, 300, "another thread, with a stack of %zu bytes", bytes);
	for (int stops = 0; stops < DEATHS; stops++)
		ok(!is_possible || die_once(process, &range, stops), "and with a death on the way");
	child.shared->number[RELEASED] = 1;
	must(read(child.answer_fd, &result, sizeof(result)) == sizeof(result));
	is(result, 0, "it goes on");
	memhint_process_close(process);
	child_end(&child);
}

/* Its stack is the upper part of what the program has mapped, and was used down to its beginning. */
static void *stay_deep_in_thread(void *data)
{
	unsigned char *low = data, *here = __builtin_frame_address(0);

	for (unsigned char *page = low; page < here - 16384; page += 4096)
		*(volatile unsigned char *)page = 0;
	stay();
	return NULL;
}

/* What is mapped below it is the program's, though nothing was written there yet. */
static long with_given_stack(int what, struct child_shared *shared)
{
	/* Alone, as what is to be below such a stack in memory must be free to be taken for one's own. */
	unsigned char *gap =
		mmap(NULL, 4 * KEPT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *memory = gap + KEPT_BYTES;
	pthread_attr_t attributes;
	pthread_t thread;
	long wrong = 0;

	mprotect(memory, 2 * KEPT_BYTES, PROT_READ | PROT_WRITE);
	madvise(memory, 2 * KEPT_BYTES, MADV_NOHUGEPAGE);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, memory + KEPT_BYTES, KEPT_BYTES);
	if (pthread_create(&thread, &attributes, what ? stay_deep_in_thread : stay_in_thread,
			   memory + KEPT_BYTES) != 0)
		return -1;
	on_heap();
	if (pthread_join(thread, NULL) != 0)
		return -1;
	for (size_t i = 0; i < KEPT_BYTES; i++)
		wrong += memory[i] != 0;
	return wrong;
}

static void test_given_stack(int is_deep)
{
	struct memhint_process *process;
	struct iovec range;
	struct child child;
	long wrong;

	child_start(&child, map_memory, with_given_stack);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	range = (struct iovec){ (void *)(uintptr_t)child.shared->address[MEMORY], SIZE };
	must(write(child.command_fd, &is_deep, sizeof(is_deep)) == sizeof(is_deep));
	while (load(&child, IS_THERE) < 2)
		sched_yield();
	is(inject_once(process, &range, 1, MADV_NORMAL), is_deep ? -EBUSY : (ssize_t)SIZE,
	   "a thread on a stack that it was given%s", is_deep ? ", and has used up" : "");
	child.shared->number[RELEASED] = 1;
	must(read(child.answer_fd, &wrong, sizeof(wrong)) == sizeof(wrong));
	is(wrong, 0, "nothing is written to what lies below it");
	memhint_process_close(process);
	child_end(&child);
}

/* --- threads that others wait for ------------------------------------------------------------------ */

static int faults_fd;

static void *serve_faults(void *data)
{
	static unsigned char page[4096] __attribute__((aligned(4096)));
	struct uffd_msg message;

	while (read(faults_fd, &message, sizeof(message)) == sizeof(message)) {
		struct uffdio_copy copy = {
			.dst = message.arg.pagefault.address & ~4095ull,
			.src = (uintptr_t)page,
			.len = sizeof(page),
		};

		ioctl(faults_fd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

/* The call that is run in it can only end if another thread runs. */
static long with_faults(int what, struct child_shared *shared)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { shared->address[MEMORY], SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;

	faults_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults_fd < 0 || ioctl(faults_fd, UFFDIO_API, &api) < 0 ||
	    ioctl(faults_fd, UFFDIO_REGISTER, &range) < 0 ||
	    pthread_create(&thread, NULL, serve_faults, NULL) != 0)
		return -1;
	stay();
	return 0;
}

static void test_faults(void)
{
	struct memhint_process *process;
	struct iovec range;
	struct child child;
	int what = 0, fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	long result;

	if (fd < 0) {
		skip_one("a thread that serves page faults", "no userfaultfd(2) here");
		return;
	}
	close(fd);
	child_start(&child, map_memory, with_faults);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	range = (struct iovec){ (void *)(uintptr_t)child.shared->address[MEMORY], SIZE };
	must(write(child.command_fd, &what, sizeof(what)) == sizeof(what));
	while (!load(&child, IS_THERE))
		sched_yield();
	is(inject_once(process, &range, 1, MADV_POPULATE_READ), (ssize_t)SIZE,
	   "pages that another thread of it provides");
	child.shared->number[RELEASED] = 1;
	must(read(child.answer_fd, &result, sizeof(result)) == sizeof(result));
	is(result, 0, "it goes on");
	memhint_process_close(process);
	child_end(&child);
}

#ifdef __x86_64__
/* --- restartable sequences ------------------------------------------------------------------------- */

/*
 * Notes the generation, works a while, and compares: all as one sequence. Was it interrupted, then its abort
 * handler runs, and nothing is compared.
 */
static long run_sequences(int what, struct child_shared *shared)
{
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	volatile uint64_t *number = shared->number;

	number[IS_THERE] = 1;
	while (!number[RELEASED]) {
		volatile uint64_t *generation = &number[GENERATION];

		__asm__ volatile goto(".pushsection .data\n"
				      "	.balign 32\n"
				      "3:	.long 0, 0\n"
				      "	.quad 1f, 2f - 1f, 4f\n"
				      ".popsection\n"
				      "	lea 3b(%%rip), %%rax\n"
				      "	mov %%rax, %0\n"
				      "1:\n"
				      "	mov (%1), %%rcx\n"
				      "	mov $20000, %%rdx\n"
				      "5:	dec %%rdx\n"
				      "	jnz 5b\n"
				      "	cmp (%1), %%rcx\n"
				      "	jne %l[differs]\n"
				      "2:\n"
				      "	jmp 6f\n"
				      "	.long %c2\n"
				      "4:	jmp %l[aborted]\n"
				      "6:\n"
				      :
				      : "m"(area->rseq_cs), "r"(generation), "i"(RSEQ_SIG)
				      : "rax", "rcx", "rdx", "memory", "cc"
				      : differs, aborted);
		number[ENTERED]++;
		continue;
	differs:
		number[WRONG]++;
		continue;
	aborted:
		number[ABORTED]++;
	}
	return (long)number[WRONG];
}

static void test_sequences(void)
{
	struct memhint_process *process;
	struct injector *injector;
	struct iovec range;
	unsigned int given = 0;
	struct child child;
	int what = 0;
	long wrong;

	if (__rseq_size == 0) {
		skip_one("restartable sequences", "libc has not registered any");
		return;
	}
	child_start(&child, map_memory, run_sequences);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(inject_open(process, &injector) == 0);
	range = (struct iovec){ (void *)(uintptr_t)child.shared->address[MEMORY], SIZE };
	must(write(child.command_fd, &what, sizeof(what)) == sizeof(what));
	while (!load(&child, IS_THERE))
		sched_yield();
	for (int i = 0; i < 200; i++) {
		struct trace trace;

		must(trace_begin(&trace, process) == 0);
		must(trace_wait(&trace, clock_usec() + 20000000) == 0);
		if (inject_begin(injector, &trace) == 0) {
			given += inject_advise(injector, &range, 1, MADV_NORMAL) == (ssize_t)SIZE;
			__atomic_add_fetch(&child.shared->number[GENERATION], 1, __ATOMIC_SEQ_CST);
			inject_end(injector);
		}
		trace_end(&trace);
	}
	is(given, 200, "given 200 times, mostly inside a restartable sequence");
	child.shared->number[RELEASED] = 1;
	must(read(child.answer_fd, &wrong, sizeof(wrong)) == sizeof(wrong));
	is(wrong, 0, "no sequence has gone on after it");
	ok(load(&child, ABORTED) > 0, "%llu were aborted, %llu ran to their end",
	   (unsigned long long)load(&child, ABORTED), (unsigned long long)load(&child, ENTERED));
	inject_close(injector);
	memhint_process_close(process);
	child_end(&child);
}
#endif

int main(void)
{
	struct rlimit limit;

	/* The depth that is tried needs some megabytes. */
	must(getrlimit(RLIMIT_STACK, &limit) == 0);
	if (limit.rlim_cur < (4u << 20))
		skip_all("stacks of less than 4 MiB");
	test_place(0, false, false, "on a stack in the heap");
	test_place(1, false, false, "on a stack in a mapping");
	test_place(2, false, false, "on one with a guard");
	test_place(3, true, false, "on a stack within the stack");
	test_place(4, true, true, "on the stack");
	test_place(5, true, true, "on a stack that was much deeper");
	test_place(6, true, true, "on a stack within one that was");
	test_place(7, false, false, "at the bottom of a stack");
	test_place(8, true, true, "on a stack of several mappings");
	test_place(9, true, true, "on one that was much deeper");
	test_place(10, true, true, "on one of which another mapping is the upper end");
	test_thread(1u << 20, true);
	test_thread(32u << 10, false);
	test_given_stack(0);
	test_given_stack(1);
	test_faults();
#ifdef __x86_64__
	test_sequences();
#endif
	return done_testing();
}
