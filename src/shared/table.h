/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned tables, through libsmartcols. */
#ifndef SHARED_TABLE_H
#define SHARED_TABLE_H

#include "term.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct table;

struct table_column {
	const char *title;
	bool right;   /* numbers */
	bool may_cut; /* is shortened where the terminal is too narrow */
	bool hidden;  /* not shown at all */
};

/* NULL without memory. */
struct table *table_new(const struct term *term, const struct table_column *columns, size_t count);
void table_free(struct table *table);

/* Begins a row. Cells that are not set stay empty. */
void table_row(struct table *table);
void table_set(struct table *table, size_t column, const char *text);
__attribute__((format(printf, 3, 4))) void table_format(struct table *table, size_t column,
							const char *format, ...);
/* A size: exact, or short as people read it; what is nothing stands back. */
void table_bytes(struct table *table, size_t column, uint64_t bytes, bool exact);
void table_colour(struct table *table, size_t column, enum term_colour colour);

/* 0, or -ENOMEM also when that happened earlier. Write errors stay in @file. */
int table_print(struct table *table, FILE *file);

#endif
