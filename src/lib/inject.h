/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running madvise(2) inside another process that ptrace(2) holds. */
#ifndef LIB_INJECT_H
#define LIB_INJECT_H

#include "trace.h"

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct memhint_process;
struct injector;

/*
 * Looks whether and where madvise(2) can be run inside a process, which runs on meanwhile. 0 or a
 * negative errno: -EOPNOTSUPP this architecture, strict mode of seccomp, or no code in it to use; -EACCES,
 * -EPERM, -ESRCH, -ENOMEM.
 */
int inject_open(struct memhint_process *process, struct injector **ret_injector);

/*
 * Prepares one held thread. 0 or a negative errno, and then no register was changed: -EBUSY no
 * thread can be used just now (none is held at the edge of user mode, or has a stack to lend, or a
 * cgroup keeps it frozen); -EOPNOTSUPP none can be at any time (seccomp filters, which can be read only now,
 * and with CAP_SYS_ADMIN; dispatch of system calls; shadow stacks); -ESRCH, -ENOMEM.
 */
int inject_begin(struct injector *injector, struct trace *trace);

/*
 * One call for each range: bytes of the leading ranges that were done, or a negative errno if it failed
 * in the first: that of madvise(2), as the target got it, -ESRCH it has ended meanwhile, -EOPNOTSUPP
 * its seccomp filters are against just this call, -EBUSY as in inject_begin(). A signal that comes meanwhile is
 * delivered at once; its handler may then run as soon as the thread is let go.
 */
ssize_t inject_advise(struct injector *injector, const struct iovec *ranges, size_t count,
		      int advice);

/* All registers as they were, an interrupted system call about to go on. */
void inject_end(struct injector *injector);

/* NULL is accepted. */
void inject_close(struct injector *injector);

#endif
