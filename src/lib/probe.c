/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this kernel lets this process do, found out by trying. */
#include "bpf-door.h"
#include "cleanup.h"
#include "fd.h"
#include "freezer.h"
#include "cookie.h"
#include "inject-arch.h"
#include "page-size.h"
#include "pages.h"
#include "procfile.h"
#include "uapi.h"
#include "vector.h"

#include <memhint/map.h>
#include <memhint/probe.h>
#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

DEFINE_CLEANUP(struct memhint_process *, memhint_process_close)
DEFINE_CLEANUP(struct memhint_map *, memhint_map_close)

static int pidfd_open_pid(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

static int try_pidfd(void)
{
	_cleanup_close_ int pidfd = pidfd_open_pid(getpid());

	return pidfd < 0 ? pidfd : 0;
}

static int try_pidfs(void)
{
	_cleanup_close_ int pidfd = pidfd_open_pid(getpid());
	struct statfs fs;

	if (pidfd < 0)
		return pidfd;
	if (fstatfs(pidfd, &fs) < 0)
		return -errno;
	return fs.f_type == PID_FS_MAGIC ? 0 : -EOPNOTSUPP;
}

/*
 * An empty list of ranges passes through all checks of the kernel and then does nothing, whoever the
 * target is: the parent, or PID 1 when the parent is not in this PID namespace.
 */
static int try_remote(int advice)
{
	_cleanup_close_ int pidfd = pidfd_open_pid(getppid() ? getppid() : 1);

	if (pidfd < 0)
		return pidfd;
	return syscall(SYS_process_madvise, pidfd, NULL, 0, advice, 0) < 0 ? -errno : 0;
}

static int try_process_madvise(void)
{
	_cleanup_close_ int pidfd = pidfd_open_pid(getpid());

	if (pidfd < 0)
		return pidfd;
	return syscall(SYS_process_madvise, pidfd, NULL, 0, MADV_COLD, 0) < 0 ? -errno : 0;
}

static int try_pages(enum memhint_pages_reader reader)
{
	_cleanup_(memhint_process_closep) struct memhint_process *self = NULL;
	struct pages pages;
	int r = memhint_process_open(P_PID, (id_t)getpid(), &self);

	if (r == 0)
		r = pages_open(self, reader, false, &pages);
	if (r == 0)
		pages_done(&pages);
	return r;
}

static int try_reader(enum memhint_reader reader)
{
	const struct memhint_map_options options = { .size = sizeof(options), .reader = reader };
	_cleanup_(memhint_process_closep) struct memhint_process *self = NULL;
	_cleanup_(memhint_map_closep) struct memhint_map *map = NULL;
	int r = memhint_process_open(P_PID, (id_t)getpid(), &self);

	return r == 0 ? memhint_map_open(self, &options, &map) : r;
}

/* The reason why BPF does not load says more than that the reader does not work. */
static int try_bpf(enum bpf_room_way way, enum memhint_reader reader)
{
	const struct bpf_room *room;
	int r = bpf_door_load(way, &room);

	return r == 0 ? try_reader(reader) : r;
}

/* Why the program for exact cookies does not load, or 0. */
static int load_watch(void)
{
	const struct bpf_room *room;
	int r = bpf_door_open(&room);

	if (r < 0)
		return r;
	r = room->watch_load(BPF_ROOM_RUN);
	return r < 0 ? room->watch_load(BPF_ROOM_SEQ) : 0;
}

/* Other threads of the caller may map memory meanwhile: a fault must go unseen once, a change always. */
#define FAULT_TRIES 1000

static int try_cookie_on(struct memhint_process *self, volatile char *page)
{
	uint64_t before, after;
	int r = 0;

	for (int i = 0; i < FAULT_TRIES && r == 0; i++) {
		/* Away with what is there, so that it is a fault again. */
		if (madvise((void *)page, (size_t)page_size(), MADV_DONTNEED) < 0)
			return -errno;
		r = cookie_read(self, MEMHINT_COOKIE_EXACT, &before);
		*page = 1;
		if (r == 0)
			r = cookie_read(self, MEMHINT_COOKIE_EXACT, &after);
		if (r == 0 && before == after)
			return 0;
	}
	return r < 0 ? r : -EAGAIN;
}

static int try_exact_cookie(void)
{
	_cleanup_(memhint_process_closep) struct memhint_process *self = NULL;
	uint64_t before, mapped, unmapped;
	void *page;
	int r = load_watch();

	if (r == 0)
		r = memhint_process_open(P_PID, (id_t)getpid(), &self);
	if (r == 0)
		r = cookie_read(self, MEMHINT_COOKIE_EXACT, &before);
	if (r < 0)
		return r;
	page = mmap(NULL, (size_t)page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	r = cookie_read(self, MEMHINT_COOKIE_EXACT, &mapped);
	if (r == 0)
		r = try_cookie_on(self, page);
	munmap(page, (size_t)page_size());
	if (r == 0)
		r = cookie_read(self, MEMHINT_COOKIE_EXACT, &unmapped);
	if (r < 0)
		return r;
	return before != mapped && mapped != unmapped && before != unmapped ? 0 : -EOPNOTSUPP;
}

static int try_procmap_query(void)
{
	struct uapi_procmap_query query = {
		.size = sizeof(query),
		.query_flags = UAPI_PROCMAP_COVERING_OR_NEXT,
	};
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, UAPI_PROCMAP_QUERY, &query) < 0 ? -errno : 0;
}

static int try_droppable(void)
{
	void *page = mmap(NULL, (size_t)page_size(), PROT_READ | PROT_WRITE,
			  MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	munmap(page, (size_t)page_size());
	return 0;
}

static bool has_capability(unsigned int number)
{
	_cleanup_free_ char *text = NULL;
	const char *line;

	if (proc_status_text(AT_FDCWD, "/proc/self/status", &text) < 0)
		return false;
	line = strstr(text, "\nCapEff:");
	return line && strtoull(line + 8, NULL, 16) >> number & 1;
}

/*
 * Nothing can be traced without stopping it, so the system call is tried on nobody: it finds no process 0
 * unless something (a filter of seccomp) keeps it from looking. The rest is told by the rights. Source:
 * Documentation/admin-guide/LSM/Yama.rst of the kernel.
 */
static int try_trace(void)
{
	char scope[16];

	if (ptrace(PTRACE_SEIZE, 0, NULL, NULL) == 0)
		return -EPROTO;
	if (errno != ESRCH)
		return -errno;
	if (fd_read_file_at(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope)) <
		    0 ||
	    scope[0] == '0')
		return 0; /* at least one's own processes */
	return scope[0] != '3' && has_capability(CAP_SYS_PTRACE) ? 0 : -EPERM;
}

static int try_feature(enum memhint_feature feature)
{
	switch (feature) {
	case MEMHINT_FEATURE_PIDFD:
		return try_pidfd();
	case MEMHINT_FEATURE_PIDFS:
		return try_pidfs();
	case MEMHINT_FEATURE_PROCESS_MADVISE:
		return try_process_madvise();
	case MEMHINT_FEATURE_REMOTE_COLD:
		return try_remote(MADV_COLD);
	case MEMHINT_FEATURE_REMOTE_PAGEOUT:
		return try_remote(MADV_PAGEOUT);
	case MEMHINT_FEATURE_REMOTE_WILLNEED:
		return try_remote(MADV_WILLNEED);
	case MEMHINT_FEATURE_REMOTE_COLLAPSE:
		return try_remote(MADV_COLLAPSE);
	case MEMHINT_FEATURE_SELF_ANY:
		return vector_self_is_native(MADV_NORMAL) ? 0 : -EOPNOTSUPP;
	case MEMHINT_FEATURE_PAGEMAP_SCAN:
		return try_pages(MEMHINT_PAGES_SCAN);
	case MEMHINT_FEATURE_PAGEMAP:
		return try_pages(MEMHINT_PAGES_PAGEMAP);
	case MEMHINT_FEATURE_PROCMAP_QUERY:
		return try_procmap_query();
	case MEMHINT_FEATURE_SMAPS:
		return try_reader(MEMHINT_READER_SMAPS);
	case MEMHINT_FEATURE_BPF_VMA:
		return try_bpf(BPF_ROOM_RUN, MEMHINT_READER_BPF);
	case MEMHINT_FEATURE_BPF_VMA_SEQ:
		return try_bpf(BPF_ROOM_SEQ, MEMHINT_READER_BPF_SEQ);
	case MEMHINT_FEATURE_DROPPABLE:
		return try_droppable();
	case MEMHINT_FEATURE_EXACT_COOKIE:
		return try_exact_cookie();
	case MEMHINT_FEATURE_TRACE:
		return try_trace();
	case MEMHINT_FEATURE_CGROUP_FREEZER:
		return freezer_probe();
	case MEMHINT_FEATURE_INJECT:
		return inject_arch_is_built() ? memhint_probe(MEMHINT_FEATURE_TRACE) : -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

/* Whether the answer is about this moment and not about the kernel. */
static bool answer_may_pass(int r)
{
	switch (-r) {
	case EPERM:
	case EACCES:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
	case EINTR:
	case ESRCH: /* the parent, on which advice for others is tried, has ended */
		return true;
	}
	return false;
}

int memhint_probe(enum memhint_feature feature)
{
	static _Atomic int known[MEMHINT_FEATURE_COUNT]; /* the answer minus one; 0: not tried */
	int r;

	if ((unsigned int)feature >= MEMHINT_FEATURE_COUNT)
		return -EINVAL;
	if (known[feature])
		return known[feature] + 1;
	r = try_feature(feature);
	if (!answer_may_pass(r))
		known[feature] = r - 1;
	return r;
}

static const struct {
	const char *name;
	const char *help;
} features[MEMHINT_FEATURE_COUNT] = {
	[MEMHINT_FEATURE_PIDFD] = { "pidfd_open",
				    "without it no process can be named safely: memhint needs Linux 5.3 or newer" },
	[MEMHINT_FEATURE_PIDFS] = { "pidfs",
				    "without it (Linux 6.9) the unique id of a process is its start time" },
	[MEMHINT_FEATURE_PROCESS_MADVISE] = { "process_madvise",
					      "without it (Linux 5.10) no other process can be hinted" },
	[MEMHINT_FEATURE_REMOTE_COLD] = { "remote_cold",
					  "needs Linux 5.10, CAP_SYS_NICE and ptrace access (CAP_SYS_PTRACE): run as root or use setcap" },
	[MEMHINT_FEATURE_REMOTE_PAGEOUT] = { "remote_pageout",
					     "needs Linux 5.10, CAP_SYS_NICE and ptrace access (CAP_SYS_PTRACE): run as root or use setcap" },
	[MEMHINT_FEATURE_REMOTE_WILLNEED] = { "remote_willneed",
					      "needs Linux 5.15, CAP_SYS_NICE and ptrace access (CAP_SYS_PTRACE): run as root or use setcap" },
	[MEMHINT_FEATURE_REMOTE_COLLAPSE] = { "remote_collapse",
					      "needs Linux 6.1 with transparent huge pages, CAP_SYS_NICE and ptrace access (CAP_SYS_PTRACE): run as root or use setcap" },
	[MEMHINT_FEATURE_SELF_ANY] = { "self_any",
				       "without it (Linux 6.13) advice on oneself takes one madvise(2) a range" },
	[MEMHINT_FEATURE_PAGEMAP_SCAN] = { "pagemap_scan",
					   "without it (Linux 6.7) pages are looked at one by one in pagemap, and huge pages cannot be told" },
	[MEMHINT_FEATURE_PAGEMAP] = { "pagemap",
				      "without it (CONFIG_PROC_PAGE_MONITOR) what is resident cannot be measured page by page" },
	[MEMHINT_FEATURE_PROCMAP_QUERY] = { "procmap_query",
					    "without it (Linux 6.11) one mapping is looked up in the text of maps" },
	[MEMHINT_FEATURE_SMAPS] = { "smaps",
				    "without it (CONFIG_PROC_PAGE_MONITOR) and without BPF, locked and droppable memory cannot be told" },
	[MEMHINT_FEATURE_BPF_VMA] = { "bpf_vma",
				      "needs Linux 6.7 with BTF, CAP_BPF and CAP_PERFMON (or root), and libmemhint-bpf; without it smaps is read" },
	[MEMHINT_FEATURE_BPF_VMA_SEQ] = { "bpf_vma_seq",
					  "needs Linux 6.1 with BTF, CAP_BPF and CAP_PERFMON (or root), and libmemhint-bpf; without it smaps is read" },
	[MEMHINT_FEATURE_DROPPABLE] = { "droppable",
					"without it (Linux 6.11) there is no droppable memory to take care of" },
	[MEMHINT_FEATURE_EXACT_COOKIE] = { "exact_cookie",
					   "needs what bpf_vma_seq needs; without it a cookie is a fingerprint of the map text, which cannot see a change that was undone, nor one mapping in the place of another just like it" },
	[MEMHINT_FEATURE_TRACE] = { "trace",
				    "needs CAP_SYS_PTRACE, or kernel.yama.ptrace_scope=0 for one's own processes; without it guard freeze takes the cgroup freezer or SIGSTOP, and no advice can be run inside a target" },
	[MEMHINT_FEATURE_CGROUP_FREEZER] = { "cgroup_freezer",
					     "without cgroup v2 (Linux 5.2) a target that another program traces is stopped by SIGSTOP" },
	[MEMHINT_FEATURE_INJECT] = { "inject",
				     "without it (x86-64 and arm64 have it) other processes get only the advice that process_madvise takes" },
};

const char *memhint_feature_name(enum memhint_feature feature)
{
	return (unsigned int)feature < MEMHINT_FEATURE_COUNT ? features[feature].name : NULL;
}

const char *memhint_feature_help(enum memhint_feature feature)
{
	return (unsigned int)feature < MEMHINT_FEATURE_COUNT ? features[feature].help : NULL;
}
