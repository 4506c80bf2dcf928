/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals and a time limit that end the work in good order. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdint.h>

/* The number of the signal that came, or 0; SIGALRM: the time is over. The library looks at it, too. */
extern volatile int interrupted;

/*
 * From now on Ctrl-C, SIGTERM, SIGHUP and the end of @timeout_usec (0: none) set @interrupted. A second
 * signal of the same kind ends memhint at once.
 */
void interrupt_catch(uint64_t timeout_usec);

/* "INT", "TERM": the name of the signal that came. */
const char *interrupt_name(void);

#endif
