/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What inject-x86.c, inject-x86-64.c and inject-i386.c share. */
#ifndef LIB_INJECT_X86_H
#define LIB_INJECT_X86_H

#include "inject-arch.h"
#include "inject-restart.h"

/* The registers that both have, as far as both are treated alike. */
struct x86_common {
	int64_t ax;
	int32_t call; /* orig_rax: the system call that the thread is in, or -1 */
	uint64_t ip;
	uint64_t sp;
	uint64_t cs;
	uint64_t arguments[4]; /* of a system call */
};

/* Vector and x87 state in the form in which a signal frame has it. */
struct x86_fpu {
	unsigned char *data; /* XSAVE layout; 64 bytes aligned in the target */
	size_t size;
};

struct x86_abi {
	struct inject_abi abi; /* first: one is found from the other */
	uint32_t restart_syscall;
	const struct restart_calls *restarting; /* the calls that it may stand for */
	size_t restarting_count;
	size_t set_bytes; /* of the registers, those that are written back */
	unsigned char machine, class;
	unsigned char call[2]; /* the instruction */
	void (*get)(const struct inject_registers *registers, struct x86_common *ret_common);
	/* Of @common: ax, call and ip. */
	void (*put)(struct inject_registers *registers, const struct x86_common *common);
	/* inject_arch_frame() with an interrupted system call already set up to begin anew. */
	int (*frame)(const struct inject_thread *thread, const struct inject_registers *registers,
		     uint64_t mask, const struct inject_code *code, uint64_t top,
		     struct inject_frame *ret_frame, struct inject_registers *ret_call);
	void (*set_call)(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
			 size_t count);
	/* Whether a call gives EINTR for every interruption, and has done nothing then. */
	bool (*is_interrupted)(const struct x86_common *common);
	/* The system call of the wrapper function that @common is in; -1 if that cannot be told. */
	int64_t (*call_of_wrapper)(const struct inject_thread *thread,
				   const struct x86_common *common);
};

extern const struct x86_abi x86_64_abi;
extern const struct x86_abi i386_abi;

/* Room for sw_reserved and the words around the state: what x86_fpu_read() adds to what it reads. */
#define X86_FPU_EXTRA 4

/* 0 or a negative errno. @legacy_bytes: what stands before it in the frame. */
int x86_fpu_read(pid_t tid, size_t legacy_bytes, struct x86_fpu *ret_fpu);

uint64_t i386_thread_pointer(pid_t tid, const struct inject_registers *registers);

/* Whether a number is in a list. */
bool x86_is_in(const uint32_t *numbers, size_t count, int64_t number);

/* One set of registers of a thread, by PTRACE_GETREGSET: its size, or a negative errno. */
ssize_t x86_regset_read(pid_t tid, int set, void *buffer, size_t size);

/* Flags that the signal return restores; arch/x86/kernel/signal.c, FIX_EFLAGS. */
#define X86_FLAGS_FIXED 0x50dd5u
#define X86_FLAG_INTERRUPT 0x200u

/* An ss_flags that sigaltstack(2) refuses: the kernel then leaves the alternate stack as it is. */
#define X86_NO_ALTSTACK 0x7fffffffu

/* arch/x86/include/uapi/asm/ucontext.h: UC_FP_XSTATE, _SIGCONTEXT_SS, _STRICT_RESTORE_SS. */
#define X86_UC_FLAGS 7u

/* The kernel's code segments for user mode; arch/x86/include/asm/segment.h. */
#define X86_USER_CS_64 0x33u
#define X86_USER_CS_32 0x23u

#endif
