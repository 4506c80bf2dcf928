/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One of the demo's programs: a real one, with a real data set, in a process of its own. */
#ifndef CLI_DEMO_PROGRAM_H
#define CLI_DEMO_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct janitor;
struct program;

enum program_kind { PROGRAM_REDIS, PROGRAM_PYTHON, PROGRAM_NODE, PROGRAM_KINDS };

/* Its command, which has to be in PATH, and the Debian package that has it. */
const char *program_command(enum program_kind kind);
const char *program_package(enum program_kind kind);
bool program_is_installed(enum program_kind kind);

struct program_setup {
	struct janitor *janitor; /* told of each program before that runs */
	const char *folder;
	int cancel; /* readable as soon as everything is to stop */
	uint64_t redis_keys;
	uint64_t script_bytes; /* for each of the two interpreters */
};

/*
 * Starts it, as a child that dies with this process. @setup has to stay.
 * 0 or a negative errno; -ECANCELED as everywhere here.
 */
int program_start(enum program_kind kind, const struct program_setup *setup,
		  struct program **ret_program);

/* Ends it, if it still lives, and waits for that. NULL is accepted. */
void program_free(struct program *program);

/*
 * Carries the loading of its data on, without waiting for what is not there yet: 1 when all is loaded,
 * 0 when there is more to do, or a negative errno: -EPIPE the program has ended.
 */
int program_load(struct program *program);

/* What to wait for between two calls of program_load(): a descriptor, or -1 if it can go on at once. */
int program_load_fd(const struct program *program);
unsigned program_loaded_percent(const struct program *program);

/* What it holds: "1,000,000 keys of 100 bytes". */
const char *program_data(struct program *program);

/* Asks for a hundred of its records: the answer, good until the next call, and the time it took. */
int program_ask(struct program *program, const char **ret_answer, uint64_t *ret_usec);

#define PROGRAM_DIGEST_MAX 80

/* A digest of all its data, computed by the program itself. */
int program_digest(struct program *program, char ret_digest[PROGRAM_DIGEST_MAX]);

const char *program_name(const struct program *program);
pid_t program_pid(const struct program *program);
int program_pidfd(const struct program *program);

/* The last it wrote to stderr or its log, to explain why it ended; "" if nothing. */
const char *program_last_words(struct program *program);

#endif
