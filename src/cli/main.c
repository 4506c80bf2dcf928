/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command: finds the verb, and sees to it that no output is lost without a word. */
#include "log.h"
#include "options.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct verb *const verbs[] = {
	&verb_ps,	&verb_map,    &verb_cold,   &verb_pageout, &verb_willneed,
	&verb_collapse, &verb_advise, &verb_cookie, &verb_freeze,  &verb_thaw,
	&verb_doctor,	&verb_demo,   NULL,
};

static void print_usage(FILE *file)
{
	fprintf(file, "Usage: memhint VERB [OPTION]... [ARGUMENT]...\n");
}

static void print_help(void)
{
	print_usage(stdout);
	printf("\nTells the kernel which memory of other processes is not needed now, so that idle programs\n"
	       "shrink instead of being ended. Nothing is lost: what was paged out comes back when touched.\n"
	       "\nVerbs:\n");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
	printf("\nOptions:\n"
	       "  -h, --help     this text; 'memhint VERB --help' has the options of a verb\n"
	       "  -V, --version  the version\n"
	       "\nExamples:\n"
	       "  # who holds how much, and who has not run for long\n"
	       "  memhint ps\n"
	       "  # what would be paged out of a process, and then do it\n"
	       "  memhint pageout --dry-run 1234\n"
	       "  memhint pageout 1234\n"
	       "  # what this machine can do, and what is missing\n"
	       "  memhint doctor\n");
}

static int unknown_verb(const char *word)
{
	const char *names[32] = {};
	const char *similar;

	for (size_t i = 0; verbs[i] && i < 31; i++)
		names[i] = verbs[i]->name;
	similar = word[0] == '-' ? NULL : options_similar(word, names);
	if (similar)
		log_error("there is no verb '%s'; is '%s' meant?", word, similar);
	else
		log_error("there is no %s '%s'; 'memhint --help' lists them all",
			  word[0] == '-' ? "option" : "verb", word);
	return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		log_error("a verb is missing; 'memhint --help' lists them");
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("memhint %s\n", MEMHINT_VERSION);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--dump-options") == 0) {
		options_dump(stdout);
		return EXIT_SUCCESS;
	}
	for (const struct verb *const *verb = verbs; *verb; verb++)
		if (strcmp((*verb)->name, argv[1]) == 0)
			return (*verb)->run(*verb, argc - 1, argv + 1);
	return unknown_verb(argv[1]);
}

/* A file opened later must not become somebody's stdin or stderr. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Whether stdout is a pipe that nobody reads any more, as in "memhint ps | head -1". */
static bool reader_is_gone(void)
{
	struct pollfd pollfd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&pollfd, 1, 0) == 1 && (pollfd.revents & (POLLERR | POLLHUP));
}

int main(int argc, char **argv)
{
	bool has_stdout = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
	int status;

	fill_standard_streams();
	/* Only the character set: numbers keep their point, for those who parse them. */
	setlocale(LC_CTYPE, "");
	/* A reader that goes away must not end this process in the middle of its work. */
	signal(SIGPIPE, SIG_IGN);
	if (!has_stdout) {
		log_error("stdout is closed, so the result could not be told; nothing was done");
		return EXIT_FAILURE;
	}
	status = run(argc, argv);
	errno = 0;
	if ((fflush(stdout) != 0 || ferror(stdout)) && !reader_is_gone()) {
		log_error("the result could not be written to stdout: %s",
			  errno ? strerror(errno) : "an earlier write failed");
		return EXIT_FAILURE;
	}
	return status;
}
