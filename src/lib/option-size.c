/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "option-size.h"

#include <errno.h>
#include <string.h>

/* A size above that was never set; it must not be believed and read. */
#define OPTION_SIZE_MAX 4096u

int option_size_copy(void *to, size_t to_size, const void *from, size_t from_size, size_t least)
{
	const char *bytes = from;

	if (from_size < least || from_size > OPTION_SIZE_MAX)
		return -EINVAL;
	for (size_t i = to_size; i < from_size; i++)
		if (bytes[i])
			return -EINVAL;
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	return 0;
}
