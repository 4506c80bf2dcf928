/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sized.h"

#include <errno.h>
#include <string.h>

/* As the kernel limits such structures (copy_struct_from_user() and its callers): a page of 4 KiB. */
#define SIZE_LIMIT 4096u

int sized_take(const void *theirs, void *ours, size_t size)
{
	const char *bytes = theirs;
	size_t their_size = 0;

	if (theirs) {
		memcpy(&their_size, theirs, sizeof(their_size));
		if (their_size < sizeof(their_size) || their_size > SIZE_LIMIT)
			return -EINVAL;
		for (size_t i = size; i < their_size; i++)
			if (bytes[i])
				return -EINVAL;
	}
	memset(ours, 0, size);
	if (theirs)
		memcpy(ours, theirs, their_size < size ? their_size : size);
	return 0;
}
