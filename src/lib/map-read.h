/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The readers of the list of mappings, and the choice between them. */
#ifndef LIB_MAP_READ_H
#define LIB_MAP_READ_H

#include "bpf-room.h"
#include "kind.h"
#include "map-list.h"
#include "maps-file.h"

#include <memhint/map.h>
#include <stdbool.h>
#include <stdint.h>

struct memhint_process;

/* Where the list of one process comes from. The fds keep the address space they were opened on. */
struct map_source {
	const struct memhint_process *process;
	bool gaps;
	int maps_fd;
	int smaps_fd;
	struct maps_buffer buffer;
	struct kind_devices devices;
};

void map_source_init(struct map_source *source, const struct memhint_process *process, bool gaps);
void map_source_done(struct map_source *source);

/* How a list was read, and what tells later whether it is still the same. */
struct map_reading {
	enum memhint_reader reader;
	bool has_counters;	     /* resident, swapped and huge bytes, from smaps */
	bool has_fingerprint;	     /* a window has none */
	uint64_t fingerprint;	     /* of the text of maps */
	struct bpf_room_space space; /* zero if not read through BPF */
};

struct map_wanted {
	enum memhint_reader reader;
	bool names;
	bool flags;    /* whatever it costs */
	bool counters; /* the sums of smaps */
	/*
	 * A window: leave out what ends at or below @start, stop after @limit mappings (0: none
	 * left out, all). Costs what it shows with the reader BPF, with others what is below it, too.
	 */
	uint64_t start;
	uint32_t limit;
};

/*
 * Reads the list into @list, which is emptied first. Only a window can be empty afterwards. 0 or a
 * negative errno: -ESRCH no memory, -EOPNOTSUPP the reader asked for does not work, -EACCES, -ENOMEM, -EIO.
 */
int map_read(struct map_source *source, const struct map_wanted *wanted, struct map_list *list,
	     struct map_reading *ret_reading);

/* Whether the list is the one that @reading was about: 1, 0, or a negative errno if that is not known. */
int map_read_is_same(struct map_source *source, const struct map_reading *reading);

/*
 * Only the fingerprint, of the address space that the process has now. 0 or a negative errno; -ESRCH
 * also if exec replaced it meanwhile.
 */
int map_read_fingerprint(const struct memhint_process *process, struct maps_buffer *buffer,
			 uint64_t *ret_fingerprint);

/* Opens "maps" or "smaps" of a process: an fd or a negative errno, -ESRCH if it has ended. */
int map_text_open(const struct memhint_process *process, const char *name);

#endif
