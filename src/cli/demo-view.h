/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the demo shows: a table that is drawn over and over on a terminal, and once elsewhere. */
#ifndef CLI_DEMO_VIEW_H
#define CLI_DEMO_VIEW_H

#include "term.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_data {
	VIEW_DATA_UNKNOWN,
	VIEW_DATA_INTACT,
	VIEW_DATA_LOST,
};

/* One program. What is not known yet is not shown. */
struct view_row {
	const char *program;
	char holds[64];		 /* what data it holds, or how far the loading is */
	uint64_t resident_bytes; /* before; 0: unknown */
	bool has_after;
	uint64_t after_bytes; /* resident, now or in the end */
	uint64_t swap_bytes;
	uint64_t usec;
	uint64_t answer_usec; /* before page-out; 0: unknown */
	uint64_t first_usec;  /* the first answer after it; 0: unknown */
	enum view_data data;
};

struct view {
	struct term term;
	bool is_live;
	const struct view_row *rows;
	size_t count;
	unsigned lines;	     /* drawn above the cursor */
	uint64_t drawn_usec; /* when */
	char status[256];
};

/* @rows stays the caller's, who changes it. Live needs a terminal that is high enough. */
void view_init(struct view *view, const struct view_row *rows, size_t count, bool may_be_live);

/* Shows the rows as they are and what is being done, at most 20 times a second while that is the same. */
void view_update(struct view *view, const char *status);

/* The same at once, the last time: the totals take the place of the status. */
void view_finish(struct view *view, const char *totals, enum term_colour colour);

#endif
