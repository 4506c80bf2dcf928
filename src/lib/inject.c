/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of the steps. Whatever happens to the tracer between two of them, the kernel lets the thread
 * run, and it must come to where it would have come by itself:
 *
 *   1. The rescue frame is written to memory that holds nothing. The thread does not know of it.
 *   2. All registers are changed at once: to the call, behind which the frame waits. Let run, the thread
 *	makes the call and returns into a signal return, which restores from the frame everything.
 *   3. It runs to the end of the call, where other registers make other calls of it.
 *   4. It is stopped where it would go back to user mode, and gets its own registers back there.
 *
 * The last must not be done at the end of a call: what becomes of an interrupted system call is decided
 * by the kernel behind that point, in kernel/signal.c, and only in a stop inside of that (an interrupt, a
 * signal) are the registers looked at. So a nanosleep, for instance, goes on with what was left of it.
 *
 * Seccomp filters are not suspended, although ptrace(2) can: they would be back for the signal return.
 */
#include "inject.h"

#include "cleanup.h"
#include "clock.h"
#include "fd.h"
#include "inject-code.h"
#include "process-internal.h"
#include "procfile.h"
#include "seccomp.h"
#include "stack-room.h"
#include "uapi.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* For a thread to come from one stop to the next, unless it is in the call itself. */
#define STEP_USEC 1000000u
/* Signals that are delivered one after the other before an advice is given up. */
#define SIGNAL_LIMIT 64

enum state {
	STATE_IDLE,    /* nothing was changed */
	STATE_READY,   /* the frame is written, the registers are its own */
	STATE_CHANGED, /* they are the call's */
	STATE_CALLED,  /* in the exit stop of a call */
};

struct injector {
	struct memhint_process *process;
	const struct inject_abi *abi;
	struct inject_code code;
	enum state state;
	struct trace *trace;
	size_t index;	/* of the thread, in it */
	bool is_broken; /* the others had to be let go */
	struct inject_thread thread;
	struct seccomp_filters filters;
	struct stack_room room;
	struct inject_registers saved; /* as they are to be when it goes on */
	struct inject_registers call;
};

/* How a thread has stopped. */
enum stop {
	STOP_CALL,   /* at the beginning or end of a system call */
	STOP_EVENT,  /* by an interrupt, or with its group */
	STOP_SIGNAL, /* to be given a signal */
};

static int read_status(const struct injector *injector, pid_t tid, char **ret_text)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "task/%d/status", tid);
	r = proc_status_text(memhint_process_dirfd(injector->process), path, ret_text);
	return r == -ENOENT ? -ESRCH : r;
}

/* The mode of seccomp in a status: -1 the kernel has none. */
static int seccomp_mode(const char *status)
{
	const char *line = strstr(status, "\nSeccomp:\t");

	return line ? (int)strtol(line + 10, NULL, 10) : -1;
}

int inject_open(struct memhint_process *process, struct injector **ret_injector)
{
	_cleanup_free_ struct injector *injector = NULL;
	_cleanup_free_ char *status = NULL;
	int r;

	if (!inject_arch_is_built())
		return -EOPNOTSUPP;
	injector = malloc(sizeof(*injector));
	if (!injector)
		return -ENOMEM;
	*injector = (struct injector){ .process = process, .thread.memory_fd = -1 };
	r = read_status(injector, memhint_process_pid(process), &status);
	if (r < 0)
		return r;
	if (seccomp_mode(status) == SECCOMP_MODE_STRICT)
		return -EOPNOTSUPP;
	r = inject_code_find(process, &injector->abi, &injector->code);
	if (r < 0)
		return r;
	*ret_injector = take_pointer(injector);
	return 0;
}

static void forget_thread(struct injector *injector)
{
	seccomp_filters_done(&injector->filters);
	stack_room_done(&injector->room);
	closep(&injector->thread.memory_fd);
	injector->thread = (struct inject_thread){ .memory_fd = -1 };
	injector->state = STATE_IDLE;
}

/* The same of one that has its own registers and is held, and @is_over: does not need the frame any more. */
static void leave_thread(struct injector *injector, bool is_over)
{
	if (is_over)
		stack_room_restore(&injector->room, injector->thread.memory_fd);
	ptrace(PTRACE_SETOPTIONS, injector->thread.tid, NULL, NULL);
	forget_thread(injector);
}

/* A program may look at its system calls itself (prctl(2), PR_SET_SYSCALL_USER_DISPATCH). */
static bool has_dispatch(pid_t tid)
{
	struct uapi_sud_config config = {};

	return ptrace(UAPI_PTRACE_GET_SUD_CONFIG, tid, (void *)sizeof(config), &config) == 0 &&
	       config.mode != 0;
}

static bool read_memory(const struct inject_thread *thread, uint64_t address, void *buffer,
			size_t size)
{
	return pread(thread->memory_fd, buffer, size, (off_t)address) == (ssize_t)size;
}

/*
 * A restartable sequence (rseq(2)) does not survive that its thread loses the processor, as it has by
 * now: it would go on at its abort handler. The kernel sees to that where the registers say that the
 * thread is inside, which they would not for a while, and then it would be too late. 0, or -EBUSY.
 */
static int leave_sequence(const struct inject_thread *thread, struct inject_registers *registers)
{
	struct uapi_rseq_configuration rseq = {};
	struct uapi_rseq_cs sequence;
	uint64_t address, instruction;
	uint32_t signature;

	if (ptrace(UAPI_PTRACE_GET_RSEQ, thread->tid, (void *)sizeof(rseq), &rseq) < 0 ||
	    rseq.pointer == 0)
		return 0;
	if (!read_memory(thread, rseq.pointer + UAPI_RSEQ_CS_OFFSET, &address, sizeof(address)))
		return -EBUSY;
	if (address == 0)
		return 0;
	if (!read_memory(thread, address, &sequence, sizeof(sequence)))
		return -EBUSY;
	instruction = inject_arch_instruction(registers);
	if (instruction - sequence.start >= sequence.length)
		return 0;
	if (sequence.version != 0 || sequence.flags != 0 ||
	    !read_memory(thread, sequence.abort - sizeof(signature), &signature,
			 sizeof(signature)) ||
	    signature != rseq.signature)
		return -EBUSY;
	inject_arch_set_instruction(registers, sequence.abort);
	return 0;
}

static bool allows(const struct injector *injector, uint32_t number, uint64_t address,
		   const uint64_t *arguments, size_t count)
{
	struct seccomp_data data = {
		.nr = (int)number,
		.arch = injector->abi->audit_arch,
		.instruction_pointer = address,
	};

	if (count)
		memcpy(data.args, arguments, count * sizeof(*arguments));
	return seccomp_filters_allow(&injector->filters, &data);
}

static bool allows_return(const struct injector *injector)
{
	return allows(injector, injector->abi->nr_rt_sigreturn,
		      injector->code.restorer + injector->code.restorer_bytes, NULL, 0);
}

static bool allows_inside(const struct injector *injector)
{
	return injector->abi->nr_inside < 0 ||
	       allows(injector, (uint32_t)injector->abi->nr_inside,
		      injector->code.call + injector->abi->call_bytes, NULL, 0);
}

static bool allows_advice(const struct injector *injector, const uint64_t arguments[3])
{
	return allows(injector, injector->abi->nr_madvise,
		      injector->code.call + injector->abi->call_bytes, arguments, 3);
}

static int check_seccomp(struct injector *injector, const char *status)
{
	int mode = seccomp_mode(status), r;

	if (mode <= SECCOMP_MODE_DISABLED)
		return 0;
	if (mode != SECCOMP_MODE_FILTER)
		return -EOPNOTSUPP;
	r = seccomp_filters_read(injector->thread.tid, &injector->filters);
	if (r < 0)
		return r;
	return allows_return(injector) && allows_inside(injector) ? 0 : -EOPNOTSUPP;
}

/* Opened while the thread is held: an exec before that would have left another address space behind it. */
static int open_memory(struct injector *injector)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "task/%d/mem", injector->thread.tid);
	fd = openat(memhint_process_dirfd(injector->process), path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	injector->thread.memory_fd = fd;
	if (inject_code_is_there(fd, &injector->code))
		return 0;
	return inject_code_find(injector->process, &injector->abi, &injector->code);
}

/* Step 1 and what must be known before it. */
static int write_frame(struct injector *injector)
{
	const struct inject_thread *thread = &injector->thread;
	struct stack_thread stack = {
		.tid = thread->tid,
		.memory_fd = thread->memory_fd,
		.stack = inject_arch_stack(&injector->saved),
		.thread_pointer = inject_arch_thread_pointer(thread->tid, &injector->saved),
		.word_bytes = injector->abi->word_bytes,
	};
	struct inject_frame frame;
	uint64_t mask;
	int r;

	/* Of a call that waits with other signals blocked than usual: the usual ones. */
	if (ptrace(PTRACE_GETSIGMASK, thread->tid, (void *)sizeof(mask), &mask) < 0)
		return -errno;
	r = stack_room_find(injector->process, &stack, inject_arch_frame_max() + stack_room_extra(),
			    &injector->room);
	if (r < 0)
		return r;
	r = inject_arch_frame(thread, &injector->saved, mask, &injector->code, injector->room.top,
			      &frame, &injector->call);
	if (r < 0)
		return r;
	r = stack_room_write(&injector->room, thread->memory_fd, frame.address, frame.data,
			     frame.size);
	free(frame.data);
	return r;
}

static int prepare(struct injector *injector, pid_t tid)
{
	_cleanup_free_ char *status = NULL;
	int r;

	injector->thread.tid = tid;
	r = read_status(injector, tid, &status);
	if (r == 0)
		r = open_memory(injector);
	if (r == 0)
		r = inject_arch_get(tid, &injector->saved);
	if (r < 0)
		return r;
	if (injector->saved.abi != injector->abi)
		return -EBUSY;
	r = inject_arch_check(tid, &injector->saved, status);
	if (r == 0 && has_dispatch(tid))
		r = -EOPNOTSUPP;
	if (r == 0)
		r = check_seccomp(injector, status);
	if (r == 0 && ptrace(PTRACE_SETOPTIONS, tid, NULL, (long)PTRACE_O_TRACESYSGOOD) < 0)
		r = -errno;
	if (r == 0)
		r = inject_arch_look(&injector->thread, &injector->saved);
	if (r == 0)
		r = leave_sequence(&injector->thread, &injector->saved);
	if (r == 0)
		r = write_frame(injector);
	if (r < 0)
		ptrace(PTRACE_SETOPTIONS, tid, NULL, NULL);
	return r;
}

/* The first thread that can be used, from number @first on. @result: the error if there are none. */
static int choose_thread(struct injector *injector, size_t first, int result)
{
	struct trace *trace = injector->trace;

	if (process_is_frozen(injector->process))
		return -EBUSY;
	for (size_t i = first; i < trace->count; i++) {
		int r = trace->threads[i].is_held ? prepare(injector, trace->threads[i].tid)
						  : -EBUSY;

		if (r == 0) {
			injector->state = STATE_READY;
			injector->index = i;
			return 0;
		}
		forget_thread(injector);
		if (r == -ENOMEM)
			return r;
		/* One that may do later says more than one that never will, or is no more. */
		if (r != -EOPNOTSUPP && r != -ESRCH)
			result = -EBUSY;
		else if (result == -ESRCH)
			result = r;
	}
	return process_is_ending(injector->process) ? -ESRCH : result;
}

int inject_begin(struct injector *injector, struct trace *trace)
{
	if (injector->is_broken)
		return -EBUSY;
	injector->trace = trace;
	return choose_thread(injector, 0, -ESRCH);
}

static int resume(const struct injector *injector, enum __ptrace_request request, int signal)
{
	return ptrace(request, injector->thread.tid, NULL, (long)signal) < 0 ? -errno : 0;
}

static int interrupt(const struct injector *injector)
{
	return ptrace(PTRACE_INTERRUPT, injector->thread.tid, NULL, NULL) < 0 ? -errno : 0;
}

static int wait_stop(const struct injector *injector, uint64_t deadline_usec, enum stop *ret_stop,
		     int *ret_signal)
{
	int status, r;

	r = trace_wait_thread(injector->trace, injector->thread.tid, deadline_usec, &status);
	if (r < 0)
		return r;
	*ret_signal = 0;
	if (status >> 16) {
		*ret_stop = STOP_EVENT;
	} else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
		*ret_stop = STOP_CALL;
	} else {
		*ret_stop = STOP_SIGNAL;
		*ret_signal = WSTOPSIG(status);
	}
	return 0;
}

/*
 * Back to the thread's own registers, and on to where it is held: step 4. From the end of a call that is
 * done there. From a stop in which the thread is to be given a signal (@is_signal; 0 for none after all)
 * it is done at once, and the signal delivered as if nothing else had been going on, since there, too, the
 * kernel decides with the registers that it finds.
 */
static int give_back(struct injector *injector, bool is_signal, int signal)
{
	bool is_done = false;
	enum stop stop = is_signal ? STOP_SIGNAL : STOP_CALL;
	int r = interrupt(injector);

	while (r == 0) {
		if (stop != STOP_CALL && !is_done) {
			r = inject_arch_restore(&injector->thread, &injector->saved,
						&injector->call);
			is_done = true;
		}
		if (r == 0 && stop == STOP_EVENT) {
			leave_thread(injector, inject_arch_restores_all(&injector->call));
			return 0;
		}
		if (r == 0)
			r = resume(injector, PTRACE_CONT, signal);
		if (r == 0)
			r = wait_stop(injector, clock_usec() + STEP_USEC, &stop, &signal);
	}
	forget_thread(injector);
	return r;
}

/*
 * The same at a signal that comes while an architecture lets the thread run. Its registers may be its own
 * still. 1 or a negative errno.
 */
static int take_signal(struct injector *injector, int signal)
{
	enum stop stop = STOP_SIGNAL;
	int r;

	if (injector->state != STATE_IDLE) {
		r = give_back(injector, true, signal);
		return r < 0 ? r : 1;
	}
	r = interrupt(injector);
	while (r == 0 && stop != STOP_EVENT) {
		r = resume(injector, PTRACE_CONT, signal);
		if (r == 0)
			r = wait_stop(injector, clock_usec() + STEP_USEC, &stop, &signal);
	}
	return r < 0 ? r : 1;
}

static struct injector *injector_of(const struct inject_thread *thread)
{
	return (struct injector *)((char *)thread - offsetof(struct injector, thread));
}

int inject_thread_hold(const struct inject_thread *thread)
{
	struct injector *injector = injector_of(thread);
	enum stop stop = STOP_CALL;
	int signal = 0, r = interrupt(injector);

	while (r == 0 && stop != STOP_EVENT) {
		r = resume(injector, PTRACE_CONT, 0);
		if (r == 0)
			r = wait_stop(injector, clock_usec() + STEP_USEC, &stop, &signal);
		if (r == 0 && stop == STOP_SIGNAL)
			return take_signal(injector, signal);
	}
	return r;
}

/* A SIGSYS that comes in place of the call itself: somebody looks at system calls who could not be seen. */
static bool is_refused(const struct injector *injector, int signal)
{
	siginfo_t info;

	return signal == SIGSYS &&
	       ptrace(PTRACE_GETSIGINFO, injector->thread.tid, NULL, &info) == 0 &&
	       info.si_code > 0;
}

/*
 * The thread does not get as far as the call: it is frozen since, say. Still its registers are in
 * place, and it is stopped as it was.
 */
static int give_up(struct injector *injector)
{
	enum stop stop;
	int signal, r;

	r = interrupt(injector);
	if (r == 0)
		r = wait_stop(injector, clock_usec() + STEP_USEC, &stop, &signal);
	if (r == 0)
		r = give_back(injector, stop == STOP_SIGNAL, signal);
	return r < 0 && r != -ETIMEDOUT ? r : -EBUSY;
}

int inject_thread_run(const struct inject_thread *thread, int request)
{
	struct injector *injector = injector_of(thread);
	enum stop stop = STOP_EVENT;
	int signal = 0, r = 0;

	while (r == 0 && stop == STOP_EVENT) {
		r = resume(injector, (enum __ptrace_request)request, 0);
		if (r == 0)
			r = wait_stop(injector, clock_usec() + STEP_USEC, &stop, &signal);
	}
	if (r == 0 && stop == STOP_SIGNAL)
		return take_signal(injector, signal);
	if (r == -ETIMEDOUT && injector->state != STATE_IDLE)
		return give_up(injector);
	return r;
}

/*
 * To the end of the call, which may be one that only another thread of the process can end: one that serves
 * its page faults (userfaultfd(2)), or a file system of its own. As nothing interrupts it the others are
 * let go then.
 */
static int wait_call(struct injector *injector, enum stop *ret_stop, int *ret_signal)
{
	uint64_t turns = 0;
	int r;

	do {
		r = wait_stop(injector, clock_usec() + STEP_USEC, ret_stop, ret_signal);
		if (r == -ETIMEDOUT && !injector->is_broken)
			injector->is_broken =
				trace_let_others_go(injector->trace, injector->thread.tid, &turns);
	} while (r == -ETIMEDOUT);
	return r;
}

/* Steps 2 and 3. 0 the call is done, 1 a signal came before it and was delivered, or a negative errno. */
static int run_call(struct injector *injector)
{
	bool is_inside = false;
	int r = inject_arch_set(injector->thread.tid, &injector->call);

	while (r == 0) {
		enum stop stop;
		int signal;

		r = resume(injector, PTRACE_SYSCALL, 0);
		if (r < 0)
			break;
		r = is_inside ? wait_call(injector, &stop, &signal)
			      : wait_stop(injector, clock_usec() + STEP_USEC, &stop, &signal);
		if (r == -ETIMEDOUT)
			return give_up(injector);
		if (r < 0 || stop == STOP_EVENT)
			continue;
		if (stop == STOP_SIGNAL) {
			bool refused = is_refused(injector, signal);

			r = give_back(injector, true, refused ? 0 : signal);
			if (r == 0)
				return refused ? -EOPNOTSUPP : 1;
			continue;
		}
		if (is_inside) {
			injector->state = STATE_CALLED;
			return 0;
		}
		is_inside = true;
	}
	return r;
}

/* Until there is a thread whose filters let this very call through. */
static int be_ready(struct injector *injector, const uint64_t arguments[3])
{
	int r = 0;

	if (injector->is_broken)
		return -EBUSY;
	if (injector->state == STATE_IDLE)
		r = choose_thread(injector, 0, -ESRCH);
	while (r == 0 && !allows_advice(injector, arguments)) {
		if (injector->state != STATE_READY)
			return -EOPNOTSUPP;
		leave_thread(injector, true);
		r = choose_thread(injector, injector->index + 1, -EOPNOTSUPP);
	}
	if (r < 0)
		return r;
	return arguments[0] > injector->abi->length_max || arguments[1] > injector->abi->length_max
		       ? -ENOMEM
		       : 0;
}

/* One call for one range: 0 or a negative errno. */
static int advise_range(struct injector *injector, const struct iovec *range, int advice)
{
	uint64_t arguments[3] = { (uint64_t)(uintptr_t)range->iov_base, range->iov_len,
				  (uint64_t)advice };

	for (int signals = 0; signals < SIGNAL_LIMIT;) {
		struct inject_registers registers;
		int64_t result;
		int r = be_ready(injector, arguments);

		if (r < 0)
			return r;
		if (injector->state == STATE_READY) {
			injector->state = STATE_CHANGED;
			r = inject_arch_enter(&injector->thread, &injector->code, &injector->call);
		}
		if (r == 0) {
			inject_arch_set_call(&injector->call, injector->abi->nr_madvise, arguments,
					     3);
			r = run_call(injector);
		} else if (r < 0 && injector->state == STATE_CHANGED) {
			give_back(injector, false, 0);
		}
		if (r == 1) {
			signals++;
			continue;
		}
		if (r == 0)
			r = inject_arch_get(injector->thread.tid, &registers);
		if (r < 0)
			return r;
		result = inject_arch_result(&registers);
		/* The kernel would have the call made anew; here that is for the caller of it to do. */
		if (result > UAPI_RESTART_FIRST || result < UAPI_RESTART_LAST)
			return (int)result;
	}
	return -EBUSY;
}

ssize_t inject_advise(struct injector *injector, const struct iovec *ranges, size_t count,
		      int advice)
{
	ssize_t done = 0;

	for (size_t i = 0; i < count; i++) {
		int r = advise_range(injector, &ranges[i], advice);

		if (r < 0)
			return done ? done : r;
		done += (ssize_t)ranges[i].iov_len;
		if (injector->is_broken)
			break;
	}
	return done;
}

void inject_end(struct injector *injector)
{
	bool is_changed = injector->state == STATE_CHANGED || injector->state == STATE_CALLED;
	int r = 0;

	if (injector->state == STATE_IDLE)
		return;
	if (is_changed)
		r = inject_arch_leave(&injector->thread, &injector->saved, &injector->call);
	/* 1: a signal came, with which the thread was given back. */
	if (r != 1)
		leave_thread(injector, r == 0);
}

void inject_close(struct injector *injector)
{
	if (!injector)
		return;
	inject_end(injector);
	forget_thread(injector);
	free(injector);
}
