/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include "cleanup.h"
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vma-run.skel.h"
#include "vma-seq.skel.h"

/* How often, and how long between, a list that is locked is tried again: 10 ms in all. */
#define BUSY_TRIES 100
#define BUSY_PAUSE_NSEC 100000

/* The shortest batch that is tried when others are disturbed. */
#define LIMIT_MIN 32

#define STUCK_MAX 16

static size_t round_to_pages(size_t bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

/* The skeletons keep descriptors only; these are taken out and the rest is freed. */
static int load_run(struct vma_reader *reader)
{
	struct vma_run *skeleton = vma_run__open();
	int r;

	if (!skeleton)
		return -ENOMEM;
	r = vma_run__load(skeleton);
	if (r == 0) {
		reader->program_fd = skeleton->progs.vma_run.prog_fd;
		reader->head_program_fd = reader->program_fd;
		reader->map_fd = skeleton->maps.batch.map_fd;
		reader->head_bytes = round_to_pages(sizeof(struct vma_batch));
		skeleton->progs.vma_run.prog_fd = 0;
		skeleton->maps.batch.map_fd = 0;
	}
	vma_run__destroy(skeleton);
	return r;
}

static int load_seq(struct vma_reader *reader)
{
	struct vma_seq *skeleton = vma_seq__open();
	int r;

	if (!skeleton)
		return -ENOMEM;
	r = vma_seq__load(skeleton);
	if (r == 0) {
		reader->program_fd = skeleton->progs.vma_seq.prog_fd;
		reader->head_program_fd = skeleton->progs.vma_seq_head.prog_fd;
		reader->map_fd = skeleton->maps.head.map_fd;
		reader->head_bytes = round_to_pages(sizeof(struct vma_head));
		skeleton->progs.vma_seq.prog_fd = 0;
		skeleton->progs.vma_seq_head.prog_fd = 0;
		skeleton->maps.head.map_fd = 0;
	}
	vma_seq__destroy(skeleton);
	return r;
}

int vma_reader_open(struct vma_reader *reader, enum bpf_room_way way)
{
	void *memory;
	int r, tries = 0;

	reader->way = way;
	reader->program_fd = reader->head_program_fd = reader->map_fd = -1;
	reader->link_fd = reader->iter_fd = -1;
	reader->head = NULL;
	do
		r = way == BPF_ROOM_RUN ? load_run(reader) : load_seq(reader);
	while (load_was_interrupted(r) && tries++ < LOAD_TRIES);
	if (r < 0)
		return r;
	memory = mmap(NULL, reader->head_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, reader->map_fd,
		      0);
	if (memory == MAP_FAILED) {
		r = -errno;
		vma_reader_close(reader);
		return r;
	}
	reader->head = memory;
	return 0;
}

static void close_fd(int *fd)
{
	closep(fd);
	*fd = -1;
}

void vma_reader_close(struct vma_reader *reader)
{
	vma_reader_end(reader);
	if (reader->head)
		munmap(reader->head, reader->head_bytes);
	reader->head = NULL;
	if (reader->head_program_fd != reader->program_fd)
		close_fd(&reader->head_program_fd);
	close_fd(&reader->program_fd);
	close_fd(&reader->map_fd);
}

/* Runs a program that writes nothing. */
static int link_run(int link_fd)
{
	_cleanup_close_ int iter_fd = iter_create(link_fd);
	char nothing[8];
	ssize_t n;

	if (iter_fd < 0)
		return iter_fd;
	n = iter_read(iter_fd, nothing, sizeof(nothing));
	if (n > 0)
		return -EIO;
	return (int)n;
}

/* Whether the programs met what they should: one process, one address space. */
static int head_check(const struct vma_head *head)
{
	if (head->foreign)
		return -EOPNOTSUPP;
	return head->moved ? -EAGAIN : 0;
}

int vma_reader_begin(struct vma_reader *reader, pid_t pid, uint64_t start, uint32_t most)
{
	int r;

	memset(reader->head, 0, sizeof(*reader->head));
	reader->start = start;
	reader->most = most && most < VMA_BATCH ? most : VMA_BATCH;
	reader->limit = reader->most;
	reader->is_first = true;
	reader->is_last = false;
	reader->stuck = 0;
	/*
	 * One thread is enough. But a task_vma iterator over one thread never ends: at the end it
	 * begins its last buffer again. Over all threads it ends, and the program leaves out all
	 * but the first.
	 */
	reader->link_fd = link_create_pid(reader->program_fd, pid, reader->way == BPF_ROOM_SEQ);
	if (reader->link_fd < 0)
		return reader->link_fd;
	if (reader->way == BPF_ROOM_RUN)
		return 0;
	reader->head->start = start;
	r = reader->iter_fd = iter_create(reader->link_fd);
	return r < 0 ? r : 0;
}

/* Runs the program for one batch. 0, -EAGAIN if another try may go better, or a negative errno. */
static int run_once(struct vma_reader *reader)
{
	struct vma_head *head = reader->head;
	int r;

	if (reader->is_first)
		memset(head, 0, sizeof(*head));
	head->start = reader->start;
	head->limit = reader->limit;
	head->count = 0;
	head->error = 0;
	head->disturbed = 0;
	r = link_run(reader->link_fd);
	if (r < 0)
		return r;
	if (head->error == -EBUSY)
		return -EAGAIN;
	if (head->error == -ENOENT)
		return -ESRCH;
	if (head->error < 0)
		return head->error;
	return head->disturbed ? -EAGAIN : 0;
}

static ssize_t next_run(struct vma_reader *reader, const struct vma_record **ret_records)
{
	struct vma_batch *batch = (struct vma_batch *)reader->head;
	struct vma_head *head = reader->head;
	int r;

	if (reader->is_last)
		return 0;
	for (int i = 0;; i++) {
		r = run_once(reader);
		if (r == 0)
			r = head_check(head);
		else if (r == -EAGAIN && i < BUSY_TRIES && !head->moved && !head->foreign) {
			/*
			 * Shorter batches find room between the changes; a long change wants
			 * patience.
			 */
			if (reader->limit > LIMIT_MIN)
				reader->limit /= 2;
			else
				nanosleep(&(struct timespec){ .tv_nsec = BUSY_PAUSE_NSEC }, NULL);
			continue;
		}
		break;
	}
	if (r < 0)
		return r;
	*ret_records = batch->records;
	reader->is_first = false;
	reader->is_last = head->count < reader->limit;
	reader->limit = reader->limit < reader->most / 2 ? reader->limit * 2 : reader->most;
	return head->count < VMA_BATCH ? head->count : VMA_BATCH;
}

static ssize_t next_seq(struct vma_reader *reader, const struct vma_record **ret_records)
{
	/* The kernel looks no further than what fills the buffer. */
	size_t room = reader->most * sizeof(reader->buffer[0]);
	ssize_t n;
	int r;

	n = iter_read(reader->iter_fd, reader->buffer,
		      room < sizeof(reader->buffer) ? room : sizeof(reader->buffer));

	r = n < 0 ? (int)n : head_check(reader->head);
	if (r < 0)
		return r;
	if ((size_t)n % sizeof(reader->buffer[0]) != 0)
		return -EIO;
	*ret_records = reader->buffer;
	return n / (ssize_t)sizeof(reader->buffer[0]);
}

ssize_t vma_reader_next(struct vma_reader *reader, const struct vma_record **ret_records)
{
	ssize_t n;

	n = reader->way == BPF_ROOM_RUN ? next_run(reader, ret_records)
					: next_seq(reader, ret_records);
	if (n <= 0)
		return n;
	/*
	 * After contention one may bring nothing new; a kernel that goes in circles must not hang
	 * us.
	 */
	if ((*ret_records)[n - 1].end > reader->start)
		reader->stuck = 0;
	else if (++reader->stuck > STUCK_MAX)
		return -EIO;
	reader->start = (*ret_records)[n - 1].end;
	return n;
}

void vma_reader_end(struct vma_reader *reader)
{
	close_fd(&reader->iter_fd);
	close_fd(&reader->link_fd);
}

int vma_reader_head(struct vma_reader *reader, pid_t pid)
{
	_cleanup_close_ int link_fd = link_create_pid(reader->head_program_fd, pid, false);
	int r;

	if (link_fd < 0)
		return link_fd;
	memset(reader->head, 0, sizeof(*reader->head));
	r = link_run(link_fd);
	return r < 0 ? r : head_check(reader->head);
}
