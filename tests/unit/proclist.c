/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what was read of a process to a handle of that very process. */
#include "proclist.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct memhint_process_stat stat;
	struct memhint_process *process = NULL;
	struct proclist list;
	struct proc_entry *self;

	must(procfd >= 0);
	is(proclist_read(procfd, &list), 0, "all processes");
	self = proclist_find(&list, getpid());
	must(self != NULL);
	is(self->stat.ppid, getppid(), "this one is among them");
	is(proc_entry_open(self, &process, &stat), 0, "it can be taken hold of");
	is(memhint_process_pid(process), getpid(), "by its PID");
	is(stat.start_ticks, self->stat.start_ticks, "and is the same");
	memhint_process_close(process);

	process = NULL;
	self->stat.start_ticks--;
	is(proc_entry_open(self, &process, &stat), -ESTALE,
	   "one that started at another time is another one");
	ok(process == NULL, "and is let go of");
	ok(proclist_find(&list, 0) == NULL, "nobody has PID 0");
	proclist_done(&list);
	close(procfd);
	return done_testing();
}
