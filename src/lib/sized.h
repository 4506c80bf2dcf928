/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structures of a caller that begin with their own size, so that programs and libraries of different
 * versions understand each other.
 *
 * Such a structure grows only beyond its old size: what was padding at its end stays unused, since
 * callers leave it undefined. Members that stand for padding are named reserved and have to be 0.
 */
#ifndef LIB_SIZED_H
#define LIB_SIZED_H

#include <stddef.h>

/*
 * Copies @theirs, which may be NULL and begins with a size_t, to @ours of @size bytes. What they do not
 * have is 0. 0, or -EINVAL if they ask for what this version does not know, or if the size is no size
 * of a structure: forgotten, or not set at all.
 */
int sized_take(const void *theirs, void *ours, size_t size);

#endif
