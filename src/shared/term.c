/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "term.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void term_init(struct term *term, int fd)
{
	const char *type = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	struct winsize size;

	*term = (struct term){ .width = 80, .height = 24 };
	term->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	term->is_terminal = isatty(fd);
	if (!term->is_terminal)
		return;
	/* Source: no-color.org: "when present and not an empty string". */
	term->colours = !(no_colour && *no_colour) && type && *type && strcmp(type, "dumb") != 0;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		term->width = size.ws_col;
		term->height = size.ws_row;
	}
}

const char *term_bar_resident(const struct term *term)
{
	return term->utf8 ? "█" : "#";
}

const char *term_bar_swapped(const struct term *term)
{
	return term->utf8 ? "▒" : "=";
}

const char *term_bar_empty(const struct term *term)
{
	return term->utf8 ? "░" : ".";
}

const char *term_arrow(const struct term *term)
{
	return term->utf8 ? "→" : "->";
}

/* Cells for @bytes of @scale, to the nearest, but one at least for what is not nothing. */
static unsigned cells(unsigned width, uint64_t bytes, uint64_t scale)
{
	unsigned n;

	if (bytes == 0 || scale == 0)
		return 0;
	n = (unsigned)((double)bytes / (double)scale * width + 0.5);
	return n == 0 ? 1 : n > width ? width : n;
}

static char *repeat(char *out, const char *mark, unsigned count)
{
	size_t length = strlen(mark);

	while (count-- > 0) {
		out = mempcpy(out, mark, length);
	}
	return out;
}

struct bar_text term_bar(const struct term *term, unsigned width, uint64_t resident,
			 uint64_t swapped, uint64_t size, uint64_t scale)
{
	unsigned full, shaded, light, total;
	struct bar_text bar;
	char *out = bar.text;

	if (width > BAR_WIDTH_MAX)
		width = BAR_WIDTH_MAX;
	if (size > scale)
		size = scale;
	total = cells(width, size, scale);
	full = cells(width, resident, scale);
	shaded = cells(width, swapped, scale);
	if (full > total)
		full = total;
	/* Rounding may ask for one cell too many: the larger part gives way. */
	if (full + shaded > total) {
		if (full > shaded)
			full = total > shaded ? total - shaded : total;
		if (shaded > total - full)
			shaded = total - full;
	}
	/* And where a part would be rounded away entirely, all is not quite resident. */
	if (full == total && total > 1 && shaded == 0 && resident < size &&
	    size - resident > size / 100)
		full--;
	light = total - full - shaded;
	out = repeat(out, term_bar_resident(term), full);
	out = repeat(out, term_bar_swapped(term), shaded);
	out = repeat(out, term_bar_empty(term), light);
	*out = '\0';
	return bar;
}

const char *term_colour(const struct term *term, enum term_colour colour)
{
	static const char *const sequences[] = {
		[TERM_RESET] = "\033[0m", [TERM_BOLD] = "\033[1m",   [TERM_DIM] = "\033[2m",
		[TERM_RED] = "\033[31m",  [TERM_GREEN] = "\033[32m", [TERM_YELLOW] = "\033[33m",
		[TERM_BLUE] = "\033[34m", [TERM_CYAN] = "\033[36m",
	};

	return term->colours ? sequences[colour] : "";
}
