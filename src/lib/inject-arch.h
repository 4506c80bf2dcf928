/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between architectures when a system call is run inside another thread. inject.c knows the
 * order of the steps, inject-x86.c and inject-arm64.c what registers and signal frames look like.
 * Threads are in PTRACE_EVENT_STOP unless said otherwise.
 */
#ifndef LIB_INJECT_ARCH_H
#define LIB_INJECT_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One way in which programs talk to the kernel: 64-bit, 32-bit. Each architecture has its table. */
struct inject_abi {
	const char *name;
	uint32_t audit_arch; /* AUDIT_ARCH_*, as seccomp filters are told */
	uint32_t nr_madvise; /* system calls as seccomp filters are told */
	uint32_t nr_rt_sigreturn;
	uint64_t length_max; /* of one range */
	unsigned int word_bytes;
	unsigned int call_bytes; /* of the instruction that makes a system call */
	int64_t nr_inside;	 /* that inject_arch_enter() might make; -1: none */
};

/* General registers of a thread, as PTRACE_GETREGSET with NT_PRSTATUS gives them. */
struct inject_registers {
	const struct inject_abi *abi;
	size_t size;
	_Alignas(64) unsigned char bytes[320];
	uint64_t extra[6]; /* for the architecture: what is not in that set and belongs to it */
};

#define INJECT_CODE_BYTES 16

/* Instructions of the target that are used. 0: not found. */
struct inject_code {
	uint64_t call;		     /* makes a system call, then returns */
	uint64_t restorer;	     /* makes the system call rt_sigreturn */
	uint64_t function;	     /* that @call is in, where it has to be entered there; or 0 */
	unsigned int pops;	     /* words that @call takes off the stack before it returns */
	unsigned int restorer_bytes; /* of @restorer, to the end of its call */
	/* What stands at @call and @restorer. */
	unsigned char call_text[INJECT_CODE_BYTES];
	unsigned char restorer_text[INJECT_CODE_BYTES];
};

/* What makes the thread go on by itself, should the tracer die. */
struct inject_frame {
	uint64_t address; /* where it is to be written */
	unsigned char *data;
	size_t size;
};

/* A thread, and how to read the memory of its process. */
struct inject_thread {
	pid_t tid;
	int memory_fd; /* of /proc/PID/mem */
};

/* Whether this architecture is built in. */
bool inject_arch_is_built(void);

/*
 * The ABI of the programs with this ELF header (of the vDSO or the executable; 20 bytes up to e_machine
 * are used); NULL if none that can be used.
 */
const struct inject_abi *inject_arch_abi(const unsigned char *header, size_t size);

/*
 * Looks for instructions in @text, which the target has at @address, and fills in what @code does not have
 * yet, but the texts. Pieces of a mapping overlap by INJECT_CODE_BYTES, so that nothing is missed at their
 * ends.
 */
void inject_arch_find(const struct inject_abi *abi, const unsigned char *text, size_t size,
		      uint64_t address, struct inject_code *code);

/*
 * In inject.c, for the steps of an architecture: lets the thread run by PTRACE_SYSCALL or PTRACE_SYSEMU to
 * the beginning or end of a system call. 0; 1 a signal came, and was delivered: it has its own registers
 * and is held, and the steps are over; or a negative errno, and they are over as well.
 */
int inject_thread_run(const struct inject_thread *thread, int request);

/* The same from any stop to where it is held, with no instruction in between. */
int inject_thread_hold(const struct inject_thread *thread);

/* 0 or a negative errno: -EOPNOTSUPP these registers are of no known ABI, -ESRCH. Any ptrace stop. */
int inject_arch_get(pid_t tid, struct inject_registers *ret_registers);

/*
 * Looks at how a system call was interrupted, where the registers of a held thread do not tell. It may let
 * the thread run, but only into that system call and out of it. 0, with @registers as they are then; or a
 * negative errno.
 */
int inject_arch_look(const struct inject_thread *thread, struct inject_registers *registers);

/* Sets all of them, in one system call if that can be. 0 or a negative errno. Any ptrace stop. */
int inject_arch_set(pid_t tid, const struct inject_registers *registers);

uint64_t inject_arch_instruction(const struct inject_registers *registers);
void inject_arch_set_instruction(struct inject_registers *registers, uint64_t address);
uint64_t inject_arch_stack(const struct inject_registers *registers);

/* Where thread-local memory is: 0 if unknown. */
uint64_t inject_arch_thread_pointer(pid_t tid, const struct inject_registers *registers);

/*
 * Whether something of this thread keeps any system call from being run in it: a shadow stack (@status is
 * the text of its /proc/PID/task/TID/status), say. 0 or -EOPNOTSUPP.
 */
int inject_arch_check(pid_t tid, const struct inject_registers *registers, const char *status);

/*
 * Builds the rescue frame, so that it ends below @top: what the kernel would put on the stack for a
 * signal, with all registers as they are to be when the thread goes on, vector state and @mask
 * (blocked signals) included, and an alternate stack that cannot be set, so that it stays as it is. An
 * interrupted system call is set up to begin anew. @ret_call: registers with which the thread, let run,
 * makes one system call and then returns into the restorer with its stack pointer at the frame; which
 * call is said by inject_arch_set_call(). 0 or a negative errno: -EBUSY a system call was interrupted that
 * cannot be begun anew this way; -ENOMEM, -ESRCH. inject_frame_done() frees @ret_frame->data.
 */
int inject_arch_frame(const struct inject_thread *thread, const struct inject_registers *registers,
		      uint64_t mask, const struct inject_code *code, uint64_t top,
		      struct inject_frame *ret_frame, struct inject_registers *ret_call);

/* The most that a frame takes, with what it loses to alignment. */
size_t inject_arch_frame_max(void);

/*
 * Once, before the first call: brings a held thread to where it can make it, which is then in @call, and
 * holds it there. 0, 1 as inject_thread_run() says, or a negative errno.
 */
int inject_arch_enter(const struct inject_thread *thread, const struct inject_code *code,
		      struct inject_registers *call);

/* Number and arguments into the registers of inject_arch_frame(). */
void inject_arch_set_call(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
			  size_t count);

/* What a system call has returned, in its exit stop: a negative errno or a value. */
int64_t inject_arch_result(const struct inject_registers *registers);

/*
 * Its own registers for a thread that has those of @call: where it is held, or about to be given a signal.
 * Whatever it has not, it gets when it runs.
 */
int inject_arch_restore(const struct inject_thread *thread,
			const struct inject_registers *registers,
			const struct inject_registers *call);

/* Whether it has all of them then, so that the frame is not needed any more. */
bool inject_arch_restores_all(const struct inject_registers *call);

/* Out of the end of a call to where it is held, with its own registers. 0, 1 or a negative errno. */
int inject_arch_leave(const struct inject_thread *thread, const struct inject_registers *registers,
		      const struct inject_registers *call);

/*
 * System calls that give EINTR whenever their thread was stopped, also without any signal (signal(7), at
 * the end): has the kernel begin them anew, unless a signal handler is going to run. 1 changed, 0 nothing
 * to change, or a negative errno.
 */
int inject_arch_mend(pid_t tid);

#endif
