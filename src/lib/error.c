/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <memhint/error.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
	int error;
	const char *help;
} helps[] = {
	{ ESRCH,
	  "the process has ended or replaced its address space, or is a kernel thread, which has no memory of its own" },
	{ ESTALE,
	  "it is no longer what was meant: the process id names another process now, or the process has changed its memory map since it was looked at; look again" },
	{ EPERM,
	  "giving advice to another process needs CAP_SYS_NICE; run as root, or grant it with setcap cap_sys_nice,cap_sys_ptrace+ep" },
	{ EACCES,
	  "reading another process's memory map needs ptrace access: the same user, or CAP_SYS_PTRACE; run as root, or grant it with setcap cap_sys_ptrace+ep" },
	{ EBADF, "the descriptor is not a pidfd; open one with pidfd_open(2)" },
	{ EOPNOTSUPP, "this kernel does not offer it; 'memhint doctor' shows what works here" },
	{ ENOSYS, "this kernel lacks the system call; process_madvise needs Linux 5.10 or newer" },
	{ EINVAL,
	  "the kernel refuses this advice there: locked, huge TLB or device memory, or an advice that it takes only from the process itself" },
	{ ENOMEM, "part of the range is not mapped any more, or memory ran out" },
	{ EAGAIN, "the kernel could not do it just now; try again" },
	{ EBUSY,
	  "it is held by somebody else just now: another program traces it, or a cgroup keeps it frozen; try again later" },
	{ ETIMEDOUT,
	  "the process did not come to a stop in time, as one that waits in the kernel does not; try again" },
	{ EDEADLK,
	  "stopping that process could stop the caller, too: it is the caller itself, PID 1 or an ancestor of the caller; the last two can be forced" },
	{ ECANCELED, "it was cancelled; what was done until then stays done" },
	{ EMFILE, "too many open files; raise the limit with ulimit -n" },
	{ ENFILE, "too many open files on this machine; raise fs.file-max" },
	{ ENOENT, "/proc does not show it; mount proc for this PID namespace" },
	{ EIO, "the kernel's text was not understood; this is a bug in memhint, please report it" },
};

const char *memhint_error_name(int error)
{
	const char *name = strerrorname_np(error < 0 ? -error : error);

	return name ? name : "E?";
}

const char *memhint_error_help(int error)
{
	if (error < 0)
		error = -error;
	for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++)
		if (helps[i].error == error)
			return helps[i].help;
	return strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error";
}
