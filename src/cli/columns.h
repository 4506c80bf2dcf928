/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Columns of a table that the user chooses and sorts by. */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include "options.h"
#include "table.h"

#include <stdbool.h>
#include <stddef.h>

#define COLUMNS_MAX 32

/* One that there is. A list of them ends with an entry without a name; indexes into it are ids. */
struct column {
	const char *name; /* for --columns and --sort */
	const char *title;
	const char *help;
	bool right; /* a number: aligned to the right, sorted from the largest down */
	bool may_cut;
	bool by_default;
};

/* What was chosen. */
struct columns {
	size_t count;
	unsigned ids[COLUMNS_MAX];
	unsigned sort;
	bool reverse; /* the other way round than is natural for the column */
};

void columns_init(struct columns *columns, const struct column *all, unsigned sort);
bool columns_have(const struct columns *columns, unsigned id);

/* "name,name" instead of the default, "+name,name" beside it: 0, or EXIT_USAGE. */
int columns_choose(struct columns *columns, const struct options *options,
		   const struct column *all);

/* "name" or "-name": the same. */
int columns_sort_by(struct columns *columns, const struct options *options,
		    const struct column *all);

struct table *columns_table(const struct columns *columns, const struct term *term,
			    const struct column *all);

#endif
