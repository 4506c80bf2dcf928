/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include "cleanup.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct table {
	const struct term *term;
	struct libscols_table *cols;
	struct libscols_line *line;
	bool failed; /* ran out of memory: said once, when it is printed */
};

struct table *table_new(const struct term *term, const struct table_column *columns, size_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->term = term;
	table->cols = scols_new_table();
	if (!table->cols) {
		free(table);
		return NULL;
	}
	scols_table_set_termforce(table->cols, term->is_terminal ? SCOLS_TERMFORCE_ALWAYS
								 : SCOLS_TERMFORCE_NEVER);
	if (term->is_terminal)
		scols_table_set_termwidth(table->cols, term->width);
	scols_table_enable_colors(table->cols, term->colours);
	for (size_t i = 0; i < count; i++) {
		int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) |
			    (columns[i].hidden ? SCOLS_FL_HIDDEN : 0) |
			    (columns[i].may_cut && term->is_terminal ? SCOLS_FL_TRUNC : 0);
		struct libscols_column *column =
			scols_table_new_column(table->cols, columns[i].title, 0, flags);

		if (!column)
			table->failed = true;
		else if (term->colours)
			scols_cell_set_color(scols_column_get_header(column), "bold");
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	scols_unref_table(table->cols);
	free(table);
}

void table_row(struct table *table)
{
	table->line = scols_table_new_line(table->cols, NULL);
	if (!table->line)
		table->failed = true;
}

void table_set(struct table *table, size_t column, const char *text)
{
	if (!table->line || scols_line_set_data(table->line, column, text) != 0)
		table->failed = true;
}

void table_format(struct table *table, size_t column, const char *format, ...)
{
	va_list list;
	char *text;
	int n;

	va_start(list, format);
	n = vasprintf(&text, format, list);
	va_end(list);
	/* The cell takes the text over. */
	if (n < 0 || !table->line || scols_line_refer_data(table->line, column, text) != 0) {
		table->failed = true;
		if (n >= 0)
			free(text);
	}
}

void table_colour(struct table *table, size_t column, enum term_colour colour)
{
	struct libscols_cell *cell;

	if (!table->term->colours || !table->line)
		return;
	cell = scols_line_get_cell(table->line, column);
	if (!cell || scols_cell_set_color(cell, term_colour(table->term, colour)) != 0)
		table->failed = true;
}

void table_bytes(struct table *table, size_t column, uint64_t bytes, bool exact)
{
	if (exact)
		table_format(table, column, "%" PRIu64, bytes);
	else
		table_set(table, column, unit_bytes(bytes).text);
	if (bytes == 0)
		table_colour(table, column, TERM_DIM);
}

/*
 * A cell has one colour, a bar has three. So bars are coloured in the finished text, by their marks;
 * only those beyond ASCII, which are nothing else's.
 */
static void print_with_bars(const struct term *term, const char *text, FILE *file)
{
	const struct {
		const char *mark;
		enum term_colour colour;
	} parts[] = {
		{ term_bar_resident(term), TERM_GREEN },
		{ term_bar_swapped(term), TERM_YELLOW },
		{ term_bar_empty(term), TERM_DIM },
	};

	while (*text) {
		size_t length = strcspn(text, "\xe2");

		fwrite(text, 1, length, file);
		text += length;
		if (!*text)
			break;
		length = 0;
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && length == 0; i++) {
			size_t mark = strlen(parts[i].mark);

			while (strncmp(text + length, parts[i].mark, mark) == 0)
				length += mark;
			if (length > 0) {
				fputs(term_colour(term, parts[i].colour), file);
				fwrite(text, 1, length, file);
				fputs(term_colour(term, TERM_RESET), file);
			}
		}
		if (length == 0)
			fwrite(text, 1, length = 1, file);
		text += length;
	}
}

int table_print(struct table *table, FILE *file)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (table->failed)
		return -ENOMEM;
	r = scols_print_table_to_string(table->cols, &text);
	if (r != 0 || !text)
		return r < 0 ? r : -ENOMEM;
	if (table->term->colours && table->term->utf8)
		print_with_bars(table->term, text, file);
	else
		fputs(text, file);
	if (*text && text[strlen(text) - 1] != '\n')
		putc('\n', file);
	return 0;
}
