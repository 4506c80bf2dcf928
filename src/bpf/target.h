/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that is looked at: whether it lives, and whether we may. */
#ifndef BPF_TARGET_H
#define BPF_TARGET_H

/* 0: it lives, and so its PID was its own all along. -ESRCH, or -EBADF for what is no pidfd. */
int target_check(int pidfd);

/*
 * Opens its maps, which is the kernel's check of whether we may see them: an fd, or -ESRCH, -EACCES or
 * another negative errno. As long as the fd is open the kernel keeps the structure of its address
 * space, if not the mappings. Waits for an exec that is replacing it.
 */
int target_hold(int dirfd);

#endif
