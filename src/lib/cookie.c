/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cookie.h"

#include <errno.h>

int cookie_read(struct memhint_process *process, enum memhint_cookie_kind kind,
		uint64_t *ret_cookie)
{
	(void)process;
	(void)kind;
	(void)ret_cookie;
	return -EOPNOTSUPP;
}

uint64_t cookie_of_space(const struct memhint_process *process, const struct bpf_room_space *space)
{
	(void)process;
	(void)space;
	return 0;
}

uint64_t cookie_of_fingerprint(const struct memhint_process *process, uint64_t fingerprint)
{
	(void)process;
	return fingerprint;
}

enum memhint_cookie_kind memhint_cookie_kind(uint64_t cookie)
{
	(void)cookie;
	return MEMHINT_COOKIE_INVALID;
}

const char *memhint_cookie_kind_name(enum memhint_cookie_kind kind)
{
	(void)kind;
	return "invalid";
}

int memhint_process_cookie(struct memhint_process *process, uint64_t *ret_cookie)
{
	(void)process;
	(void)ret_cookie;
	return -EOPNOTSUPP;
}

int memhint_cookie_check(struct memhint_process *process, uint64_t cookie)
{
	(void)process;
	(void)cookie;
	return -EOPNOTSUPP;
}
