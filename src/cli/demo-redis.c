/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo-redis.h"

#include "cleanup.h"
#include "demo-stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ASKED 100
#define COMMAND_BYTES_MAX 192
#define BATCH 2000

/* Where the balance stands in a value, and how long it is. */
#define BALANCE_OFFSET 4
#define BALANCE_DIGITS 8

static const char *const words[] = {
	"account", "active",   "archive", "balance", "before",	"city",	  "client",  "contact",
	"credit",  "delivery", "early",	  "export",  "family",	"garden", "invoice", "journey",
	"kitchen", "letter",   "market",  "monday",  "number",	"office", "order",   "paper",
	"parcel",  "payment",  "phone",	  "quarter", "receipt", "return", "season",  "service",
	"signed",  "spring",   "station", "street",  "summer",	"ticket", "travel",  "update",
	"village", "visit",    "weekly",  "winter",  "yearly",	"anna",	  "boris",   "carla",
	"david",   "elena",    "femi",	  "greta",   "hiro",	"ines",	  "jonas",   "karin",
	"hamburg", "lyon",     "torino",  "porto",   "gdansk",	"leiden", "aarhus",  "brno",
};

/* A linear congruential generator; its low bits are poor, so 31 high ones are given. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/*
 * A value that compresses as records do, neither like zeros nor like noise:
 * "bal=00123456 tel=4915112345678 " and then words.
 */
static void make_value(uint64_t *state, char value[REDIS_VALUE_BYTES + 1])
{
	uint64_t balance = next_random(state) % 1000000, number = next_random(state) % 100000000;
	size_t length;

	length = (size_t)snprintf(value, REDIS_VALUE_BYTES + 1,
				  "bal=%08" PRIu64 " tel=49151%08" PRIu64, balance, number);
	while (length < REDIS_VALUE_BYTES) {
		const char *word = words[next_random(state) % (sizeof(words) / sizeof(words[0]))];

		value[length++] = ' ';
		while (*word && length < REDIS_VALUE_BYTES)
			value[length++] = *word++;
	}
	value[REDIS_VALUE_BYTES] = '\0';
}

int redis_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int send_text(struct stream *stream, const char *text)
{
	return stream_send(stream, text, strlen(text));
}

static int expect(struct stream *stream, const char *wanted)
{
	char *line;
	int r = stream_line(stream, true, &line);

	if (r < 0)
		return r;
	return strcmp(line, wanted) == 0 ? 0 : -EPROTO;
}

int redis_load_begin(struct stream *stream)
{
	/* From now on nothing of note happens; a log that nobody reads would fill its pipe. */
	int r = send_text(stream, "CONFIG SET loglevel warning\r\n");

	if (r == 0)
		r = expect(stream, "+OK");
	if (r == 0)
		r = send_text(stream, "CLIENT REPLY OFF\r\n");
	return r;
}

int redis_load(struct stream *stream, uint64_t first, uint64_t count, uint64_t *state)
{
	static char batch[BATCH * COMMAND_BYTES_MAX];
	char value[REDIS_VALUE_BYTES + 1];
	size_t length = 0;
	int r;

	for (uint64_t number = first; number < first + count; number++) {
		make_value(state, value);
		length += (size_t)snprintf(batch + length, COMMAND_BYTES_MAX,
					   "*3\r\n$3\r\nSET\r\n$13\r\nuser:%08" PRIu64
					   "\r\n$%d\r\n%s\r\n",
					   number, REDIS_VALUE_BYTES, value);
		if (length + COMMAND_BYTES_MAX > sizeof(batch)) {
			r = stream_send(stream, batch, length);
			if (r < 0)
				return r;
			length = 0;
		}
	}
	return stream_send(stream, batch, length);
}

int redis_load_end(struct stream *stream, uint64_t keys)
{
	char wanted[32];
	int r = send_text(stream, "CLIENT REPLY ON\r\nDBSIZE\r\n");

	if (r == 0)
		r = expect(stream, "+OK");
	if (r < 0)
		return r;
	snprintf(wanted, sizeof(wanted), ":%" PRIu64, keys);
	return expect(stream, wanted);
}

int redis_ask(struct stream *stream, uint64_t keys, uint64_t *ret_sum)
{
	char request[ASKED * 24 + 64], header[8];
	uint64_t state = 1, sum = 0;
	size_t length;
	int r;

	length = (size_t)snprintf(request, sizeof(request), "*%d\r\n$4\r\nMGET\r\n", ASKED + 1);
	for (int i = 0; i < ASKED; i++)
		length += (size_t)snprintf(request + length, sizeof(request) - length,
					   "$13\r\nuser:%08" PRIu64 "\r\n",
					   next_random(&state) % keys);
	r = stream_send(stream, request, length);
	if (r < 0)
		return r;
	snprintf(header, sizeof(header), "*%d", ASKED);
	r = expect(stream, header);
	for (int i = 0; r == 0 && i < ASKED; i++) {
		char *line;

		snprintf(header, sizeof(header), "$%d", REDIS_VALUE_BYTES);
		r = expect(stream, header);
		if (r == 0)
			r = stream_line(stream, true, &line);
		if (r < 0)
			break;
		if (strlen(line) != REDIS_VALUE_BYTES)
			return -EPROTO;
		line[BALANCE_OFFSET + BALANCE_DIGITS] = '\0';
		sum += strtoull(line + BALANCE_OFFSET, NULL, 10);
	}
	if (r == 0)
		*ret_sum = sum;
	return r;
}

int redis_digest(struct stream *stream, char *ret_digest, size_t size)
{
	size_t length;
	char *line;
	int r = send_text(stream, "DEBUG DIGEST\r\n");

	if (r == 0)
		r = stream_line(stream, true, &line);
	if (r != 0)
		return r;
	length = strlen(line);
	if (line[0] != '+' || length > size)
		return -EPROTO;
	memcpy(ret_digest, line + 1, length);
	return 0;
}
