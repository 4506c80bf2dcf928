/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser of maps and smaps, on texts as kernels print them and on texts that they never should. */
#include "tap.h"

#include "maps-file.h"
#include "maps-text.h"

#include <memhint/map.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_RECORDS 64

struct records {
	struct maps_record items[MAX_RECORDS];
	char *names[MAX_RECORDS];
	uint64_t fingerprint;
	int count;
	int stop_at;
};

static int collect(const struct maps_record *record, void *userdata)
{
	struct records *records = userdata;

	must(records->count < MAX_RECORDS);
	records->items[records->count] = *record;
	records->names[records->count] = strndup(record->name, record->name_length);
	records->fingerprint =
		maps_fingerprint(records->fingerprint, record->line, record->line_length);
	records->count++;
	return records->count == records->stop_at ? 7 : 0;
}

static void records_done(struct records *records)
{
	for (int i = 0; i < records->count; i++)
		free(records->names[i]);
	records->count = 0;
}

static int fixture_open(const char *name)
{
	const char *directory = getenv("FIXTURES");
	char path[4096];
	int fd;

	must(directory);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

static int fixture_read(const char *name, enum maps_text_form form, struct records *records)
{
	struct maps_buffer buffer = {};
	int fd = fixture_open(name), r;

	*records = (struct records){ .stop_at = -1 };
	r = maps_file_read(fd, form, false, &buffer, collect, records);
	maps_buffer_done(&buffer);
	close(fd);
	return r;
}

static void test_maps(void)
{
	static const struct {
		int index;
		const char *name;
	} names[] = {
		{ 0, "/usr/bin/example" },
		{ 3, "[heap]" },
		{ 4, "" },
		{ 6, "[anon:glibc: malloc arena]" },
		{ 9, "/memfd:a name with spaces (deleted)" },
		{ 17, "/tmp/a file\\012with a newline (deleted)" },
		{ 18, "/tmp/  two leading blanks, trailing one " },
		{ 19, "anon_inode:[io_uring]" },
		{ 28, "[vsyscall]" },
	};
	struct records records;
	bool ascending = true;

	is(fixture_read("maps-all-kinds", MAPS_TEXT_MAPS, &records), 0, "maps is understood");
	is(records.count, 29, "every line of it");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ok(strcmp(records.names[names[i].index], names[i].name) == 0, "the name '%s'",
		   names[i].name);
	for (int i = 1; i < records.count; i++)
		ascending &= records.items[i].start >= records.items[i - 1].end;
	ok(ascending, "in order of address");
	is(records.items[0].start, 0x55d0c8a00000, "start");
	is(records.items[0].end, 0x55d0c8a25000, "end");
	is(records.items[1].offset, 0x25000, "offset");
	is(records.items[18].offset, 0x7fffffff000, "a large offset");
	is(records.items[0].inode, 1310985, "inode");
	ok(records.items[18].inode == UINT64_MAX, "the largest inode");
	is(records.items[0].device_major, 0xfe, "major");
	is(records.items[15].device_minor, 0x1a, "minor");
	is(records.items[22].device_major, 0x103, "a major of three digits");
	is(records.items[0].flags, MEMHINT_VMA_READ, "r--p");
	is(records.items[1].flags, MEMHINT_VMA_READ | MEMHINT_VMA_EXEC, "r-xp");
	is(records.items[5].flags, 0, "---p");
	is(records.items[7].flags, MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_SHARED,
	   "rw-s");
	ok(records.items[28].start == 0xffffffffff600000, "vsyscall's address");
	ok(!maps_record_has_file(&records.items[3]) && maps_record_has_file(&records.items[0]),
	   "files are known by device and inode");
	records_done(&records);

	is(fixture_read("maps-32-bit", MAPS_TEXT_MAPS, &records), 0, "a 32-bit process");
	is(records.count, 7, "its mappings");
	is(records.items[0].start, 0x08048000, "its first address");
	is(records.items[6].end, 0xffd7c000, "its last address");
	records_done(&records);

	is(fixture_read("empty", MAPS_TEXT_MAPS, &records), 0, "an empty text");
	is(records.count, 0, "has no mappings");
	is(fixture_read("maps-truncated", MAPS_TEXT_MAPS, &records), -EIO,
	   "a text that is cut off");
	records_done(&records);
}

static void test_smaps(void)
{
	static const struct {
		uint64_t resident_kib, swapped_kib, huge_kib;
		uint32_t flags;
	} want[] = {
		{ 132, 0, 0, 0 },
		{ 9000, 1024, 4096, MEMHINT_VMA_HUGEPAGE },
		{ 64, 0, 0, MEMHINT_VMA_LOCKED | MEMHINT_VMA_DONTDUMP },
		{ 8, 0, 0,
		  MEMHINT_VMA_NOHUGEPAGE | MEMHINT_VMA_MERGEABLE | MEMHINT_VMA_UFFD |
			  MEMHINT_VMA_DROPPABLE },
		{ 2048, 0, 0, MEMHINT_VMA_HUGETLB },
		{ 2048, 0, 0, MEMHINT_VMA_HUGETLB | MEMHINT_VMA_SHARED },
		{ 4096, 128, 2048, MEMHINT_VMA_SHARED },
		{ 2048, 0, 2048, MEMHINT_VMA_MIXEDMAP },
		{ 0, 0, 0, MEMHINT_VMA_IO | MEMHINT_VMA_PFNMAP | MEMHINT_VMA_DONTDUMP },
		{ 0, 0, 0, 0 },
	};
	const uint32_t permissions = MEMHINT_VMA_READ | MEMHINT_VMA_WRITE | MEMHINT_VMA_EXEC;
	struct records records;

	is(fixture_read("smaps-all-flags", MAPS_TEXT_SMAPS, &records), 0, "smaps is understood");
	is(records.count, 10, "every record of it");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct maps_record *have = &records.items[i];

		is(have->resident_bytes, want[i].resident_kib << 10, "record %zu: resident", i);
		is(have->swapped_bytes, want[i].swapped_kib << 10, "record %zu: swapped", i);
		is(have->huge_bytes, want[i].huge_kib << 10, "record %zu: huge", i);
		is(have->flags & ~permissions, want[i].flags, "record %zu: flags", i);
	}
	ok(strcmp(records.names[7], "/usr/lib/big library.so") == 0, "a name in smaps");
	records_done(&records);

	is(fixture_read("empty", MAPS_TEXT_SMAPS, &records), 0, "an empty smaps");
	is(fixture_read("smaps-truncated", MAPS_TEXT_SMAPS, &records), -EIO,
	   "a smaps that is cut off");
	is(records.count, 9, "has all records but the last");
	records_done(&records);
	is(fixture_read("smaps-no-flags", MAPS_TEXT_SMAPS, &records), -EIO,
	   "a smaps without VmFlags");
	records_done(&records);
}

/* The line of a mapping is the same in both texts, so the fingerprint is, too. */
static void test_fingerprint(void)
{
	const char *line = "1000-2000 rw-p 00000000 00:00 0 ";
	uint64_t one = maps_fingerprint(0, line, strlen(line));

	ok(one == maps_fingerprint(0, line, strlen(line)), "the same line, the same fingerprint");
	ok(one != maps_fingerprint(0, "1000-3000 rw-p 00000000 00:00 0 ", strlen(line)),
	   "another address, another fingerprint");
	ok(one != maps_fingerprint(0, line, strlen(line) - 1),
	   "another length, another fingerprint");
	ok(maps_fingerprint(maps_fingerprint(0, "a", 1), "b", 1) !=
		   maps_fingerprint(maps_fingerprint(0, "b", 1), "a", 1),
	   "another order, another fingerprint");
}

/* Copies text so that reading a byte too much is noticed by the address sanitizer. */
static ssize_t next_of_copy(enum maps_text_form form, const char *text, size_t length)
{
	struct maps_record record;
	char *copy = malloc(length ? length : 1);
	ssize_t n;

	must(copy);
	memcpy(copy, text, length);
	n = maps_text_next(form, copy, length, &record);
	free(copy);
	return n;
}

static void test_prefixes(const char *fixture, enum maps_text_form form)
{
	static char text[65536];
	int fd = fixture_open(fixture);
	ssize_t length = read(fd, text, sizeof(text)), at = 0, whole;
	struct maps_record record;
	int wrong = 0;

	close(fd);
	must(length > 0);
	for (; at < length; at += whole) {
		whole = maps_text_next(form, text + at, (size_t)(length - at), &record);
		must(whole > 0);
		for (ssize_t part = 0; part < whole; part++)
			wrong += next_of_copy(form, text + at, (size_t)part) != 0;
		wrong += next_of_copy(form, text + at, (size_t)whole) != whole;
	}
	is(wrong, 0, "%s: a record is taken when it is whole, and not before", fixture);
}

static void test_bad_lines(void)
{
	static const char *const bad[] = {
		"\n",
		" 1000-2000 rw-p 00000000 00:00 0\n",
		"1000 rw-p 00000000 00:00 0\n",
		"1000-2000\n",
		"2000-1000 rw-p 00000000 00:00 0\n",
		"1000-1000 rw-p 00000000 00:00 0\n",
		"1000-2000 rw-q 00000000 00:00 0\n",
		"1000-2000 wr-p 00000000 00:00 0\n",
		"1000-2000 rwp 00000000 00:00 0\n",
		"1000-2000 rw-p 0x0 00:00 0\n",
		"1000-2000 rw-p 00000000 0000 0\n",
		"1000-2000 rw-p 00000000 00:00 \n",
		"1000-2000 rw-p 00000000 00:00 -1\n",
		"1000-2000 rw-p 00000000 00:00 0x\n",
		"1000-2000 rw-p 00000000 00:00 12name\n",
		"10000000000000000-20000000000000000 rw-p 00000000 00:00 0\n",
		"1000-2000 rw-p 10000000000000000 00:00 0\n",
		"1000-2000 rw-p 00000000 100000000:00 0\n",
		"1000-2000 rw-p 00000000 00:100000000 0\n",
		"1000-2000 rw-p 00000000 00:00 18446744073709551616\n",
		"1000-2000 rw-p 00000000 00:00 99999999999999999999999\n",
		"G000-2000 rw-p 00000000 00:00 0\n",
		"A000-B000 rw-p 00000000 00:00 0\n",
	};
	static const char *const bad_counters[] = {
		"Rss: kB\n",
		"Rss: 4\n",
		"Rss: 4 MB\n",
		"Rss: 4 kB more\n",
		"Rss: -4 kB\n",
		"Rss: 18446744073709551615 kB\n",
		"Rss: 99999999999999999999 kB\n",
		"Rss: 18014398509481983 kB\nPrivate_Hugetlb: 18014398509481983 kB\n",
		"Swap: x kB\n",
		"AnonHugePages: kB\n",
		"2000-3000 rw-p 00000000 00:00 0\n",
		"\n",
	};
	const char *good = "ffffffffffffe000-fffffffffffff000 rwxs 0 0:0 0\n";
	struct maps_record record;
	char text[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is(maps_text_next(MAPS_TEXT_MAPS, bad[i], strlen(bad[i]), &record), -EIO,
		   "bad line %zu", i);
	for (size_t i = 0; i < sizeof(bad_counters) / sizeof(bad_counters[0]); i++) {
		snprintf(text, sizeof(text), "1000-2000 rw-p 00000000 00:00 0\n%sVmFlags: rd\n",
			 bad_counters[i]);
		is(maps_text_next(MAPS_TEXT_SMAPS, text, strlen(text), &record), -EIO,
		   "bad counter %zu", i);
	}
	is(maps_text_next(MAPS_TEXT_MAPS, good, strlen(good), &record), strlen(good),
	   "numbers as large as can be");
	is(record.name_length, 0, "and no name");
}

/* Each of the letters alone: in the fixtures some stand side by side. */
static void test_letters(void)
{
	static const struct {
		const char *letters;
		uint32_t flags;
	} all[] = {
		{ "lo", MEMHINT_VMA_LOCKED },	 { "ht", MEMHINT_VMA_HUGETLB },
		{ "pf", MEMHINT_VMA_PFNMAP },	 { "io", MEMHINT_VMA_IO },
		{ "dp", MEMHINT_VMA_DROPPABLE }, { "um", MEMHINT_VMA_UFFD },
		{ "uw", MEMHINT_VMA_UFFD },	 { "ui", MEMHINT_VMA_UFFD },
		{ "hg", MEMHINT_VMA_HUGEPAGE },	 { "nh", MEMHINT_VMA_NOHUGEPAGE },
		{ "mg", MEMHINT_VMA_MERGEABLE }, { "dd", MEMHINT_VMA_DONTDUMP },
		{ "mm", MEMHINT_VMA_MIXEDMAP },	 { "xx", 0 },
	};
	struct maps_record record;
	char text[128];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(text, sizeof(text),
			 "1000-2000 ---p 00000000 00:00 0\nVmFlags: mr %s sd \n", all[i].letters);
		must(maps_text_next(MAPS_TEXT_SMAPS, text, strlen(text), &record) > 0);
		is(record.flags, all[i].flags, "the letters %s", all[i].letters);
	}
}

/* A record longer than the buffer at first, and a reader that has seen enough. */
static void test_file(void)
{
	char path[] = "/tmp/memhint-maps-XXXXXX";
	struct maps_buffer buffer = {};
	struct records records = { .stop_at = -1 };
	int fd = mkostemp(path, O_CLOEXEC), r;
	static char name[300000];

	must(fd >= 0);
	unlink(path);
	memset(name, 'n', sizeof(name) - 1);
	name[0] = '/';
	must(dprintf(fd, "1000-2000 r--p 0 0:1 1 %s\n3000-4000 r--p 0 0:1 1 /b\n", name) > 0);
	is(maps_file_read(fd, MAPS_TEXT_MAPS, false, &buffer, collect, &records), 0,
	   "a name of 300,000 letters");
	is(records.count, 2, "and the record after it");
	is(strlen(records.names[0]), sizeof(name) - 1, "the name is whole");
	records_done(&records);
	records.stop_at = 1;
	r = maps_file_read(fd, MAPS_TEXT_MAPS, false, &buffer, collect, &records);
	is(r, 7, "a sink's answer is handed on");
	is(records.count, 1, "and ends the reading");
	records_done(&records);
	close(fd);
	is(maps_file_read(fd, MAPS_TEXT_MAPS, false, &buffer, collect, &records), -EBADF,
	   "an error is handed on");
	maps_buffer_done(&buffer);
}

int main(void)
{
	test_maps();
	test_smaps();
	test_fingerprint();
	test_prefixes("maps-all-kinds", MAPS_TEXT_MAPS);
	test_prefixes("smaps-all-flags", MAPS_TEXT_SMAPS);
	test_bad_lines();
	test_letters();
	test_file();
	return done_testing();
}
