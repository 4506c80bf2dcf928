/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a cookie when the BPF room fails, or says less than on the newest kernels. The room is
 * a false one in front of the real one.
 */
#include "bpf-door.h"
#include "btf.h"
#include "child.h"
#include "cookie.h"
#include "tap.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096ull

static struct fake {
	int door, load_run, load_seq, open, read; /* what to fail with */
	bool counts_nothing;			  /* as kernels before 6.4 */
	int opened[BPF_ROOM_WAYS];
} fake;

static const struct bpf_room *real;

int __real_bpf_door_open(const struct bpf_room **ret_room);
int __wrap_bpf_door_open(const struct bpf_room **ret_room);
int __wrap_bpf_door_load(enum bpf_room_way way, const struct bpf_room **ret_room);

static void count_nothing(struct bpf_room_space *space)
{
	if (fake.counts_nothing)
		space->generation = 0;
}

static int fake_read(enum bpf_room_way way, const struct bpf_room_target *target, uint64_t start,
		     uint32_t limit, int (*sink)(const struct bpf_room_vma *vma, void *userdata),
		     void *userdata, struct bpf_room_space *ret_space)
{
	int r = real->read(way, target, start, limit, sink, userdata, ret_space);

	if (r == 0)
		count_nothing(ret_space);
	return r;
}

static int fake_watch_load(enum bpf_room_way way)
{
	int r = way == BPF_ROOM_RUN ? fake.load_run : fake.load_seq;

	return r < 0 ? r : real->watch_load(way);
}

static int fake_watch_open(enum bpf_room_way way, const struct bpf_room_target *target,
			   struct bpf_room_watch **ret_watch)
{
	if (fake.open < 0)
		return fake.open;
	fake.opened[way]++;
	return real->watch_open(way, target, ret_watch);
}

static int fake_watch_read(struct bpf_room_watch *watch, struct bpf_room_space *ret_space)
{
	int r = fake.read < 0 ? fake.read : real->watch_read(watch, ret_space);

	if (r == 0)
		count_nothing(ret_space);
	return r;
}

static void fake_watch_close(struct bpf_room_watch *watch)
{
	real->watch_close(watch);
}

static int fake_load(enum bpf_room_way way)
{
	return real->load(way);
}

int __wrap_bpf_door_open(const struct bpf_room **ret_room)
{
	static const struct bpf_room room = {
		.abi = BPF_ROOM_ABI,
		.load = fake_load,
		.read = fake_read,
		.watch_load = fake_watch_load,
		.watch_open = fake_watch_open,
		.watch_read = fake_watch_read,
		.watch_close = fake_watch_close,
	};
	int r = fake.door < 0 ? fake.door : __real_bpf_door_open(&real);

	if (r == 0)
		*ret_room = &room;
	return r;
}

int __wrap_bpf_door_load(enum bpf_room_way way, const struct bpf_room **ret_room)
{
	int r = __wrap_bpf_door_open(ret_room);

	return r < 0 ? r : fake_load(way);
}

static struct memhint_process *process;
static struct child child;

/* With a handle of its own: what has been opened stays. */
static void check(struct fake how, int want, enum memhint_cookie_kind kind, const char *what)
{
	uint64_t cookie = 5;

	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	fake = how;
	is(memhint_process_cookie(process, &cookie), want, "%s", what);
	if (want == 0)
		is(memhint_cookie_kind(cookie), kind, "which is %s",
		   memhint_cookie_kind_name(kind));
	else
		is(cookie, 5, "and nothing else");
	memhint_process_close(process);
	fake = (struct fake){};
}

static void test_errors(void)
{
	static const int passing[] = { -EMFILE, -ENFILE, -ENOMEM, -EINTR };
	static const int lasting[] = { -EPERM, -EACCES, -EOPNOTSUPP, -EINVAL, -ENOENT };

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		int e = passing[i];

		check((struct fake){ .door = e }, e, 0, "no room for now");
		check((struct fake){ .load_run = e }, e, 0, "the program does not load for now");
		check((struct fake){ .load_run = -EINVAL, .load_seq = e }, e, 0,
		      "the other does not");
		check((struct fake){ .open = e }, e, 0, "the target cannot be watched for now");
		check((struct fake){ .read = e }, e, 0, "it cannot be read for now");
	}
	for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {
		int e = lasting[i];

		check((struct fake){ .load_run = e, .load_seq = e }, 0, MEMHINT_COOKIE_FINGERPRINT,
		      "neither program loads");
		check((struct fake){ .load_run = e }, 0, MEMHINT_COOKIE_EXACT, "one of them does");
	}
	check((struct fake){ .door = -ENOENT }, 0, MEMHINT_COOKIE_FINGERPRINT, "no room");
	check((struct fake){ .door = -EPROTO }, 0, MEMHINT_COOKIE_FINGERPRINT, "another room");
	check((struct fake){ .open = -EPERM }, 0, MEMHINT_COOKIE_FINGERPRINT,
	      "bpf(2) is forbidden");
	check((struct fake){ .open = -EOPNOTSUPP }, 0, MEMHINT_COOKIE_FINGERPRINT, "not from here");
	check((struct fake){ .read = -EOPNOTSUPP }, 0, MEMHINT_COOKIE_FINGERPRINT, "not any more");
	check((struct fake){ .open = -EACCES }, -EACCES, 0, "no right to look");
	check((struct fake){ .read = -EACCES }, -EACCES, 0, "no right any more");
	check((struct fake){ .open = -ESRCH }, -ESRCH, 0, "it has ended");
}

/* A target that is never met outside of a change. */
static void test_always_changing(void)
{
	uint64_t quiet, first, second;

	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(memhint_process_cookie(process, &quiet) == 0);
	fake.read = -EAGAIN;
	is(memhint_process_cookie(process, &first), 0, "within a change there is a cookie");
	is(memhint_process_cookie(process, &second), 0, "and another");
	is(memhint_cookie_kind(first), MEMHINT_COOKIE_EXACT, "both exact");
	ok(first != second && first != quiet && second != quiet, "equal to no other");
	is(memhint_cookie_check(process, quiet), -ESTALE, "what was before is not now");
	is(memhint_cookie_check(process, first), -ESTALE, "nor is what was then");
	fake.read = 0;
	is(memhint_cookie_check(process, first), -ESTALE, "nor when it is over");
	is(memhint_cookie_check(process, quiet), 0, "though the state before it may be back");
	memhint_process_close(process);
}

/* Rights that come later are for handles that are opened later. */
static void test_one_kind(void)
{
	uint64_t cookie, exact;

	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(cookie_read(process, MEMHINT_COOKIE_EXACT, &exact) == 0);
	memhint_process_close(process);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	fake = (struct fake){ .load_run = -EPERM, .load_seq = -EPERM };
	must(memhint_process_cookie(process, &cookie) == 0);
	fake = (struct fake){};
	must(memhint_process_cookie(process, &cookie) == 0);
	is(memhint_cookie_kind(cookie), MEMHINT_COOKIE_FINGERPRINT, "a handle gives one kind");
	is(memhint_cookie_check(process, exact), -EOPNOTSUPP, "and has no other to compare");
	memhint_process_close(process);
}

static void test_both_ways(void)
{
	uint64_t run, seq;

	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	fake = (struct fake){ .load_run = -EINVAL };
	must(memhint_process_cookie(process, &seq) == 0);
	is(fake.opened[BPF_ROOM_SEQ], 1, "read by the older way");
	memhint_process_close(process);
	fake = (struct fake){};
	if (real->watch_load(BPF_ROOM_RUN) < 0) {
		skip_one("the newer way", "this kernel does not have it");
		return;
	}
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	must(memhint_process_cookie(process, &run) == 0);
	is(fake.opened[BPF_ROOM_RUN], 1, "and by the newer");
	ok(run == seq, "the same cookie");
	is(memhint_process_cookie(process, &run), 0, "read again");
	is(fake.opened[BPF_ROOM_RUN], 1, "by what was kept");
	memhint_process_close(process);
}

static long map_page(int what, struct child_shared *shared)
{
	return mmap(NULL, P, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

/* BPF shows the mappings, but the kernel does not count changes. */
static void test_not_counted(void)
{
	static const enum memhint_reader readers[] = { MEMHINT_READER_BPF, MEMHINT_READER_BPF_SEQ };
	uint64_t cookie;

	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	fake = (struct fake){ .counts_nothing = true,
			      .load_run = -EOPNOTSUPP,
			      .load_seq = -EOPNOTSUPP };
	must(memhint_process_cookie(process, &cookie) == 0);
	is(memhint_cookie_kind(cookie), MEMHINT_COOKIE_FINGERPRINT, "not counted: a fingerprint");
	for (size_t i = 0; i < 2; i++) {
		const struct memhint_map_options options = { .size = sizeof(options),
							     .reader = readers[i] };
		const char *name = memhint_reader_name(readers[i]);
		struct memhint_map *map;
		int r = memhint_map_open(process, &options, &map);

		if (r == -EOPNOTSUPP) {
			skip_one(name, "this reader does not work here");
			continue;
		}
		must(r == 0);
		must(memhint_process_cookie(process, &cookie) == 0);
		ok(memhint_map_reader(map) == readers[i] && memhint_map_cookie(map) == cookie,
		   "%s: the same fingerprint", name);
		must(child_tell(&child, 0) == 0);
		is(memhint_cookie_check(process, memhint_map_cookie(map)), -ESTALE,
		   "%s: which sees a change", name);
		memhint_map_close(map);
	}
	memhint_process_close(process);
	fake = (struct fake){};
}

int main(void)
{
	const char *lack;

	if (geteuid() != 0)
		skip_all("needs root");
	lack = exact_cookies_lack();
	if (lack)
		skip_all(lack);
	child_start(&child, NULL, map_page);
	test_errors();
	test_always_changing();
	test_one_kind();
	test_both_ways();
	test_not_counted();
	child_end(&child);
	return done_testing();
}
