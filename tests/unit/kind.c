/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of memory a mapping is, by its line and by what its device holds. */
#include "tap.h"

#include "kind.h"
#include "maps-text.h"

#include <memhint/map.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[65536];

static size_t fixture_read(const char *name)
{
	char path[4096];
	ssize_t n;
	int fd;

	must(getenv("FIXTURES"));
	snprintf(path, sizeof(path), "%s/%s", getenv("FIXTURES"), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	n = read(fd, text, sizeof(text));
	close(fd);
	must(n > 0 && (size_t)n < sizeof(text));
	return (size_t)n;
}

/* What the devices of the fixture hold. */
static enum device_class fixture_class(const struct maps_record *record)
{
	if (record->device_major)
		return DEVICE_FILES;
	switch (record->device_minor) {
	case 0x01:
	case 0x1a:
		return DEVICE_SHMEM;
	case 0x10:
		return DEVICE_HUGETLB;
	default:
		return DEVICE_FILES;
	}
}

static void test_kinds(void)
{
	static const enum memhint_kind want[] = {
		MEMHINT_KIND_FILE,			 /* program */
		MEMHINT_KIND_CODE,    MEMHINT_KIND_FILE, /* its data, whether written or not */
		MEMHINT_KIND_HEAP,    MEMHINT_KIND_ANON,  MEMHINT_KIND_ANON, /* PROT_NONE */
		MEMHINT_KIND_ANON,					     /* [anon:...] */
		MEMHINT_KIND_SHMEM,					     /* [anon_shmem:...] */
		MEMHINT_KIND_SHMEM, /* MAP_SHARED | MAP_ANONYMOUS */
		MEMHINT_KIND_SHMEM, /* memfd */
		MEMHINT_KIND_SHMEM, /* System V */
		MEMHINT_KIND_ANON,  /* private /dev/zero */
		MEMHINT_KIND_ANON,  /* MAP_HUGETLB, private */
		MEMHINT_KIND_SHMEM, /* MAP_HUGETLB, shared */
		MEMHINT_KIND_SHMEM, /* memfd of huge pages */
		MEMHINT_KIND_SHMEM, /* tmpfs */
		MEMHINT_KIND_SHMEM, /* tmpfs, executable */
		MEMHINT_KIND_FILE,    MEMHINT_KIND_FILE,  MEMHINT_KIND_FILE, /* io_uring */
		MEMHINT_KIND_FILE,					     /* a device */
		MEMHINT_KIND_FILE, /* a file of the name [heap] */
		MEMHINT_KIND_FILE,    MEMHINT_KIND_STACK, MEMHINT_KIND_SPECIAL, /* vvar */
		MEMHINT_KIND_SPECIAL,						/* vvar_vclock */
		MEMHINT_KIND_SPECIAL,						/* vdso */
		MEMHINT_KIND_SPECIAL,						/* uprobes */
		MEMHINT_KIND_SPECIAL,						/* vsyscall */
	};
	size_t length = fixture_read("maps-all-kinds"), at = 0, i = 0;
	struct maps_record record;

	for (; at < length; i++) {
		ssize_t n = maps_text_next(MAPS_TEXT_MAPS, text + at, length - at, &record);

		must(n > 0 && i < sizeof(want) / sizeof(want[0]));
		is(kind_of_record(&record, fixture_class(&record)), want[i], "kind of '%.*s' (%s)",
		   (int)record.name_length, record.name, memhint_kind_name(want[i]));
		at += (size_t)n;
	}
	is(i, sizeof(want) / sizeof(want[0]), "all of them");
}

static void test_mounts(void)
{
	size_t length = fixture_read("mountinfo");
	enum device_class class = DEVICE_FILES;

	ok(kind_find_mount(text, length, 0, 0x1a, &class) && class == DEVICE_SHMEM,
	   "a tmpfs with optional fields");
	ok(kind_find_mount(text, length, 0, 6, &class) && class == DEVICE_FILES,
	   "a devtmpfs is not one");
	ok(kind_find_mount(text, length, 254, 0, &class) && class == DEVICE_FILES, "a disk");
	ok(kind_find_mount(text, length, 0, 40, &class) && class == DEVICE_FILES,
	   "fuse.tmpfs below a name with a dash in it is not one");
	ok(kind_find_mount(text, length, 0, 41, &class) && class == DEVICE_HUGETLB, "a hugetlbfs");
	ok(!kind_find_mount(text, length, 0, 99, &class), "a device that is not mounted");
	ok(!kind_find_mount(text, length, 0, 2, &class), "a line that is too short");
	ok(!kind_find_mount(text, length, 0, 26 + 1, &class), "no part of a number is taken");
	ok(!kind_find_mount(text, 10, 0, 21, &class), "nor half a line");
	ok(!kind_find_mount("", 0, 0, 21, &class), "nor nothing");
}

int main(void)
{
	test_kinds();
	test_mounts();
	return done_testing();
}
