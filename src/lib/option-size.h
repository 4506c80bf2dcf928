/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structures that begin with their own size, and grow from version to version. */
#ifndef LIB_OPTION_SIZE_H
#define LIB_OPTION_SIZE_H

#include <stddef.h>

/*
 * Copies @from, of @from_size bytes as its first member says, to @to, which is zero and has @to_size.
 * What the caller's version did not know stays zero. 0; -EINVAL it is smaller than @least, larger than
 * any version will be, or asks for something that this version does not know.
 */
int option_size_copy(void *to, size_t to_size, const void *from, size_t from_size, size_t least);

#endif
