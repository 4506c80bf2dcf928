/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Patterns for names. */
#ifndef UTIL_MATCH_H
#define UTIL_MATCH_H

#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>

/* Whether an fnmatch(3) pattern fits a path or the last part of it, as "*.so" does. */
static inline bool match_path(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	return fnmatch(pattern, path, 0) == 0 || (slash && fnmatch(pattern, slash + 1, 0) == 0);
}

#endif
