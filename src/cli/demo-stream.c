/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 16

void stream_init(struct stream *stream, int in, int out, int cancel)
{
	stream->in = in;
	stream->out = out;
	stream->cancel = cancel;
	stream->start = stream->end = 0;
	fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
	if (out >= 0 && out != in)
		fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
}

void stream_done(struct stream *stream)
{
	if (stream->out >= 0 && stream->out != stream->in)
		close(stream->out);
	if (stream->in >= 0)
		close(stream->in);
	stream->in = stream->out = -1;
}

static int wait_for(int fd, short events, int cancel)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = events },
		{ .fd = cancel, .events = POLLIN },
	};

	for (;;) {
		int n = poll(fds, 2, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			return fds[1].revents ? -ECANCELED : 0;
	}
}

int stream_wait(const int *fds, size_t count, int cancel, int milliseconds)
{
	struct pollfd pollfds[FDS_MAX + 1] = { { .fd = cancel, .events = POLLIN } };

	if (count > FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		pollfds[i + 1] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (poll(pollfds, count + 1, milliseconds) < 0 && errno != EINTR)
		return -errno;
	return pollfds[0].revents ? -ECANCELED : 0;
}

int stream_send(struct stream *stream, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(stream->out, data, length);
		int r;

		if (n >= 0) {
			data += n;
			length -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == ECONNRESET ? -EPIPE : -errno;
		r = wait_for(stream->out, POLLOUT, stream->cancel);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads what there is: 0, or a negative errno as stream_line(). */
static int fill(struct stream *stream)
{
	ssize_t n;

	if (stream->start > 0) {
		memmove(stream->buffer, stream->buffer + stream->start,
			stream->end - stream->start);
		stream->end -= stream->start;
		stream->start = 0;
	}
	if (stream->end == sizeof(stream->buffer))
		return -EPROTO;
	do
		n = read(stream->in, stream->buffer + stream->end,
			 sizeof(stream->buffer) - stream->end);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	stream->end += (size_t)n;
	return 0;
}

int stream_line(struct stream *stream, bool wait, char **ret_line)
{
	for (;;) {
		char *line = stream->buffer + stream->start;
		char *newline = memchr(line, '\n', stream->end - stream->start);
		int r;

		if (newline) {
			stream->start = (size_t)(newline + 1 - stream->buffer);
			if (newline > line && newline[-1] == '\r')
				newline--;
			*newline = '\0';
			*ret_line = line;
			return 0;
		}
		r = fill(stream);
		if (r == -EAGAIN && wait)
			r = wait_for(stream->in, POLLIN, stream->cancel);
		if (r < 0)
			return r;
	}
}
