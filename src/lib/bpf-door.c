/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpf-door.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>

static const struct bpf_room *found_room;
static int found_error;

static void find_room(void)
{
	bpf_room_function function;
	const struct bpf_room *room;
	/* Never closed: what it has loaded into the kernel serves until the process ends. */
	void *library = dlopen(BPF_ROOM_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	found_error = -ENOENT;
	if (!library)
		return;
	function = (bpf_room_function)dlsym(library, BPF_ROOM_SYMBOL);
	room = function ? function() : NULL;
	if (!room || room->abi != BPF_ROOM_ABI) {
		found_error = -EPROTO;
		dlclose(library);
		return;
	}
	found_room = room;
	found_error = 0;
}

int bpf_door_open(const struct bpf_room **ret_room)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r = pthread_once(&once, find_room);

	if (r != 0)
		return -r;
	if (found_error == 0)
		*ret_room = found_room;
	return found_error;
}

int bpf_door_load(enum bpf_room_way way, const struct bpf_room **ret_room)
{
	const struct bpf_room *room;
	int r = bpf_door_open(&room);

	if (r == 0)
		r = room->load(way);
	if (r == 0)
		*ret_room = room;
	return r;
}
