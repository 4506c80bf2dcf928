/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the state of one address space again and again. For any number of threads, each its own. */
#ifndef BPF_SPACE_WATCH_H
#define BPF_SPACE_WATCH_H

#include "bpf-room.h"

struct space_programs {
	int fds[BPF_ROOM_WAYS];
};

/* Loads the program of one way: an fd or a negative errno. */
int space_program_open(enum bpf_room_way way);

/*
 * Tries the program of one way on the caller's own address space: 0, -EOPNOTSUPP the kernel does not
 * count its changes, or another negative errno. That of SEQ must have been loaded.
 */
int space_program_try(const struct space_programs *programs, enum bpf_room_way way);

/* As watch_open(), watch_read() and watch_close() of the door. */
int space_watch_open(const struct space_programs *programs, enum bpf_room_way way,
		     const struct bpf_room_target *target, struct bpf_room_watch **ret_watch);
int space_watch_read(struct bpf_room_watch *watch, struct bpf_room_space *ret_space);
void space_watch_close(struct bpf_room_watch *watch);

#endif
