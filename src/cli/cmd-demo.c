/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint demo: real programs shrink, lose nothing, and answer again. */
#include "cleanup.h"
#include "demo-janitor.h"
#include "demo-program.h"
#include "demo-stream.h"
#include "demo-view.h"
#include "json.h"
#include "log.h"
#include "options.h"
#include "parse.h"
#include "swap-device.h"
#include "swap.h"
#include "units.h"
#include "verb.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_KEYS 1000000
#define DEFAULT_MEGABYTES 300
#define KEYS_MIN 1000
#define KEYS_MAX 99999999
#define MEGABYTES_MIN 50		/* an interpreter alone has most of that */
#define MEGABYTES_MAX (1 << 20)

#define IDLE_WINDOW_MSEC 200
#define IDLE_CPU_USEC 10000		/* one clock tick of the window: what housekeeping takes */
#define IDLE_WINDOWS_MAX 100

enum {
	OPTION_KEYS = OPTION_OWN,
	OPTION_MEGABYTES,
	OPTION_SWAP,
};

enum swap_choice {
	SWAP_CHOICE_AUTO,		/* what there is, else a zram device, else a file */
	SWAP_CHOICE_ZRAM,
	SWAP_CHOICE_FILE,
};

/* One program, and what was found out about it. */
struct member {
	enum program_kind kind;
	struct program *program;
	struct memhint_process *process;
	uint64_t id;			/* its unique id */
	uint64_t idle_cpu_usec;		/* CPU time at the beginning of the window */
	char digest_before[PROGRAM_DIGEST_MAX];
	char digest_after[PROGRAM_DIGEST_MAX];
	char answer_before[32];
	char answer_after[32];
	struct memhint_result result;
};

struct demo {
	uint64_t keys;
	uint64_t megabytes;
	enum swap_choice swap_choice;
	bool json;

	size_t count;
	struct member members[PROGRAM_KINDS];
	struct view_row rows[PROGRAM_KINDS];
	struct view view;
	struct program_setup setup;
	struct janitor *janitor;
	const struct swap_device *own_swap; /* the janitor's; NULL when there was enough */
	struct swap_device swap_made;	/* a copy that outlives the janitor */
	bool zram_known;
	uint64_t zram_before_bytes;
	uint64_t zram_after_bytes;
	uint64_t start_usec;
	uint64_t elapsed_usec;
};

static struct interrupt {
	volatile int signal;
	int pipe[2];			/* readable from the first signal on */
} interrupt = { .pipe = { -1, -1 } };

static void on_signal(int signal)
{
	int saved = errno;

	interrupt.signal = signal;
	if (write(interrupt.pipe[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

static int interrupt_init(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	if (pipe2(interrupt.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction action = { .sa_handler = on_signal }, old;

		/* nohup and the like wish it to be ignored. */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	return 0;
}

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Says what is being done, in the way that suits where it is said. */
__attribute__((format(printf, 2, 3))) static void status(struct demo *demo, const char *format, ...)
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

/* A step begins: the same, and a line of its own with --verbose. */
__attribute__((format(printf, 2, 3))) static void step(struct demo *demo, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	log_verbose("%s", text);
	status(demo, "%s", text);
}

/* Explains why a program let the demo down, unless that was the user's wish. */
static int fail(const struct demo *demo, const struct member *member, const char *what, int error)
{
	const char *words = "";

	if (error == -ECANCELED || interrupt.signal)
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

static uint64_t available_bytes(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/meminfo", "re");
	char line[256];
	uint64_t kib;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			return kib << 10;
	return UINT64_MAX;
}

/* What the programs are going to hold, roughly; above rather than below. */
static uint64_t expected_bytes(const struct demo *demo)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < demo->count; i++)
		sum += demo->members[i].kind == PROGRAM_REDIS ? demo->keys * 260 + (20 << 20) :
								((demo->megabytes * 3 / 2) << 20) + (64 << 20);
	return sum;
}

/* Fills in which programs there are, and says which are missing. */
static int find_programs(struct demo *demo)
{
	char missing[256] = "", packages[256] = "";

	for (enum program_kind kind = 0; kind < PROGRAM_KINDS; kind++) {
		if (program_is_installed(kind)) {
			demo->rows[demo->count].program = program_command(kind);
			demo->members[demo->count++].kind = kind;
			continue;
		}
		snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), "%s%s",
			 *missing ? ", " : "", program_command(kind));
		snprintf(packages + strlen(packages), sizeof(packages) - strlen(packages), " %s",
			 program_package(kind));
	}
	if (demo->count == 0) {
		log_error("none of %s is in PATH, and the demo needs at least one; install them: "
			  "apt install%s", missing, packages);
		return EXIT_FAILURE;
	}
	if (*missing)
		log_warning("not in PATH, so the demo goes on without: %s; to have all: apt install%s",
			    missing, packages);
	return 0;
}

static bool has_enough_swap(const struct demo *demo, uint64_t needed_bytes)
{
	uint64_t free_bytes;

	return demo->swap_choice == SWAP_CHOICE_AUTO && swap_read_free(&free_bytes) == 0 &&
	       free_bytes >= needed_bytes;
}

/* Whether all this can work: 0, or an exit status after a sentence. Nothing has been started yet. */
static int check(struct demo *demo)
{
	uint64_t needed = expected_bytes(demo);
	int r = memhint_probe(MEMHINT_FEATURE_REMOTE_PAGEOUT);

	if (r == -EPERM || r == -EACCES) {
		log_error("paging out other processes needs the capability CAP_SYS_NICE; run this as root");
		return EXIT_PERMISSION;
	}
	if (r < 0) {
		log_error("this kernel does not page out other processes (%s); Linux 5.10 or newer does",
			  memhint_error_name(r));
		return EXIT_UNSUPPORTED;
	}
	if (!has_enough_swap(demo, needed) && swap_permission() < 0) {
		log_error("making swap for the demo needs the capability CAP_SYS_ADMIN; run this as root, "
			  "or have %s of swap free", unit_bytes(needed).text);
		return EXIT_PERMISSION;
	}
	if (available_bytes() < needed + needed / 2) {
		log_error("the programs and their swap take up to %s of memory, and %s is available; "
			  "make them smaller by --keys and --megabytes",
			  unit_bytes(needed + needed / 2).text, unit_bytes(available_bytes()).text);
		return EXIT_FAILURE;
	}
	return 0;
}

static int start_programs(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		int r = program_start(member->kind, &demo->setup, &member->program);

		if (r < 0)
			return fail(demo, member, "could not be started", r);
		r = memhint_process_open(P_PIDFD, (id_t)program_pidfd(member->program), &member->process);
		if (r < 0)
			return fail(demo, member, "could not be opened", r);
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
			snprintf(demo->rows[i].holds, sizeof(demo->rows[i].holds), "loading %u%%", percent);
		show_resident(member, &demo->rows[i]);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s %u%%",
			 program_command(member->kind), percent);
	}
	status(demo, "%s", text);
}

/* All at the same time: this process feeds Redis while the others fill themselves. */
static int load_programs(struct demo *demo)
{
	bool loaded[PROGRAM_KINDS] = {};
	size_t left = demo->count;

	step(demo, "loading data");
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
		r = stream_wait(fds, fd_count, interrupt.pipe[0], can_go_on || left == 0 ? 0 : 1000);
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
		const char *answer;
		int r;

		step(demo, "taking a digest of the data of %s", row->program);
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
	step(demo, "waiting until the programs are idle");
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
		r = stream_wait(NULL, 0, interrupt.pipe[0], IDLE_WINDOW_MSEC);
		if (r < 0)
			return r;
	}
	log_verbose("the programs are still busy after %d s; going on", IDLE_WINDOWS_MAX * IDLE_WINDOW_MSEC / 1000);
	return 0;
}

/* The memory that zram takes for all its swapped pages; false if there is no zram. */
static bool zram_memory(uint64_t *ret_bytes)
{
	struct swap swap;
	bool known = false;

	*ret_bytes = 0;
	if (swap_read_system(&swap) < 0)
		return false;
	for (size_t i = 0; i < swap.count; i++)
		if (swap.areas[i].zram_known) {
			*ret_bytes += swap.areas[i].zram_memory_bytes;
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
	if (has_enough_swap(demo, needed)) {
		step(demo, "using the swap that this machine has");
	} else {
		step(demo, "making %s of swap", unit_bytes(needed).text);
		if (demo->swap_choice != SWAP_CHOICE_FILE)
			r = janitor_make_swap(demo->janitor, SWAP_ZRAM, needed, &demo->own_swap);
		if (r < 0 && demo->swap_choice == SWAP_CHOICE_AUTO)
			log_verbose("no zram device (%s), so a swap file", strerror(-r));
		if (r < 0 && demo->swap_choice != SWAP_CHOICE_ZRAM)
			r = janitor_make_swap(demo->janitor, SWAP_FILE, needed, &demo->own_swap);
		if (r < 0) {
			log_error("%s of swap could not be made in %s: %s", unit_bytes(needed).text,
				  demo->swap_choice == SWAP_CHOICE_ZRAM ? "zram" : demo->setup.folder,
				  strerror(-r));
			return -EIO;
		}
		demo->swap_made = *demo->own_swap;
		log_verbose("made swap %s", demo->swap_made.path);
	}
	demo->zram_known = zram_memory(&demo->zram_before_bytes);
	return interrupt.signal ? -ECANCELED : 0;
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
	paging->row->swap_bytes =
		stat.swap_bytes > paging->swap_before_bytes ? stat.swap_bytes - paging->swap_before_bytes : 0;
	return 0;
}

static int on_progress(const struct memhint_progress *progress, void *userdata)
{
	struct paging *paging = userdata;

	measure(paging);
	paging->row->usec = progress->elapsed_usec;
	status(paging->demo, "paging out %s: %" PRIu64 "%%", paging->row->program,
	       progress->total_bytes ? progress->done_bytes * 100 / progress->total_bytes : 100);
	return interrupt.signal != 0;
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
		.cancel = &interrupt.signal,
		.progress = on_progress,
		.userdata = &paging,
	};
	struct memhint_process_stat stat;
	uint64_t start;
	int r;

	step(demo, "paging out %s", row->program);
	r = memhint_process_stat(member->process, &stat);
	if (r < 0)
		return r;
	row->resident_bytes = stat.rss_bytes;
	paging.swap_before_bytes = stat.swap_bytes;
	start = now_usec();
	r = memhint_map_open(member->process, NULL, &map);
	if (r == 0)
		r = memhint_select(member->process, map, NULL, MADV_PAGEOUT, &ranges);
	if (r < 0)
		return r;
	options.map = map;
	r = memhint_advise(member->process, ranges, MADV_PAGEOUT, &options, &member->result);
	if (r < 0)
		return r;
	row->usec = now_usec() - start;
	return measure(&paging);
}

static int page_out_all(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		int r = page_out(demo, &demo->members[i], &demo->rows[i]);

		if (r < 0)
			return fail(demo, &demo->members[i], "could not be paged out", r);
	}
	if (demo->zram_known)
		zram_memory(&demo->zram_after_bytes);
	return 0;
}

/* The first answers, then the digests, which bring everything back. */
static int ask_after(struct demo *demo)
{
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		const char *answer;
		int r;

		step(demo, "asking %s", demo->rows[i].program);
		r = program_ask(member->program, &answer, &demo->rows[i].first_usec);
		if (r < 0)
			return fail(demo, member, "did not answer", r);
		snprintf(member->answer_after, sizeof(member->answer_after), "%s", answer);
	}
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];
		int r;

		step(demo, "comparing the data of %s with the digest", demo->rows[i].program);
		r = program_digest(member->program, member->digest_after);
		if (r < 0)
			return fail(demo, member, "did not answer", r);
		demo->rows[i].data = strcmp(member->digest_before, member->digest_after) == 0 &&
						     strcmp(member->answer_before, member->answer_after) == 0 ?
					     VIEW_DATA_INTACT :
					     VIEW_DATA_LOST;
	}
	return 0;
}

static int play(struct demo *demo)
{
	int r = janitor_make_folder(demo->janitor, &demo->setup.folder);

	if (r < 0) {
		log_error("a temporary folder could not be made: %s; is TMPDIR right?", strerror(-r));
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

/* The sums over all programs. */
struct totals {
	uint64_t resident_bytes;
	uint64_t after_bytes;
	int64_t saved_bytes;
	uint64_t swap_bytes;
	uint64_t zram_bytes;
	int64_t net_bytes;		/* saved, less what zram takes for it */
	uint64_t usec;
	bool intact;
};

static struct totals sum_up(const struct demo *demo)
{
	struct totals totals = { .intact = true };

	for (size_t i = 0; i < demo->count; i++) {
		const struct view_row *row = &demo->rows[i];

		totals.resident_bytes += row->resident_bytes;
		totals.after_bytes += row->after_bytes;
		totals.swap_bytes += row->swap_bytes;
		totals.usec += row->usec;
		totals.intact &= row->data == VIEW_DATA_INTACT;
	}
	totals.saved_bytes = (int64_t)(totals.resident_bytes - totals.after_bytes);
	if (demo->zram_known && demo->zram_after_bytes > demo->zram_before_bytes)
		totals.zram_bytes = demo->zram_after_bytes - demo->zram_before_bytes;
	totals.net_bytes = totals.saved_bytes - (int64_t)totals.zram_bytes;
	return totals;
}

static struct unit_text signed_bytes(int64_t bytes)
{
	struct unit_text text = unit_bytes((uint64_t)(bytes < 0 ? -bytes : bytes));

	if (bytes < 0) {
		memmove(text.text + 1, text.text, sizeof(text.text) - 2);
		text.text[0] = '-';
	}
	return text;
}

static void print_totals(struct demo *demo)
{
	struct totals totals = sum_up(demo);
	char zram[64] = "", line[256];

	if (demo->zram_known)
		snprintf(zram, sizeof(zram), " (%s as zram, net %s)", unit_bytes(totals.zram_bytes).text,
			 signed_bytes(totals.net_bytes).text);
	snprintf(line, sizeof(line), "saved %s of %s in %.2fs, swap used %s%s, %s",
		 signed_bytes(totals.saved_bytes).text, unit_bytes(totals.resident_bytes).text,
		 (double)totals.usec / 1e6, unit_bytes(totals.swap_bytes).text, zram,
		 totals.intact ? "all data intact" : "DATA LOST");
	view_finish(&demo->view, line, totals.intact ? TERM_GREEN : TERM_RED);
}

static void print_member_json(struct json *json, const struct member *member, const struct view_row *row,
			      pid_t pid)
{
	int64_t saved = (int64_t)(row->resident_bytes - row->after_bytes);

	json_object(json, NULL);
	json_string(json, "program", row->program);
	json_string(json, "holds", row->holds);
	json_i64(json, "pid", pid);
	json_format(json, "id", "%d:%" PRIu64, (int)pid, member->id);
	json_u64(json, "resident_before_bytes", row->resident_bytes);
	json_u64(json, "resident_after_bytes", row->after_bytes);
	json_i64(json, "saved_bytes", saved);
	json_u64(json, "swap_bytes", row->swap_bytes);
	json_u64(json, "advised_bytes", member->result.advised.bytes);
	json_u64(json, "skipped_bytes", member->result.skipped.bytes);
	json_u64(json, "failed_bytes", member->result.failed.bytes);
	json_u64(json, "syscalls", member->result.syscalls);
	json_u64(json, "longest_call_usec", member->result.longest_call_usec);
	json_u64(json, "elapsed_usec", row->usec);
	json_u64(json, "bytes_per_second",
		 row->usec && saved > 0 ? (uint64_t)((double)saved * 1e6 / (double)row->usec) : 0);
	json_u64(json, "answer_before_usec", row->answer_usec);
	json_u64(json, "answer_after_usec", row->first_usec);
	json_bool(json, "answer_same", strcmp(member->answer_before, member->answer_after) == 0);
	json_string(json, "digest_before", member->digest_before);
	json_string(json, "digest_after", member->digest_after);
	json_bool(json, "intact", row->data == VIEW_DATA_INTACT);
	json_end(json);
}

static void print_json(const struct demo *demo, const pid_t pids[])
{
	struct totals totals = sum_up(demo);
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.demo/1");
	json_array(&json, "programs");
	for (size_t i = 0; i < demo->count; i++)
		print_member_json(&json, &demo->members[i], &demo->rows[i], pids[i]);
	json_end(&json);
	json_object(&json, "swap");
	json_bool(&json, "made", demo->own_swap);
	json_string(&json, "kind", !demo->own_swap ? NULL : demo->swap_made.kind == SWAP_ZRAM ? "zram" : "file");
	json_string(&json, "path", demo->own_swap ? demo->swap_made.path : NULL);
	json_u64(&json, "size_bytes", demo->swap_made.size_bytes);
	json_end(&json);
	json_object(&json, "totals");
	json_u64(&json, "resident_before_bytes", totals.resident_bytes);
	json_u64(&json, "resident_after_bytes", totals.after_bytes);
	json_i64(&json, "saved_bytes", totals.saved_bytes);
	json_u64(&json, "swap_bytes", totals.swap_bytes);
	if (demo->zram_known)
		json_u64(&json, "zram_memory_bytes", totals.zram_bytes);
	else
		json_null(&json, "zram_memory_bytes");
	json_i64(&json, "net_saved_bytes", totals.net_bytes);
	json_u64(&json, "elapsed_usec", totals.usec);
	json_u64(&json, "demo_usec", demo->elapsed_usec);
	json_bool(&json, "intact", totals.intact);
	json_end(&json);
	json_end(&json);
}

/* From the first process to the last: an exit status. */
static int run_demo(struct demo *demo)
{
	pid_t pids[PROGRAM_KINDS] = {};
	int r, cleaned;

	r = janitor_start(&demo->janitor);
	if (r == 0)
		r = interrupt_init();
	if (r < 0) {
		log_error("the demo could not begin: %s", strerror(-r));
		if (demo->janitor)
			janitor_finish(demo->janitor);
		return EXIT_FAILURE;
	}
	demo->setup = (struct program_setup){
		.janitor = demo->janitor,
		.cancel = interrupt.pipe[0],
		.redis_keys = demo->keys,
		.script_bytes = demo->megabytes << 20,
	};
	demo->start_usec = now_usec();
	view_init(&demo->view, demo->rows, demo->count, !demo->json && log_level() == LOG_NORMAL);
	r = play(demo);
	if (r < 0) /* what was said about it must not be drawn over */
		demo->view.is_live = false;
	step(demo, "removing everything");
	cleaned = janitor_finish(demo->janitor);
	for (size_t i = 0; i < demo->count; i++) {
		struct member *member = &demo->members[i];

		pids[i] = member->program ? program_pid(member->program) : 0;
		memhint_process_close(member->process);
		program_free(member->program);
	}
	demo->elapsed_usec = now_usec() - demo->start_usec;
	progress_clear();
	if (interrupt.signal) {
		log_error("interrupted; %s", cleaned < 0 ? "not everything could be removed" :
							   "everything was removed");
		return 128 + interrupt.signal;
	}
	if (r < 0)
		return EXIT_FAILURE;
	if (demo->json)
		print_json(demo, pids);
	else
		print_totals(demo);
	return cleaned < 0 || !sum_up(demo).intact ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int option_number(const struct options *options, uint64_t min, uint64_t max, uint64_t *ret)
{
	char reason[96];
	uint64_t number;

	if (parse_u64(options->argument, 10, &number) == 0 && number >= min && number <= max) {
		*ret = number;
		return 0;
	}
	snprintf(reason, sizeof(reason), "is not a whole number from %" PRIu64 " to %" PRIu64, min, max);
	return options_bad(options, reason);
}

static int option_swap(const struct options *options, enum swap_choice *ret)
{
	static const char *const names[] = { "auto", "zram", "file" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(options->argument, names[i]) == 0) {
			*ret = (enum swap_choice)i;
			return 0;
		}
	return options_bad(options, "is not one of auto, zram, file");
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct demo demo = { .keys = DEFAULT_KEYS, .megabytes = DEFAULT_MEGABYTES };
	struct options options;
	int id, exit_status = 0;

	options_init(&options, verb, argc, argv);
	while ((id = options_next(&options)) > OPTION_END) {
		switch (id) {
		case OPTION_JSON:
			demo.json = true;
			break;
		case OPTION_KEYS:
			exit_status = option_number(&options, KEYS_MIN, KEYS_MAX, &demo.keys);
			break;
		case OPTION_MEGABYTES:
			exit_status = option_number(&options, MEGABYTES_MIN, MEGABYTES_MAX, &demo.megabytes);
			break;
		case OPTION_SWAP:
			exit_status = option_swap(&options, &demo.swap_choice);
			break;
		}
		if (exit_status)
			return exit_status;
	}
	if (id < 0)
		return options.exit_status;
	if (!options_no_rest(&options))
		return EXIT_USAGE;
	exit_status = find_programs(&demo);
	if (exit_status == 0)
		exit_status = check(&demo);
	return exit_status ? exit_status : run_demo(&demo);
}

static const struct option_group demo_options = {
	.title = "Size and swap",
	.options = (const struct option_text[]) {
		{ "keys", 0, OPTION_KEYS, "N", "keys of 100 bytes that Redis holds (default 1000000)" },
		{ "megabytes", 0, OPTION_MEGABYTES, "N",
		  "size of the data of Python and of Node.js, each (default 300)" },
		{ "swap", 0, OPTION_SWAP, "WHICH",
		  "auto: the swap there is, if enough is free; else a zram device\n"
		  "of the demo's own; else a swap file (default)\n"
		  "zram, file: one of the demo's own, used before any other" },
		{}
	},
};

const struct verb verb_demo = {
	.name = "demo",
	.summary = "see real programs shrink, lose nothing, and answer again",
	.description =
		"Starts a Redis server, a Python and a Node.js program, each with a few hundred megabytes of\n"
		"data, waits until they are idle, pages them out, asks each a question, and compares their\n"
		"data with what it was. Swap is made for the occasion if there is too little. Whatever was\n"
		"started or made is removed in the end, also after Ctrl-C and when memhint itself is killed.",
	.groups = (const struct option_group *const[]) { &demo_options, &common_options, NULL },
	.examples = "  # all of it, in about half a minute\n"
		    "  memhint demo\n"
		    "  # smaller, and for a program to read\n"
		    "  memhint demo --keys 100000 --megabytes 100 --json\n",
	.exit_status = "  128 and the number of the signal when it was interrupted",
	.run = run,
};
