/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the state of one address space again and again. For any number of threads, each its own. */
#ifndef BPF_WATCH_H
#define BPF_WATCH_H

#include "bpf-room.h"

#include <sys/types.h>

/* Loads the program: an fd or a negative errno. */
int watch_program_open(void);

/*
 * Tries on the caller's own address space whether the kernel counts its changes: 0, -EOPNOTSUPP, or
 * another negative errno.
 */
int watch_program_try(int program_fd);

/* What the door says of watch_open(), watch_read() and watch_close(). */
int watch_open(int program_fd, int pidfd, pid_t pid, struct bpf_room_watch **ret_watch);
int watch_read(struct bpf_room_watch *watch, struct bpf_room_space *ret_space);
void watch_close(struct bpf_room_watch *watch);

#endif
