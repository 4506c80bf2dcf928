/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Talking to a Redis server. Source: redis.io, "Redis serialization protocol specification". */
#ifndef CLI_DEMO_REDIS_H
#define CLI_DEMO_REDIS_H

#include <stddef.h>
#include <stdint.h>

struct stream;

#define REDIS_VALUE_BYTES 100

/* Connects to the server's socket: a descriptor or a negative errno. */
int redis_connect(const char *path);

/* Tells the server that no answers are wanted for what follows: loading needs none. */
int redis_load_begin(struct stream *stream);

/* Stores records number @first to @first + @count - 1. Their content follows from @state, which moves on. */
int redis_load(struct stream *stream, uint64_t first, uint64_t count, uint64_t *state);

/* 0, or -EPROTO if the server does not have @keys keys now. */
int redis_load_end(struct stream *stream, uint64_t keys);

/* The sum of the balances of a hundred records, always the same ones. */
int redis_ask(struct stream *stream, uint64_t keys, uint64_t *ret_sum);

/* DEBUG DIGEST. */
int redis_digest(struct stream *stream, char *ret_digest, size_t size);

#endif
