/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers and signal frames of 64-bit programs. Sources: arch/x86/include/asm/sigframe.h, signal_64.c. */
#include "inject-x86.h"

#include <asm/sigcontext.h>
#include <asm/unistd_64.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/user.h>
#include <unistd.h>

/* struct rt_sigframe; 8 bytes off an alignment of 16, as after a call. */
struct frame_64 {
	uint64_t restorer;
	uint64_t uc_flags;
	uint64_t uc_link;
	uint64_t ss_sp;
	uint32_t ss_flags;
	uint32_t reserved;
	uint64_t ss_size;
	struct sigcontext_64 context;
	uint64_t mask;
	unsigned char siginfo[128];
};

static struct user_regs_struct read_registers(const struct inject_registers *registers)
{
	struct user_regs_struct user;

	memcpy(&user, registers->bytes, sizeof(user));
	return user;
}

static void get(const struct inject_registers *registers, struct x86_common *ret_common)
{
	struct user_regs_struct user = read_registers(registers);

	*ret_common = (struct x86_common){
		.ax = (int64_t)user.rax,
		.call = (int32_t)user.orig_rax,
		.ip = user.rip,
		.sp = user.rsp,
		.cs = user.cs,
		.arguments = { user.rdi, user.rsi, user.rdx, user.r10 },
	};
}

static void put(struct inject_registers *registers, const struct x86_common *common)
{
	struct user_regs_struct user = read_registers(registers);

	user.rax = (uint64_t)common->ax;
	user.orig_rax = (uint64_t)(int64_t)common->call;
	user.rip = common->ip;
	memcpy(registers->bytes, &user, sizeof(user));
}

static void fill_context(struct sigcontext_64 *context, const struct user_regs_struct *user)
{
	context->r8 = user->r8;
	context->r9 = user->r9;
	context->r10 = user->r10;
	context->r11 = user->r11;
	context->r12 = user->r12;
	context->r13 = user->r13;
	context->r14 = user->r14;
	context->r15 = user->r15;
	context->di = user->rdi;
	context->si = user->rsi;
	context->bp = user->rbp;
	context->bx = user->rbx;
	context->dx = user->rdx;
	context->ax = user->rax;
	context->cx = user->rcx;
	context->sp = user->rsp;
	context->ip = user->rip;
	context->flags = user->eflags;
	context->cs = (uint16_t)user->cs;
	context->ss = (uint16_t)user->ss;
}

static int frame(const struct inject_thread *thread, const struct inject_registers *registers,
		 uint64_t mask, const struct inject_code *code, uint64_t top,
		 struct inject_frame *ret_frame, struct inject_registers *ret_call)
{
	struct user_regs_struct user = read_registers(registers);
	struct frame_64 *built;
	struct x86_fpu fpu;
	uint64_t fpu_address, address;
	unsigned char *data;
	int r = x86_fpu_read(thread->tid, 0, &fpu);

	if (r < 0)
		return r;
	fpu_address = (top - fpu.size) & ~63ull;
	address = ((fpu_address - sizeof(*built)) & ~15ull) - 8;
	data = calloc(1, (size_t)(fpu_address - address) + fpu.size);
	if (!data) {
		free(fpu.data);
		return -ENOMEM;
	}
	built = (struct frame_64 *)data;
	built->restorer = code->restorer;
	built->uc_flags = X86_UC_FLAGS;
	built->ss_flags = X86_NO_ALTSTACK;
	built->mask = mask;
	fill_context(&built->context, &user);
	built->context.fpstate = fpu_address;
	memcpy(data + (fpu_address - address), fpu.data, fpu.size);
	*ret_frame = (struct inject_frame){
		.address = address,
		.data = data,
		.size = (size_t)(fpu_address - address) + fpu.size,
	};
	free(fpu.data);

	user.rip = code->call;
	user.rsp = address;
	user.orig_rax = ~0ull;
	user.eflags = (user.eflags & ~(uint64_t)X86_FLAGS_FIXED) | X86_FLAG_INTERRUPT;
	*ret_call = *registers;
	memcpy(ret_call->bytes, &user, sizeof(user));
	return 0;
}

static void set_call(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
		     size_t count)
{
	struct user_regs_struct user = read_registers(call);
	unsigned long long *const places[] = { &user.rdi, &user.rsi, &user.rdx,
					       &user.r10, &user.r8,  &user.r9 };

	user.rax = number;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		*places[i] = i < count ? arguments[i] : 0;
	memcpy(call->bytes, &user, sizeof(user));
}

/* mov $number, %eax or %rax stands right before the call in most wrappers. */
static int64_t call_of_wrapper(const struct inject_thread *thread, const struct x86_common *common)
{
	unsigned char text[9];
	uint32_t number;

	if (pread(thread->memory_fd, text, sizeof(text), (off_t)(common->ip - sizeof(text))) !=
	    (ssize_t)sizeof(text))
		return -1;
	memcpy(&number, text + 3, sizeof(number));
	return text[2] == 0xb8 || memcmp(text, "\x48\xc7\xc0", 3) == 0 ? (int64_t)number : -1;
}

static const struct restart_calls restarting[] = {
	{ __NR_nanosleep, __NR_clock_nanosleep, __NR_futex, __NR_poll, 8 },
};

/* signal(7), the list at its end, and recv and accept with a time-out. Not connect: it has begun. */
static bool is_interrupted(const struct x86_common *common)
{
	static const uint32_t calls[] = {
		__NR_epoll_wait,     __NR_epoll_pwait,	__NR_epoll_pwait2,    __NR_semop,
		__NR_semtimedop,     __NR_io_getevents, __NR_rt_sigtimedwait, __NR_io_pgetevents,
		__NR_io_uring_enter, __NR_recvfrom,	__NR_recvmsg,	      __NR_recvmmsg,
		__NR_accept,	     __NR_accept4,
	};

	return x86_is_in(calls, sizeof(calls) / sizeof(calls[0]), common->call);
}

const struct x86_abi x86_64_abi = {
	.abi = {
		.name = "x86-64",
		.audit_arch = AUDIT_ARCH_X86_64,
		.nr_madvise = __NR_madvise,
		.nr_rt_sigreturn = __NR_rt_sigreturn,
		.length_max = UINT64_MAX,
		.word_bytes = 8,
		.call_bytes = 2,
		.nr_inside = -1,
	},
	.restart_syscall = __NR_restart_syscall,
	.restarting = restarting,
	.restarting_count = sizeof(restarting) / sizeof(restarting[0]),
	/* Segments and their bases stay as they are. */
	.set_bytes = offsetof(struct user_regs_struct, fs_base),
	.machine = EM_X86_64,
	.class = ELFCLASS64,
	.call = { 0x0f, 0x05 },
	.get = get,
	.put = put,
	.frame = frame,
	.set_call = set_call,
	.is_interrupted = is_interrupted,
	.call_of_wrapper = call_of_wrapper,
};

uint64_t inject_arch_thread_pointer(pid_t tid, const struct inject_registers *registers)
{
	return registers->abi == &x86_64_abi.abi ? read_registers(registers).fs_base
						 : i386_thread_pointer(tid, registers);
}
