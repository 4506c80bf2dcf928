/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fd.h"
#include "demo-janitor.h"

#include "cleanup.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 8

/* What there is to remove. Shared by both processes; only the janitor writes. */
struct estate {
	char folder[SWAP_DEVICE_PATH_MAX / 2];
	struct swap_device swap;
};

/* Which processes there are to end. Each side has its own descriptors. */
struct processes {
	size_t count;
	int pidfds[PROCESSES_MAX];
};

struct janitor {
	struct estate *estate;
	struct processes processes;
	int socket;
	pid_t pid;
};

enum request_kind {
	REQUEST_FOLDER,
	REQUEST_SWAP,
	REQUEST_ADOPT, /* with a pidfd beside it */
};

struct request {
	enum request_kind kind;
	enum swap_kind swap_kind;
	uint64_t swap_bytes;
};

/* Room for one file descriptor beside a message. */
union fd_message {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void kill_all(const struct processes *processes)
{
	for (size_t i = 0; i < processes->count; i++)
		syscall(SYS_pidfd_send_signal, processes->pidfds[i], SIGKILL, NULL, 0);
	for (size_t i = 0; i < processes->count; i++) {
		struct pollfd fd = { .fd = processes->pidfds[i], .events = POLLIN };

		while (poll(&fd, 1, -1) < 0 && errno == EINTR)
			;
	}
}

/* Removes what is in a directory, and below it. */
static int empty_directory(int parent, const char *name)
{
	_cleanup_closedir_ DIR *directory = NULL;
	int first = 0, fd = fd_opendir_at(parent, name, &directory);
	struct dirent *entry;

	if (fd < 0)
		return fd;
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno == EISDIR && empty_directory(fd, entry->d_name) == 0 &&
		    unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		first = first < 0 ? first : -errno;
	}
	return first;
}

static int remove_folder(struct estate *estate)
{
	int r;

	if (!estate->folder[0])
		return 0;
	r = empty_directory(AT_FDCWD, estate->folder);
	if (rmdir(estate->folder) < 0 && r == 0)
		r = -errno;
	if (r == 0 || r == -ENOENT)
		estate->folder[0] = '\0';
	return r == -ENOENT ? 0 : r;
}

/* Everything, in this order: programs first, so that swapoff has nothing of theirs to read back. */
static int clean_up(struct estate *estate, const struct processes *processes)
{
	int r, failed = 0;

	kill_all(processes);
	r = swap_device_remove(&estate->swap);
	if (r < 0) {
		failed = -EIO;
		log_error("the swap %s could not be removed (%s); do it by: swapoff %s%s",
			  estate->swap.path, strerror(-r), estate->swap.path,
			  estate->swap.kind == SWAP_ZRAM ? "; zramctl --reset on it" : "");
	}
	r = remove_folder(estate);
	if (r < 0) {
		failed = -EIO;
		log_error("the folder %s could not be removed: %s", estate->folder, strerror(-r));
	}
	return failed;
}

static int make_folder(struct estate *estate)
{
	const char *parent = getenv("TMPDIR");
	char path[sizeof(estate->folder)];

	if (!parent || parent[0] != '/')
		parent = "/tmp";
	if ((size_t)snprintf(path, sizeof(path), "%s/memhint-demo.XXXXXX", parent) >= sizeof(path))
		return -ENAMETOOLONG;
	if (!mkdtemp(path))
		return -errno;
	memcpy(estate->folder, path, sizeof(path));
	return 0;
}

static int make_swap(struct estate *estate, const struct request *request)
{
	int r;

	if (estate->swap.exists)
		return -EBUSY;
	if (request->swap_kind == SWAP_ZRAM)
		r = swap_zram_make(request->swap_bytes, &estate->swap);
	else
		r = swap_file_make(estate->folder, request->swap_bytes, &estate->swap);
	if (r < 0)
		swap_device_remove(&estate->swap);
	return r;
}

static int adopt(struct processes *processes, int *pidfd)
{
	if (*pidfd < 0)
		return -EBADF;
	if (processes->count == PROCESSES_MAX)
		return -ENOSPC;
	processes->pidfds[processes->count++] = take_fd(pidfd);
	return 0;
}

/* The next request and the descriptor that came with it, or -1: 1, or 0 when the demo is over. */
static int receive(int fd, struct request *request, int *ret_fd)
{
	union fd_message control;
	struct iovec iov = { .iov_base = request, .iov_len = sizeof(*request) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*ret_fd = -1;
	if (n != sizeof(*request))
		return 0;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
	return 1;
}

/* Requests until the other side is gone; then the end of the demo, whichever it was. */
static int serve(int socket, struct estate *estate)
{
	struct processes processes = {};

	for (;;) {
		_cleanup_close_ int fd = -1;
		struct request request;
		int result = -EINVAL;

		if (receive(socket, &request, &fd) == 0)
			return clean_up(estate, &processes);
		switch (request.kind) {
		case REQUEST_FOLDER:
			result = make_folder(estate);
			break;
		case REQUEST_SWAP:
			result = make_swap(estate, &request);
			break;
		case REQUEST_ADOPT:
			result = adopt(&processes, &fd);
			break;
		}
		/* Nobody may be left to hear it: the next receive() tells. */
		send(socket, &result, sizeof(result), MSG_NOSIGNAL);
	}
}

static void become_janitor(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "memhint-janitor");
	/* stderr stays: what could not be removed has to be told. */
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	if (chdir("/") < 0)
		log_warning("cannot change to /: %s", strerror(errno));
}

int janitor_start(struct janitor **ret_janitor)
{
	struct janitor *janitor = calloc(1, sizeof(*janitor));
	sigset_t all, old;
	int sockets[2], r;

	if (!janitor)
		return -ENOMEM;
	janitor->estate = mmap(NULL, sizeof(*janitor->estate), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (janitor->estate == MAP_FAILED) {
		r = -errno;
		goto fail_memory;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
		r = -errno;
		goto fail_estate;
	}
	/* A signal between fork() and become_janitor() waits until it is ignored. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	janitor->pid = fork();
	if (janitor->pid == 0) {
		close(sockets[0]);
		become_janitor();
		sigprocmask(SIG_SETMASK, &old, NULL);
		_exit(serve(sockets[1], janitor->estate) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	r = janitor->pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(sockets[1]);
	if (r < 0) {
		close(sockets[0]);
		goto fail_estate;
	}
	janitor->socket = sockets[0];
	*ret_janitor = janitor;
	return 0;

fail_estate:
	munmap(janitor->estate, sizeof(*janitor->estate));
fail_memory:
	free(janitor);
	return r;
}

/* Sends a request, with @fd unless that is -1, and waits for the answer, which signals do not cut short. */
static int ask(struct janitor *janitor, const struct request *request, int fd)
{
	union fd_message control = {};
	struct iovec iov = { .iov_base = (void *)request, .iov_len = sizeof(*request) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int result;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)),
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(int));
	}
	do
		n = sendmsg(janitor->socket, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	do
		n = recv(janitor->socket, &result, sizeof(result), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == sizeof(result) ? result : -EPIPE;
}

int janitor_make_folder(struct janitor *janitor, const char **ret_path)
{
	int r = ask(janitor, &(struct request){ .kind = REQUEST_FOLDER }, -1);

	if (r < 0)
		return r;
	*ret_path = janitor->estate->folder;
	return 0;
}

int janitor_make_swap(struct janitor *janitor, enum swap_kind kind, uint64_t size_bytes,
		      const struct swap_device **ret_device)
{
	const struct request request = {
		.kind = REQUEST_SWAP,
		.swap_kind = kind,
		.swap_bytes = size_bytes,
	};
	int r = ask(janitor, &request, -1);

	if (r < 0)
		return r;
	*ret_device = &janitor->estate->swap;
	return 0;
}

int janitor_adopt(struct janitor *janitor, int pidfd)
{
	int r;

	/* Also on this side, should somebody kill the janitor. */
	if (janitor->processes.count == PROCESSES_MAX)
		return -ENOSPC;
	r = ask(janitor, &(struct request){ .kind = REQUEST_ADOPT }, pidfd);
	if (r == 0)
		janitor->processes.pidfds[janitor->processes.count++] = pidfd;
	return r;
}

int janitor_finish(struct janitor *janitor)
{
	int status, r = 0;
	pid_t pid;

	close(janitor->socket);
	do
		pid = waitpid(janitor->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid < 0 || WIFSIGNALED(status)) {
		/* Somebody killed it: what it knew is known here, too. */
		r = clean_up(janitor->estate, &janitor->processes);
	} else if (WEXITSTATUS(status) != EXIT_SUCCESS) {
		r = -EIO;
	}
	munmap(janitor->estate, sizeof(*janitor->estate));
	free(janitor);
	return r;
}
