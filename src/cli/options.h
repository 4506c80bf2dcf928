/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the options of a verb, and printing them: --help, and a dump that tests compare with the
 * manual.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "verb.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Ids that several verbs share. A verb's own begin at OPTION_OWN. */
enum {
	OPTION_END = 0,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_JSON,
	OPTION_DRY_RUN,
	OPTION_QUIET,
	OPTION_VERBOSE,
	/* which processes: targets_option() takes them */
	OPTION_PID,
	OPTION_COMM,
	OPTION_EXE,
	OPTION_CGROUP,
	OPTION_UNIT,
	OPTION_USER,
	OPTION_CHILDREN,
	OPTION_OWN,
};

/* --json, --quiet, --verbose, --help, --version: the verb sees OPTION_JSON alone. */
extern const struct option_group common_options;

#define OPTIONS_MAX 64

struct options {
	const struct verb *verb;
	int argc;
	char **argv;
	const char *name;     /* of the option just returned, for messages */
	const char *argument; /* of the option just returned, or NULL */
	int exit_status;      /* when options_next() returned a negative number */
	struct option long_options[OPTIONS_MAX + 1];
	int ids[OPTIONS_MAX];
	char letters[OPTIONS_MAX * 2 + 3];
};

void options_init(struct options *options, const struct verb *verb, int argc, char **argv);

/*
 * The id of the next option; OPTION_END after the last, then options_rest() has the arguments that
 * are no options. Negative: the verb returns options->exit_status at once (--help was printed, or a
 * sentence about what is wrong).
 */
int options_next(struct options *options);

/* What is left after the options; ends with NULL. */
char **options_rest(const struct options *options);

/* For verbs that take no arguments: whether there are none; else complains and returns false. */
bool options_no_rest(struct options *options);

/* Complains about the argument of the option just returned, with a reason; EXIT_USAGE. */
int options_bad(const struct options *options, const char *reason);

/* Arguments as numbers: 0, or EXIT_USAGE after a complaint. */
int options_bytes(const struct options *options, uint64_t *ret_bytes);
int options_usec(const struct options *options, uint64_t default_unit_usec, uint64_t *ret_usec);
int options_cookie(const struct options *options,
		   uint64_t *ret_cookie); /* as memhint cookie prints it */

void options_help(const struct verb *verb, FILE *file);
void options_dump(FILE *file); /* all verbs and options as JSON */

/* The word of @words (ends with NULL) that @wrong is a slip of, or NULL. */
const char *options_similar(const char *wrong, const char *const *words);

#endif
