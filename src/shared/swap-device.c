/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "swap-device.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ZRAM_CONTROL "/sys/class/zram-control"

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EIO;
}

static int write_number(const char *path, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return write_text(path, text);
}

/* Runs a program of the system quietly: 0, a negative errno, or -EIO when it says no. Dies with us. */
static int run_quietly(char *const argv[])
{
	pid_t parent = getpid(), pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		for (int fd = 0; fd < 3; fd++)
			if (dup2(null, fd) < 0)
				_exit(126);
		/* The caller's PATH may lack the system directories, or lead to something else. */
		if (clearenv() != 0 || setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0)
			_exit(126);
		execvp(argv[0], argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOENT;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int swap_on(struct swap_device *device)
{
	char *const argv[] = { "mkswap", "-L", "memhint", device->path, NULL };
	int r = run_quietly(argv);

	if (r < 0)
		return r;
	device->is_on = true;
	/* Before any other swap, so that what is paged out now goes here. */
	if (swapon(device->path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) < 0) {
		r = -errno;
		device->is_on = false;
		return r;
	}
	return 0;
}

static int zram_hot_add(struct swap_device *device)
{
	_cleanup_close_ int fd = -1;
	char text[24];
	ssize_t n;

	/* Reading the file is what adds the device: one read, and never a second one. */
	fd = open(ZRAM_CONTROL "/hot_add", O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		char *const argv[] = { "modprobe", "zram", "num_devices=0", NULL };

		device->loaded_module = run_quietly(argv) == 0;
		fd = open(ZRAM_CONTROL "/hot_add", O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	text[n] = '\0';
	device->zram_id = (int)strtol(text, NULL, 10);
	device->exists = true;
	return 0;
}

int swap_zram_make(uint64_t size_bytes, struct swap_device *device)
{
	char path[64];
	int r;

	*device = (struct swap_device){ .kind = SWAP_ZRAM, .size_bytes = size_bytes };
	r = zram_hot_add(device);
	if (r < 0)
		return r;
	snprintf(device->path, sizeof(device->path), "/dev/zram%d", device->zram_id);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", device->zram_id);
	r = write_number(path, size_bytes);
	if (r < 0)
		return r;
	return swap_on(device);
}

/* Whether swapon(2) can take a file here: it needs blocks that stay where they are, on a disk. */
static int directory_can_swap(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	switch ((unsigned long)fs.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
		return -EOPNOTSUPP;
	default:
		return 0;
	}
}

/* Zeros, really written: swapon(2) takes no holes, and not every file system accepts unwritten blocks. */
static int fill_with_zeros(int fd, uint64_t size_bytes)
{
	static const char zeros[1 << 20];

	for (uint64_t done = 0; done < size_bytes;) {
		uint64_t rest = size_bytes - done;
		ssize_t n = write(fd, zeros, rest < sizeof(zeros) ? rest : sizeof(zeros));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (uint64_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int make_file(int fd, uint64_t size_bytes)
{
	int flags, r = directory_can_swap(fd);

	if (r < 0)
		return r;
	/* btrfs holds swap only in a file without copy-on-write; file systems without the flag say no. */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL)) {
		flags |= FS_NOCOW_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	/* All the space or none of it, before the first byte is written. */
	if (fallocate(fd, 0, 0, (off_t)size_bytes) == 0)
		return 0;
	return errno == EOPNOTSUPP ? fill_with_zeros(fd, size_bytes) : -errno;
}

int swap_file_make(const char *directory, uint64_t size_bytes, struct swap_device *device)
{
	_cleanup_close_ int fd = -1;
	int r;

	*device = (struct swap_device){ .kind = SWAP_FILE, .size_bytes = size_bytes };
	if ((size_t)snprintf(device->path, sizeof(device->path), "%s/swap", directory) >=
	    sizeof(device->path))
		return -ENAMETOOLONG;
	fd = open(device->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	device->exists = true;
	r = make_file(fd, size_bytes);
	if (r < 0)
		return r;
	r = swap_on(device);
	if (r != -EINVAL)
		return r;
	/* EINVAL: a file system that wants to see the blocks written. */
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = fill_with_zeros(fd, size_bytes);
	return r < 0 ? r : swap_on(device);
}

/* Something else, udev for one, may hold a block device for a moment: tries for up to 5 s. */
static int write_until_free(const char *path, uint64_t number)
{
	int r = 0;

	for (int tries = 0; tries < 500; tries++) {
		r = write_number(path, number);
		if (r != -EBUSY && r != -EAGAIN)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return r;
}

static int zram_remove(int id)
{
	char path[64];
	int r, first;

	snprintf(path, sizeof(path), "/sys/block/zram%d/reset", id);
	first = write_until_free(path, 1);
	r = write_until_free(ZRAM_CONTROL "/hot_remove", (uint64_t)id);
	return first < 0 ? first : r;
}

int swap_device_remove(struct swap_device *device)
{
	int r, first = 0;

	if (device->is_on) {
		/* EINVAL: it never came on. EINTR: a signal came, the pages left over are still to do. */
		do
			r = swapoff(device->path) < 0 ? -errno : 0;
		while (r == -EINTR);
		if (r < 0 && r != -EINVAL)
			first = r;
		device->is_on = r < 0 && r != -EINVAL;
	}
	if (device->exists && !device->is_on) {
		if (device->kind == SWAP_ZRAM)
			r = zram_remove(device->zram_id);
		else
			r = unlink(device->path) < 0 && errno != ENOENT ? -errno : 0;
		if (r < 0 && first == 0)
			first = r;
		device->exists = r < 0;
	}
	if (device->loaded_module && !device->exists) {
		char *const argv[] = { "modprobe", "-r", "zram", NULL };

		/* Refused when someone else has found a use for it meanwhile, and rightly. */
		run_quietly(argv);
		device->loaded_module = false;
	}
	return first;
}

int swap_permission(void)
{
	/* The right is looked at before the name, which is never that of a device. */
	if (swapon("", 0) < 0 && errno == EPERM)
		return -EPERM;
	return 0;
}
