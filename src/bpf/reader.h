/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs of one way, and how to run them on a process. Not for two threads at once. */
#ifndef BPF_READER_H
#define BPF_READER_H

#include "bpf-room.h"

#include <linux/types.h>
#include <stddef.h>
#include <sys/types.h>

#include "vma.h"

struct vma_reader {
	enum bpf_room_way way;
	int program_fd;	     /* lists the mappings */
	int head_program_fd; /* fills in just the head */
	int map_fd;
	struct vma_head *head; /* memory of the map, shared with the programs */
	size_t head_bytes;
	/* While a process is being read: */
	int link_fd; /* -1: nothing is */
	int iter_fd;
	uint64_t start;			/* what ends at or below it has been read */
	uint32_t most;			/* records in a batch */
	uint32_t limit;			/* records in the next batch */
	bool is_first;			/* no batch came yet */
	bool is_last;			/* nothing will come after this batch */
	unsigned int stuck;		/* batches on end that brought nothing new */
	struct vma_record buffer[1024]; /* the way SEQ: more than the kernel gives at a time */
};

/* Loads the programs. 0 or a negative errno. */
int vma_reader_open(struct vma_reader *reader, enum bpf_room_way way);
void vma_reader_close(struct vma_reader *reader);

/*
 * Begins to read the mappings of process @pid that end above @start, vma_reader_next() gives the
 * next of them: how many, or 0 at the end, or a negative errno: -EAGAIN the process changes its
 * mappings all the time, or has replaced its address space since vma_reader_begin(). After the
 * first batch the head says what the address space was before it. vma_reader_end() is always due.
 */
int vma_reader_begin(struct vma_reader *reader, pid_t pid, uint64_t start, uint32_t most);
ssize_t vma_reader_next(struct vma_reader *reader, const struct vma_record **ret_records);
void vma_reader_end(struct vma_reader *reader);

/* Fills in just the head; its tgid stays 0 when there is no such process or it has no memory. */
int vma_reader_head(struct vma_reader *reader, pid_t pid);

#endif
