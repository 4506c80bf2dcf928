/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map-lookup.h"

#include "cleanup.h"
#include "map-read.h"
#include "maps-file.h"
#include "uapi.h"

#include <memhint/map.h>
#include <memhint/process.h>

#include <errno.h>
#include <sys/ioctl.h>

int map_lookup_query(int fd, uint64_t address, struct memhint_vma *ret_vma)
{
	static const struct {
		uint32_t theirs, ours;
	} flags[] = {
		{ UAPI_PROCMAP_READABLE, MEMHINT_VMA_READ },
		{ UAPI_PROCMAP_WRITABLE, MEMHINT_VMA_WRITE },
		{ UAPI_PROCMAP_EXECUTABLE, MEMHINT_VMA_EXEC },
		{ UAPI_PROCMAP_SHARED, MEMHINT_VMA_SHARED },
	};
	struct uapi_procmap_query query = {
		.size = sizeof(query),
		.query_flags = UAPI_PROCMAP_COVERING_OR_NEXT,
		.query_addr = address,
	};

	if (ioctl(fd, UAPI_PROCMAP_QUERY, &query) < 0)
		return -errno;
	*ret_vma = (struct memhint_vma){ .start = query.vma_start,
					 .end = query.vma_end,
					 .offset = query.vma_offset };
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (query.vma_flags & flags[i].theirs)
			ret_vma->flags |= flags[i].ours;
	return 0;
}

struct lookup {
	uint64_t address;
	bool any;
	struct memhint_vma vma;
};

#define FOUND 1

static int lookup_record(const struct maps_record *record, void *userdata)
{
	struct lookup *lookup = userdata;

	lookup->any = true;
	if (record->end <= lookup->address)
		return 0;
	lookup->vma = (struct memhint_vma){
		.start = record->start,
		.end = record->end,
		.offset = record->offset,
		.flags = record->flags,
	};
	return FOUND;
}

int map_lookup_text(int fd, uint64_t address, struct memhint_vma *ret_vma)
{
	_cleanup_(maps_buffer_done) struct maps_buffer buffer = {};
	struct lookup lookup = { .address = address };
	int r = maps_file_read(fd, MAPS_TEXT_MAPS, false, &buffer, lookup_record, &lookup);

	if (r < 0)
		return r;
	if (r != FOUND)
		return lookup.any ? -ENOENT : -ESRCH;
	*ret_vma = lookup.vma;
	return 0;
}

int memhint_map_lookup(struct memhint_process *process, uint64_t address,
		       struct memhint_vma *ret_vma)
{
	_cleanup_close_ int fd = map_text_open(process, "maps");
	struct memhint_vma vma;
	int r;

	if (fd < 0)
		return fd;
	r = map_lookup_query(fd, address, &vma);
	/* The text knows one mapping more: vsyscall, which is above all others. */
	if (r < 0 && r != -ESRCH)
		r = map_lookup_text(fd, address, &vma);
	if (!memhint_process_is_alive(process))
		return -ESRCH;
	if (r == 0)
		*ret_vma = vma;
	return r;
}
