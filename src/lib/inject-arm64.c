/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registers and instructions of 64-bit ARM. Sources: the kernel's arch/arm64/kernel/signal.c, ptrace.c and
 * syscall.c.
 *
 * Two things are not as on other machines.
 *
 * The instruction after a system call is nowhere plainly a return: with pointer authentication every
 * function in the vDSO checks the return address that it signed at its beginning, with a key that only the
 * kernel knows. So a whole function is called, one that makes a system call when it is asked for a clock
 * that does not exist, and the other system calls are made from inside it.
 *
 * A tracer sees an interrupted system call as one that is about to be made: the kernel has put back its
 * first argument before it stops the thread, and remembers only on its own stack which error it had, which
 * decides whether a signal ends the call and whether a time-out goes on. So a call is interrupted once more
 * where its error can be seen, and at the end the thread leaves a system call with just that error and
 * with that first argument.
 */
#include "inject-arm64.h"

#include "inject-restart.h"

#include <asm/ptrace.h>
#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/ucontext.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#ifndef NT_ARM_SSVE
#define NT_ARM_SSVE 0x40b
#endif
#ifndef NT_ARM_GCS
#define NT_ARM_GCS 0x410
#endif
#define GCS_ENABLED 1ull /* PR_SHADOW_STACK_ENABLE */

/* include/linux/errno.h of the kernel: what an interrupted system call leaves for its way out. */
enum {
	RESTART_SYS = -512,
	RESTART_NO_INTR = -513,
	RESTART_BLOCK = -516,
};

enum {
	MOV_X8 = 0xd2800008, /* mov x8, #0 */
	NO_CLOCK = 0x7fffffff,
	BRANCH_TYPE = 3 << 10, /* in PSTATE: what kind of branch led here (BTI) */
	ARGUMENTS = 6,
	SVE_VQ_LIMIT = 16, /* in 16 bytes: the longest vectors that the architecture has */
	END_BYTES = 16,	   /* of the record that ends them */
	FRAME_ALIGN = 16,
	NO_ALTSTACK = 0x7f, /* flags that cannot be, so that the alternate stack stays */
};

static const char clock_function[] = "__kernel_clock_getres";

static const struct inject_abi arm64_abi = {
	.name = "arm64",
	.audit_arch = AUDIT_ARCH_AARCH64,
	.nr_madvise = __NR_madvise,
	.nr_rt_sigreturn = __NR_rt_sigreturn,
	.length_max = UINT64_MAX,
	.word_bytes = 8,
	.call_bytes = ARM64_CALL_BYTES,
	.nr_inside = __NR_clock_getres,
};

/* Those that wait, and that may be begun while their thread is held: they do not change what is mapped. */
static const uint16_t waiting_calls[] = {
	__NR_nanosleep,	    __NR_clock_nanosleep, __NR_futex,	     __NR_read,	   __NR_readv,
	__NR_pread64,	    __NR_preadv,	  __NR_preadv2,	     __NR_write,   __NR_writev,
	__NR_pwrite64,	    __NR_pwritev,	  __NR_pwritev2,     __NR_ppoll,   __NR_pselect6,
	__NR_rt_sigsuspend, __NR_wait4,		  __NR_waitid,	     __NR_sendto,  __NR_sendmsg,
	__NR_sendmmsg,	    __NR_connect,	  __NR_flock,	     __NR_fcntl,   __NR_msgrcv,
	__NR_msgsnd,	    __NR_mq_timedreceive, __NR_mq_timedsend, __NR_splice,  __NR_tee,
	__NR_vmsplice,	    __NR_sendfile,	  __NR_openat,	     __NR_openat2, __NR_ioctl,
	__NR_getrandom,	    __NR_restart_syscall,
};

/* Those that say EINTR for every stop only with a time-out of the socket, and seldom have one. */
static const uint16_t socket_calls[] = { __NR_recvfrom, __NR_recvmsg, __NR_recvmmsg, __NR_accept,
					 __NR_accept4 };

bool arm64_is_in(const uint16_t *numbers, size_t count, uint64_t number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* What is to be known of a thread beyond its registers: in the extra words. */
struct extra {
	uint64_t mask;	/* signals that it blocks */
	uint64_t frame; /* where its rescue frame is */
	uint64_t restorer;
	int32_t error;	/* that its own system call was interrupted with; 0: none was */
	int64_t number; /* of that call; -1 unknown */
	bool has_sve;
};
_Static_assert(sizeof(struct extra) <= sizeof(((struct inject_registers *)NULL)->extra), "it fits");

static struct extra extra_of(const struct inject_registers *registers)
{
	struct extra extra;

	memcpy(&extra, registers->extra, sizeof(extra));
	return extra;
}

static void set_extra(struct inject_registers *registers, const struct extra *extra)
{
	memcpy(registers->extra, extra, sizeof(*extra));
}

bool inject_arch_is_built(void)
{
	return true;
}

const struct inject_abi *inject_arch_abi(const unsigned char *header, size_t size)
{
	static const unsigned char wanted[EI_VERSION] = { 0x7f, 'E',	    'L',
							  'F',	ELFCLASS64, ELFDATA2LSB };

	if (size < 20 || memcmp(header, wanted, sizeof(wanted)) != 0 || header[18] != EM_AARCH64 ||
	    header[19] != 0)
		return NULL;
	return &arm64_abi;
}

/* Copies a piece out of a text, where it may stand anywhere. */
static bool copy_at(const unsigned char *text, size_t size, uint64_t offset, void *piece,
		    size_t length)
{
	if (offset > size || size - offset < length)
		return false;
	memcpy(piece, text + offset, length);
	return true;
}

/* Where a function begins, from the section of dynamic symbols; 0 if it is not there. */
static uint64_t function_at(const unsigned char *text, size_t size, const char *name)
{
	Elf64_Ehdr header;
	Elf64_Shdr symbols, strings;
	Elf64_Sym symbol;

	if (!copy_at(text, size, 0, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	for (unsigned int i = 0; i < header.e_shnum; i++) {
		if (!copy_at(text, size, header.e_shoff + i * sizeof(symbols), &symbols,
			     sizeof(symbols)))
			return 0;
		if (symbols.sh_type != SHT_DYNSYM)
			continue;
		if (!copy_at(text, size, header.e_shoff + symbols.sh_link * sizeof(strings),
			     &strings, sizeof(strings)))
			return 0;
		for (uint64_t at = 0; at + sizeof(symbol) <= symbols.sh_size;
		     at += sizeof(symbol)) {
			char found[sizeof(clock_function)];

			if (!copy_at(text, size, symbols.sh_offset + at, &symbol, sizeof(symbol)))
				return 0;
			if (copy_at(text, size, strings.sh_offset + symbol.st_name, found,
				    strlen(name) + 1) &&
			    memcmp(found, name, strlen(name) + 1) == 0)
				return symbol.st_value;
		}
	}
	return 0;
}

void inject_arch_find(const struct inject_abi *abi, const unsigned char *text, size_t size,
		      uint64_t address, struct inject_code *code)
{
	uint64_t function = function_at(text, size, clock_function);
	uint32_t pair[2];

	(void)abi;
	for (uint64_t i = 0; copy_at(text, size, i, pair, sizeof(pair)); i += ARM64_CALL_BYTES) {
		if (pair[1] != ARM64_SVC)
			continue;
		if (!code->restorer && pair[0] == (MOV_X8 | __NR_rt_sigreturn << 5)) {
			code->restorer = address + i;
			code->restorer_bytes = sizeof(pair);
		}
		if (!code->call && function && i > function &&
		    pair[0] == (MOV_X8 | __NR_clock_getres << 5)) {
			code->function = address + function;
			code->call = address + i + ARM64_CALL_BYTES;
		}
	}
}

ssize_t arm64_regset_read(pid_t tid, int set, void *buffer, size_t size)
{
	struct iovec vector = { .iov_base = buffer, .iov_len = size };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)(intptr_t)set, &vector) < 0)
		return -errno;
	return (ssize_t)vector.iov_len;
}

int arm64_regset_write(pid_t tid, int set, const void *buffer, size_t size)
{
	struct iovec vector = { .iov_base = (void *)buffer, .iov_len = size };

	return ptrace(PTRACE_SETREGSET, tid, (void *)(intptr_t)set, &vector) < 0 ? -errno : 0;
}

static struct user_regs_struct user_of(const struct inject_registers *registers)
{
	struct user_regs_struct user;

	memcpy(&user, registers->bytes, sizeof(user));
	return user;
}

static void set_user(struct inject_registers *registers, const struct user_regs_struct *user)
{
	memcpy(registers->bytes, user, sizeof(*user));
}

int inject_arch_get(pid_t tid, struct inject_registers *ret_registers)
{
	struct inject_registers registers = { .abi = &arm64_abi };
	ssize_t n = arm64_regset_read(tid, NT_PRSTATUS, registers.bytes, sizeof(registers.bytes));

	if (n < 0)
		return (int)n;
	/* That of a 32-bit program is shorter. */
	if ((size_t)n != sizeof(struct user_regs_struct))
		return -EOPNOTSUPP;
	registers.size = (size_t)n;
	*ret_registers = registers;
	return 0;
}

int inject_arch_set(pid_t tid, const struct inject_registers *registers)
{
	/* A copy that was just written, so that the kernel does not wait for its page half-way. */
	struct user_regs_struct user = user_of(registers);

	return arm64_regset_write(tid, NT_PRSTATUS, &user, sizeof(user));
}

uint64_t inject_arch_instruction(const struct inject_registers *registers)
{
	return user_of(registers).pc;
}

void inject_arch_set_instruction(struct inject_registers *registers, uint64_t address)
{
	struct user_regs_struct user = user_of(registers);

	user.pc = address;
	set_user(registers, &user);
}

uint64_t inject_arch_stack(const struct inject_registers *registers)
{
	return user_of(registers).sp;
}

uint64_t inject_arch_thread_pointer(pid_t tid, const struct inject_registers *registers)
{
	uint64_t pointer[2];

	(void)registers;
	return arm64_regset_read(tid, NT_ARM_TLS, pointer, sizeof(pointer)) <
			       (ssize_t)sizeof(pointer[0])
		       ? 0
		       : pointer[0];
}

int inject_arch_check(pid_t tid, const struct inject_registers *registers, const char *status)
{
	struct user_sve_header streaming;
	uint64_t shadow_stack[3];

	(void)registers;
	(void)status;
	/* Any system call ends streaming mode, and its registers are lost. */
	if (arm64_regset_read(tid, NT_ARM_SSVE, &streaming, sizeof(streaming)) ==
		    (ssize_t)sizeof(streaming) &&
	    (streaming.flags & SVE_PT_REGS_MASK) == SVE_PT_REGS_SVE)
		return -EOPNOTSUPP;
	/* A return to where no call came from is a fault there. */
	if (arm64_regset_read(tid, NT_ARM_GCS, shadow_stack, sizeof(shadow_stack)) > 0 &&
	    shadow_stack[0] & GCS_ENABLED)
		return -EOPNOTSUPP;
	return 0;
}

/* Those that go on with what is left of a time-out, as restart_syscall. */
static const struct restart_calls timed_calls = {
	.nanosleep = __NR_nanosleep,
	.clock_nanosleep = __NR_clock_nanosleep,
	.futex = __NR_futex,
	.poll = -1,
	.time_bytes = 8,
};

/* Whether a system call has ended with one of the errors that no program sees. */
static bool is_restarted(int64_t error)
{
	return error == RESTART_SYS || error == RESTART_NO_INTR || error == ARM64_RESTART_NO_HAND ||
	       error == RESTART_BLOCK;
}

int inject_arch_look(const struct inject_thread *thread, struct inject_registers *registers)
{
	struct user_regs_struct user = user_of(registers);
	int64_t number = (int64_t)user.regs[8];
	struct extra extra = {};
	uint64_t arguments[4];
	uint32_t instruction;
	int64_t error = 0;
	int r;

	if (pread(thread->memory_fd, &instruction, sizeof(instruction), (off_t)user.pc) !=
		    (ssize_t)sizeof(instruction) ||
	    instruction != ARM64_SVC)
		return 0;
	/* Set up by inject_arch_mend(); a second look would end it, should the tracer die meanwhile. */
	if (arm64_is_cut_short(user.regs[8])) {
		extra.error = ARM64_IS_IN(socket_calls, user.regs[8]) ? RESTART_SYS
								      : ARM64_RESTART_NO_HAND;
		extra.number = number;
		set_extra(registers, &extra);
		return 0;
	}
	if (!ARM64_IS_IN(waiting_calls, user.regs[8]))
		return 0;
	r = inject_thread_run(thread, PTRACE_SYSCALL);
	if (r == 0) {
		/* For the call it is as if a signal came: it does not wait. */
		ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
		r = inject_thread_run(thread, PTRACE_SYSCALL);
	}
	if (r == 0)
		r = inject_arch_get(thread->tid, registers);
	if (r == 0) {
		error = (int64_t)user_of(registers).regs[0];
		r = inject_thread_hold(thread);
	}
	if (r < 0)
		return r;
	/* Where a signal came, the call was over before it could be seen. */
	if (r == 1 || !is_restarted(error))
		return inject_arch_get(thread->tid, registers);
	r = inject_arch_get(thread->tid, registers);
	if (r < 0)
		return r;
	if (error == RESTART_BLOCK) {
		user = user_of(registers);
		for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
			arguments[i] = user.regs[i];
		if (number == __NR_restart_syscall)
			number = restart_call_of(thread->memory_fd, sizeof(uint64_t), &timed_calls,
						 1, arguments);
		user.regs[8] = __NR_restart_syscall;
		set_user(registers, &user);
	}
	extra.error = (int32_t)error;
	extra.number = number;
	set_extra(registers, &extra);
	return 0;
}

/* struct rt_sigframe of the kernel, and what does not fit into its records. */
struct frame {
	siginfo_t info;
	ucontext_t context;
	unsigned char more[SVE_SIG_CONTEXT_SIZE(SVE_VQ_LIMIT) + 2 * END_BYTES];
};

/* Live registers of the scalable vector extension, as ptrace(2) gives them. */
struct sve {
	_Alignas(16) unsigned char bytes[SVE_PT_SIZE(SVE_VQ_LIMIT, SVE_PT_REGS_SVE)];
	struct user_sve_header header;
};

/* 1 there are some, 0 the short vector registers are all, or a negative errno. */
static int sve_read(pid_t tid, struct sve *ret_sve)
{
	ssize_t n = arm64_regset_read(tid, NT_ARM_SVE, ret_sve->bytes, sizeof(ret_sve->bytes));

	if (n == -ESRCH)
		return -ESRCH;
	if (n < (ssize_t)sizeof(ret_sve->header))
		return 0; /* this processor has none */
	memcpy(&ret_sve->header, ret_sve->bytes, sizeof(ret_sve->header));
	if ((ret_sve->header.flags & SVE_PT_REGS_MASK) != SVE_PT_REGS_SVE)
		return 0;
	return ret_sve->header.size <= sizeof(ret_sve->bytes) ? 1 : -EBUSY;
}

/* Appends to the records of a frame, all of which are filled with zeros. */
static unsigned char *record(unsigned char **at, uint32_t magic, size_t size)
{
	unsigned char *here = *at;
	struct _aarch64_ctx head = { .magic = magic, .size = (uint32_t)size };

	memcpy(here, &head, sizeof(head));
	*at = here + size;
	return here;
}

static void fill_short_vectors(unsigned char *place, const struct user_fpsimd_struct *vectors)
{
	struct fpsimd_context *context = (struct fpsimd_context *)place;

	context->fpsr = vectors->fpsr;
	context->fpcr = vectors->fpcr;
	memcpy(context->vregs, vectors->vregs, sizeof(context->vregs));
}

static void fill_sve(unsigned char *place, const struct sve *sve, unsigned int quads)
{
	struct sve_context *context = (struct sve_context *)place;

	context->vl = sve->header.vl;
	memcpy(place + SVE_SIG_REGS_OFFSET, sve->bytes + SVE_PT_SVE_OFFSET,
	       SVE_SIG_REGS_SIZE(quads));
}

int inject_arch_frame(const struct inject_thread *thread, const struct inject_registers *registers,
		      uint64_t mask, const struct inject_code *code, uint64_t top,
		      struct inject_frame *ret_frame, struct inject_registers *ret_call)
{
	struct user_regs_struct user = user_of(registers);
	struct extra extra = extra_of(registers);
	struct user_fpsimd_struct vectors;
	struct frame *frame;
	mcontext_t *context;
	unsigned char *at;
	struct sve sve;
	size_t sve_size;
	uint64_t address;
	unsigned int quads;
	int r = sve_read(thread->tid, &sve);

	if (r < 0)
		return r;
	extra.has_sve = r == 1;
	if (extra.error == RESTART_BLOCK) {
		/* A signal return forgets what was left of a time-out, so the call is made anew. */
		if (extra.number < 0)
			return -EBUSY;
		user.regs[8] = (unsigned long long)extra.number;
	}
	if (arm64_regset_read(thread->tid, NT_FPREGSET, &vectors, sizeof(vectors)) < 0)
		return -errno;
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		return -ENOMEM;
	address = (top - sizeof(*frame)) & ~15ull;
	context = &frame->context.uc_mcontext;
	memcpy(context->regs, user.regs, sizeof(context->regs));
	context->sp = user.sp;
	context->pc = user.pc;
	context->pstate = user.pstate;
	memcpy(&frame->context.uc_sigmask, &mask, sizeof(mask));
	frame->context.uc_stack.ss_flags = NO_ALTSTACK;
	at = context->__reserved;
	fill_short_vectors(record(&at, FPSIMD_MAGIC, sizeof(struct fpsimd_context)), &vectors);
	if (extra.has_sve) {
		quads = sve_vq_from_vl(sve.header.vl);
		sve_size = (SVE_SIG_CONTEXT_SIZE(quads) + 15) & ~15ul;
		if (at + sve_size + END_BYTES > context->__reserved + sizeof(context->__reserved)) {
			struct extra_context *more =
				(struct extra_context *)record(&at, EXTRA_MAGIC, sizeof(*more));

			at += END_BYTES;
			more->datap = address + (uint64_t)(at - (unsigned char *)frame);
			more->size = (uint32_t)(sve_size + END_BYTES);
		}
		fill_sve(record(&at, SVE_MAGIC, sve_size), &sve, quads);
	}
	*ret_frame = (struct inject_frame){
		.address = address,
		.data = (unsigned char *)frame,
		.size = sizeof(*frame),
	};

	extra.mask = mask;
	extra.frame = address;
	extra.restorer = code->restorer;
	user = user_of(registers);
	user.sp = address;
	user.regs[30] = code->restorer;
	user.pstate &= ~(unsigned long long)BRANCH_TYPE;
	*ret_call = *registers;
	set_user(ret_call, &user);
	set_extra(ret_call, &extra);
	return 0;
}

size_t inject_arch_frame_max(void)
{
	return sizeof(struct frame) + FRAME_ALIGN;
}

void inject_arch_set_call(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
			  size_t count)
{
	struct user_regs_struct user = user_of(call);

	user.regs[8] = number;
	for (size_t i = 0; i < ARGUMENTS; i++)
		user.regs[i] = i < count ? arguments[i] : 0;
	set_user(call, &user);
}

int64_t inject_arch_result(const struct inject_registers *registers)
{
	return (int64_t)user_of(registers).regs[0];
}

static int set_mask(pid_t tid, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof(mask), &mask) < 0 ? -errno : 0;
}

int inject_arch_enter(const struct inject_thread *thread, const struct inject_code *code,
		      struct inject_registers *call)
{
	struct user_regs_struct user = user_of(call);
	unsigned long long kept = user.regs[7];
	struct inject_registers inside = *call;
	int r;

	user.pc = code->function;
	user.regs[0] = NO_CLOCK;
	user.regs[1] = 0;
	set_user(&inside, &user);
	r = inject_arch_set(thread->tid, &inside);
	/*
	 * From here on the frame gives it back its mask. What a signal does to its own system call must be
	 * decided where that is interrupted, so there must be none before.
	 */
	if (r == 0)
		r = set_mask(thread->tid, ~0ull);
	if (r == 0)
		r = inject_thread_run(thread, PTRACE_SYSEMU);
	if (r == 0)
		r = inject_arch_get(thread->tid, &inside);
	if (r == 0)
		r = inject_thread_hold(thread);
	if (r != 0)
		return r;
	user = user_of(&inside);
	if (user.pc != code->call + ARM64_CALL_BYTES)
		return -EOPNOTSUPP;
	user.pc = code->call;
	/* At a system call this one tells a tracer which end of it that is. */
	user.regs[7] = kept;
	set_user(call, &user);
	return 0;
}

/*
 * Its own registers, whatever it is in the middle of. Those of the vector extension that a system call does
 * not keep come back by the signal return, which it is led to instead.
 */
int inject_arch_restore(const struct inject_thread *thread,
			const struct inject_registers *registers,
			const struct inject_registers *call)
{
	struct inject_registers own = *registers;
	struct extra extra = extra_of(call);
	struct user_regs_struct user = user_of(call);
	/* Until the registers are its own, the frame is what it can go on with. */
	int r = set_mask(thread->tid, extra.mask);

	if (extra.has_sve) {
		user.pc = extra.restorer;
		user.sp = extra.frame;
		set_user(&own, &user);
	}
	return r < 0 ? r : inject_arch_set(thread->tid, &own);
}

bool inject_arch_restores_all(const struct inject_registers *call)
{
	return !extra_of(call).has_sve;
}

/* Out of a system call with the error that its own one had. */
static int leave_interrupted(const struct inject_thread *thread,
			     const struct inject_registers *registers,
			     const struct inject_registers *call)
{
	struct user_regs_struct user = user_of(registers);
	struct inject_registers last = *call, after = *registers;
	struct extra extra = extra_of(call);
	uint64_t first = user.regs[0];
	int r;

	inject_arch_set_call(&last, __NR_madvise, &first, 1);
	r = inject_arch_set(thread->tid, &last);
	if (r == 0)
		r = inject_thread_run(thread, PTRACE_SYSEMU);
	if (r == 0)
		r = inject_thread_run(thread, PTRACE_SYSCALL);
	if (r == 0)
		r = set_mask(thread->tid, extra.mask);
	if (r != 0)
		return r;
	user.regs[0] = (unsigned long long)extra.error;
	user.pc += ARM64_CALL_BYTES;
	set_user(&after, &user);
	/* However it goes on from a stop, by the death of its tracer too, it passes where that is seen. */
	r = inject_arch_set(thread->tid, &after);
	return r < 0 ? r : inject_thread_hold(thread);
}

int inject_arch_leave(const struct inject_thread *thread, const struct inject_registers *registers,
		      const struct inject_registers *call)
{
	struct extra extra = extra_of(call);
	int r;

	if (extra.error)
		return leave_interrupted(thread, registers, call);
	r = inject_thread_hold(thread);
	if (r == 0)
		r = inject_arch_restore(thread, registers, call);
	if (r == 0 && extra.has_sve) {
		r = inject_thread_run(thread, PTRACE_SYSCALL);
		if (r == 0)
			r = inject_thread_hold(thread);
	}
	return r;
}
