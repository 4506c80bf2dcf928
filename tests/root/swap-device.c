/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Swap of one's own: there when made, gone when removed, and gone as well when the making failed. */
#include "swap-device.h"
#include "tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_BYTES (64ull << 20)

/* The priority of a swap area as /proc/swaps has it, or -100 if it is not there. */
static int swap_priority(const char *path, uint64_t *ret_kib)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[1024], name[512];
	unsigned long long kib;
	int priority, found = -100;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%511s %*s %llu %*u %d", name, &kib, &priority) == 3 &&
		    strcmp(name, path) == 0) {
			found = priority;
			*ret_kib = kib;
		}
	if (file)
		fclose(file);
	return found;
}

static void test_on_and_off(struct swap_device *device, int made, const char *what)
{
	uint64_t kib = 0;
	char path[sizeof(device->path)];

	is(made, 0, "%s: made", what);
	memcpy(path, device->path, sizeof(path));
	is(swap_priority(path, &kib), 32767, "%s: it is swap, before any other", what);
	is(kib, SIZE_BYTES / 1024 - 4, "%s: of the size asked for, less its header", what);
	ok(access(path, F_OK) == 0, "%s: %s exists", what, path);
	is(swap_device_remove(device), 0, "%s: removed", what);
	is(swap_priority(path, &kib), -100, "%s: it is swap no longer", what);
	ok(!device->exists && !device->is_on, "%s: nothing is left to do", what);
	is(swap_device_remove(device), 0, "%s: removing it again does nothing", what);
}

static bool zram_exists(int id)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/zram%d", id);
	return access(path, F_OK) == 0;
}

static void test_zram(void)
{
	struct swap_device device;
	int r = swap_zram_make(SIZE_BYTES, &device), id;

	if (r == -EOPNOTSUPP) {
		skip_one("zram", "this kernel has no zram");
		return;
	}
	id = device.zram_id;
	ok(zram_exists(id), "zram: its device exists");
	test_on_and_off(&device, r, "zram");
	ok(!zram_exists(id), "zram: its device is gone");

	ok(swap_zram_make(0, &device) < 0, "zram: no size is refused");
	id = device.zram_id;
	ok(zram_exists(id), "zram: but the device was added");
	is(swap_device_remove(&device), 0, "zram: half of it is removed, too");
	ok(!zram_exists(id), "zram: its device is gone");
}

/* A folder on a disk, or one on tmpfs. */
static void make_folder(char *path, bool tmpfs)
{
	must(mkdtemp(path));
	must(!tmpfs || mount("none", path, "tmpfs", 0, "size=100m") == 0);
}

static void test_file(void)
{
	char disk[] = "/var/tmp/memhint-test.XXXXXX", memory[] = "/var/tmp/memhint-test.XXXXXX",
	     path[64];
	struct swap_device device;

	make_folder(disk, false);
	test_on_and_off(&device, swap_file_make(disk, SIZE_BYTES, &device), "file");
	is(rmdir(disk), 0, "file: the folder is empty");

	make_folder(memory, true);
	is(swap_file_make(memory, SIZE_BYTES, &device), -EOPNOTSUPP, "file: not on tmpfs");
	snprintf(path, sizeof(path), "%s/swap", memory);
	is(swap_device_remove(&device), 0, "file: what was begun is removed");
	ok(access(path, F_OK) < 0, "file: it is gone");
	/* One that was there before is somebody else's. */
	must(mkdir(path, 0700) == 0);
	is(swap_file_make(memory, SIZE_BYTES, &device), -EEXIST, "file: none where there is one");
	is(swap_device_remove(&device), 0, "file: nothing to remove");
	ok(access(path, F_OK) == 0, "file: the other is still there");
	/* Also when somebody who looks at all mounts has it open at this moment. */
	is(umount2(memory, MNT_DETACH), 0, "file: the tmpfs goes");
	is(rmdir(memory), 0, "file: and its folder");
	is(swap_file_make("/dev/null", SIZE_BYTES, &device), -ENOTDIR, "file: no folder");
}

int main(void)
{
	if (swap_permission() < 0)
		skip_all("needs CAP_SYS_ADMIN");
	test_zram();
	test_file();
	return done_testing();
}
