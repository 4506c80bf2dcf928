/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpf-door.h"

#include "cleanup.h"

#include <memhint/process.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>

/* dlopen() does not say so if it only lacked a descriptor or memory to look with. */
static int missing_error(void)
{
	_cleanup_close_ int fd = open("/", O_PATH | O_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return -errno;
	return -ENOENT;
}

static int find_room(const struct bpf_room **ret_room)
{
	bpf_room_function function;
	const struct bpf_room *room;
	/* Never closed: what it has loaded into the kernel serves until the process ends. */
	void *library = dlopen(BPF_ROOM_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return missing_error();
	function = (bpf_room_function)dlsym(library, BPF_ROOM_SYMBOL);
	room = function ? function() : NULL;
	if (!room || room->abi != BPF_ROOM_ABI) {
		dlclose(library);
		return -EPROTO;
	}
	*ret_room = room;
	return 0;
}

int bpf_door_open(const struct bpf_room **ret_room)
{
	/* Two threads that look at the same time find the same. */
	static const struct bpf_room *_Atomic found;
	static _Atomic int missing;
	const struct bpf_room *room = found;
	int r = missing;

	if (!room && r == 0) {
		r = find_room(&room);
		if (r == 0)
			found = room;
		else if (r == -ENOENT || r == -EPROTO)
			missing = r;
	}
	if (r == 0)
		*ret_room = room;
	return r;
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

struct bpf_room_target bpf_door_target(const struct memhint_process *process)
{
	return (struct bpf_room_target){
		.pidfd = memhint_process_pidfd(process),
		.dirfd = memhint_process_dirfd(process),
		.pid = memhint_process_pid(process),
	};
}
