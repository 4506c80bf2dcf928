/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "columns.h"

#include "log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void columns_init(struct columns *columns, const struct column *all, unsigned sort)
{
	*columns = (struct columns){ .sort = sort };
	for (unsigned i = 0; all[i].name; i++)
		if (all[i].by_default)
			columns->ids[columns->count++] = i;
}

bool columns_have(const struct columns *columns, unsigned id)
{
	for (size_t i = 0; i < columns->count; i++)
		if (columns->ids[i] == id)
			return true;
	return false;
}

static int find(const struct options *options, const struct column *all, const char *name,
		size_t length, unsigned *ret_id)
{
	const char *names[COLUMNS_MAX + 1] = {};
	const char *similar;
	char wrong[64];

	for (unsigned i = 0; all[i].name; i++) {
		if (strlen(all[i].name) == length && strncasecmp(all[i].name, name, length) == 0) {
			*ret_id = i;
			return 0;
		}
		names[i] = all[i].name;
	}
	snprintf(wrong, sizeof(wrong), "%.*s", (int)length, name);
	similar = options_similar(wrong, names);
	if (similar)
		log_error("--%s: there is no column '%s'; is '%s' meant?", options->name, wrong,
			  similar);
	else
		log_error("--%s: there is no column '%s'; 'memhint %s --help' lists them",
			  options->name, wrong, options->verb->name);
	return EXIT_USAGE;
}

int columns_choose(struct columns *columns, const struct options *options, const struct column *all)
{
	const char *text = options->argument;
	bool beside = *text == '+';
	unsigned last = columns->ids[columns->count - 1];
	int r;

	/* The last column is the one without a fixed width: the others go before it. */
	columns->count = beside ? columns->count - 1 : 0;
	text += beside;
	for (;;) {
		size_t length = strcspn(text, ",");
		unsigned id;

		r = find(options, all, text, length, &id);
		if (r != 0)
			return r;
		if (!columns_have(columns, id))
			columns->ids[columns->count++] = id;
		if (!text[length])
			break;
		text += length + 1;
	}
	if (beside && !columns_have(columns, last))
		columns->ids[columns->count++] = last;
	return 0;
}

int columns_sort_by(struct columns *columns, const struct options *options,
		    const struct column *all)
{
	const char *text = options->argument;

	columns->reverse = *text == '-';
	if (*text == '-')
		text++;
	return find(options, all, text, strlen(text), &columns->sort);
}

struct table *columns_table(const struct columns *columns, const struct term *term,
			    const struct column *all)
{
	struct table_column list[COLUMNS_MAX];

	for (size_t i = 0; i < columns->count; i++)
		list[i] = (struct table_column){
			.title = all[columns->ids[i]].title,
			.right = all[columns->ids[i]].right,
			.may_cut = all[columns->ids[i]].may_cut,
		};
	return table_new(term, list, columns->count);
}
