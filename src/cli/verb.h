/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A verb of the command: its texts, its options, its function; and how the command exits. */
#ifndef CLI_VERB_H
#define CLI_VERB_H

/* The exit statuses of every verb. EXIT_SUCCESS is 0 and EXIT_FAILURE 1. */
enum exit_status {
	EXIT_USAGE = 2,	 /* nothing was done: the command line makes no sense */
	EXIT_PARTLY = 3, /* something was done, not all */
	EXIT_PERMISSION = 4,
	EXIT_GONE = 5,	      /* the target is gone, or is not the one that was named */
	EXIT_UNSUPPORTED = 6, /* by this kernel */
	EXIT_TIMED_OUT = 124,
};

/* One option. A list of them ends with an entry without a name. */
struct option_text {
	const char *name;
	char letter;	      /* 0: none */
	int id;		      /* what options_next() returns for it */
	const char *argument; /* what --help calls its argument; NULL: it takes none */
	const char *help;     /* may hold newlines */
};

/* Options that belong together, under one heading of --help. A list ends with a NULL. */
struct option_group {
	const char *title;
	const struct option_text *options;
};

struct column;

struct verb {
	const char *name;
	const char *arguments;	 /* what follows the options in the usage line, or NULL */
	const char *summary;	 /* half a line, for the list of verbs */
	const char *description; /* what it does, for its own --help */
	const struct option_group *const *groups;
	const struct column *columns; /* that --columns and --sort take, or NULL */
	const char *examples;	      /* lines of "  memhint ...", each under its "  # why" */
	const char *exit_status;      /* what is particular to this verb, or NULL */

	/*
	 * argv[0] is the verb; options are read by options_next(). Returns the exit status. stdout
	 * is checked and flushed by main(). SIGPIPE is ignored: whoever starts another program sets
	 * it back to SIG_DFL in the child.
	 */
	int (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_ps, verb_map, verb_advise, verb_cold, verb_pageout, verb_willneed,
	verb_collapse, verb_cookie, verb_freeze, verb_thaw, verb_doctor, verb_demo;

/* Every verb in the order of --help; ends with NULL. */
extern const struct verb *const verbs[];

#endif
