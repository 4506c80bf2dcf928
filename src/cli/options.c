/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include "columns.h"
#include "json.h"
#include "log.h"
#include "parse.h"

#include <memhint/guard.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

const struct option_group common_options = {
	.title = "Everywhere",
	.options =
		(const struct option_text[]){
			{ "json", 'j', OPTION_JSON, NULL,
			  "print one JSON object instead of tables" },
			{ "quiet", 'q', OPTION_QUIET, NULL,
			  "no warnings and no progress line; errors still appear" },
			{ "verbose", 'v', OPTION_VERBOSE, NULL, "say how it is done" },
			{ "help", 'h', OPTION_HELP, NULL, "this text" },
			{ "version", 'V', OPTION_VERSION, NULL, "the version" },
			{} },
};

void options_init(struct options *options, const struct verb *verb, int argc, char **argv)
{
	size_t count = 0, letters = 0;

	*options = (struct options){ .verb = verb, .argc = argc, .argv = argv };
	options->letters[letters++] = ':'; /* getopt tells a missing argument apart */
	for (const struct option_group *const *group = verb->groups; *group; group++)
		for (const struct option_text *text = (*group)->options; text->name; text++) {
			assert(count < OPTIONS_MAX);
			/* Indexes above any letter, so that the two cannot be taken for each other. */
			options->long_options[count] = (struct option){
				.name = text->name,
				.has_arg = text->argument ? required_argument : no_argument,
				.val = 256 + (int)count,
			};
			options->ids[count++] = text->id;
			if (text->letter) {
				options->letters[letters++] = text->letter;
				if (text->argument)
					options->letters[letters++] = ':';
			}
		}
	opterr = 0;
	optind = 0; /* starts over */
}

static const struct option_text *find_option(const struct options *options, int value)
{
	int count = 0;

	for (const struct option_group *const *group = options->verb->groups; *group; group++)
		for (const struct option_text *text = (*group)->options; text->name;
		     text++, count++)
			if (value == 256 + count || (text->letter && value == text->letter))
				return text;
	return NULL;
}

/* Levenshtein's distance, given up above a bound that no slip of the finger reaches. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], length = strlen(b);

	if (length >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < length; k++) {
			size_t change = diagonal + (a[i] != b[k]);

			diagonal = row[k + 1];
			row[k + 1] = MIN(MIN(diagonal, row[k]) + 1, change);
		}
	}
	return row[length];
}

const char *options_similar(const char *wrong, const char *const *words)
{
	size_t best = strlen(wrong) < 5 ? 2 : 3;
	const char *found = NULL;

	for (; *words; words++) {
		size_t d = distance(wrong, *words);

		if (d < best) {
			best = d;
			found = *words;
		}
	}
	return found;
}

static void complain_unknown(const struct options *options, const char *word)
{
	const char *names[OPTIONS_MAX + 1] = {};
	const char *similar;
	char wrong[64];

	snprintf(wrong, sizeof(wrong), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (size_t i = 0; options->long_options[i].name; i++)
		names[i] = options->long_options[i].name;
	similar = options_similar(wrong, names);
	if (similar)
		log_error("%s has no option --%s; is --%s meant?", options->verb->name, wrong,
			  similar);
	else
		log_error("%s has no option --%s; 'memhint %s --help' lists them",
			  options->verb->name, wrong, options->verb->name);
}

static bool is_prefix_of_several(const struct options *options, const char *word)
{
	size_t length = strcspn(word, "=");
	int matches = 0;

	for (size_t i = 0; options->long_options[i].name; i++)
		matches += strncmp(options->long_options[i].name, word, length) == 0;
	return matches > 1;
}

static int complain(struct options *options, int value)
{
	const char *word = options->argv[optind - 1];
	const struct option_text *text = optopt ? find_option(options, optopt) : NULL;

	if (value == ':' && text)
		log_error("--%s needs an argument: %s", text->name, text->argument);
	else if (text)
		log_error("--%s takes no argument", text->name);
	else if (optopt)
		log_error("%s has no option -%c; 'memhint %s --help' lists them",
			  options->verb->name, optopt, options->verb->name);
	else if (is_prefix_of_several(options, word + 2))
		log_error("%s is short for several options; 'memhint %s --help' lists them", word,
			  options->verb->name);
	else
		complain_unknown(options, word);
	options->exit_status = EXIT_USAGE;
	return -1;
}

int options_next(struct options *options)
{
	for (;;) {
		const struct option_text *text;
		int value;

		value = getopt_long(options->argc, options->argv, options->letters,
				    options->long_options, NULL);
		if (value == -1)
			return OPTION_END;
		if (value == '?' || value == ':')
			return complain(options, value);
		text = find_option(options, value);
		assert(text);
		options->name = text->name;
		options->argument = text->argument ? optarg : NULL;
		switch (text->id) {
		case OPTION_HELP:
			options_help(options->verb, stdout);
			options->exit_status = EXIT_SUCCESS;
			return -1;
		case OPTION_VERSION:
			printf("memhint %s\n", MEMHINT_VERSION);
			options->exit_status = EXIT_SUCCESS;
			return -1;
		case OPTION_QUIET:
			log_set_level(LOG_QUIET);
			break;
		case OPTION_VERBOSE:
			log_set_level(LOG_VERBOSE);
			break;
		default:
			return text->id;
		}
	}
}

char **options_rest(const struct options *options)
{
	return options->argv + optind;
}

bool options_no_rest(struct options *options)
{
	if (optind >= options->argc)
		return true;
	log_error("%s takes no arguments, but was given '%s'", options->verb->name,
		  options->argv[optind]);
	return false;
}

int options_bad(const struct options *options, const char *reason)
{
	log_error("--%s '%s': %s", options->name, options->argument ? options->argument : "",
		  reason);
	return EXIT_USAGE;
}

int options_bytes(const struct options *options, uint64_t *ret_bytes)
{
	int r = parse_bytes(options->argument, ret_bytes);

	if (r == -ERANGE)
		return options_bad(options, "is more than any memory");
	if (r < 0)
		return options_bad(options, "is not a size; sizes look like 4096, 64K, 1.5M or 2G");
	return 0;
}

int options_usec(const struct options *options, uint64_t default_unit_usec, uint64_t *ret_usec)
{
	int r = parse_usec(options->argument, default_unit_usec, ret_usec);

	if (r == -ERANGE)
		return options_bad(options, "is longer than can be counted");
	if (r < 0)
		return options_bad(options,
				   "is not a time; times look like 500us, 2ms, 1.5s or 3m");
	return 0;
}

int options_cookie(const struct options *options, uint64_t *ret_cookie)
{
	uint64_t cookie;

	if (parse_u64(options->argument, 16, &cookie) < 0 ||
	    memhint_cookie_kind(cookie) == MEMHINT_COOKIE_INVALID)
		return options_bad(options, "is not a cookie; 'memhint cookie' prints them");
	*ret_cookie = cookie;
	return 0;
}

/* The help text of an option, its further lines under the first. */
static void print_option(const struct option_text *text, FILE *file)
{
	const char *line = text->help;
	char left[64];
	size_t length;

	snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", text->letter ? '-' : ' ',
		 text->letter ? text->letter : ' ', text->letter ? ", " : "  ", text->name,
		 text->argument ? " " : "", text->argument ? text->argument : "");
	fprintf(file, "%-28s", left);
	if (strlen(left) > 26)
		fprintf(file, "\n%28s", "");
	while (line) {
		length = strcspn(line, "\n");
		fprintf(file, "%.*s\n", (int)length, line);
		line = line[length] ? line + length + 1 : NULL;
		if (line)
			fprintf(file, "%28s", "");
	}
}

void options_help(const struct verb *verb, FILE *file)
{
	fprintf(file, "memhint %s - %s\n\nUsage: memhint %s [OPTION]...%s%s\n\n%s\n", verb->name,
		verb->summary, verb->name, verb->arguments ? " " : "",
		verb->arguments ? verb->arguments : "", verb->description);
	for (const struct option_group *const *group = verb->groups; *group; group++) {
		fprintf(file, "\n%s:\n", (*group)->title);
		for (const struct option_text *text = (*group)->options; text->name; text++)
			print_option(text, file);
	}
	if (verb->columns) {
		fprintf(file, "\nColumns (* shown when none are chosen):\n");
		for (const struct column *column = verb->columns; column->name; column++)
			fprintf(file, "  %c %-24s%s\n", column->by_default ? '*' : ' ',
				column->name, column->help);
	}
	fprintf(file, "\nExamples:\n%s", verb->examples);
	fprintf(file,
		"\nExit status:\n"
		"  0 done; 1 failure; 2 wrong usage; 3 partly done; 4 no permission; 5 the target is gone\n"
		"  or not the one named; 6 not supported by this kernel; 124 timed out\n");
	if (verb->exit_status)
		fprintf(file, "%s\n", verb->exit_status);
}

void options_dump(FILE *file)
{
	struct json json;

	json_init(&json, file);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.options/1");
	json_array(&json, "verbs");
	for (const struct verb *const *verb = verbs; *verb; verb++) {
		json_object(&json, NULL);
		json_string(&json, "name", (*verb)->name);
		json_string(&json, "arguments", (*verb)->arguments);
		json_string(&json, "summary", (*verb)->summary);
		json_array(&json, "options");
		for (const struct option_group *const *group = (*verb)->groups; *group; group++)
			for (const struct option_text *text = (*group)->options; text->name;
			     text++) {
				char letter[2] = { text->letter };

				json_object(&json, NULL);
				json_string(&json, "name", text->name);
				json_string(&json, "letter", text->letter ? letter : NULL);
				json_string(&json, "argument", text->argument);
				json_string(&json, "group", (*group)->title);
				json_string(&json, "help", text->help);
				json_end(&json);
			}
		json_end(&json);
		json_array(&json, "columns");
		for (const struct column *column = (*verb)->columns; column && column->name;
		     column++) {
			json_object(&json, NULL);
			json_string(&json, "name", column->name);
			json_string(&json, "help", column->help);
			json_bool(&json, "by_default", column->by_default);
			json_end(&json);
		}
		json_end(&json);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
}
