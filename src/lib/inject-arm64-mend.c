/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that say EINTR whenever their thread was stopped, begun anew on 64-bit ARM. By the time a
 * tracer sees one, the kernel has decided that it is over, and the first argument is gone from the registers.
 * So it is made and interrupted a second time, and there the error is changed to one that has the kernel
 * begin it anew unless a signal handler is to run.
 */
#include "clock.h"
#include "inject-arm64.h"

#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_USEC 1000000u

enum {
	ARGUMENTS = 6,
	NO_CALL = -1,
	FRAME_RECORD = 16, /* frame pointer and return address, above a signal frame */
};

/* signal(7), the list at its end, and recv and accept with a time-out. Not connect: it has begun. */
static const uint16_t interrupted_calls[] = {
	__NR_epoll_pwait,  __NR_epoll_pwait2,	 __NR_semop,	     __NR_semtimedop,
	__NR_io_getevents, __NR_rt_sigtimedwait, __NR_io_pgetevents, __NR_io_uring_enter,
	__NR_recvfrom,	   __NR_recvmsg,	 __NR_recvmmsg,	     __NR_accept,
	__NR_accept4,
};

bool arm64_is_cut_short(uint64_t number)
{
	return ARM64_IS_IN(interrupted_calls, number);
}

/* The kernel's signal frame, without what may follow. */
struct frame {
	siginfo_t info;
	ucontext_t context;
};

enum stop { STOP_CALL, STOP_EVENT, STOP_SIGNAL };

static bool peek(pid_t tid, uint64_t address, uint64_t *ret_word)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, tid, (void *)(uintptr_t)address, NULL);
	*ret_word = (uint64_t)word;
	return errno == 0;
}

/*
 * Whether it has just come back there from a signal handler, which it then must be told: the frame that it
 * came from is still below its stack. One from long ago is taken for that as well; then it is told too often.
 */
static bool is_from_handler(pid_t tid, const struct user_regs_struct *user)
{
	uint64_t address = (user->sp - FRAME_RECORD) & ~15ull, pc, sp;
	uint64_t context;

	context = address - sizeof(struct frame) + offsetof(struct frame, context.uc_mcontext);
	return peek(tid, context + offsetof(mcontext_t, pc), &pc) &&
	       peek(tid, context + offsetof(mcontext_t, sp), &sp) && pc == user->pc &&
	       sp == user->sp;
}

/* The kernel has it still, and shows it of a thread that it believes to be in a system call. */
static int first_argument(pid_t tid, const struct user_regs_struct *user, uint64_t *ret_first)
{
	unsigned long long found[ARGUMENTS];
	int number = (int)user->regs[8], none = NO_CALL, shown = NO_CALL, fd, r;
	char path[64], text[256];
	ssize_t n = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = arm64_regset_write(tid, NT_ARM_SYSTEM_CALL, &number, sizeof(number));
	if (r == 0) {
		n = read(fd, text, sizeof(text) - 1);
		r = arm64_regset_write(tid, NT_ARM_SYSTEM_CALL, &none, sizeof(none));
	}
	close(fd);
	if (r < 0 || n <= 0)
		return -EOPNOTSUPP;
	text[n] = '\0';
	if (sscanf(text, "%d %llx %llx %llx %llx %llx %llx", &shown, &found[0], &found[1],
		   &found[2], &found[3], &found[4], &found[5]) != 1 + ARGUMENTS ||
	    shown != number)
		return -EOPNOTSUPP;
	for (size_t i = 1; i < ARGUMENTS; i++) {
		if (found[i] != user->regs[i])
			return -EOPNOTSUPP;
	}
	*ret_first = found[0];
	return 0;
}

static int set_registers(pid_t tid, const struct user_regs_struct *user)
{
	return arm64_regset_write(tid, NT_PRSTATUS, user, sizeof(*user));
}

/* Lets it run until it stops. */
static int run(pid_t tid, enum __ptrace_request request, int signal, enum stop *ret_stop,
	       int *ret_signal)
{
	uint64_t deadline_usec = clock_usec() + STEP_USEC;
	siginfo_t info = {};

	if (ptrace(request, tid, NULL, (long)signal) < 0)
		return -errno;
	while (info.si_pid == 0) {
		if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL) < 0 &&
		    errno != EINTR)
			return -errno;
		if (info.si_pid == 0 && clock_usec() > deadline_usec)
			return -ETIMEDOUT;
		if (info.si_pid == 0)
			sched_yield();
	}
	*ret_signal = 0;
	*ret_stop = STOP_EVENT;
	if (info.si_status == (SIGTRAP | 0x80)) {
		*ret_stop = STOP_CALL;
	} else if (info.si_status >> 8 == 0) {
		*ret_stop = STOP_SIGNAL;
		*ret_signal = info.si_status;
	}
	return 0;
}

/* To where it is held again. */
static int hold(pid_t tid, int signal)
{
	enum stop stop = STOP_CALL;
	int r = 0;

	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	while (r == 0 && stop != STOP_EVENT)
		r = run(tid, PTRACE_CONT, signal, &stop, &signal);
	return r;
}

/* From where it is about to be made. */
static int interrupt_again(pid_t tid, const struct user_regs_struct *before)
{
	struct user_regs_struct user;
	enum stop stop;
	int signal, r = run(tid, PTRACE_SYSCALL, 0, &stop, &signal);

	if (r == 0 && stop == STOP_CALL) {
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		r = run(tid, PTRACE_SYSCALL, 0, &stop, &signal);
	}
	if (r < 0)
		return r;
	if (stop == STOP_SIGNAL) {
		/* The one that it was to be told of. */
		r = set_registers(tid, before);
		return r < 0 ? r : hold(tid, signal);
	}
	if (stop == STOP_CALL &&
	    arm64_regset_read(tid, NT_PRSTATUS, &user, sizeof(user)) == (ssize_t)sizeof(user) &&
	    (int64_t)user.regs[0] == -EINTR) {
		user.regs[0] = (unsigned long long)ARM64_RESTART_NO_HAND;
		r = set_registers(tid, &user);
	}
	return r < 0 ? r : hold(tid, 0);
}

int inject_arch_mend(pid_t tid)
{
	struct user_regs_struct before, user;
	uint64_t text, first = 0;
	int r;

	if (arm64_regset_read(tid, NT_PRSTATUS, &before, sizeof(before)) != (ssize_t)sizeof(before))
		return 0;
	if ((int64_t)before.regs[0] != -EINTR || !arm64_is_cut_short(before.regs[8]) ||
	    !peek(tid, before.pc - ARM64_CALL_BYTES, &text) || (uint32_t)text != ARM64_SVC ||
	    is_from_handler(tid, &before) || first_argument(tid, &before, &first) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, tid, NULL, (long)PTRACE_O_TRACESYSGOOD) < 0)
		return 0;
	user = before;
	user.regs[0] = first;
	user.pc -= ARM64_CALL_BYTES;
	r = set_registers(tid, &user);
	if (r == 0)
		r = interrupt_again(tid, &before);
	ptrace(PTRACE_SETOPTIONS, tid, NULL, NULL);
	return r < 0 ? r : 1;
}
