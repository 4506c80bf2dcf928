/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls that a target waits in while advice is given inside it: each goes on waiting, and says in
 * the end what it would have said. The same where the one who injects dies on the way.
 */
#include "clock.h"
#include "inject-driver.h"
#include "inject.h"
#include "tap.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where there are only their younger sisters, libc makes those of them. */
#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#define SYS_epoll_wait SYS_epoll_pwait
#endif

#define INJECTIONS 3
#define SHORT_NSEC 150000000
#define PATIENCE_USEC 20000000u

struct shared {
	volatile int is_in; /* about to make the call */
	volatile int is_done;
	volatile long result; /* or a negative errno */
	volatile uint32_t word;
	volatile int handled;
	uint64_t elapsed_nsec;
	void *memory;
	stack_t alternate;
	sigset_t mask;
};

static struct shared *shared;
static int pipe_ends[2], sockets[2], epoll, notify, semaphores, messages, lock_file;
static mqd_t queue;
static pid_t the_child;

/* --- the calls ------------------------------------------------------------------------------------- */

static long or_errno(long result)
{
	return result < 0 ? -errno : result;
}

static const struct timespec a_while = { 0, SHORT_NSEC }, for_ever = { 1000, 0 };

static struct timespec later(clockid_t clock, const struct timespec *by)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_sec += by->tv_sec;
	at.tv_nsec += by->tv_nsec;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

static long do_nanosleep(void)
{
	return or_errno(syscall(SYS_nanosleep, &a_while, NULL));
}

static long do_clock_nanosleep(void)
{
	struct timespec left;

	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &a_while, &left);
}

static long do_clock_nanosleep_until(void)
{
	struct timespec at = later(CLOCK_REALTIME, &a_while);

	return -clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
}

static long do_futex(void)
{
	return or_errno(syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, NULL, NULL, 0));
}

static long do_futex_time(void)
{
	return or_errno(syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, &for_ever, NULL, 0));
}

static long do_futex_timeout(void)
{
	return or_errno(syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, &a_while, NULL, 0));
}

static long do_futex_until(void)
{
	struct timespec at = later(CLOCK_MONOTONIC, &a_while);

	return or_errno(syscall(SYS_futex, &shared->word, FUTEX_WAIT_BITSET, 0, &at, NULL,
				FUTEX_BITSET_MATCH_ANY));
}

static long do_read(void)
{
	char byte;

	return or_errno(read(pipe_ends[0], &byte, 1));
}

static struct pollfd poll_pipe(void)
{
	return (struct pollfd){ .fd = pipe_ends[0], .events = POLLIN };
}

static long do_poll(void)
{
	struct pollfd pollfd = poll_pipe();

	return or_errno(poll(&pollfd, 1, 1000000));
}

static long do_poll_forever(void)
{
	struct pollfd pollfd = poll_pipe();

	return or_errno(poll(&pollfd, 1, -1));
}

static long do_poll_timeout(void)
{
	struct pollfd pollfd = poll_pipe();

	return or_errno(poll(&pollfd, 1, SHORT_NSEC / 1000000));
}

static long do_ppoll(void)
{
	struct pollfd pollfd = poll_pipe();
	sigset_t none;

	sigemptyset(&none);
	return or_errno(ppoll(&pollfd, 1, &for_ever, &none));
}

#ifdef SYS_select
static long do_select(void)
{
	struct timeval time = { 1000, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_ends[0], &set);
	return or_errno(syscall(SYS_select, pipe_ends[0] + 1, &set, NULL, NULL, &time));
}
#endif

static long do_pselect(void)
{
	sigset_t none;
	fd_set set;

	sigemptyset(&none);
	FD_ZERO(&set);
	FD_SET(pipe_ends[0], &set);
	return or_errno(pselect(pipe_ends[0] + 1, &set, NULL, NULL, &for_ever, &none));
}

static long do_epoll(void)
{
	struct epoll_event event;

	return or_errno(epoll_wait(epoll, &event, 1, -1));
}

static long do_epoll_time(void)
{
	struct epoll_event event;

	return or_errno(epoll_wait(epoll, &event, 1, 1000000));
}

static long do_epoll_pwait(void)
{
	struct epoll_event event;
	sigset_t none;

	sigemptyset(&none);
	return or_errno(epoll_pwait(epoll, &event, 1, 1000000, &none));
}

static struct sembuf take_one = { .sem_num = 0, .sem_op = -1 };

static long do_semop(void)
{
	return or_errno(syscall(SYS_semop, semaphores, &take_one, 1));
}

static long do_semtimedop(void)
{
	return or_errno(semtimedop(semaphores, &take_one, 1, &for_ever));
}

static long do_semtimedop_timeout(void)
{
	return or_errno(semtimedop(semaphores, &take_one, 1, &a_while));
}

static long do_msgrcv(void)
{
	struct {
		long type;
		char text[1];
	} message;

	return or_errno(msgrcv(messages, &message, 1, 0, 0));
}

static long do_mq_receive(void)
{
	char text[8];

	return or_errno(mq_receive(queue, text, sizeof(text), NULL));
}

static long do_wait4(void)
{
	int status;

	return waitpid(the_child, &status, 0) == the_child ? WEXITSTATUS(status) : -errno;
}

static long do_waitid(void)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)the_child, &info, WEXITED) == 0 ? info.si_status : -errno;
}

static long do_sigtimedwait(void)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	return or_errno(sigtimedwait(&one, NULL, &for_ever));
}

static long do_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	return or_errno(sigsuspend(&none));
}

static long do_recv(void)
{
	char byte;

	return or_errno(recv(sockets[0], &byte, 1, 0));
}

/* With SO_RCVTIMEO. */
static long do_recv_time(void)
{
	struct timeval time = { 1000, 0 };

	setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	return do_recv();
}

static long do_inotify(void)
{
	char buffer[4096];

	return read(notify, buffer, sizeof(buffer)) > 0 ? 1 : -errno;
}

static long do_flock(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock_file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return or_errno(flock(fd, LOCK_EX));
}

/* --- what ends them -------------------------------------------------------------------------------- */

static void end_nothing(pid_t pid)
{
}

static void end_futex(pid_t pid)
{
	uint64_t deadline_usec = clock_usec() + PATIENCE_USEC;

	/* One that is only about to wait, again, is not woken by it. */
	while (syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0 &&
	       !shared->is_done && clock_usec() < deadline_usec)
		sched_yield();
}

static void end_pipe(pid_t pid)
{
	must(write(pipe_ends[1], "x", 1) == 1);
}

static void end_semaphore(pid_t pid)
{
	struct sembuf give_one = { .sem_num = 0, .sem_op = 1 };

	must(semop(semaphores, &give_one, 1) == 0);
}

static void end_messages(pid_t pid)
{
	struct {
		long type;
		char text[1];
	} message = { .type = 1 };

	must(msgsnd(messages, &message, 1, 0) == 0);
}

static void end_queue(pid_t pid)
{
	must(mq_send(queue, "x", 1, 0) == 0);
}

static void end_child(pid_t pid)
{
	shared->word = 1;
	syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void end_signal(pid_t pid)
{
	must(kill(pid, SIGUSR1) == 0);
}

static void end_socket(pid_t pid)
{
	must(send(sockets[1], "x", 1, 0) == 1);
}

static void end_notify(pid_t pid)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };

	must(futimens(lock_file, times) == 0);
}

static void end_lock(pid_t pid)
{
	must(flock(lock_file, LOCK_UN) == 0);
}

static const struct {
	const char *name;
	long number; /* of the system call, to see that it is in it */
	long (*call)(void);
	void (*end)(pid_t pid);
	long result;
	long least_nsec; /* that it has to take */
	bool is_signalled;
	bool has_child;
} calls[] = {
	{ "nanosleep", SYS_nanosleep, do_nanosleep, end_nothing, 0, SHORT_NSEC, false, false },
	{ "clock_nanosleep", SYS_clock_nanosleep, do_clock_nanosleep, end_nothing, 0, SHORT_NSEC,
	  false, false },
	{ "clock_nanosleep until", SYS_clock_nanosleep, do_clock_nanosleep_until, end_nothing, 0, 0,
	  false, false },
	{ "futex", SYS_futex, do_futex, end_futex, 0, 0, false, false },
	{ "futex with a time-out", SYS_futex, do_futex_time, end_futex, 0, 0, false, false },
	{ "futex to its time-out", SYS_futex, do_futex_timeout, end_nothing, -ETIMEDOUT, SHORT_NSEC,
	  false, false },
	{ "futex until", SYS_futex, do_futex_until, end_nothing, -ETIMEDOUT, 0, false, false },
	{ "read from a pipe", SYS_read, do_read, end_pipe, 1, 0, false, false },
	{ "poll", SYS_poll, do_poll, end_pipe, 1, 0, false, false },
	{ "poll without a time-out", SYS_poll, do_poll_forever, end_pipe, 1, 0, false, false },
	{ "poll to its time-out", SYS_poll, do_poll_timeout, end_nothing, 0, SHORT_NSEC, false,
	  false },
	{ "ppoll with a mask", SYS_ppoll, do_ppoll, end_pipe, 1, 0, false, false },
#ifdef SYS_select
	{ "select", SYS_select, do_select, end_pipe, 1, 0, false, false },
#endif
	{ "pselect with a mask", SYS_pselect6, do_pselect, end_pipe, 1, 0, false, false },
	{ "epoll_wait", SYS_epoll_wait, do_epoll, end_pipe, 1, 0, false, false },
	{ "epoll_wait with a time-out", SYS_epoll_wait, do_epoll_time, end_pipe, 1, 0, false,
	  false },
	{ "epoll_pwait with a mask", SYS_epoll_pwait, do_epoll_pwait, end_pipe, 1, 0, false,
	  false },
	{ "semop", SYS_semop, do_semop, end_semaphore, 0, 0, false, false },
	{ "semtimedop", SYS_semtimedop, do_semtimedop, end_semaphore, 0, 0, false, false },
	{ "semtimedop to its time-out", SYS_semtimedop, do_semtimedop_timeout, end_nothing, -EAGAIN,
	  0, false, false },
	{ "msgrcv", SYS_msgrcv, do_msgrcv, end_messages, 1, 0, false, false },
	{ "mq_receive", SYS_mq_timedreceive, do_mq_receive, end_queue, 1, 0, false, false },
	{ "wait4", SYS_wait4, do_wait4, end_child, 7, 0, false, true },
	{ "waitid", SYS_waitid, do_waitid, end_child, 7, 0, false, true },
	{ "sigtimedwait", SYS_rt_sigtimedwait, do_sigtimedwait, end_signal, SIGUSR1, 0, false,
	  false },
	{ "sigsuspend", SYS_rt_sigsuspend, do_sigsuspend, end_signal, -EINTR, 0, true, false },
	{ "ppoll ended by a signal", SYS_ppoll, do_ppoll, end_signal, -EINTR, 0, true, false },
	{ "epoll_pwait ended by a signal", SYS_epoll_pwait, do_epoll_pwait, end_signal, -EINTR, 0,
	  true, false },
	{ "recv", SYS_recvfrom, do_recv, end_socket, 1, 0, false, false },
	{ "recv with a time-out", SYS_recvfrom, do_recv_time, end_socket, 1, 0, false, false },
	{ "read from inotify", SYS_read, do_inotify, end_notify, 1, 0, false, false },
	{ "flock", SYS_flock, do_flock, end_lock, 0, 0, false, false },
};

/* --- the target ------------------------------------------------------------------------------------ */

static char alternate_stack[65536];

static void on_signal(int signal)
{
	shared->handled++;
}

static pid_t start_grandchild(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!shared->word)
			syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(7);
	}
	return pid;
}

__attribute__((noreturn)) static void run_target(size_t index)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	stack_t stack = { .ss_sp = alternate_stack, .ss_size = sizeof(alternate_stack) };
	uint64_t start_nsec;
	sigset_t blocked;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	sigaltstack(&stack, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGRTMAX - 3);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (calls[index].has_child)
		the_child = start_grandchild();
	start_nsec = clock_nsec();
	shared->is_in = 1;
	shared->result = calls[index].call();
	shared->elapsed_nsec = clock_nsec() - start_nsec;
	sigaltstack(NULL, &shared->alternate);
	sigprocmask(SIG_SETMASK, NULL, &shared->mask);
	shared->is_done = 1;
	for (;;)
		pause();
}

static void make_objects(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct mq_attr attributes = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char path[64], name[64];

	must(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
	must(fcntl(pipe_ends[0], F_SETFL, 0) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	must(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &event) == 0);
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	messages = msgget(IPC_PRIVATE, 0600);
	must(semaphores >= 0 && messages >= 0);
	snprintf(name, sizeof(name), "/memhint-inject-%d", getpid());
	queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &attributes);
	must(queue >= 0 && mq_unlink(name) == 0);
	lock_file = memfd_create("lock", MFD_CLOEXEC);
	must(lock_file >= 0 && flock(lock_file, LOCK_EX) == 0);
	notify = inotify_init1(IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock_file);
	must(notify >= 0 && inotify_add_watch(notify, path, IN_ATTRIB) >= 0);
}

static void remove_objects(void)
{
	semctl(semaphores, 0, IPC_RMID);
	msgctl(messages, IPC_RMID, NULL);
	mq_close(queue);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	close(sockets[0]);
	close(sockets[1]);
	close(epoll);
	close(notify);
	close(lock_file);
}

/* --- the test -------------------------------------------------------------------------------------- */

/* Whether it sleeps in this system call, or in one that goes on with it. */
static bool is_waiting(pid_t pid, long number)
{
	char path[64], text[256] = "";
	FILE *file;
	long now = -1;
	bool read;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	read = fgets(text, sizeof(text), file) != NULL;
	fclose(file);
	return read && sscanf(text, "%ld", &now) == 1 &&
	       (now == number || now == SYS_restart_syscall);
}

static bool wait_until(bool (*is_so)(pid_t pid, long number), pid_t pid, long number)
{
	uint64_t deadline_usec = clock_usec() + PATIENCE_USEC;

	while (!is_so(pid, number)) {
		if (clock_usec() > deadline_usec)
			return false;
		sched_yield();
	}
	return true;
}

static bool is_done(pid_t pid, long number)
{
	return shared->is_done;
}

static bool is_waiting_or_done(pid_t pid, long number)
{
	return shared->is_done || is_waiting(pid, number);
}

/* A target in the call: injected into some times, or with an injector that dies, then let end. */
static void test_call(size_t index, int stops)
{
	struct iovec range = { .iov_len = 4096 };
	struct memhint_process *process;
	const char *how = stops < 0 ? "" : ", and a death on the way";
	unsigned int done = 0;
	sigset_t blocked;
	pid_t pid;

	make_objects();
	memset(shared, 0, sizeof(*shared));
	range.iov_base =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(range.iov_base != MAP_FAILED);
	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		run_target(index);
	must(memhint_process_open(P_PID, (id_t)pid, &process) == 0);
	must(wait_until(is_waiting, pid, calls[index].number));
	for (int i = 0; i < INJECTIONS; i++) {
		if (stops >= 0)
			done += die_injecting(process, &range, MADV_DONTDUMP, stops) == 1;
		else
			done += inject_once(process, &range, 1, MADV_DONTDUMP) ==
				(ssize_t)range.iov_len;
		if (!calls[index].least_nsec && calls[index].end != end_nothing)
			must(wait_until(is_waiting_or_done, pid, calls[index].number));
	}
	is(done, INJECTIONS, "%s: advice inside%s", calls[index].name, how);
	ok(!shared->is_done || calls[index].end == end_nothing, "it waits on");
	calls[index].end(pid);
	ok(wait_until(is_done, pid, 0), "it ends");
	is(shared->result, calls[index].result, "with the right result");
	ok(shared->elapsed_nsec >= (uint64_t)calls[index].least_nsec, "and not early");
	is(shared->handled, calls[index].is_signalled, "signals are handled as they should be");
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGRTMAX - 3);
	ok(memcmp(&shared->mask, &blocked, 8) == 0, "the same are blocked");
	ok(shared->alternate.ss_sp == alternate_stack && shared->alternate.ss_flags == 0 &&
		   shared->alternate.ss_size == sizeof(alternate_stack),
	   "the alternate stack is the same");
	memhint_process_close(process);
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0) == pid);
	munmap(range.iov_base, range.iov_len);
	remove_objects();
}

int main(void)
{
	struct memhint_process *self;
	struct injector *injector;

	must(memhint_process_open(P_PID, (id_t)getpid(), &self) == 0);
	if (inject_open(self, &injector) == -EOPNOTSUPP)
		skip_all("not on this architecture");
	inject_close(injector);
	memhint_process_close(self);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(shared != MAP_FAILED);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		test_call(i, -1);
		for (int stops = 0; stops < DEATHS; stops++)
			test_call(i, stops);
	}
	return done_testing();
}
