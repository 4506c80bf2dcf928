/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to the BPF room, which may not be there. */
#ifndef LIB_BPF_DOOR_H
#define LIB_BPF_DOOR_H

#include "bpf-room.h"

struct memhint_process;

/*
 * Finds the BPF room once in the life of the process; threads are welcome. 0; -ENOENT it is not
 * installed; -EPROTO it is of another version; -EMFILE, -ENFILE, -ENOMEM it is looked for again.
 */
int bpf_door_open(const struct bpf_room **ret_room);

/* The same, and loads the programs for one way. 0 or a negative errno: why this way is shut. */
int bpf_door_load(enum bpf_room_way way, const struct bpf_room **ret_room);

/* How a process is called there. */
struct bpf_room_target bpf_door_target(const struct memhint_process *process);

#endif
