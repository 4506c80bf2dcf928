/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo-interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static struct interrupt {
	volatile int signal;
	int pipe[2]; /* readable from the first signal on */
} interrupt = { .pipe = { -1, -1 } };

static void on_signal(int signal)
{
	int saved = errno;

	interrupt.signal = signal;
	if (write(interrupt.pipe[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

int interrupt_init(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	if (pipe2(interrupt.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction action = { .sa_handler = on_signal }, old;

		/* nohup and the like wish it to be ignored. */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	return 0;
}

int interrupt_fd(void)
{
	return interrupt.pipe[0];
}

int interrupt_signal(void)
{
	return interrupt.signal;
}

const volatile int *interrupt_flag(void)
{
	return &interrupt.signal;
}
