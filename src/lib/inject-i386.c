/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers and signal frames of 32-bit programs. Sources: arch/x86/include/asm/sigframe.h, signal_32.c. */
#include "inject-x86.h"

#include <asm/ldt.h>
#include <asm/sigcontext.h>
#include <asm/unistd_32.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/ipc.h>
#include <linux/net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

/* struct user_regs_struct32 of arch/x86/include/asm/user32.h. */
struct registers_32 {
	uint32_t bx, cx, dx, si, di, bp, ax;
	uint32_t ds, es, fs, gs;
	uint32_t orig_ax, ip, cs, flags, sp, ss;
};

/* struct rt_sigframe_ia32; 4 bytes off an alignment of 16, as after a call. */
struct frame_32 {
	uint32_t restorer;
	uint32_t signal;
	uint32_t siginfo_address;
	uint32_t ucontext_address;
	unsigned char siginfo[128];
	uint32_t uc_flags;
	uint32_t uc_link;
	uint32_t ss_sp;
	uint32_t ss_flags;
	uint32_t ss_size;
	struct sigcontext_32 context;
	uint32_t mask[2];
	unsigned char code[8];
};

/* struct fregs_state: the 108 bytes of FSAVE, a copy of the status word, and no magic. */
struct fsave_state {
	uint32_t words[27];
	uint16_t status;
	uint16_t magic;
};

static struct registers_32 read_registers(const struct inject_registers *registers)
{
	struct registers_32 user;

	memcpy(&user, registers->bytes, sizeof(user));
	return user;
}

static void get(const struct inject_registers *registers, struct x86_common *ret_common)
{
	struct registers_32 user = read_registers(registers);

	*ret_common = (struct x86_common){
		.ax = (int32_t)user.ax,
		.call = (int32_t)user.orig_ax,
		.ip = user.ip,
		.sp = user.sp,
		.cs = user.cs,
		.arguments = { user.bx, user.cx, user.dx, user.si },
	};
}

static void put(struct inject_registers *registers, const struct x86_common *common)
{
	struct registers_32 user = read_registers(registers);

	user.ax = (uint32_t)common->ax;
	user.orig_ax = (uint32_t)common->call;
	user.ip = (uint32_t)common->ip;
	memcpy(registers->bytes, &user, sizeof(user));
}

static void fill_context(struct sigcontext_32 *context, const struct registers_32 *user)
{
	context->gs = (uint16_t)user->gs;
	context->fs = (uint16_t)user->fs;
	context->es = (uint16_t)user->es;
	context->ds = (uint16_t)user->ds;
	context->di = user->di;
	context->si = user->si;
	context->bp = user->bp;
	context->sp = user->sp;
	context->bx = user->bx;
	context->dx = user->dx;
	context->cx = user->cx;
	context->ax = user->ax;
	context->ip = user->ip;
	context->cs = (uint16_t)user->cs;
	context->flags = user->flags;
	context->sp_at_signal = user->sp;
	context->ss = (uint16_t)user->ss;
}

static int frame(const struct inject_thread *thread, const struct inject_registers *registers,
		 uint64_t mask, const struct inject_code *code, uint64_t top,
		 struct inject_frame *ret_frame, struct inject_registers *ret_call)
{
	struct registers_32 user = read_registers(registers);
	struct fsave_state fsave = {};
	uint64_t fpu_address, fsave_address, address, start;
	struct frame_32 built = {};
	unsigned char *data;
	struct x86_fpu fpu;
	int r;

	if (x86_regset_read(thread->tid, NT_PRFPREG, fsave.words, sizeof(fsave.words)) !=
	    (ssize_t)sizeof(fsave.words))
		return -EOPNOTSUPP;
	fsave.status = (uint16_t)fsave.words[1];
	r = x86_fpu_read(thread->tid, sizeof(fsave), &fpu);
	if (r < 0)
		return r;
	fpu_address = (top - fpu.size) & ~63ull;
	fsave_address = fpu_address - sizeof(fsave);
	address = ((fsave_address - sizeof(built)) & ~15ull) - 4;
	/* What the code takes off the stack before it returns to the restorer is below the frame. */
	start = address - code->pops * sizeof(uint32_t);
	data = calloc(1, (size_t)(fpu_address - start) + fpu.size);
	if (!data) {
		free(fpu.data);
		return -ENOMEM;
	}
	built.restorer = (uint32_t)code->restorer;
	built.siginfo_address = (uint32_t)(address + offsetof(struct frame_32, siginfo));
	built.ucontext_address = (uint32_t)(address + offsetof(struct frame_32, uc_flags));
	built.uc_flags = X86_UC_FLAGS & 1;
	built.ss_flags = X86_NO_ALTSTACK;
	built.mask[0] = (uint32_t)mask;
	built.mask[1] = (uint32_t)(mask >> 32);
	fill_context(&built.context, &user);
	built.context.fpstate = (uint32_t)fsave_address;
	memcpy(data + (address - start), &built, sizeof(built));
	memcpy(data + (fsave_address - start), &fsave, sizeof(fsave));
	memcpy(data + (fpu_address - start), fpu.data, fpu.size);
	*ret_frame = (struct inject_frame){
		.address = start,
		.data = data,
		.size = (size_t)(fpu_address - start) + fpu.size,
	};
	free(fpu.data);

	user.ip = (uint32_t)code->call;
	user.sp = (uint32_t)start;
	user.orig_ax = ~0u;
	user.flags = (user.flags & ~X86_FLAGS_FIXED) | X86_FLAG_INTERRUPT;
	*ret_call = *registers;
	memcpy(ret_call->bytes, &user, sizeof(user));
	return 0;
}

static void set_call(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
		     size_t count)
{
	struct registers_32 user = read_registers(call);
	uint32_t *const places[] = { &user.bx, &user.cx, &user.dx, &user.si, &user.di, &user.bp };

	user.ax = number;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		*places[i] = i < count ? (uint32_t)arguments[i] : 0;
	memcpy(call->bytes, &user, sizeof(user));
}

static bool read_text(const struct inject_thread *thread, uint64_t address, void *text, size_t size)
{
	return pread(thread->memory_fd, text, size, (off_t)address) == (ssize_t)size;
}

/*
 * Wrappers load the number right before int $0x80, or before the call through the thread's block to
 * the vDSO, which has pushed three registers by then.
 */
static int64_t call_of_wrapper(const struct inject_thread *thread, const struct x86_common *common)
{
	static const unsigned char pops[] = { 0x5d, 0x5a, 0x59, 0xc3 };
	static const unsigned char gate[] = { 0x65, 0xff, 0x15, 0x10, 0, 0, 0 };
	unsigned char text[12];
	uint32_t number, caller;

	if (read_text(thread, common->ip, text, sizeof(pops)) &&
	    memcmp(text, pops, sizeof(pops)) == 0) {
		if (!read_text(thread, common->sp + 3 * sizeof(caller), &caller, sizeof(caller)) ||
		    !read_text(thread, caller - sizeof(text), text, sizeof(text)) ||
		    memcmp(text + 5, gate, sizeof(gate)) != 0)
			return -1;
	} else if (!read_text(thread, common->ip - 7, text, 7)) {
		return -1;
	}
	memcpy(&number, text + 1, sizeof(number));
	return text[0] == 0xb8 ? (int64_t)number : -1;
}

static const struct restart_calls restarting[] = {
	{ __NR_nanosleep, __NR_clock_nanosleep, __NR_futex, __NR_poll, 4 },
	{ -1, __NR_clock_nanosleep_time64, __NR_futex_time64, -1, 8 },
};

/* As for 64-bit programs; some of the calls share a number here, and the first argument tells them. */
static bool is_interrupted(const struct x86_common *common)
{
	static const uint32_t calls[] = {
		__NR_epoll_wait,     __NR_epoll_pwait,
		__NR_epoll_pwait2,   __NR_semtimedop_time64,
		__NR_io_getevents,   __NR_rt_sigtimedwait,
		__NR_io_pgetevents,  __NR_rt_sigtimedwait_time64,
		__NR_io_uring_enter, __NR_io_pgetevents_time64,
		__NR_recvfrom,	     __NR_recvmsg,
		__NR_recvmmsg,	     __NR_recvmmsg_time64,
		__NR_accept4,
	};
	static const uint32_t ipc_calls[] = { SEMOP, SEMTIMEDOP };
	static const uint32_t socket_calls[] = { SYS_RECV,   SYS_RECVFROM, SYS_RECVMSG,
						 SYS_ACCEPT, SYS_ACCEPT4,  SYS_RECVMMSG };

	if (common->call == __NR_ipc)
		return x86_is_in(ipc_calls, sizeof(ipc_calls) / sizeof(ipc_calls[0]),
				 (int64_t)(common->arguments[0] & 0xffff));
	if (common->call == __NR_socketcall)
		return x86_is_in(socket_calls, sizeof(socket_calls) / sizeof(socket_calls[0]),
				 (int64_t)common->arguments[0]);
	return x86_is_in(calls, sizeof(calls) / sizeof(calls[0]), common->call);
}

const struct x86_abi i386_abi = {
	.abi = {
		.name = "i386",
		.audit_arch = AUDIT_ARCH_I386,
		.nr_madvise = __NR_madvise,
		.nr_rt_sigreturn = __NR_rt_sigreturn,
		.length_max = UINT32_MAX,
		.word_bytes = 4,
		.call_bytes = 2,
		.nr_inside = -1,
	},
	.restart_syscall = __NR_restart_syscall,
	.restarting = restarting,
	.restarting_count = sizeof(restarting) / sizeof(restarting[0]),
	.set_bytes = sizeof(struct registers_32),
	.machine = EM_386,
	.class = ELFCLASS32,
	.call = { 0xcd, 0x80 },
	.get = get,
	.put = put,
	.frame = frame,
	.set_call = set_call,
	.is_interrupted = is_interrupted,
	.call_of_wrapper = call_of_wrapper,
};

uint64_t i386_thread_pointer(pid_t tid, const struct inject_registers *registers)
{
	struct registers_32 user = read_registers(registers);
	struct user_desc descriptor;

	/* The table of segments that each thread has of its own; the lowest 3 bits are not its index. */
	if (ptrace(PTRACE_GET_THREAD_AREA, tid, (void *)(uintptr_t)(user.gs >> 3), &descriptor) < 0)
		return 0;
	return descriptor.base_addr;
}
