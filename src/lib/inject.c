/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inject.h"

#include <errno.h>

int inject_open(struct memhint_process *process, struct injector **ret_injector)
{
	(void)process;
	(void)ret_injector;
	return -EOPNOTSUPP;
}

int inject_begin(struct injector *injector, struct trace *trace)
{
	(void)injector;
	(void)trace;
	return -EOPNOTSUPP;
}

ssize_t inject_advise(struct injector *injector, const struct iovec *ranges, size_t count,
		      int advice)
{
	(void)injector;
	(void)ranges;
	(void)count;
	(void)advice;
	return -EOPNOTSUPP;
}

void inject_end(struct injector *injector)
{
	(void)injector;
}

void inject_close(struct injector *injector)
{
	(void)injector;
}
