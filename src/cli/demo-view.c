/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demo-view.h"

#include "clock.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_USEC 50000
#define FRAME_LINES 7 /* title, three blank lines, heading, status, cursor */
#define BAR_MAX 32

enum column {
	COLUMN_PROGRAM,
	COLUMN_RESIDENT,
	COLUMN_AFTER,
	COLUMN_SAVED,
	COLUMN_SWAPPED,
	COLUMN_TIME,
	COLUMN_RATE,
	COLUMN_ANSWER,
	COLUMN_FIRST,
	COLUMN_DATA,
	COLUMNS
};

/* Widths with the gap on the left. On a narrow terminal the highest rank is left out first. */
static const struct {
	const char *title;
	int width;
	int rank;
} columns[COLUMNS] = {
	[COLUMN_PROGRAM] = { "PROGRAM", 12, 0 }, [COLUMN_RESIDENT] = { "RESIDENT", 9, 0 },
	[COLUMN_AFTER] = { "AFTER", 6, 1 },	 [COLUMN_SAVED] = { "SAVED", 6, 0 },
	[COLUMN_SWAPPED] = { "SWAPPED", 8, 5 },	 [COLUMN_TIME] = { "TIME", 7, 4 },
	[COLUMN_RATE] = { "RATE", 8, 6 },	 [COLUMN_ANSWER] = { "ANSWER", 8, 3 },
	[COLUMN_FIRST] = { "FIRST", 8, 3 },	 [COLUMN_DATA] = { "DATA", 7, 2 },
};

void view_init(struct view *view, const struct view_row *rows, size_t count, bool may_be_live)
{
	const char *type = getenv("TERM");

	*view = (struct view){ .rows = rows, .count = count };
	term_init(&view->term, STDOUT_FILENO);
	view->is_live = may_be_live && view->term.is_terminal && type &&
			strcmp(type, "dumb") != 0 && view->term.height > FRAME_LINES + 2 * count;
}

/* Ends a line that may have been longer the last time. */
static void end_line(struct view *view)
{
	fputs(view->is_live ? "\033[K\n" : "\n", stdout);
	view->lines++;
}

static void print_coloured(const struct view *view, enum term_colour colour, const char *text)
{
	printf("%s%s%s", term_colour(&view->term, colour), text,
	       term_colour(&view->term, TERM_RESET));
}

static struct unit_text saved_text(const struct view_row *row)
{
	/* More than before: it grew meanwhile. */
	if (row->after_bytes > row->resident_bytes)
		return (struct unit_text){ "0" };
	return unit_bytes(row->resident_bytes - row->after_bytes);
}

/* The text of a cell, "" while it is not known. */
static struct unit_text cell_text(const struct view_row *row, enum column column)
{
	struct unit_text text = { "" };

	switch (column) {
	case COLUMN_PROGRAM:
		snprintf(text.text, sizeof(text.text), "%s", row->program);
		break;
	case COLUMN_RESIDENT:
		if (row->resident_bytes)
			text = unit_bytes(row->resident_bytes);
		break;
	case COLUMN_AFTER:
		if (row->has_after)
			text = unit_bytes(row->after_bytes);
		break;
	case COLUMN_SAVED:
		if (row->has_after)
			text = saved_text(row);
		break;
	case COLUMN_SWAPPED:
		if (row->has_after)
			text = unit_bytes(row->swap_bytes);
		break;
	case COLUMN_TIME:
		if (row->usec)
			snprintf(text.text, sizeof(text.text), "%.2fs", (double)row->usec / 1e6);
		break;
	case COLUMN_RATE:
		if (row->usec && row->resident_bytes > row->after_bytes)
			text = unit_rate(row->resident_bytes - row->after_bytes, row->usec);
		break;
	case COLUMN_ANSWER:
		if (row->answer_usec)
			text = unit_usec(row->answer_usec);
		break;
	case COLUMN_FIRST:
		if (row->first_usec)
			text = unit_usec(row->first_usec);
		break;
	case COLUMN_DATA:
		if (row->data != VIEW_DATA_UNKNOWN)
			snprintf(text.text, sizeof(text.text), "%s",
				 row->data == VIEW_DATA_INTACT ? "intact" : "LOST");
		break;
	case COLUMNS:
		break;
	}
	return text;
}

static enum term_colour cell_colour(const struct view_row *row, enum column column)
{
	if (column == COLUMN_SAVED)
		return TERM_GREEN;
	if (column == COLUMN_SWAPPED)
		return TERM_YELLOW;
	if (column == COLUMN_DATA)
		return row->data == VIEW_DATA_INTACT ? TERM_GREEN : TERM_RED;
	return TERM_RESET;
}

/* Which columns there is room for; the width that is left. */
static unsigned choose_columns(const struct view *view, bool shown[COLUMNS])
{
	unsigned width = 0;

	for (int i = 0; i < COLUMNS; i++) {
		shown[i] = true;
		width += (unsigned)columns[i].width;
	}
	for (int rank = 9; rank > 0 && width > view->term.width; rank--)
		for (int i = 0; i < COLUMNS; i++)
			if (columns[i].rank == rank) {
				shown[i] = false;
				width -= (unsigned)columns[i].width;
			}
	return width < view->term.width ? view->term.width - width : 0;
}

/* One mark repeated in a colour of its own: cuts the run of @mark off the beginning of @text. */
static const char *print_run(const struct view *view, const char *text, const char *mark,
			     enum term_colour colour)
{
	size_t length = strlen(mark), run = 0;

	while (strncmp(text + run, mark, length) == 0)
		run += length;
	printf("%s%.*s%s", term_colour(&view->term, colour), (int)run, text,
	       term_colour(&view->term, TERM_RESET));
	return text + run;
}

static void print_bar(const struct view *view, const struct view_row *row, unsigned width,
		      uint64_t scale)
{
	uint64_t resident = row->has_after ? row->after_bytes : row->resident_bytes;
	struct bar_text bar = term_bar(&view->term, width, resident, row->swap_bytes,
				       resident + row->swap_bytes, scale);
	const char *text = bar.text;

	text = print_run(view, text, term_bar_resident(&view->term), TERM_GREEN);
	print_run(view, text, term_bar_swapped(&view->term), TERM_YELLOW);
}

static void print_row(const struct view *view, const struct view_row *row,
		      const bool shown[COLUMNS])
{
	for (enum column i = 0; i < COLUMNS; i++) {
		struct unit_text text;

		if (!shown[i])
			continue;
		text = cell_text(row, i);
		printf("%*s%s%s%s",
		       i == COLUMN_PROGRAM ? 0 : columns[i].width - (int)strlen(text.text), "",
		       term_colour(&view->term, cell_colour(row, i)), text.text,
		       term_colour(&view->term, TERM_RESET));
		if (i == COLUMN_PROGRAM)
			printf("%*s", columns[i].width - (int)strlen(text.text), "");
	}
}

static void print_table(struct view *view)
{
	bool shown[COLUMNS];
	unsigned left = choose_columns(view, shown), bar = 0;
	uint64_t scale = 1;

	if (left > 10)
		bar = left - 2 < BAR_MAX ? left - 2 : BAR_MAX;
	fputs(term_colour(&view->term, TERM_BOLD), stdout);
	for (int i = 0; i < COLUMNS; i++)
		if (shown[i])
			printf(i == COLUMN_PROGRAM ? "%-*s" : "%*s", columns[i].width,
			       columns[i].title);
	fputs(term_colour(&view->term, TERM_RESET), stdout);
	if (bar > 0)
		printf("  %s%s%s resident %s%s%s swapped", term_colour(&view->term, TERM_GREEN),
		       term_bar_resident(&view->term), term_colour(&view->term, TERM_RESET),
		       term_colour(&view->term, TERM_YELLOW), term_bar_swapped(&view->term),
		       term_colour(&view->term, TERM_RESET));
	end_line(view);
	for (size_t i = 0; i < view->count; i++)
		if (view->rows[i].resident_bytes > scale)
			scale = view->rows[i].resident_bytes;
	for (size_t i = 0; i < view->count; i++) {
		print_row(view, &view->rows[i], shown);
		if (bar > 0 && view->rows[i].resident_bytes) {
			printf("  ");
			print_bar(view, &view->rows[i], bar, scale + scale / 20);
		}
		end_line(view);
	}
}

static void draw(struct view *view, const char *last_line, enum term_colour colour)
{
	if (view->is_live && view->lines > 0)
		printf("\033[%uA\r", view->lines);
	/* A line that wraps would put the cursor wrong; the last one of all may. */
	if (view->is_live)
		fputs("\033[?7l", stdout);
	view->lines = 0;
	print_coloured(view, TERM_BOLD, "memhint demo");
	printf(": idle programs give their memory back, lose nothing, and answer again");
	end_line(view);
	end_line(view);
	for (size_t i = 0; i < view->count; i++) {
		printf("  %-14s%s", view->rows[i].program, view->rows[i].holds);
		end_line(view);
	}
	end_line(view);
	print_table(view);
	end_line(view);
	if (view->is_live)
		fputs("\033[?7h", stdout);
	print_coloured(view, colour, last_line);
	end_line(view);
	fflush(stdout);
	view->drawn_usec = clock_usec();
}

void view_update(struct view *view, const char *status)
{
	/* Not into the last column: it must not wrap. */
	size_t room =
		view->term.width < sizeof(view->status) ? view->term.width : sizeof(view->status);

	if (!view->is_live || (strncmp(view->status, status, room - 1) == 0 &&
			       clock_usec() - view->drawn_usec < REDRAW_USEC))
		return;
	snprintf(view->status, room, "%s", status);
	draw(view, view->status, TERM_DIM);
}

void view_finish(struct view *view, const char *totals, enum term_colour colour)
{
	draw(view, totals, colour);
}
