/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kind.h"

#include "cleanup.h"
#include "fd.h"

#include <memhint/map.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool name_is(const struct maps_record *record, const char *name)
{
	size_t length = strlen(name);

	return record->name_length == length && memcmp(record->name, name, length) == 0;
}

static bool name_begins(const struct maps_record *record, const char *prefix)
{
	size_t length = strlen(prefix);

	return record->name_length >= length && memcmp(record->name, prefix, length) == 0;
}

static bool name_ends(const struct maps_record *record, const char *suffix)
{
	size_t length = strlen(suffix);

	return record->name_length >= length &&
	       memcmp(record->name + record->name_length - length, suffix, length) == 0;
}

static uint32_t kind_without_file(const struct maps_record *record)
{
	/* Names that the kernel gives are in brackets; nothing else can be here without a file. */
	if (record->name_length == 0 || name_begins(record, "[anon:"))
		return MEMHINT_KIND_ANON;
	if (name_is(record, "[heap]"))
		return MEMHINT_KIND_HEAP;
	if (name_is(record, "[stack]"))
		return MEMHINT_KIND_STACK;
	if (name_begins(record, "[stack:")) /* of a thread, before 4.5 */
		return MEMHINT_KIND_ANON;
	return MEMHINT_KIND_SPECIAL;
}

uint32_t kind_of_record(const struct maps_record *record, enum device_class class)
{
	bool is_shared = record->flags & MEMHINT_VMA_SHARED;

	if (!maps_record_has_file(record))
		return kind_without_file(record);
	/* MAP_ANONYMOUS | MAP_HUGETLB has a file of this name on a mount of the kernel's own. */
	if (name_is(record, "/anon_hugepage (deleted)"))
		return is_shared ? MEMHINT_KIND_SHMEM : MEMHINT_KIND_ANON;
	/* Private memory from this device is anonymous in all but its name. */
	if (name_is(record, "/dev/zero") && !is_shared)
		return MEMHINT_KIND_ANON;
	if (class == DEVICE_SHMEM || name_begins(record, "[anon_shmem:"))
		return MEMHINT_KIND_SHMEM;
	if (class == DEVICE_HUGETLB && name_ends(record, " (deleted)") &&
	    (name_begins(record, "/memfd:") || name_begins(record, "/SYSV")))
		return MEMHINT_KIND_SHMEM;
	return record->flags & MEMHINT_VMA_EXEC ? MEMHINT_KIND_CODE : MEMHINT_KIND_FILE;
}

/* The device of memfds, System V segments and shared anonymous memory: a mount that no list shows. */
static dev_t shm_device(void)
{
	static _Atomic uint64_t cached;
	uint64_t device = atomic_load_explicit(&cached, memory_order_relaxed);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (device)
		return (dev_t)device;
	fd = memfd_create("memhint", MFD_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	atomic_store_explicit(&cached, (uint64_t)st.st_dev, memory_order_relaxed);
	return st.st_dev;
}

static enum device_class class_of_magic(__fsword_t magic)
{
	switch ((uint32_t)magic) {
	case TMPFS_MAGIC:
		return DEVICE_SHMEM;
	case HUGETLBFS_MAGIC:
		return DEVICE_HUGETLB;
	default:
		return DEVICE_FILES;
	}
}

/* Asks the file that is mapped: needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. 0 or a negative errno. */
static int class_by_file(int dirfd, const struct maps_record *record, enum device_class *ret_class)
{
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "map_files/%llx-%llx", (unsigned long long)record->start,
		 (unsigned long long)record->end);
	fd = openat(dirfd, path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* devtmpfs is a tmpfs, too, but what its device files map is not shared memory. */
	*ret_class = S_ISREG(st.st_mode) ? class_of_magic(fs.f_type) : DEVICE_FILES;
	return 0;
}

/* Points @at behind the next blank before @end, or returns NULL. */
static const char *next_word(const char *at, const char *end)
{
	at = memchr(at, ' ', (size_t)(end - at));
	return at ? at + 1 : NULL;
}

static bool word_is(const char *at, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - at) > length && memcmp(at, word, length) == 0 && at[length] == ' ';
}

/* id parent major:minor root mount options [tags...] - type source options */
static bool mount_class(const char *line, const char *end, const char *device,
			enum device_class *ret_class)
{
	const char *at = next_word(line, end);

	at = at ? next_word(at, end) : NULL;
	if (!at || !word_is(at, end, device))
		return false;
	/* Blanks in names are escaped, so the first lone dash is the one. */
	while (at && !word_is(at, end, "-"))
		at = next_word(at, end);
	at = at ? next_word(at, end) : NULL;
	if (!at)
		return false;
	*ret_class = word_is(at, end, "tmpfs")	     ? DEVICE_SHMEM
		     : word_is(at, end, "hugetlbfs") ? DEVICE_HUGETLB
						     : DEVICE_FILES;
	return true;
}

bool kind_find_mount(const char *text, size_t length, uint32_t major, uint32_t minor,
		     enum device_class *ret_class)
{
	const char *end = text + length, *newline;
	char device[32];

	snprintf(device, sizeof(device), "%u:%u", major, minor);
	for (; (newline = memchr(text, '\n', (size_t)(end - text))); text = newline + 1)
		if (mount_class(text, newline, device, ret_class))
			return true;
	return false;
}

static enum device_class class_by_mounts(int dirfd, uint32_t major, uint32_t minor)
{
	_cleanup_close_ int fd = fd_openat(dirfd, "mountinfo");
	enum device_class class = DEVICE_FILES;
	char text[16384];
	size_t left = 0;
	ssize_t n;

	if (fd < 0)
		return class;
	while ((n = read(fd, text + left, sizeof(text) - left)) > 0 || (n < 0 && errno == EINTR)) {
		const char *newline;

		if (n < 0)
			continue;
		left += (size_t)n;
		if (kind_find_mount(text, left, major, minor, &class))
			return class;
		newline = memrchr(text, '\n', left);
		if (newline) {
			left -= (size_t)(newline + 1 - text);
			memmove(text, newline + 1, left);
		} else if (left == sizeof(text)) {
			return class; /* no line is so long */
		}
	}
	return class;
}

enum device_class kind_device_class(struct kind_devices *devices, int dirfd,
				    const struct maps_record *record)
{
	uint32_t major = record->device_major, minor = record->device_minor;
	unsigned int slots = devices->count < KIND_DEVICES ? devices->count : KIND_DEVICES;
	unsigned int slot = devices->count % KIND_DEVICES;
	enum device_class class;

	if (!maps_record_has_file(record))
		return DEVICE_FILES;
	for (unsigned int i = 0; i < slots; i++)
		if (devices->known[i].major == major && devices->known[i].minor == minor)
			return devices->known[i].class;
	if (makedev(major, minor) == shm_device())
		class = DEVICE_SHMEM;
	else if (class_by_file(dirfd, record, &class) < 0)
		class = class_by_mounts(dirfd, major, minor);
	devices->known[slot].major = major;
	devices->known[slot].minor = minor;
	devices->known[slot].class = class;
	devices->count++;
	return class;
}
