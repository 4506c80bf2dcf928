/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sharers.h"

#include "cleanup.h"
#include "fd.h"

#include <memhint/process.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KCMP_VM 1 /* linux/kcmp.h */

static bool is_held(const struct memhint_freeze *freeze, pid_t pid)
{
	for (size_t i = 0; freeze && i < memhint_freeze_count(freeze); i++)
		if (memhint_process_pid(memhint_freeze_process(freeze, i)) == pid)
			return true;
	return false;
}

int sharers_look(const struct memhint_process *process, const struct memhint_freeze *freeze)
{
	pid_t own = memhint_process_pid(process);
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = fd_opendir_at(AT_FDCWD, "/proc", &dir);

	if (r < 0)
		return r;
	while ((entry = readdir(dir))) {
		pid_t pid;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid != own && syscall(SYS_kcmp, own, pid, KCMP_VM, 0, 0) == 0 &&
		    !is_held(freeze, pid))
			return 1;
	}
	return 0;
}
