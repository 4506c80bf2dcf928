/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files swaps, PID/cgroup, self/mountinfo and pressure/memory, in a directory in place of /proc. */
#include "fuzz.h"
#include "machine.h"
#include "proclist.h"
#include "swap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/memhint-fuzz-XXXXXX";
static int procfd = -1;

static void leave(void)
{
	unlinkat(procfd, "text", 0);
	unlinkat(procfd, "swaps", 0);
	unlinkat(procfd, "self/mountinfo", 0);
	unlinkat(procfd, "pressure/memory", 0);
	unlinkat(procfd, "1/cgroup", 0);
	unlinkat(procfd, "self", AT_REMOVEDIR);
	unlinkat(procfd, "pressure", AT_REMOVEDIR);
	unlinkat(procfd, "1", AT_REMOVEDIR);
	rmdir(directory);
}

/* All the files are one, for what is put into it is read as each of them. */
static void begin(void)
{
	check(mkdtemp(directory));
	procfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(procfd >= 0);
	atexit(leave);
	check(mkdirat(procfd, "self", 0700) == 0 && mkdirat(procfd, "1", 0700) == 0 &&
	      mkdirat(procfd, "pressure", 0700) == 0);
	check(symlinkat("text", procfd, "swaps") == 0 &&
	      symlinkat("../text", procfd, "self/mountinfo") == 0 &&
	      symlinkat("../text", procfd, "pressure/memory") == 0 &&
	      symlinkat("../text", procfd, "1/cgroup") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[256];
	struct swap swap;
	double percent;
	int fd;

	if (procfd < 0)
		begin();
	fd = openat(procfd, "text", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	check(swap_read(procfd, -1, &swap) == 0 && swap.count <= SWAP_AREAS_MAX);
	for (size_t i = 0; i < swap.count; i++)
		check(memchr(swap.areas[i].name, '\0', sizeof(swap.areas[i].name)));
	if (machine_cgroup2(procfd, text, sizeof(text)) == 0)
		check(memchr(text, '\0', sizeof(text)));
	check(machine_hidepid(procfd, text, sizeof(text)) >= 0 && memchr(text, '\0', sizeof(text)));
	if (proc_cgroup(procfd, 1, text, sizeof(text)) == 0)
		check(text[0] == '/' && memchr(text, '\0', sizeof(text)) && !strchr(text, '\n'));
	if (machine_pressure(procfd, &percent) == 0)
		check(percent >= 0 && percent <= 100);
	return 0;
}
