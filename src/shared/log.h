/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes to stderr: sentences that begin with "memhint: ", and one line of progress. */
#ifndef SHARED_LOG_H
#define SHARED_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_QUIET,   /* errors */
	LOG_NORMAL,  /* and warnings */
	LOG_VERBOSE, /* and how it was done */
};

void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Without a newline at the end; control characters are replaced: names must not play tricks. */
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_verbose(const char *format, ...);

/*
 * One line that is written over and over, only on a terminal and unless it is to be quiet. The
 * functions above remove it first. End with progress_clear().
 */
bool progress_is_shown(void);
__attribute__((format(printf, 1, 2))) void progress_show(const char *format, ...);
void progress_clear(void);

#endif
