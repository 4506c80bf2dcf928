/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines as they come: whole, in pieces, several at once, too long, none any more, cancelled. */
#include "demo-stream.h"
#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct stream stream;
static int other, cancel[2];

static void start(void)
{
	int sockets[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	must(pipe(cancel) == 0);
	other = sockets[1];
	stream_init(&stream, sockets[0], sockets[0], cancel[0]);
}

static void end(void)
{
	stream_done(&stream);
	close(other);
	close(cancel[0]);
	close(cancel[1]);
}

static void say(const char *text)
{
	must(write(other, text, strlen(text)) == (ssize_t)strlen(text));
}

static void is_line(const char *wanted, const char *name)
{
	char *line = NULL;

	is(stream_line(&stream, true, &line), 0, "%s", name);
	ok(line && strcmp(line, wanted) == 0, "%s: its text", name);
}

static void test_lines(void)
{
	char *line;

	start();
	is(stream_line(&stream, false, &line), -EAGAIN, "nothing yet");
	say("one\n");
	is_line("one", "a whole line");
	say("tw");
	is(stream_line(&stream, false, &line), -EAGAIN, "half a line");
	say("o\nthree\r\n\nfo");
	is_line("two", "the other half");
	is_line("three", "one that came with it, and with a carriage return");
	is_line("", "an empty one");
	say("ur");
	shutdown(other, SHUT_WR);
	is(stream_line(&stream, true, &line), -EPIPE, "the end in the middle of a line");
	end();
}

static void test_long_line(void)
{
	static char text[sizeof(stream.buffer) + 1];
	char *line;

	start();
	memset(text, 'x', sizeof(text));
	text[sizeof(stream.buffer) - 1] = '\n';
	must(write(other, text, sizeof(stream.buffer)) == sizeof(stream.buffer));
	is(stream_line(&stream, true, &line), 0, "the longest line");
	is(strlen(line), sizeof(stream.buffer) - 1, "is whole");
	text[sizeof(stream.buffer) - 1] = 'x';
	must(write(other, text, sizeof(text)) == sizeof(text));
	is(stream_line(&stream, true, &line), -EPROTO, "a longer one");
	end();
}

static void test_cancel(void)
{
	static const char much[1 << 20];
	char *line;

	start();
	must(write(cancel[1], "", 1) == 1);
	is(stream_line(&stream, true, &line), -ECANCELED, "waiting for a line is cancelled");
	is(stream_send(&stream, much, sizeof(much)), -ECANCELED,
	   "waiting for a reader is cancelled");
	is(stream_wait(NULL, 0, stream.cancel, 60000), -ECANCELED,
	   "waiting for nothing is cancelled");
	end();
}

static void test_gone(void)
{
	start();
	close(other);
	is(stream_send(&stream, "x", 1), -EPIPE, "nobody reads any more");
	other = -1;
	end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_lines();
	test_long_line();
	test_cancel();
	test_gone();
	return done_testing();
}
