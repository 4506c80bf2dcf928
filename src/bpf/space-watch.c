/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "space-watch.h"

#include "cleanup.h"
#include "convert.h"
#include "link.h"
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "space.h"
#include "space-run.skel.h"
#include "space-seq.skel.h"

/*
 * How often a target that is not there by its number, but lives, is looked for again: while a thread
 * of it that execs takes that number over, it may be nobody's.
 */
#define FIND_TRIES 16

/* How often an address space of our own is read until nobody is changing it. */
#define TRY_TRIES 1000

/* How a record is had. */
struct source {
	enum bpf_room_way way;
	int fd;	       /* SEQ: of the link; RUN: of the program */
	uint32_t tgid; /* RUN: which process */
};

struct bpf_room_watch {
	struct bpf_room_target target;
	int link_fd; /* -1: none is needed */
	struct source source;
	/* Who it is, as long as the machine runs. */
	uint64_t start_boottime;
	uint32_t tgid;
	/* The address space that we are known to have the right to look at. */
	uint64_t mm;
	uint64_t exec_id;
};

DEFINE_CLEANUP(struct bpf_room_watch *, space_watch_close)

static int open_run(void)
{
	struct space_run *skeleton = space_run__open();
	int r;

	if (!skeleton)
		return -ENOMEM;
	r = space_run__load(skeleton);
	if (r == 0) {
		r = skeleton->progs.space_run.prog_fd;
		skeleton->progs.space_run.prog_fd = 0;
	}
	space_run__destroy(skeleton);
	return r;
}

static int open_seq(void)
{
	struct space_seq *skeleton = space_seq__open();
	int r;

	if (!skeleton)
		return -ENOMEM;
	r = space_seq__load(skeleton);
	if (r == 0) {
		r = skeleton->progs.space_seq.prog_fd;
		skeleton->progs.space_seq.prog_fd = 0;
	}
	space_seq__destroy(skeleton);
	return r;
}

int space_program_open(enum bpf_room_way way)
{
	int r, tries = 0;

	do
		r = way == BPF_ROOM_RUN ? open_run() : open_seq();
	while (load_was_interrupted(r) && tries++ < LOAD_TRIES);
	return r;
}

/* 0; -ENOENT there is no such process here. */
static int record_iterate(int link_fd, struct space_record *ret_record)
{
	_cleanup_close_ int iter_fd = iter_create(link_fd);
	struct space_record record;
	ssize_t n;

	if (iter_fd < 0)
		return iter_fd;
	n = iter_read(iter_fd, &record, sizeof(record));
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ENOENT;
	if (n != sizeof(record))
		return -EIO;
	*ret_record = record;
	return 0;
}

/* The same. */
static int record_read(const struct source *source, struct space_record *ret_record)
{
	struct space_record record = { .tgid = source->tgid };
	int r;

	if (source->way == BPF_ROOM_SEQ)
		return record_iterate(source->fd, ret_record);
	r = program_run(source->fd, &record, sizeof(record));
	if (r < 0)
		return r;
	if (!record.tgid)
		return -ENOENT;
	*ret_record = record;
	return 0;
}

static int record_read_quiet(const struct source *source, struct space_record *ret_record)
{
	int r;

	for (int i = 0; i < TRY_TRIES; i++) {
		r = record_read(source, ret_record);
		if (r < 0 || !ret_record->disturbed)
			return r;
	}
	return -EAGAIN;
}

int space_program_try(const struct space_programs *programs, enum bpf_room_way way)
{
	_cleanup_close_ int link_fd = link_create_pid(programs->fds[BPF_ROOM_SEQ], getpid(), false);
	struct source source = { .way = way };
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	struct space_record before, mapped, unmapped;
	void *page;
	int r;

	if (link_fd < 0)
		return link_fd;
	/* The number of the first PID namespace is what the other way finds it by. */
	r = record_iterate(link_fd, &before);
	if (r < 0)
		return r;
	source.fd = way == BPF_ROOM_SEQ ? link_fd : programs->fds[way];
	source.tgid = before.tgid;
	r = record_read_quiet(&source, &before);
	if (r < 0)
		return r;
	page = mmap(NULL, page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	r = record_read_quiet(&source, &mapped);
	munmap(page, page_bytes);
	if (r == 0)
		r = record_read_quiet(&source, &unmapped);
	if (r < 0)
		return r;
	return before.has_lock_seq && before.lock_seq != mapped.lock_seq &&
			       mapped.lock_seq != unmapped.lock_seq
		       ? 0
		       : -EOPNOTSUPP;
}

/*
 * Number and pidfd could be of two processes, for a caller in another PID namespace than that where
 * the number was found. So who it is comes from the pidfd, by the kernel, and each reading is
 * compared with that.
 */
static int space_watch_identify(struct bpf_room_watch *watch, const struct space_programs *programs)
{
	_cleanup_close_ int link_fd =
		link_create_pidfd(programs->fds[BPF_ROOM_SEQ], watch->target.pidfd);
	struct space_record record;
	int alive, r;

	r = link_fd < 0 ? link_fd : record_iterate(link_fd, &record);
	alive = target_check(watch->target.pidfd);
	if (alive < 0)
		return alive;
	if (r < 0)
		return r == -ENOENT ? -EOPNOTSUPP : r;
	watch->start_boottime = record.start_boottime;
	watch->tgid = record.tgid;
	return 0;
}

/* Finds it by its number. 0 or a negative errno. */
static int space_watch_find(const struct bpf_room_watch *watch, struct space_record *ret_record)
{
	int alive, r;

	for (int i = 0; i < FIND_TRIES; i++) {
		r = record_read(&watch->source, ret_record);
		if (r == 0 && ret_record->tgid == watch->tgid &&
		    ret_record->start_boottime == watch->start_boottime)
			return ret_record->mm ? 0 : -ESRCH;
		if (r < 0 && r != -ENOENT)
			return r;
		alive = target_check(watch->target.pidfd);
		if (alive < 0)
			return alive;
	}
	return -EOPNOTSUPP;
}

static int space_watch_check_rights(const struct bpf_room_watch *watch)
{
	_cleanup_close_ int maps_fd = target_hold(watch->target.dirfd);
	int alive = target_check(watch->target.pidfd);

	if (alive < 0)
		return alive;
	/* With hidepid the kernel denies that it is there. */
	if (maps_fd == -ESRCH || maps_fd == -EPERM)
		return -EACCES;
	return maps_fd < 0 ? maps_fd : 0;
}

int space_watch_read(struct bpf_room_watch *watch, struct bpf_room_space *ret_space)
{
	struct space_record record;
	int r;

	for (int i = 0; i < 2; i++) {
		r = space_watch_find(watch, &record);
		if (r < 0)
			return r;
		if (record.mm == watch->mm && record.exec_id == watch->exec_id) {
			if (record.disturbed)
				return -EAGAIN;
			*ret_space = space_convert(record.has_lock_seq, record.lock_seq, record.mm,
						   record.exec_id);
			return 0;
		}
		/*
		 * After an exec it may have more rights than we. The check is good for what is the
		 * same before and after it.
		 */
		r = space_watch_check_rights(watch);
		if (r < 0)
			return r;
		watch->mm = record.mm;
		watch->exec_id = record.exec_id;
	}
	return -EAGAIN;
}

int space_watch_open(const struct space_programs *programs, enum bpf_room_way way,
		     const struct bpf_room_target *target, struct bpf_room_watch **ret_watch)
{
	_cleanup_(space_watch_closep) struct bpf_room_watch *watch = malloc(sizeof(*watch));
	struct bpf_room_space space;
	int r;

	if (!watch)
		return -ENOMEM;
	*watch = (struct bpf_room_watch){ .target = *target, .link_fd = -1 };
	r = space_watch_identify(watch, programs);
	if (r < 0)
		return r;
	watch->source = (struct source){
		.way = way,
		.fd = programs->fds[way],
		.tgid = watch->tgid,
	};
	if (way == BPF_ROOM_SEQ) {
		watch->link_fd = link_create_pid(programs->fds[way], target->pid, false);
		if (watch->link_fd < 0)
			return watch->link_fd;
		watch->source.fd = watch->link_fd;
	}
	r = space_watch_read(watch, &space);
	if (r < 0 && r != -EAGAIN)
		return r;
	*ret_watch = take_pointer(watch);
	return 0;
}

void space_watch_close(struct bpf_room_watch *watch)
{
	closep(&watch->link_fd);
	free(watch);
}
