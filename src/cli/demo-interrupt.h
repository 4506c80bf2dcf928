/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signals by which a user or the system ends the demo: noted, and seen wherever it waits. */
#ifndef CLI_DEMO_INTERRUPT_H
#define CLI_DEMO_INTERRUPT_H

/* Catches them from now on: 0 or a negative errno. */
int interrupt_init(void);

/* Readable from the first signal on. */
int interrupt_fd(void);

/* The last signal, 0 while there was none. */
int interrupt_signal(void);

/* The same to be looked at from elsewhere: not 0 from the first signal on. */
const volatile int *interrupt_flag(void);

#endif
