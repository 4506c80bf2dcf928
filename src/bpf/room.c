/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The door of this room. All of it is behind one lock: the programs of a way write to memory that
 * exists once.
 */
#include "bpf-room.h"

#include "calibrate.h"
#include "cleanup.h"
#include "convert.h"
#include "reader.h"
#include "target.h"
#include "space-watch.h"

#include <memhint/map.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* The one page of a 64-bit process that is in its maps but is no mapping. */
struct vsyscall {
	uint64_t start; /* 0: this kernel shows none */
	uint64_t end;
	uint32_t flags;
};

static struct room {
	pthread_mutex_t lock;
	bool knows_fork;
	struct {
		bool is_loaded;
		int error; /* why it will never load; 0: it may */
		struct vma_reader reader;
		struct vma_convert convert;
	} ways[BPF_ROOM_WAYS];
	struct vsyscall vsyscall;
	struct {
		bool is_loaded;
		int error;
	} watching[BPF_ROOM_WAYS];
	struct space_programs space_programs;
} room = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * A forked child shares the maps with its parent: they would overwrite each other's answers. It
 * forgets them and loads its own if it ever needs them. The program of the watches has no maps.
 */
static void forget(void)
{
	for (size_t i = 0; i < BPF_ROOM_WAYS; i++) {
		if (room.ways[i].is_loaded)
			vma_reader_close(&room.ways[i].reader);
		room.ways[i].is_loaded = false;
	}
}

static void lock_for_fork(void)
{
	pthread_mutex_lock(&room.lock);
}

static void unlock_in_parent(void)
{
	pthread_mutex_unlock(&room.lock);
}

static void unlock_in_child(void)
{
	forget();
	pthread_mutex_unlock(&room.lock);
}

__attribute__((destructor)) static void room_done(void)
{
	forget();
	for (size_t i = 0; i < BPF_ROOM_WAYS; i++)
		if (room.watching[i].is_loaded)
			close(room.space_programs.fds[i]);
}

static int vsyscall_find(struct vsyscall *ret_vsyscall)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/maps", "re");
	_cleanup_free_ char *line = NULL;
	struct vsyscall vsyscall = {};
	unsigned long start, end;
	char letters[5];
	size_t size = 0;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		if (!strstr(line, " [vsyscall]\n") ||
		    sscanf(line, "%lx-%lx %4s", &start, &end, letters) != 3)
			continue;
		vsyscall = (struct vsyscall){
			.start = start,
			.end = end,
			.flags = (letters[0] == 'r' ? MEMHINT_VMA_READ : 0) |
				 (letters[1] == 'w' ? MEMHINT_VMA_WRITE : 0) |
				 (letters[2] == 'x' ? MEMHINT_VMA_EXEC : 0),
		};
	}
	*ret_vsyscall = vsyscall;
	return 0;
}

/* Whether another try may go better: rights can be given, memory and descriptors freed. */
static bool error_may_pass(int r)
{
	switch (-r) {
	case EPERM:
	case EACCES:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
	case EINTR:
		return true;
	}
	return false;
}

static int know_fork(void)
{
	int r = room.knows_fork ? 0
				: pthread_atfork(lock_for_fork, unlock_in_parent, unlock_in_child);

	room.knows_fork = r == 0;
	return -r;
}

static int load_locked(enum bpf_room_way way)
{
	struct vma_reader *reader = &room.ways[way].reader;
	int r;

	if (room.ways[way].is_loaded)
		return 0;
	if (room.ways[way].error < 0)
		return room.ways[way].error;
	r = know_fork();
	if (r == 0)
		r = vma_reader_open(reader, way);
	if (r == 0) {
		r = vma_calibrate(reader, &room.ways[way].convert);
		if (r == 0)
			r = vsyscall_find(&room.vsyscall);
		if (r < 0)
			vma_reader_close(reader);
	}
	if (r < 0) {
		if (!error_may_pass(r))
			room.ways[way].error = r;
		return r;
	}
	room.ways[way].is_loaded = true;
	return 0;
}

static int room_load(enum bpf_room_way way)
{
	int r;

	if ((unsigned int)way >= BPF_ROOM_WAYS)
		return -EINVAL;
	pthread_mutex_lock(&room.lock);
	r = load_locked(way);
	pthread_mutex_unlock(&room.lock);
	return r;
}

static struct bpf_room_space head_space(const struct vma_head *head)
{
	return space_convert(head->has_lock_seq, head->lock_seq, head->mm, head->exec_id);
}

typedef int (*room_sink)(const struct bpf_room_vma *vma, void *userdata);

/* What the caller asked for. */
struct window {
	uint64_t start;
	uint32_t limit;
	room_sink sink;
	void *userdata;
};

static int sink_vsyscall(const struct vma_head *head, const struct window *window)
{
	struct bpf_room_vma vma = {
		.start = room.vsyscall.start,
		.end = room.vsyscall.end,
		.flags = room.vsyscall.flags,
		.kind = MEMHINT_KIND_SPECIAL,
		.untouched = true,
	};

	/* A 32-bit process has no address that high. */
	if (!vma.start || vma.end <= window->start || head->task_size <= 1ull << 32)
		return 0;
	return window->sink(&vma, window->userdata);
}

static int read_mappings(enum bpf_room_way way, pid_t pid, const struct window *window,
			 struct bpf_room_space *ret_space)
{
	struct vma_reader *reader = &room.ways[way].reader;
	uint64_t last_end = window->start;
	const struct vma_record *records;
	struct bpf_room_vma vma;
	uint32_t left = window->limit;
	bool is_full = false;
	ssize_t n = 0;
	int r;

	r = vma_reader_begin(reader, pid, window->start, window->limit);
	if (r < 0)
		return r;
	while (!is_full && (n = vma_reader_next(reader, &records)) > 0) {
		for (ssize_t i = 0; i < n && !is_full; i++) {
			/*
			 * Where the lock was let go the kernel goes on with what holds the end of
			 * the last mapping now: the rest of it, or it and more.
			 */
			if (records[i].end <= last_end)
				continue;
			vma_convert(&room.ways[way].convert, reader->head, &records[i], &vma);
			if (last_end > window->start && vma.start < last_end) {
				if (records[i].bits & VMA_HAS_FILE)
					vma.offset += last_end - vma.start;
				vma.start = last_end;
			}
			last_end = vma.end;
			r = window->sink(&vma, window->userdata);
			if (r != 0)
				return r;
			is_full = window->limit && --left == 0;
		}
	}
	if (n < 0)
		return (int)n;
	if (!reader->head->tgid)
		return -ESRCH;
	if (!is_full)
		r = sink_vsyscall(reader->head, window);
	if (r == 0)
		*ret_space = head_space(reader->head);
	return r;
}

static int read_space(enum bpf_room_way way, pid_t pid, struct bpf_room_space *ret_space)
{
	struct vma_reader *reader = &room.ways[way].reader;
	int r = vma_reader_head(reader, pid);

	if (r < 0)
		return r;
	if (reader->head->tgid == 0)
		return -ESRCH;
	*ret_space = head_space(reader->head);
	return 0;
}

static int room_read(enum bpf_room_way way, const struct bpf_room_target *target, uint64_t start,
		     uint32_t limit, room_sink sink, void *userdata,
		     struct bpf_room_space *ret_space)
{
	const struct window window = {
		.start = start,
		.limit = limit,
		.sink = sink,
		.userdata = userdata,
	};
	struct bpf_room_space space = {};
	/*
	 * bpf_iter_task_vma_new(), as it came with 6.7, takes the mmap lock of an address space that
	 * it does not hold on to: in a process that ends at that moment it may have been freed.
	 */
	_cleanup_close_ int maps_fd = -1;
	int alive, r;

	if ((unsigned int)way >= BPF_ROOM_WAYS || target->pid <= 0)
		return -EINVAL;
	maps_fd = target_hold(target->dirfd);
	if (maps_fd < 0) {
		r = target_check(target->pidfd);
		return r < 0 ? r : maps_fd;
	}
	pthread_mutex_lock(&room.lock);
	r = load_locked(way);
	if (r == 0) {
		r = sink ? read_mappings(way, target->pid, &window, &space)
			 : read_space(way, target->pid, &space);
		vma_reader_end(&room.ways[way].reader);
	}
	pthread_mutex_unlock(&room.lock);
	alive = target_check(target->pidfd);
	if (alive < 0)
		return alive;
	if (r == 0)
		*ret_space = space;
	return r;
}

static int watch_load_locked(enum bpf_room_way way)
{
	int *fd = &room.space_programs.fds[way], r = 0;

	if (room.watching[way].is_loaded)
		return 0;
	if (room.watching[way].error < 0)
		return room.watching[way].error;
	/* RUN reads faster, but it is SEQ that can tell whose a pidfd is. */
	r = way == BPF_ROOM_SEQ ? know_fork() : watch_load_locked(BPF_ROOM_SEQ);
	if (r < 0)
		return r;
	*fd = space_program_open(way);
	r = *fd < 0 ? *fd : space_program_try(&room.space_programs, way);
	if (r < 0) {
		closep(fd);
		if (!error_may_pass(r))
			room.watching[way].error = r;
		return r;
	}
	room.watching[way].is_loaded = true;
	return 0;
}

static int room_watch_load(enum bpf_room_way way)
{
	int r;

	if ((unsigned int)way >= BPF_ROOM_WAYS)
		return -EINVAL;
	pthread_mutex_lock(&room.lock);
	r = watch_load_locked(way);
	pthread_mutex_unlock(&room.lock);
	return r;
}

static int room_watch_open(enum bpf_room_way way, const struct bpf_room_target *target,
			   struct bpf_room_watch **ret_watch)
{
	int r = target->pid > 0 ? room_watch_load(way) : -EINVAL;

	return r < 0 ? r : space_watch_open(&room.space_programs, way, target, ret_watch);
}

static const struct bpf_room door = {
	.abi = BPF_ROOM_ABI,
	.load = room_load,
	.read = room_read,
	.watch_load = room_watch_load,
	.watch_open = room_watch_open,
	.watch_read = space_watch_read,
	.watch_close = space_watch_close,
};

__attribute__((visibility("default"))) const struct bpf_room *memhint_bpf_room(void);

const struct bpf_room *memhint_bpf_room(void)
{
	return &door;
}
