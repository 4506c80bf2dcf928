/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cookie.h"

#include "bpf-door.h"
#include "cleanup.h"
#include "clock.h"
#include "fd.h"
#include "map-read.h"
#include "process-internal.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The two bits at the top say the kind; both or none is no cookie. */
#define KIND_SHIFT 62
#define KIND_EXACT 1ull
#define KIND_FINGERPRINT 2ull
#define MIX_MASK ((1ull << KIND_SHIFT) - 1)

/* How often a state that is just changing is read again at once, and then after a pause: 2 ms in all. */
#define QUICK_TRIES 20
#define SLOW_TRIES 20
#define SLOW_PAUSE_USEC 100

/* How often the text is begun again, because exec took away the memory that it was about. */
#define TEXT_TRIES 3

struct cookie_keep {
	const struct bpf_room *room;
	struct bpf_room_watch *watch;
	bool no_watch; /* it was tried, and one handle gives one kind */
	int marks_fd;
	struct maps_buffer buffer;
};

void cookie_keep_free(struct cookie_keep *keep)
{
	if (!keep)
		return;
	if (keep->watch)
		keep->room->watch_close(keep->watch);
	closep(&keep->marks_fd);
	maps_buffer_done(&keep->buffer);
	free(keep);
}

static int keep_get(struct memhint_process *process, struct cookie_keep **ret_keep)
{
	struct cookie_keep **keep = process_cookie_keep(process);

	if (!*keep) {
		*keep = malloc(sizeof(**keep));
		if (!*keep)
			return -ENOMEM;
		**keep = (struct cookie_keep){ .marks_fd = -1 };
	}
	*ret_keep = *keep;
	return 0;
}

/* Stirs all bits of a number into all others. */
static uint64_t stir(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t cookie_mix(enum memhint_cookie_kind kind, uint64_t boot, uint64_t key,
		    const uint64_t *numbers, size_t count)
{
	uint64_t bits = kind == MEMHINT_COOKIE_EXACT ? KIND_EXACT : KIND_FINGERPRINT;
	uint64_t mix = stir(stir(boot) + key);

	for (size_t i = 0; i < count; i++)
		mix = stir(mix + numbers[i]) + i;
	return bits << KIND_SHIFT | (mix & MIX_MASK);
}

/* Source: random(4). */
int cookie_boot(uint64_t *ret_boot)
{
	static _Atomic uint64_t known;
	char text[64];
	uint64_t boot = known;
	ssize_t n;

	if (!boot) {
		n = fd_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text,
				    sizeof(text));
		/* Where /proc shows processes only (subset=pid), one boot looks like another. */
		if (n == -ENOENT || n == -EACCES || n == -EPERM)
			n = 0;
		if (n < 0)
			return (int)n;
		boot = maps_fingerprint(0, text, (size_t)n) | 1;
		known = boot;
	}
	*ret_boot = boot;
	return 0;
}

/* Once it has been read it cannot fail. */
static uint64_t mix_here(enum memhint_cookie_kind kind, const struct memhint_process *process,
			 const uint64_t *numbers, size_t count)
{
	uint64_t boot;

	if (cookie_boot(&boot) < 0)
		return 0;
	return cookie_mix(kind, boot, process_key(process), numbers, count);
}

uint64_t cookie_of_space(const struct memhint_process *process, const struct bpf_room_space *space)
{
	const uint64_t numbers[] = { space->exec_id, space->generation };

	if (!space->exec_id || !space->generation)
		return 0;
	return mix_here(MEMHINT_COOKIE_EXACT, process, numbers, 2);
}

uint64_t cookie_of_text(const struct memhint_process *process, const struct exec_marks *marks,
			uint64_t fingerprint)
{
	const uint64_t numbers[] = { marks->start_code, marks->start_stack, marks->env_start,
				     fingerprint };

	return mix_here(MEMHINT_COOKIE_FINGERPRINT, process, numbers, 4);
}

/*
 * Names a moment within a change, and so no state that is or will be: equal to no other cookie. An error
 * would be of no use to anybody, as the moment has passed when he reads of it.
 */
static uint64_t cookie_of_no_state(const struct memhint_process *process)
{
	static _Atomic uint64_t count;
	/* What is known of a space has bit 63 set, the time has not. */
	const uint64_t numbers[] = { clock_nsec(), count++, (uint64_t)getpid() };

	return mix_here(MEMHINT_COOKIE_EXACT, process, numbers, 3);
}

/* Whether a failure says nothing about what works here. */
static bool error_may_pass(int r)
{
	switch (-r) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
	case EINTR:
		return true;
	}
	return false;
}

/* 0, -EOPNOTSUPP exact cookies do not work here, or another negative errno. */
static int keep_watch(struct memhint_process *process, struct cookie_keep *keep)
{
	const struct bpf_room_target target = bpf_door_target(process);
	enum bpf_room_way way = BPF_ROOM_RUN;
	const struct bpf_room *room;
	int r;

	if (keep->watch)
		return 0;
	if (keep->no_watch)
		return -EOPNOTSUPP;
	r = bpf_door_open(&room);
	if (r == 0) {
		r = room->watch_load(way);
		if (r < 0 && !error_may_pass(r)) {
			way = BPF_ROOM_SEQ;
			r = room->watch_load(way);
		}
	}
	if (r < 0)
		r = error_may_pass(r) ? r : -EOPNOTSUPP;
	else
		r = room->watch_open(way, &target, &keep->watch);
	if (r == -EPERM) /* of bpf(2); that of ptrace is -EACCES */
		r = -EOPNOTSUPP;
	keep->no_watch = r == -EOPNOTSUPP;
	if (r == 0)
		keep->room = room;
	return r;
}

/* -EAGAIN its mappings are being changed just now. */
static int read_exact(struct memhint_process *process, struct cookie_keep *keep,
		      uint64_t *ret_cookie)
{
	struct bpf_room_space space;
	uint64_t cookie;
	int r = keep->room->watch_read(keep->watch, &space);

	if (r < 0)
		return r;
	cookie = cookie_of_space(process, &space);
	if (!cookie)
		return -EOPNOTSUPP;
	*ret_cookie = cookie;
	return 0;
}

static int read_exact_patiently(struct memhint_process *process, struct cookie_keep *keep,
				uint64_t *ret_cookie)
{
	for (int i = 0; i < QUICK_TRIES + SLOW_TRIES; i++) {
		int r;

		if (i >= QUICK_TRIES)
			clock_pause(SLOW_PAUSE_USEC);
		r = read_exact(process, keep, ret_cookie);
		if (r != -EAGAIN)
			return r;
	}
	*ret_cookie = cookie_of_no_state(process);
	return 0;
}

static int read_fingerprint(struct memhint_process *process, struct cookie_keep *keep,
			    uint64_t *ret_cookie)
{
	struct exec_marks marks;
	uint64_t fingerprint;
	int r;

	if (keep->marks_fd < 0) {
		int fd = exec_marks_open(process);

		if (fd < 0)
			return fd;
		keep->marks_fd = fd;
	}
	for (int i = 0; i < TEXT_TRIES; i++) {
		r = exec_marks_read(keep->marks_fd, &marks);
		if (r < 0)
			return r;
		r = map_read_fingerprint(process, &keep->buffer, &fingerprint);
		if (r != -ESRCH || !memhint_process_is_alive(process))
			break;
	}
	if (r == 0)
		*ret_cookie = cookie_of_text(process, &marks, fingerprint);
	return r;
}

/* What is needed for one kind: 0 or a negative errno. */
static int prepare(struct memhint_process *process, enum memhint_cookie_kind kind,
		   struct cookie_keep **ret_keep)
{
	uint64_t boot;
	int r = cookie_boot(&boot);

	if (r == 0)
		r = keep_get(process, ret_keep);
	if (r == 0 && kind == MEMHINT_COOKIE_EXACT)
		r = keep_watch(process, *ret_keep);
	return r;
}

int cookie_read(struct memhint_process *process, enum memhint_cookie_kind kind,
		uint64_t *ret_cookie)
{
	struct cookie_keep *keep = NULL;
	int r;

	if (kind == MEMHINT_COOKIE_INVALID)
		return -EINVAL;
	r = prepare(process, kind, &keep);
	if (r < 0)
		return r;
	return kind == MEMHINT_COOKIE_EXACT ? read_exact_patiently(process, keep, ret_cookie)
					    : read_fingerprint(process, keep, ret_cookie);
}

enum memhint_cookie_kind memhint_cookie_kind(uint64_t cookie)
{
	switch (cookie >> KIND_SHIFT) {
	case KIND_EXACT:
		return MEMHINT_COOKIE_EXACT;
	case KIND_FINGERPRINT:
		return MEMHINT_COOKIE_FINGERPRINT;
	}
	return MEMHINT_COOKIE_INVALID;
}

const char *memhint_cookie_kind_name(enum memhint_cookie_kind kind)
{
	static const char *const names[] = { "invalid", "exact", "fingerprint" };

	return (unsigned int)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

int memhint_process_cookie(struct memhint_process *process, uint64_t *ret_cookie)
{
	int r = cookie_read(process, MEMHINT_COOKIE_EXACT, ret_cookie);

	return r == -EOPNOTSUPP ? cookie_read(process, MEMHINT_COOKIE_FINGERPRINT, ret_cookie) : r;
}

int memhint_cookie_check(struct memhint_process *process, uint64_t cookie)
{
	enum memhint_cookie_kind kind = memhint_cookie_kind(cookie);
	struct cookie_keep *keep = NULL;
	uint64_t now;
	int r;

	if (kind == MEMHINT_COOKIE_INVALID)
		return -EINVAL;
	r = prepare(process, kind, &keep);
	if (r < 0)
		return r;
	if (kind == MEMHINT_COOKIE_FINGERPRINT)
		r = read_fingerprint(process, keep, &now);
	else
		r = read_exact(process, keep, &now);
	if (r == -EAGAIN) /* what it becomes will be none of the states that were */
		return -ESTALE;
	if (r < 0)
		return r;
	return now == cookie ? 0 : -ESTALE;
}
