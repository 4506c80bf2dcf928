/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers and instructions of x86-64 and i386, as far as both are alike. */
#include "inject-x86.h"

#include <asm/sigcontext.h>
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* include/linux/errno.h of the kernel: what an interrupted system call leaves for its way out. */
enum {
	RESTART_SYS = -512,
	RESTART_NO_INTR = -513,
	RESTART_NO_HAND = -514,
	RESTART_BLOCK = -516,
};

/* Intel SDM vol. 1, chapter 13: the layout of XSAVE, and bit 18 of it, which grows on demand. */
enum { XSTATE_LEAF = 0xd, XSTATE_MIN_BYTES = 576, XSTATE_COMPONENTS = 63 };
#define XSTATE_TILE_DATA (1ull << 18)
#define XSTATE_LEGACY 3ull /* x87 and SSE, at the beginning */

static const struct x86_abi *const abis[] = { &x86_64_abi, &i386_abi };

static const struct x86_abi *x86_of(const struct inject_abi *abi)
{
	return (const struct x86_abi *)abi;
}

bool inject_arch_is_built(void)
{
	return true;
}

const struct inject_abi *inject_arch_abi(const unsigned char *header, size_t size)
{
	if (size < 20 || memcmp(header, ELFMAG, SELFMAG) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		/* x32 is a small class of the large machine, so both are compared. */
		if (header[EI_CLASS] == abis[i]->class && header[18] == abis[i]->machine &&
		    header[19] == 0)
			return &abis[i]->abi;
	}
	return NULL;
}

static bool starts_with(const unsigned char *text, size_t size, const unsigned char *pattern,
			size_t length)
{
	return size >= length && memcmp(text, pattern, length) == 0;
}

/* mov $rt_sigreturn, %eax or %rax, then the call: bytes, 0 if it is not there. */
static unsigned int restorer_at(const struct x86_abi *x86, const unsigned char *text, size_t size)
{
	unsigned char number = (unsigned char)x86->abi.nr_rt_sigreturn;
	unsigned char narrow[] = { 0xb8, number, 0, 0, 0, x86->call[0], x86->call[1] };
	unsigned char wide[] = { 0x48, 0xc7, 0xc0, number, 0, 0, 0, x86->call[0], x86->call[1] };

	if (starts_with(text, size, narrow, sizeof(narrow)))
		return sizeof(narrow);
	if (x86 == &x86_64_abi && starts_with(text, size, wide, sizeof(wide)))
		return sizeof(wide);
	return 0;
}

/* The call, then ret; with pops of ebp, edx and ecx between, as the vDSO has it for i386. */
static bool call_at(const struct x86_abi *x86, const unsigned char *text, size_t size,
		    unsigned int *ret_pops)
{
	unsigned char plain[] = { x86->call[0], x86->call[1], 0xc3 };
	unsigned char popping[] = { x86->call[0], x86->call[1], 0x5d, 0x5a, 0x59, 0xc3 };

	if (starts_with(text, size, plain, sizeof(plain)))
		*ret_pops = 0;
	else if (x86 == &i386_abi && starts_with(text, size, popping, sizeof(popping)))
		*ret_pops = 3;
	else
		return false;
	return true;
}

void inject_arch_find(const struct inject_abi *abi, const unsigned char *text, size_t size,
		      uint64_t address, struct inject_code *code)
{
	const struct x86_abi *x86 = x86_of(abi);

	for (size_t i = 0; i < size && !(code->call && code->restorer); i++) {
		unsigned int pops, bytes;

		if (!code->call && call_at(x86, text + i, size - i, &pops)) {
			code->call = address + i;
			code->pops = pops;
		}
		if (code->restorer)
			continue;
		bytes = restorer_at(x86, text + i, size - i);
		if (bytes) {
			code->restorer = address + i;
			code->restorer_bytes = bytes;
		}
	}
}

ssize_t x86_regset_read(pid_t tid, int set, void *buffer, size_t size)
{
	struct iovec vector = { .iov_base = buffer, .iov_len = size };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)(intptr_t)set, &vector) < 0)
		return -errno;
	return (ssize_t)vector.iov_len;
}

int inject_arch_get(pid_t tid, struct inject_registers *ret_registers)
{
	struct inject_registers registers = {};
	struct x86_common common;
	ssize_t n = x86_regset_read(tid, NT_PRSTATUS, registers.bytes, sizeof(registers.bytes));

	if (n < 0)
		return (int)n;
	registers.size = (size_t)n;
	/* The kernel gives the set that fits the code segment which the thread runs in. */
	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		if (registers.size < abis[i]->set_bytes)
			continue;
		registers.abi = &abis[i]->abi;
		abis[i]->get(&registers, &common);
		if (common.cs != (i == 0 ? X86_USER_CS_64 : X86_USER_CS_32))
			return -EOPNOTSUPP;
		*ret_registers = registers;
		return 0;
	}
	return -EOPNOTSUPP;
}

int inject_arch_set(pid_t tid, const struct inject_registers *registers)
{
	/*
	 * A copy that was just written: the kernel must not have to wait for its page, as it would
	 * then stop in the middle when the caller is killed.
	 */
	struct inject_registers copy = *registers;
	struct iovec vector = { .iov_base = copy.bytes,
				.iov_len = x86_of(registers->abi)->set_bytes };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &vector) < 0 ? -errno : 0;
}

static struct x86_common common_of(const struct inject_registers *registers)
{
	struct x86_common common;

	x86_of(registers->abi)->get(registers, &common);
	return common;
}

uint64_t inject_arch_instruction(const struct inject_registers *registers)
{
	return common_of(registers).ip;
}

void inject_arch_set_instruction(struct inject_registers *registers, uint64_t address)
{
	struct x86_common common = common_of(registers);

	common.ip = address;
	x86_of(registers->abi)->put(registers, &common);
}

uint64_t inject_arch_stack(const struct inject_registers *registers)
{
	return common_of(registers).sp;
}

int inject_arch_check(pid_t tid, const struct inject_registers *registers, const char *status)
{
	/* "shstk" among the features: a return to where no call came from is a fault there. */
	const char *line = strstr(status, "\nx86_Thread_features:");
	const char *end = line ? strchr(line + 1, '\n') : NULL;
	const char *found = line ? strstr(line, "shstk") : NULL;

	return found && (!end || found < end) ? -EOPNOTSUPP : 0;
}

bool x86_is_in(const uint32_t *numbers, size_t count, int64_t number)
{
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] == number)
			return true;
	}
	return false;
}

static bool is_restarting(const struct x86_abi *x86, int64_t call)
{
	for (size_t i = 0; i < x86->restarting_count; i++) {
		const struct restart_calls *calls = &x86->restarting[i];

		if (call >= 0 && (call == calls->nanosleep || call == calls->clock_nanosleep ||
				  call == calls->futex || call == calls->poll))
			return true;
	}
	return false;
}

/*
 * A call that was interrupted before goes on by restart_syscall(2), and then its number is no longer in
 * the registers. But it is in the code of most wrappers, and its arguments are there.
 */
static int64_t restarted_call(const struct inject_thread *thread, const struct x86_abi *x86,
			      const struct x86_common *common)
{
	int64_t call = x86->call_of_wrapper(thread, common);

	if (is_restarting(x86, call))
		return call;
	return restart_call_of(thread->memory_fd, x86->abi.word_bytes, x86->restarting,
			       x86->restarting_count, common->arguments);
}

/*
 * Does what the kernel does on the way out of an interrupted system call if no handler is to run. It
 * would go on with what is left of a time-out; a signal return forgets how much that was, so here the
 * call is made anew. 0, or -EBUSY: it was going on already, and as what cannot be told.
 */
static int begin_anew(const struct inject_thread *thread, struct inject_registers *registers)
{
	const struct x86_abi *x86 = x86_of(registers->abi);
	struct x86_common common = common_of(registers);

	if (common.call == -1)
		return 0;
	switch (common.ax) {
	case RESTART_SYS:
	case RESTART_NO_INTR:
	case RESTART_NO_HAND:
		common.ax = common.call;
		break;
	case RESTART_BLOCK:
		common.ax = common.call;
		if ((uint32_t)common.call == x86->restart_syscall)
			common.ax = restarted_call(thread, x86, &common);
		if (common.ax < 0)
			return -EBUSY;
		break;
	default:
		return 0;
	}
	common.ip -= sizeof(x86->call);
	x86->put(registers, &common);
	return 0;
}

int inject_arch_frame(const struct inject_thread *thread, const struct inject_registers *registers,
		      uint64_t mask, const struct inject_code *code, uint64_t top,
		      struct inject_frame *ret_frame, struct inject_registers *ret_call)
{
	struct inject_registers after = *registers;
	int r = begin_anew(thread, &after);

	if (r < 0)
		return r;
	return x86_of(registers->abi)->frame(thread, &after, mask, code, top, ret_frame, ret_call);
}

static size_t xstate_max(void)
{
	unsigned int a, b, c = 0, d;

	return __get_cpuid_count(XSTATE_LEAF, 0, &a, &b, &c, &d) && c > XSTATE_MIN_BYTES
		       ? c
		       : XSTATE_MIN_BYTES;
}

size_t inject_arch_frame_max(void)
{
	/* The rest of the frame is less than half a KiB; two alignments. */
	return xstate_max() + 1024;
}

/* Bytes that these components take up in the layout of XSAVE. */
static size_t xstate_bytes(uint64_t components)
{
	size_t bytes = XSTATE_MIN_BYTES;

	for (unsigned int i = 2; i < XSTATE_COMPONENTS; i++) {
		unsigned int size, offset, c, d;

		if (!(components & (1ull << i)) ||
		    !__get_cpuid_count(XSTATE_LEAF, i, &size, &offset, &c, &d))
			continue;
		if (offset + size > bytes)
			bytes = offset + size;
	}
	return bytes;
}

int x86_fpu_read(pid_t tid, size_t legacy_bytes, struct x86_fpu *ret_fpu)
{
	size_t capacity = xstate_max() + X86_FPU_EXTRA;
	unsigned char *data = calloc(1, capacity);
	uint32_t magic = FP_XSTATE_MAGIC2;
	uint64_t components, in_use;
	struct _fpx_sw_bytes reserved = { .magic1 = FP_XSTATE_MAGIC1 };
	size_t size;
	ssize_t n;

	if (!data)
		return -ENOMEM;
	n = x86_regset_read(tid, NT_X86_XSTATE, data, capacity - X86_FPU_EXTRA);
	if (n < XSTATE_MIN_BYTES) {
		free(data);
		return n < 0 ? (int)n : -EOPNOTSUPP;
	}
	/*
	 * What the kernel calls the components of user mode is where the signal frame says its size. A
	 * thread that has not used the tile registers has no room for them, and a frame that is
	 * larger than its thread's state is not read whole: so they are left out unless in use.
	 */
	memcpy(&components, data + offsetof(struct _fpstate_64, sw_reserved), sizeof(components));
	memcpy(&in_use, data + sizeof(struct _fpstate_64), sizeof(in_use));
	components |= XSTATE_LEGACY;
	if (!(in_use & XSTATE_TILE_DATA))
		components &= ~XSTATE_TILE_DATA;
	size = xstate_bytes(components);
	if (size > (size_t)n) {
		free(data);
		return -EOPNOTSUPP;
	}
	reserved.xfeatures = components;
	reserved.xstate_size = (uint32_t)size;
	reserved.extended_size = (uint32_t)(size + X86_FPU_EXTRA + legacy_bytes);
	memcpy(data + offsetof(struct _fpstate_64, sw_reserved), &reserved, sizeof(reserved));
	memcpy(data + size, &magic, sizeof(magic));
	*ret_fpu = (struct x86_fpu){ .data = data, .size = size + X86_FPU_EXTRA };
	return 0;
}

void inject_arch_set_call(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
			  size_t count)
{
	x86_of(call->abi)->set_call(call, number, arguments, count);
}

int64_t inject_arch_result(const struct inject_registers *registers)
{
	return common_of(registers).ax;
}

int inject_arch_look(const struct inject_thread *thread, struct inject_registers *registers)
{
	return 0;
}

int inject_arch_enter(const struct inject_thread *thread, const struct inject_code *code,
		      struct inject_registers *call)
{
	return 0;
}

int inject_arch_restore(const struct inject_thread *thread,
			const struct inject_registers *registers,
			const struct inject_registers *call)
{
	return inject_arch_set(thread->tid, registers);
}

bool inject_arch_restores_all(const struct inject_registers *call)
{
	return true;
}

int inject_arch_leave(const struct inject_thread *thread, const struct inject_registers *registers,
		      const struct inject_registers *call)
{
	int r = inject_thread_hold(thread);

	return r == 0 ? inject_arch_restore(thread, registers, call) : r;
}

int inject_arch_mend(pid_t tid)
{
	struct inject_registers registers;
	struct x86_common common;
	int r = inject_arch_get(tid, &registers);

	if (r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	common = common_of(&registers);
	if (common.ax != -EINTR || !x86_of(registers.abi)->is_interrupted(&common))
		return 0;
	common.ax = RESTART_NO_HAND;
	x86_of(registers.abi)->put(&registers, &common);
	r = inject_arch_set(tid, &registers);
	return r < 0 ? r : 1;
}
