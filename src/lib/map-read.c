/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map-read.h"

#include "bpf-door.h"
#include "cleanup.h"
#include "fd.h"
#include "procfile.h"

#include <memhint/process.h>

#include <errno.h>
#include <stddef.h>

/*
 * smaps unasked only for what takes it some 2 ms: it costs 1 us a mapping and 100 ns a resident page,
 * and holds the mmap lock for a whole mapping at a time.
 */
#define SMALL_VMAS 2000u
#define SMALL_BYTES (32ull << 20)

/* How often two readings of a changing target are tried to match. */
#define MATCH_TRIES 3

void map_source_init(struct map_source *source, const struct memhint_process *process, bool gaps)
{
	*source = (struct map_source){
		.process = process, .gaps = gaps, .maps_fd = -1, .smaps_fd = -1
	};
}

void map_source_done(struct map_source *source)
{
	closep(&source->maps_fd);
	closep(&source->smaps_fd);
	source->maps_fd = source->smaps_fd = -1;
	maps_buffer_done(&source->buffer);
}

int map_text_open(const struct memhint_process *process, const char *name)
{
	int fd = fd_openat(memhint_process_dirfd(process), name);

	if (fd == -ENOENT)
		return memhint_process_is_alive(process) ? -EOPNOTSUPP : -ESRCH;
	return fd;
}

static int source_read(struct map_source *source, enum maps_text_form form,
		       int (*sink)(const struct maps_record *record, void *userdata),
		       void *userdata)
{
	bool is_smaps = form == MAPS_TEXT_SMAPS;
	int *fd = is_smaps ? &source->smaps_fd : &source->maps_fd;

	if (*fd < 0) {
		int opened = map_text_open(source->process, is_smaps ? "smaps" : "maps");

		if (opened < 0)
			return opened;
		*fd = opened;
	}
	return maps_file_read(*fd, form, is_smaps && source->gaps, &source->buffer, sink, userdata);
}

/* A reading in progress. */
struct builder {
	struct map_source *source;
	const struct map_wanted *wanted;
	struct map_list *list;
	struct map_reading *reading;
	size_t matched; /* by match_record() */
	bool any;	/* by add_record(): the text is not empty */
};

/* What a sink returns when it has all of the window. */
#define WINDOW_FULL 2

static bool window_is_full(const struct builder *builder)
{
	return builder->wanted->limit && builder->list->count >= builder->wanted->limit;
}

static int add_record(const struct maps_record *record, void *userdata)
{
	struct builder *builder = userdata;
	struct map_list *list = builder->list;
	enum device_class class;
	struct memhint_vma vma = {
		.start = record->start,
		.end = record->end,
		.offset = record->offset,
		.flags = record->flags,
		.resident_bytes = record->resident_bytes,
		.swapped_bytes = record->swapped_bytes,
		.huge_bytes = record->huge_bytes,
	};
	size_t before = list->count;
	uint8_t notes = 0;
	int r;

	builder->any = true;
	if (record->end <= builder->wanted->start)
		return 0;
	if (window_is_full(builder))
		return WINDOW_FULL;
	class = kind_device_class(&builder->source->devices,
				  memhint_process_dirfd(builder->source->process), record);
	vma.kind = kind_of_record(record, class);
	if (class == DEVICE_HUGETLB)
		notes |= MAP_NOTE_HUGETLB;
	if (builder->reading->reader == MEMHINT_READER_SMAPS && !record->resident_bytes &&
	    !record->swapped_bytes && !(record->flags & MEMHINT_VMA_SHARED))
		notes |= MAP_NOTE_UNTOUCHED;
	r = map_list_add(list, &vma, notes);
	if (r < 0)
		return r;
	builder->reading->fingerprint =
		maps_fingerprint(builder->reading->fingerprint, record->line, record->line_length);
	if (!builder->wanted->names || list->count == before)
		return 0;
	return map_list_set_name(list, before, record->name, record->name_length);
}

static int read_text(struct builder *builder, enum memhint_reader reader)
{
	bool is_smaps = reader == MEMHINT_READER_SMAPS;
	int r;

	map_list_clear(builder->list);
	builder->any = false;
	*builder->reading = (struct map_reading){
		.reader = reader,
		.has_counters = is_smaps,
		.has_fingerprint = !builder->wanted->start && !builder->wanted->limit,
	};
	r = source_read(builder->source, is_smaps ? MAPS_TEXT_SMAPS : MAPS_TEXT_MAPS, add_record,
			builder);
	if (r < 0)
		return r;
	return builder->any ? 0 : -ESRCH;
}

static int add_bpf_vma(const struct bpf_room_vma *vma, void *userdata)
{
	struct builder *builder = userdata;
	struct memhint_vma added = {
		.start = vma->start,
		.end = vma->end,
		.offset = vma->offset,
		.flags = vma->flags,
		.kind = vma->kind,
	};

	return map_list_add(builder->list, &added,
			    (uint8_t)((vma->untouched ? MAP_NOTE_UNTOUCHED : 0) |
				      (vma->flags & MEMHINT_VMA_HUGETLB ? MAP_NOTE_HUGETLB : 0)));
}

static enum bpf_room_way way_of(enum memhint_reader reader)
{
	return reader == MEMHINT_READER_BPF ? BPF_ROOM_RUN : BPF_ROOM_SEQ;
}

static int read_bpf(struct builder *builder, enum memhint_reader reader)
{
	const struct memhint_process *process = builder->source->process;
	const struct bpf_room_target target = bpf_door_target(process);
	const struct bpf_room *room;
	int r;

	if (bpf_door_load(way_of(reader), &room) < 0)
		return -EOPNOTSUPP;
	map_list_clear(builder->list);
	*builder->reading = (struct map_reading){ .reader = reader };
	r = room->read(way_of(reader), &target, builder->wanted->start, builder->wanted->limit,
		       add_bpf_vma, builder, &builder->reading->space);
	if (r < 0)
		return r;
	return builder->list->count || builder->wanted->start ? 0 : -ESRCH;
}

#define NO_MATCH 1

/* Completes a list from another reading of the same mappings. */
static int match_record(const struct maps_record *record, void *userdata)
{
	struct builder *builder = userdata;
	struct map_list *list = builder->list;
	struct memhint_vma *vma;

	if (record->end <= builder->wanted->start)
		return 0;
	if (builder->matched == list->count)
		return window_is_full(builder) ? WINDOW_FULL : NO_MATCH;
	vma = &list->vmas[builder->matched];
	if (vma->start != record->start || vma->end != record->end)
		return NO_MATCH;
	if (builder->wanted->counters) {
		vma->resident_bytes = record->resident_bytes;
		vma->swapped_bytes = record->swapped_bytes;
		vma->huge_bytes = record->huge_bytes;
	}
	if (builder->wanted->names) {
		int r = map_list_set_name(list, builder->matched, record->name,
					  record->name_length);

		if (r < 0)
			return r;
	}
	builder->matched++;
	return 0;
}

/* Whether a reader tells all that is wanted. */
static bool reader_is_enough(const struct map_wanted *wanted, enum memhint_reader reader)
{
	if (wanted->counters && reader != MEMHINT_READER_SMAPS)
		return false;
	return !wanted->names || reader == MEMHINT_READER_SMAPS || reader == MEMHINT_READER_MAPS;
}

static int read_once(struct builder *builder, enum memhint_reader reader)
{
	if (reader == MEMHINT_READER_BPF || reader == MEMHINT_READER_BPF_SEQ)
		return read_bpf(builder, reader);
	return read_text(builder, reader);
}

/* Reads the list by one reader, and from the text what that reader does not know. */
static int read_by(struct builder *builder, enum memhint_reader reader)
{
	const struct map_wanted *wanted = builder->wanted;
	int r = 0;

	for (int i = 0; i < MATCH_TRIES; i++) {
		r = read_once(builder, reader);
		if (r == -EAGAIN) /* it changed all the while */
			continue;
		if (r < 0 || reader_is_enough(wanted, reader))
			return r;
		builder->list->names_used = 0;
		builder->matched = 0;
		r = source_read(builder->source,
				wanted->counters ? MAPS_TEXT_SMAPS : MAPS_TEXT_MAPS, match_record,
				builder);
		if (r < 0)
			return r;
		if (r != NO_MATCH && builder->matched == builder->list->count) {
			builder->reading->has_counters = wanted->counters;
			return 0;
		}
	}
	if (r == -EAGAIN)
		return r;
	/* It changes faster than two readings take: one that knows all cannot contradict itself. */
	return read_text(builder, MEMHINT_READER_SMAPS);
}

static bool is_small(const struct builder *builder)
{
	struct proc_status status;

	return builder->list->count <= SMALL_VMAS &&
	       proc_status_read(memhint_process_dirfd(builder->source->process), &status) == 0 &&
	       status.anon_bytes + status.file_bytes + status.shmem_bytes + status.swap_bytes <=
		       SMALL_BYTES;
}

static int read_auto(struct builder *builder)
{
	static const enum memhint_reader by_bpf[] = { MEMHINT_READER_BPF, MEMHINT_READER_BPF_SEQ };
	int r;

	for (size_t i = 0; i < 2 && !builder->wanted->counters; i++) {
		r = read_by(builder, by_bpf[i]);
		if (r == 0 || r == -ESRCH || r == -ENOMEM)
			return r;
	}
	if (builder->wanted->counters || builder->wanted->flags) {
		r = read_by(builder, MEMHINT_READER_SMAPS);
		if (r != -EOPNOTSUPP || builder->wanted->counters)
			return r;
	}
	/* maps is worth its cost: it tells whether smaps would be. */
	r = read_by(builder, MEMHINT_READER_MAPS);
	if (r < 0 || builder->wanted->flags || !is_small(builder))
		return r;
	r = read_by(builder, MEMHINT_READER_SMAPS);
	return r == -EOPNOTSUPP ? read_by(builder, MEMHINT_READER_MAPS) : r;
}

int map_read(struct map_source *source, const struct map_wanted *wanted, struct map_list *list,
	     struct map_reading *ret_reading)
{
	struct map_reading reading = {};
	struct builder builder = {
		.source = source, .wanted = wanted, .list = list, .reading = &reading
	};
	int r;

	if (wanted->reader == MEMHINT_READER_AUTO)
		r = read_auto(&builder);
	else
		r = read_by(&builder, wanted->reader);
	if (r == -EAGAIN)
		r = read_text(&builder, MEMHINT_READER_SMAPS);
	if (r < 0)
		return r;
	if (wanted->names)
		map_list_finish_names(list);
	*ret_reading = reading;
	return 0;
}

static int add_fingerprint(const struct maps_record *record, void *userdata)
{
	uint64_t *fingerprint = userdata;

	*fingerprint = maps_fingerprint(*fingerprint, record->line, record->line_length);
	return 0;
}

int map_read_fingerprint(const struct memhint_process *process, struct maps_buffer *buffer,
			 uint64_t *ret_fingerprint)
{
	/* One that was open before would show the address space that it was opened on. */
	_cleanup_close_ int fd = map_text_open(process, "maps");
	uint64_t fingerprint = 0;
	int r;

	if (fd < 0)
		return fd;
	r = maps_file_read(fd, MAPS_TEXT_MAPS, false, buffer, add_fingerprint, &fingerprint);
	if (r < 0)
		return r;
	if (!fingerprint)
		return -ESRCH;
	*ret_fingerprint = fingerprint;
	return 0;
}

int map_read_is_same(struct map_source *source, const struct map_reading *reading)
{
	const struct bpf_room_target target = bpf_door_target(source->process);
	struct bpf_room_space space = {};
	const struct bpf_room *room;
	uint64_t fingerprint = 0;
	int r;

	if (reading->space.generation) {
		r = bpf_door_load(way_of(reading->reader), &room);
		if (r == 0)
			r = room->read(way_of(reading->reader), &target, 0, 0, NULL, NULL, &space);
		if (r < 0)
			return r == -EAGAIN ? 0 : r; /* it changes just now */
		return space.generation == reading->space.generation &&
		       space.exec_id == reading->space.exec_id;
	}
	if (!reading->has_fingerprint)
		return -EOPNOTSUPP;
	r = source_read(source, MAPS_TEXT_MAPS, add_fingerprint, &fingerprint);
	if (r < 0)
		return r;
	return fingerprint == reading->fingerprint;
}
