/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>

volatile int interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

void interrupt_catch(uint64_t timeout_usec)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND }, old;
	struct itimerval timer = {};

	/* What is ignored stays so: nohup(1) means it. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
	if (!timeout_usec)
		return;
	sigaction(SIGALRM, &action, NULL);
	timer.it_value.tv_sec = (time_t)(timeout_usec / 1000000);
	timer.it_value.tv_usec = (suseconds_t)(timeout_usec % 1000000);
	setitimer(ITIMER_REAL, &timer, NULL);
}

const char *interrupt_name(void)
{
	const char *name = sigabbrev_np(interrupted);

	return name ? name : "a signal";
}
