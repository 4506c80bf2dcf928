/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include <errno.h>

int trace_begin(struct trace *trace, struct memhint_process *process)
{
	*trace = (struct trace){ .process = process };
	return -EOPNOTSUPP;
}

int trace_wait(struct trace *trace, uint64_t deadline_usec)
{
	(void)trace;
	(void)deadline_usec;
	return -EOPNOTSUPP;
}

void trace_end(struct trace *trace)
{
	*trace = (struct trace){};
}

int trace_wait_thread(struct trace *trace, pid_t tid, uint64_t deadline_usec, int *ret_status)
{
	(void)trace;
	(void)tid;
	(void)deadline_usec;
	(void)ret_status;
	return -EOPNOTSUPP;
}
