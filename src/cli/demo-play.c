/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of the demo. */
#include "cleanup.h"
#include "clock.h"
#include "demo-interrupt.h"
#include "demo-janitor.h"
#include "demo-stream.h"
#include "demo.h"
#include "log.h"
#include "swap.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define IDLE_WINDOW_MSEC 200
#define IDLE_CPU_USEC 10000 /* one clock tick of the window: what housekeeping takes */
#define IDLE_WINDOWS_MAX 100

void demo_status(struct demo *demo, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	view_update(&demo->view, text);
	if (!demo->view.is_live)
		progress_show("%s", text);
}

void demo_step(struct demo *demo, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	log_verbose("%s", text);
	demo_status(demo, "%s", text);
}

/* Explains why a program let the demo down, unless that was the user's wish. */
static int fail(const struct demo *demo, const struct member *member, const char *what, int error)
{
	const char *words = "";

	if (error == -ECANCELED || interrupt_signal())
		return -ECANCELED;
	if (error == -EPIPE || error == -ESRCH)
		what = "ended before its time";
	if (member->program)
		words = program_last_words(member->program);
	log_error("%s %s%s%s%s%s", program_command(member->kind), what,
		  error == -EPIPE || error == -ESRCH ? "" : ": ",
		  error == -EPIPE || error == -ESRCH ? "" : strerror(-error),
		  *words ? "; its last words: " : "", words);
	return -EIO;
}

bool demo_has_enough_swap(const struct demo *demo, uint64_t needed_bytes)
{
	uint64_t free_bytes;

	return demo->swap_choice == SWAP_CHOICE_AUTO && swap_read_free(&free_bytes) == 0 &&
	       free_bytes >= needed_bytes;
}

static int start_programs(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		int r = program_start(member->kind, &demo->setup, &member->program);

		if (r < 0)
			return fail(demo, member, "could not be started", r);
		r = memhint_process_open(P_PIDFD, (id_t)program_pidfd(member->program),
					 &member->process);
		if (r < 0)
			return fail(demo, member, "could not be opened", r);
		member->pid = program_pid(member->program);
		member->id = memhint_process_id(member->process);
	}
	return 0;
}

static void show_resident(struct member *member, struct view_row *row)
{
	struct memhint_process_stat stat;

	if (memhint_process_stat(member->process, &stat) == 0)
		row->resident_bytes = stat.rss_bytes;
}

static void show_loading(struct demo *demo)
{
	char text[256] = "loading data:";

	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		unsigned percent = program_loaded_percent(member->program);

		if (percent < 100)
			snprintf(demo->rows[i].holds, sizeof(demo->rows[i].holds), "loading %u%%",
				 percent);
		show_resident(member, &demo->rows[i]);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s %u%%",
			 program_command(member->kind), percent);
	}
	demo_status(demo, "%s", text);
}

/* All at the same time: this process feeds Redis while the others fill themselves. */
static int load_programs(struct demo *demo)
{
	bool loaded[PROGRAM_KINDS] = {};
	size_t left = demo->count;

	demo_step(demo, "loading data");
	while (left > 0) {
		int fds[PROGRAM_KINDS], r;
		size_t fd_count = 0;
		bool can_go_on = false;

		for (size_t i = 0; i < demo->count; i++) {
			struct member *member = &demo->members[i];

			if (loaded[i])
				continue;
			r = program_load(member->program);
			if (r < 0)
				return fail(demo, member, "could not load its data", r);
			if (r > 0) {
				loaded[i] = true;
				left--;
				snprintf(demo->rows[i].holds, sizeof(demo->rows[i].holds), "%s",
					 program_data(member->program));
				continue;
			}
			fds[fd_count] = program_load_fd(member->program);
			can_go_on |= fds[fd_count++] < 0;
		}
		show_loading(demo);
		r = stream_wait(fds, fd_count, interrupt_fd(), can_go_on || left == 0 ? 0 : 1000);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Digests, and the time of an answer when everything is in memory and in use. */
static int ask_before(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		struct view_row *row = &demo->rows[i];
		const char *answer = "";
		int r;

		demo_step(demo, "taking a digest of the data of %s", row->program);
		r = program_digest(member->program, member->digest_before);
		/* The first answer warms up, the second is the one to compare with. */
		for (int times = 0; r == 0 && times < 2; times++)
			r = program_ask(member->program, &answer, &row->answer_usec);
		if (r < 0)
			return fail(demo, member, "did not answer", r);
		snprintf(member->answer_before, sizeof(member->answer_before), "%s", answer);
		show_resident(member, row);
	}
	return 0;
}

/* Waits until none of them used the CPU for a while, garbage collectors included. */
static int wait_until_idle(struct demo *demo)
{
	demo_step(demo, "waiting until the programs are idle");
	for (int window = 0; window < IDLE_WINDOWS_MAX; window++) {
		bool idle = window > 0;
		int r;

		for (size_t i = 0; i < demo->count; i++) {
			struct member *member = &demo->members[i];
			struct memhint_process_stat stat;

			r = memhint_process_stat(member->process, &stat);
			if (r < 0)
				return fail(demo, member, "could not be looked at", r);
			if (stat.state == 'R' || stat.state == 'D' ||
			    stat.cpu_usec > member->idle_cpu_usec + IDLE_CPU_USEC)
				idle = false;
			member->idle_cpu_usec = stat.cpu_usec;
			demo->rows[i].resident_bytes = stat.rss_bytes;
		}
		if (idle)
			return 0;
		r = stream_wait(NULL, 0, interrupt_fd(), IDLE_WINDOW_MSEC);
		if (r < 0)
			return r;
	}
	log_verbose("the programs are still busy after %d s; going on",
		    IDLE_WINDOWS_MAX * IDLE_WINDOW_MSEC / 1000);
	return 0;
}

/*
 * What zram holds, and the memory that it takes for that: the demo's own device if there is one, since
 * others may come and go meanwhile; else all of them. False if no page of the demo's goes to zram.
 */
static bool zram_measure(const struct demo *demo, struct demo_zram *ret_zram)
{
	struct swap swap;
	bool known = false;

	*ret_zram = (struct demo_zram){};
	if (swap_read_system(&swap) < 0)
		return false;
	for (size_t i = 0; i < swap.count; i++)
		if (swap.areas[i].zram_known &&
		    (!demo->own_swap || strcmp(swap.areas[i].name, demo->swap_made.path) == 0)) {
			ret_zram->held_bytes += swap.areas[i].zram_original_bytes;
			ret_zram->memory_bytes += swap.areas[i].zram_memory_bytes;
			known = true;
		}
	return known;
}

/* As late as possible: other programs page out, too, as soon as there is swap. */
static int provide_swap(struct demo *demo)
{
	uint64_t needed = 64 << 20;
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < demo->count; i++)
		needed += demo->rows[i].resident_bytes + demo->rows[i].resident_bytes / 4;
	if (demo_has_enough_swap(demo, needed)) {
		demo_step(demo, "using the swap that this machine has");
	} else {
		demo_step(demo, "making %s of swap", unit_bytes(needed).text);
		if (demo->swap_choice != SWAP_CHOICE_FILE)
			r = janitor_make_swap(demo->janitor, SWAP_ZRAM, needed, &demo->own_swap);
		if (r < 0 && demo->swap_choice == SWAP_CHOICE_AUTO)
			log_verbose("no zram device (%s), so a swap file", strerror(-r));
		if (r < 0 && demo->swap_choice != SWAP_CHOICE_ZRAM)
			r = janitor_make_swap(demo->janitor, SWAP_FILE, needed, &demo->own_swap);
		if (r < 0) {
			log_error(
				"%s of swap could not be made in %s: %s%s", unit_bytes(needed).text,
				demo->swap_choice == SWAP_CHOICE_ZRAM ? "zram" : demo->setup.folder,
				strerror(-r),
				demo->swap_choice == SWAP_CHOICE_ZRAM
					? ""
					: "; TMPDIR may name a folder on a disk with more room");
			return -EIO;
		}
		demo->swap_made = *demo->own_swap;
		log_verbose("made swap %s", demo->swap_made.path);
	}
	demo->zram_known = zram_measure(demo, &demo->zram_before);
	return interrupt_signal() ? -ECANCELED : 0;
}

/* For the progress callback. */
struct paging {
	struct demo *demo;
	struct member *member;
	struct view_row *row;
	uint64_t swap_before_bytes;
	uint64_t start_usec;
};

static int measure(struct paging *paging)
{
	struct memhint_process_stat stat;
	int r = memhint_process_stat(paging->member->process, &stat);

	if (r < 0)
		return r;
	paging->row->has_after = true;
	paging->row->after_bytes = stat.rss_bytes;
	paging->row->swap_bytes = stat.swap_bytes > paging->swap_before_bytes
					  ? stat.swap_bytes - paging->swap_before_bytes
					  : 0;
	return 0;
}

static int on_progress(const struct memhint_progress *progress, void *userdata)
{
	struct paging *paging = userdata;

	measure(paging);
	paging->row->usec = progress->elapsed_usec;
	demo_status(paging->demo, "paging out %s: %" PRIu64 "%%", paging->row->program,
		    progress->total_bytes ? progress->done_bytes * 100 / progress->total_bytes
					  : 100);
	return interrupt_signal() != 0;
}

DEFINE_CLEANUP(struct memhint_map *, memhint_map_close)
DEFINE_CLEANUP(struct memhint_ranges *, memhint_ranges_free)

static int page_out(struct demo *demo, struct member *member, struct view_row *row)
{
	struct paging paging = { .demo = demo, .member = member, .row = row };
	_cleanup_(memhint_ranges_freep) struct memhint_ranges *ranges = NULL;
	_cleanup_(memhint_map_closep) struct memhint_map *map = NULL;
	struct memhint_advise_options options = {
		.size = sizeof(options),
		.flags = MEMHINT_ADVISE_MEASURE,
		.cancel = interrupt_flag(),
		.progress = on_progress,
		.userdata = &paging,
	};
	struct memhint_process_stat stat;
	uint64_t start;
	int r;

	demo_step(demo, "paging out %s", row->program);
	r = memhint_process_stat(member->process, &stat);
	if (r < 0)
		return r;
	row->resident_bytes = stat.rss_bytes;
	paging.swap_before_bytes = stat.swap_bytes;
	start = clock_usec();
	r = memhint_map_open(member->process, NULL, &map);
	if (r == 0)
		r = memhint_select(member->process, map, NULL, MADV_PAGEOUT, &ranges);
	if (r < 0)
		return r;
	options.map = map;
	r = memhint_advise(member->process, ranges, MADV_PAGEOUT, &options, &member->result);
	if (r < 0)
		return r;
	row->usec = clock_usec() - start;
	return measure(&paging);
}

/*
 * Whether the two measurements stand for what was paged out: not when a device has gone, nor when other
 * swap of the same priority took a part.
 */
static bool zram_tells(const struct demo *demo, uint64_t swap_bytes)
{
	return demo->zram_after.memory_bytes >= demo->zram_before.memory_bytes &&
	       demo->zram_after.held_bytes >= demo->zram_before.held_bytes + swap_bytes / 10 * 9;
}

static int page_out_all(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		int r = page_out(demo, &demo->members[i], &demo->rows[i]);

		if (r < 0)
			return fail(demo, &demo->members[i], "could not be paged out", r);
	}
	demo->zram_known = demo->zram_known && zram_measure(demo, &demo->zram_after) &&
			   zram_tells(demo, demo_totals(demo).swap_bytes);
	if (demo_totals(demo).swap_bytes == 0) {
		log_error(
			"the kernel paged nothing out, though there is swap; does a cgroup forbid it?");
		return -EIO;
	}
	return 0;
}

/* The first answers, then the digests, which bring everything back. */
static int ask_after(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		const char *answer = "";
		int r;

		demo_step(demo, "asking %s", demo->rows[i].program);
		r = program_ask(member->program, &answer, &demo->rows[i].first_usec);
		if (r < 0)
			return fail(demo, member, "did not answer", r);
		snprintf(member->answer_after, sizeof(member->answer_after), "%s", answer);
	}
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		int r;

		demo_step(demo, "comparing the data of %s with the digest", demo->rows[i].program);
		r = program_digest(member->program, member->digest_after);
		if (r < 0)
			return fail(demo, member, "did not answer", r);
		if (strcmp(member->digest_before, member->digest_after) == 0 &&
		    strcmp(member->answer_before, member->answer_after) == 0)
			demo->rows[i].data = VIEW_DATA_INTACT;
		else
			demo->rows[i].data = VIEW_DATA_LOST;
	}
	return 0;
}

int demo_play(struct demo *demo)
{
	int r = janitor_make_folder(demo->janitor, &demo->setup.folder);

	if (r < 0) {
		log_error("a temporary folder could not be made: %s; is TMPDIR right?",
			  strerror(-r));
		return r;
	}
	r = start_programs(demo);
	if (r == 0)
		r = load_programs(demo);
	if (r == 0)
		r = ask_before(demo);
	if (r == 0)
		r = wait_until_idle(demo);
	if (r == 0)
		r = provide_swap(demo);
	if (r == 0)
		r = page_out_all(demo);
	if (r == 0)
		r = ask_after(demo);
	return r;
}
