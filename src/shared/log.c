/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum log_level current_level = LOG_NORMAL;
static bool progress_visible;

void log_set_level(enum log_level level)
{
	current_level = level;
}

enum log_level log_level(void)
{
	return current_level;
}

/* Names of processes and files end up in sentences: no byte of theirs may command the terminal. */
static void defuse(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* U+0080 to U+009F, as UTF-8 */
			c[0] = c[1] = '?';
}

__attribute__((format(printf, 2, 0))) static void say(const char *prefix, const char *format,
						      va_list list)
{
	char *text;

	progress_clear();
	if (vasprintf(&text, format, list) < 0)
		return;
	defuse(text);
	fprintf(stderr, "memhint: %s%s\n", prefix, text);
	free(text);
}

void log_error(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say("", format, list);
	va_end(list);
}

void log_warning(const char *format, ...)
{
	va_list list;

	if (current_level < LOG_NORMAL)
		return;
	va_start(list, format);
	say("warning: ", format, list);
	va_end(list);
}

void log_verbose(const char *format, ...)
{
	va_list list;

	if (current_level < LOG_VERBOSE)
		return;
	va_start(list, format);
	say("", format, list);
	va_end(list);
}

bool progress_is_shown(void)
{
	const char *terminal = getenv("TERM");

	return current_level >= LOG_NORMAL && isatty(STDERR_FILENO) &&
	       !(terminal && strcmp(terminal, "dumb") == 0);
}

void progress_show(const char *format, ...)
{
	va_list list;
	char *text;
	int n;

	if (!progress_is_shown())
		return;
	va_start(list, format);
	n = vasprintf(&text, format, list);
	va_end(list);
	if (n < 0)
		return;
	defuse(text);
	/* "Erase to end of line", and no wrapping meanwhile: a wrapped line could not be taken back. */
	fprintf(stderr, "\r\033[K\033[?7l%s\033[?7h", text);
	fflush(stderr);
	free(text);
	progress_visible = true;
}

void progress_clear(void)
{
	if (!progress_visible)
		return;
	progress_visible = false;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}
