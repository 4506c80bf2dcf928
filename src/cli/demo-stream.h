/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A conversation in lines with another program, over pipes or a socket; it can be cancelled at any time. */
#ifndef CLI_DEMO_STREAM_H
#define CLI_DEMO_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct stream {
	int in;	    /* what the other side writes; -1: none */
	int out;    /* what it reads; may be the same descriptor */
	int cancel; /* readable as soon as everything is to stop */
	size_t start;
	size_t end;
	char buffer[16384]; /* no line may be longer */
};

/* Takes over @in and @out and makes them non-blocking. */
void stream_init(struct stream *stream, int in, int out, int cancel);
void stream_done(struct stream *stream);

/* Writes all of it. 0, -ECANCELED, or -EPIPE when the other side is gone. */
int stream_send(struct stream *stream, const char *data, size_t length);

/*
 * The next line, without its end, good until the next call. Waits for it as long as it takes, or with
 * @wait false not at all. 0; -EAGAIN there is none yet; -ECANCELED; -EPIPE no more will come; -EPROTO
 * it is too long.
 */
int stream_line(struct stream *stream, bool wait, char **ret_line);

/*
 * Waits until one of the descriptors can be read (negative ones are left out), or time has passed:
 * 0 or -ECANCELED.
 */
int stream_wait(const int *fds, size_t count, int cancel, int milliseconds);

#endif
