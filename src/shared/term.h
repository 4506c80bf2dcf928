/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the terminal can show: colours, width, and bars. */
#ifndef SHARED_TERM_H
#define SHARED_TERM_H

#include <stdbool.h>
#include <stdint.h>

struct term {
	bool is_terminal;
	bool colours;	/* a terminal, and neither NO_COLOR nor TERM=dumb */
	bool utf8;	/* the locale's character set; main() calls setlocale() */
	unsigned width; /* in columns; 80 if it cannot be told */
	unsigned height;
};

void term_init(struct term *term, int fd);

#define BAR_WIDTH_MAX 64

struct bar_text {
	char text[BAR_WIDTH_MAX * 3 + 1];
};

/*
 * A bar of @width cells for @scale bytes: full blocks for what is resident, shaded ones for what is
 * swapped out, light ones for the rest up to @size (at most @scale), blanks above. What is not
 * nothing has a cell at least, if there is room.
 */
struct bar_text term_bar(const struct term *term, unsigned width, uint64_t resident,
			 uint64_t swapped, uint64_t size, uint64_t scale);

/* The three marks of a bar, to explain it. */
const char *term_bar_resident(const struct term *term);
const char *term_bar_swapped(const struct term *term);
const char *term_bar_empty(const struct term *term);

/* An arrow for "before, after". */
const char *term_arrow(const struct term *term);

/* Escape sequences; "" without colours. */
enum term_colour {
	TERM_RESET,
	TERM_BOLD,
	TERM_DIM,
	TERM_RED,
	TERM_GREEN,
	TERM_YELLOW,
	TERM_BLUE,
	TERM_CYAN,
};
const char *term_colour(const struct term *term, enum term_colour colour);

#endif
