/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of maps and smaps, and of mountinfo: the first byte says which. */
#include "fuzz.h"
#include "kind.h"
#include "maps-text.h"

#include <errno.h>

static void read_maps(enum maps_text_form form, const char *text, size_t length)
{
	size_t done = 0;

	while (done < length) {
		struct maps_record record;
		ssize_t used = maps_text_next(form, text + done, length - done, &record);

		if (used <= 0) {
			check(used == 0 || used == -EIO);
			return;
		}
		check((size_t)used <= length - done && text[done + (size_t)used - 1] == '\n');
		check(record.start < record.end);
		check(record.line == text + done && record.line_length < (size_t)used);
		check(record.name >= record.line &&
		      record.name + record.name_length == record.line + record.line_length);
		check(!memchr(record.line, '\n', record.line_length));
		check(kind_of_record(&record, DEVICE_FILES) != 0);
		check(kind_of_record(&record, DEVICE_SHMEM) != 0);
		check(kind_of_record(&record, DEVICE_HUGETLB) != 0);
		done += (size_t)used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum device_class class;
	char *text;

	if (!size)
		return 0;
	/* Without a NUL at the end: the parsers are told the length. */
	text = malloc(size > 1 ? size - 1 : 1);
	check(text);
	memcpy(text, data + 1, size - 1);
	switch (data[0]) {
	case 'm':
		read_maps(MAPS_TEXT_MAPS, text, size - 1);
		break;
	case 's':
		read_maps(MAPS_TEXT_SMAPS, text, size - 1);
		break;
	default:
		if (kind_find_mount(text, size - 1, 0, 5, &class))
			check(class == DEVICE_FILES || class == DEVICE_SHMEM ||
			      class == DEVICE_HUGETLB);
	}
	free(text);
	return 0;
}
