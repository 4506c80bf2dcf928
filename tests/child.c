/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "child.h"

#include "settle.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noreturn)) static void
child_run(struct child_shared *shared, int commands, int answers,
	  void (*setup)(struct child_shared *shared),
	  long (*command)(int what, struct child_shared *shared))
{
	int what;
	long answer = 0;

	if (setup) {
		cpu_set_t processors;

		settle_begin(&processors);
		setup(shared);
		settle_end(&processors);
	}
	do {
		if (write(answers, &answer, sizeof(answer)) != sizeof(answer))
			_exit(1);
		if (read(commands, &what, sizeof(what)) != sizeof(what))
			_exit(0);
		answer = command ? command(what, shared) : 0;
	} while (1);
}

void child_start(struct child *child, void (*setup)(struct child_shared *shared),
		 long (*command)(int what, struct child_shared *shared))
{
	int commands[2], answers[2];
	pid_t parent = getpid();
	long ready;

	must(pipe2(commands, O_CLOEXEC) == 0);
	must(pipe2(answers, O_CLOEXEC) == 0);
	child->shared = mmap(NULL, sizeof(*child->shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(child->shared != MAP_FAILED);
	fflush(NULL);
	child->pid = fork();
	must(child->pid >= 0);
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(commands[1]);
		close(answers[0]);
		child_run(child->shared, commands[0], answers[1], setup, command);
	}
	close(commands[0]);
	close(answers[1]);
	child->command_fd = commands[1];
	child->answer_fd = answers[0];
	must(read(child->answer_fd, &ready, sizeof(ready)) == sizeof(ready));
}

long child_tell(struct child *child, int what)
{
	long answer;

	signal(SIGPIPE, SIG_IGN);
	if (write(child->command_fd, &what, sizeof(what)) != sizeof(what))
		return -1000;
	if (read(child->answer_fd, &answer, sizeof(answer)) != sizeof(answer))
		return -1000;
	return answer;
}

void child_end(struct child *child)
{
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(child->command_fd);
	close(child->answer_fd);
	munmap(child->shared, sizeof(*child->shared));
}
