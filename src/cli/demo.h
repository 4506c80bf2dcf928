/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The demo: what it was told, its programs, and what was found out about them. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "demo-program.h"
#include "demo-view.h"
#include "swap-device.h"

#include <memhint/memhint.h>

#include <stdbool.h>
#include <stdint.h>

struct janitor;

enum swap_choice {
	SWAP_CHOICE_AUTO, /* what there is, else a zram device, else a file */
	SWAP_CHOICE_ZRAM,
	SWAP_CHOICE_FILE,
};

/* One program, and what was found out about it. */
struct member {
	enum program_kind kind;
	struct program *program;
	struct memhint_process *process;
	pid_t pid;
	uint64_t id;		/* its unique id */
	uint64_t idle_cpu_usec; /* CPU time at the beginning of the window */
	char digest_before[PROGRAM_DIGEST_MAX];
	char digest_after[PROGRAM_DIGEST_MAX];
	char answer_before[32];
	char answer_after[32];
	struct memhint_result result;
};

/* What zram devices held, and the memory that they took for it. */
struct demo_zram {
	uint64_t held_bytes;
	uint64_t memory_bytes;
};

struct demo {
	uint64_t keys;
	uint64_t megabytes;
	enum swap_choice swap_choice;
	bool size_given; /* the user said how large: not to be changed */
	bool json;

	size_t count;
	struct member members[PROGRAM_KINDS];
	struct view_row rows[PROGRAM_KINDS];
	struct view view;
	struct program_setup setup;
	struct janitor *janitor;
	const struct swap_device *own_swap; /* the janitor's; NULL when there was enough */
	struct swap_device swap_made;	    /* a copy that outlives the janitor */
	bool zram_known;
	struct demo_zram zram_before;
	struct demo_zram zram_after;
	uint64_t elapsed_usec; /* all of it */
};

/* The sums over all programs. */
struct totals {
	uint64_t resident_bytes;
	uint64_t after_bytes;
	int64_t saved_bytes;
	uint64_t swap_bytes;
	uint64_t zram_bytes;
	int64_t net_bytes; /* saved, less what zram takes for it */
	uint64_t usec;
	bool intact;
};

struct totals demo_totals(const struct demo *demo);

/* Says what is being done, in the way that suits where it is said. */
__attribute__((format(printf, 2, 3))) void demo_status(struct demo *demo, const char *format, ...);

/* A step begins: the same, and a line of its own with --verbose. */
__attribute__((format(printf, 2, 3))) void demo_step(struct demo *demo, const char *format, ...);

/* Whether the swap there is will do, if it may be used. */
bool demo_has_enough_swap(const struct demo *demo, uint64_t needed_bytes);

/*
 * All of it, from the first program to the last comparison: 0, or a negative errno after a sentence
 * that says why; -ECANCELED without one. Leaves the cleaning up to the caller.
 */
int demo_play(struct demo *demo);

/* The result on stdout, as text or as JSON. */
void demo_print(struct demo *demo);
void demo_print_json(const struct demo *demo);

#endif
