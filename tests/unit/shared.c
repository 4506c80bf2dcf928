/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs share: JSON, sizes and times, bars; swap and machine on made-up /proc and /sys. */
#include "tap.h"

#include "json.h"
#include "machine.h"
#include "swap.h"
#include "term.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void same(const char *have, const char *want, const char *name)
{
	if (ok(strcmp(have, want) == 0, "%s", name))
		return;
	printf("# have ");
	for (; *have; have++)
		fputs(*have == '\n' ? "\\n" : (char[]){ *have, '\0' }, stdout);
	printf("\n# want ");
	for (; *want; want++)
		fputs(*want == '\n' ? "\\n" : (char[]){ *want, '\0' }, stdout);
	printf("\n");
}

static void test_json(void)
{
	struct json json;
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	must(file);
	json_init(&json, file);
	json_object(&json, NULL);
	json_string(&json, "plain", "a\"b\\c\n\t\x01\x7f");
	json_string(&json, "utf8", "gr\xc3\xbc\xc3\x9f \xe2\x96\x88 \xf0\x9f\x90\x9a");
	/* A lone byte, overlong slashes, a surrogate, a cut sequence, above U+10FFFF. */
	json_string(
		&json, "bad",
		"\xff|\xc0\xaf|\xe0\x80\xaf|\xf0\x80\x80\xaf|\xed\xa0\x80|\xe2\x96|\xf4\x90\x80\x80");
	json_string(&json, "none", NULL);
	json_u64(&json, "most", UINT64_MAX);
	json_i64(&json, "least", INT64_MIN);
	json_bool(&json, "yes", true);
	json_decimal(&json, "decimal", 1.5, 2);
	json_decimal(&json, "nan", NAN, 2);
	json_address(&json, "address", 0x7f00);
	json_format(&json, "format", "%d:%s", 5, "\"");
	json_object(&json, "k\"ey");
	json_end(&json);
	json_array(&json, "list");
	json_u64(&json, NULL, 1);
	json_array(&json, NULL);
	json_end(&json);
	json_null(&json, NULL);
	json_end(&json);
	json_end(&json);
	fclose(file);
	same(text,
	     "{\"plain\":\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\","
	     "\"utf8\":\"gr\xc3\xbc\xc3\x9f \xe2\x96\x88 \xf0\x9f\x90\x9a\","
	     "\"bad\":\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd\\ufffd|"
	     "\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd\\ufffd\","
	     "\"none\":null,\"most\":18446744073709551615,\"least\":-9223372036854775808,\"yes\":true,"
	     "\"decimal\":1.50,\"nan\":null,\"address\":\"0x7f00\",\"format\":\"5:\\\"\",\"k\\\"ey\":{},"
	     "\"list\":[\n1,\n[],\nnull]}\n",
	     "JSON of every kind");
	free(text);
}

static void test_units(void)
{
	static const struct {
		uint64_t value;
		const char *text;
	} bytes[] = {
		{ 0, "0" },
		{ 1023, "1023" },
		{ 1024, "1K" },
		{ 1536, "1.5K" },
		{ 4096, "4K" },
		{ 102399, "100K" },
		{ 1023 * 1024, "1023K" },
		{ 1024 * 1024 - 1, "1.0M" },
		{ 1024 * 1024, "1.0M" },
		{ 13002342, "12.4M" },
		{ 1ull << 30, "1.0G" },
		{ 5ull << 40, "5.0T" },
		{ UINT64_MAX, "16.0E" },
	}, usec[] = {
		{ 0, "0us" },
		{ 999, "999us" },
		{ 1000, "1.0ms" },
		{ 12345, "12.3ms" },
		{ 999999, "999.9ms" },
		{ 1230000, "1.23s" },
		{ 59999999, "59.99s" },
		{ 125000000, "2m05s" },
		{ 3600000000, "1h00m" },
		{ 86400000000, "1d00h" },
		{ UINT64_MAX, "213503982d08h" },
	};

	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		same(unit_bytes(bytes[i].value).text, bytes[i].text, bytes[i].text);
	for (size_t i = 0; i < sizeof(usec) / sizeof(usec[0]); i++)
		same(unit_usec(usec[i].value).text, usec[i].text, usec[i].text);
	same(unit_rate(1 << 20, 500000).text, "2.0M/s", "a rate");
	same(unit_rate(1 << 20, 0).text, "-", "no time, no rate");
	same(unit_rate(0, 100).text, "-", "nothing, no rate");
}

static void bar(const struct term *term, uint64_t resident, uint64_t swapped, uint64_t size,
		uint64_t scale, const char *want)
{
	same(term_bar(term, 10, resident, swapped, size, scale).text, want, want);
}

static void test_bars(void)
{
	const struct term ascii = { .width = 80 }, utf8 = { .utf8 = true };

	bar(&ascii, 0, 0, 0, 0, "");
	bar(&ascii, 0, 0, 100, 100, "..........");
	bar(&ascii, 100, 0, 100, 100, "##########");
	bar(&ascii, 50, 50, 100, 100, "#####=====");
	bar(&ascii, 50, 0, 50, 100, "#####");
	bar(&ascii, 1, 0, 100, 100, "#.........");
	bar(&ascii, 99, 1, 100, 100, "#########=");
	bar(&ascii, 1, 99, 100, 100, "#=========");
	bar(&ascii, 97, 0, 100, 100, "#########.");
	bar(&ascii, 1, 1, 100, 1000, "#");
	bar(&ascii, 30, 30, 100, 100, "###===....");
	bar(&ascii, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, "##########");
	bar(&ascii, 200, 200, 100, 100, "##########"); /* numbers that cannot be true: no harm */
	bar(&utf8, 50, 30, 100, 100,
	    "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88"
	    "\xe2\x96\x92\xe2\x96\x92\xe2\x96\x92\xe2\x96\x91\xe2\x96\x91");
	is(strlen(term_bar(&utf8, 1000, 1, 0, 1, 1).text), BAR_WIDTH_MAX * 3,
	   "a bar has a greatest width");
}

static char root[] = "/tmp/memhint-test-XXXXXX";

/* Writes a file below the made-up root, with the directories above it. */
static void put(const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = strchr(full + 5, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	file = fopen(full, "we");
	must(file);
	fputs(text, file);
	fclose(file);
}

static int open_dir(const char *path)
{
	char full[512];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	mkdir(full, 0700);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void test_swap(int procfd, int sysfd)
{
	struct swap swap = { .count = 7 };

	is(swap_read(procfd, sysfd, &swap), 0, "no /proc/swaps");
	is(swap.count, 0, "no swap");
	put("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	is(swap_read(procfd, sysfd, &swap), 0, "no swap area");
	is(swap.total_bytes, 0, "nothing");
	put("proc/swaps",
	    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	    "/dev/zram3                              partition\t2097148\t\t1024\t\t100\n"
	    "/swap\\040file\\134x                      file\t\t1048572\t\t0\t\t-2\n");
	put("sys/block/zram3/mm_stat", "  1048576   262144   300000  4096  310000  12  3  0  0\n");
	is(swap_read(procfd, sysfd, &swap), 0, "two areas");
	is(swap.count, 2, "two");
	is(swap.total_bytes, (2097148ull + 1048572) * 1024, "together");
	is(swap.free_bytes, swap.total_bytes - 1024 * 1024, "free");
	same(swap.areas[0].name, "/dev/zram3", "a device");
	ok(swap.areas[0].is_zram && swap.areas[0].zram_known && !swap.areas[0].is_file, "is zram");
	is(swap.areas[0].zram_original_bytes, 1048576, "stored");
	is(swap.areas[0].zram_compressed_bytes, 262144, "compressed");
	is(swap.areas[0].zram_memory_bytes, 300000, "memory");
	is(swap.areas[0].zram_limit_bytes, 4096, "limit");
	is(swap.areas[0].priority, 100, "priority");
	same(swap.areas[1].name, "/swap file\\x", "a file whose name has a blank");
	ok(swap.areas[1].is_file && !swap.areas[1].is_zram, "is a file");
	is(swap.areas[1].priority, -2, "a negative priority");
	is(swap_read(procfd, -1, &swap), 0, "without /sys");
	ok(swap.areas[0].is_zram && !swap.areas[0].zram_known, "zram, but nothing known of it");
}

static void test_machine(int procfd, int sysfd)
{
	uint64_t capabilities;
	char value[64], mount[512];
	double percent;

	is(machine_capabilities(procfd, &capabilities), -ENOENT, "no status");
	put("proc/self/status", "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n");
	is(machine_capabilities(procfd, &capabilities), 0, "capabilities");
	is(capabilities, 0x1ffffffffff, "all of them");
	put("proc/self/mountinfo", "20 1 0:5 / /proc rw,relatime - proc proc rw\n"
				   "21 1 0:5 / /jail/proc rw,relatime - proc proc rw,hidepid=2\n");
	is(machine_hidepid(procfd, value, sizeof(value)), 0, "hidepid");
	same(value, "", "is not set");
	is(machine_cgroup2(procfd, mount, sizeof(mount)), -ENOENT, "no cgroup v2");
	put("proc/self/mountinfo",
	    "20 1 0:5 / /proc rw,relatime - proc proc rw,hidepid=invisible,gid=5\n"
	    "21 1 0:6 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n");
	is(machine_hidepid(procfd, value, sizeof(value)), 0, "hidepid");
	same(value, "invisible", "is set");
	is(machine_cgroup2(procfd, mount, sizeof(mount)), 0, "cgroup v2");
	same(mount, "/sys/fs/cgroup/unified", "where it is");

	put("group/cgroup.controllers", "cpu memory_more io\n");
	snprintf(mount, sizeof(mount), "%s/group", root);
	ok(!machine_cgroup2_has(mount, "memory"), "no memory controller");
	ok(machine_cgroup2_has(mount, "io"), "but io");

	is(machine_pressure(procfd, &percent), -ENOENT, "no PSI");
	put("proc/pressure/memory",
	    "some avg10=12.50 avg60=1.00 avg300=0.00 total=5\nfull avg10=1.00\n");
	is(machine_pressure(procfd, &percent), 0, "PSI");
	is(percent * 10, 125, "12.5%%");
	is(machine_huge_pages(sysfd, value, sizeof(value)), -ENOENT, "no huge pages");
	put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	is(machine_huge_pages(sysfd, value, sizeof(value)), 0, "huge pages");
	same(value, "madvise", "the one in brackets");
	put("sys/kernel/mm/transparent_hugepage/enabled", "nonsense\n");
	is(machine_huge_pages(sysfd, value, sizeof(value)), -EIO, "text that is not understood");
	ok(machine_zram(sysfd) != MACHINE_ZRAM_READY, "no zram control");
	put("sys/class/zram-control/hot_add", "");
	is(machine_zram(sysfd), MACHINE_ZRAM_READY, "zram control");
}

int main(void)
{
	int procfd, sysfd;

	setlocale(LC_CTYPE, "C.UTF-8");
	test_json();
	test_units();
	test_bars();
	must(mkdtemp(root));
	procfd = open_dir("proc");
	sysfd = open_dir("sys");
	test_swap(procfd, sysfd);
	test_machine(procfd, sysfd);
	close(procfd);
	close(sysfd);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return done_testing();
}
