/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading /proc/PID/maps or smaps from beginning to end, record by record. */
#ifndef LIB_MAPS_FILE_H
#define LIB_MAPS_FILE_H

#include "maps-text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory for the text, kept from one reading to the next. Zero is an empty one. */
struct maps_buffer {
	char *text;
	size_t size;
};

void maps_buffer_done(struct maps_buffer *buffer);

/*
 * Hands every record of @fd to @sink, from the beginning. @gaps: pause now and then, so that a
 * target gets at its mmap lock. Stops when @sink returns non-zero and returns that. 0 or a negative
 * errno: -EIO the text is cut off or not understood.
 */
int maps_file_read(int fd, enum maps_text_form form, bool gaps, struct maps_buffer *buffer,
		   int (*sink)(const struct maps_record *record, void *userdata), void *userdata);

/* Adds the line of a record to a fingerprint of the list. Start with 0; order counts. */
uint64_t maps_fingerprint(uint64_t fingerprint, const char *line, size_t length);

#endif
