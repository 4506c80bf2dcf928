/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of /proc/PID/maps and /proc/PID/smaps, one record at a time. Knows no files. */
#ifndef LIB_MAPS_TEXT_H
#define LIB_MAPS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum maps_text_form {
	MAPS_TEXT_MAPS,	 /* a line for each mapping */
	MAPS_TEXT_SMAPS, /* that line, counters, and VmFlags as the last line */
};

struct maps_record {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t inode;
	uint32_t device_major;
	uint32_t device_minor;
	uint32_t flags;		 /* enum memhint_vma_flag; the second group only from smaps */
	uint64_t resident_bytes; /* these three only from smaps */
	uint64_t swapped_bytes;
	uint64_t huge_bytes;
	const char *name; /* into the text, not ended by NUL; as printed: a newline is \012 */
	size_t name_length;
	const char *line; /* the line that maps shows, without its newline */
	size_t line_length;
};

/*
 * Parses the record that @text begins with. Returns the bytes that it takes, 0 if it does not end
 * within @length, or -EIO if this is no such record.
 */
ssize_t maps_text_next(enum maps_text_form form, const char *text, size_t length,
		       struct maps_record *ret_record);

/* Whether a mapping has a file behind it, which the line shows by a device or an inode number. */
static inline bool maps_record_has_file(const struct maps_record *record)
{
	return record->inode || record->device_major || record->device_minor;
}

#endif
