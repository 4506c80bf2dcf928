/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <memhint/guard.h>

const char *memhint_guard_name(enum memhint_guard guard)
{
	static const char *const names[] = { "none", "follow", "cookie", "freeze" };

	return (unsigned int)guard < sizeof(names) / sizeof(names[0]) ? names[guard] : NULL;
}
