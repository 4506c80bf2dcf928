/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines from another program, in pieces of any size: the first byte says which. What comes out must be
 * what went in, line by line.
 */
#include "demo-stream.h"
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads lines as long as there are any, and compares each with the next one of @expected. */
static int compare(struct stream *stream, const uint8_t **expected, const uint8_t *end)
{
	char *line;
	int r;

	while ((r = stream_line(stream, false, &line)) == 0) {
		const uint8_t *newline = memchr(*expected, '\n', (size_t)(end - *expected));
		size_t length;

		check(newline);
		length = (size_t)(newline - *expected);
		if (length && newline[-1] == '\r')
			length--;
		check(memcmp(line, *expected, length) == 0 && line[length] == '\0');
		*expected = newline + 1;
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream stream;
	const uint8_t *expected, *end = data + size;
	int sockets[2], r = -EAGAIN;
	size_t piece, rest;

	if (size < 2)
		return 0;
	piece = (size_t)data[0] * data[0] + 1; /* from single bytes to more than the buffer holds */
	expected = ++data;
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	stream_init(&stream, sockets[0], sockets[0], -1);
	while (data < end && r == -EAGAIN) {
		size_t length = (size_t)(end - data) < piece ? (size_t)(end - data) : piece;

		check(write(sockets[1], data, length) == (ssize_t)length);
		data += length;
		r = compare(&stream, &expected, end);
	}
	rest = (size_t)(end - expected);
	if (r == -EPROTO) {
		check(rest >= sizeof(stream.buffer));
	} else {
		check(r == -EAGAIN && !memchr(expected, '\n', rest));
		shutdown(sockets[1], SHUT_WR);
		check(compare(&stream, &expected, end) == -EPIPE);
	}
	stream_done(&stream);
	close(sockets[1]);
	return 0;
}
