/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "maps-file.h"

#include "clock.h"
#include "hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel gives some 4 KiB a call, more only for a record that is longer. */
#define BUFFER_BYTES (32u << 10)
#define BUFFER_LIMIT (16u << 20)

void maps_buffer_done(struct maps_buffer *buffer)
{
	free(buffer->text);
	*buffer = (struct maps_buffer){};
}

static int buffer_grow(struct maps_buffer *buffer)
{
	size_t size = buffer->size ? buffer->size * 2 : BUFFER_BYTES;
	char *text;

	if (size > BUFFER_LIMIT)
		return -EIO; /* no record is so long */
	text = realloc(buffer->text, size);
	if (!text)
		return -ENOMEM;
	buffer->text = text;
	buffer->size = size;
	return 0;
}

int maps_file_read(int fd, enum maps_text_form form, bool gaps, struct maps_buffer *buffer,
		   int (*sink)(const struct maps_record *record, void *userdata), void *userdata)
{
	struct hold hold = { .gaps = gaps };
	size_t filled = 0, done;
	uint64_t before = 0;
	ssize_t n;
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	do {
		if (filled == buffer->size && (r = buffer_grow(buffer)) < 0)
			return r;
		if (gaps)
			before = clock_nsec();
		n = read(fd, buffer->text + filled, buffer->size - filled);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (gaps)
			hold_add(&hold, clock_nsec() - before, n > 0);
		filled += (size_t)n;
		for (done = 0; done < filled;) {
			struct maps_record record;
			ssize_t used =
				maps_text_next(form, buffer->text + done, filled - done, &record);

			if (used < 0)
				return (int)used;
			if (used == 0)
				break;
			r = sink(&record, userdata);
			if (r != 0)
				return r;
			done += (size_t)used;
		}
		filled -= done;
		if (filled)
			memmove(buffer->text, buffer->text + done, filled);
	} while (n != 0);
	return filled ? -EIO : 0; /* it ended in the middle of a record */
}

uint64_t maps_fingerprint(uint64_t fingerprint, const char *line, size_t length)
{
	const uint64_t odd = 0x9e3779b97f4a7c15ull;
	uint64_t word;

	/* Not against forgery, only against chance: eight bytes a step. */
	fingerprint = (fingerprint ^ length) * odd;
	for (; length >= sizeof(word); line += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, line, sizeof(word));
		fingerprint = (fingerprint ^ word) * odd;
		fingerprint ^= fingerprint >> 29;
	}
	word = 0;
	memcpy(&word, line, length);
	fingerprint = (fingerprint ^ word) * odd;
	return fingerprint ^ fingerprint >> 32;
}
