/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target of six parts of memory that changes its mappings as it is told, also just before a given advice
 * call: through a wrapper around the one function that makes the system call.
 */
#ifndef TESTS_GUARD_SCENE_H
#define TESTS_GUARD_SCENE_H

#include "child.h"

#include <memhint/memhint.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P 4096ull
#define PARTS 6ull
#define PART (16 * P)
#define STEP (32 * P) /* from one part to the next; what lies between is not mapped */
#define BETWEEN (8 * P)
#define ALL (PARTS * PART)
#define MANY 1500ull /* more than one look takes in */
#define EVERY_CALL (-2)

enum command {
	NOTHING,
	MAP_AWAY,	/* something that the filter of these tests is not about */
	MAP_AND_UNMAP,	/* the same, and takes it away again */
	UNMAP_THIRD,	/* part 2 */
	UNMAP_FIRST,	/* part 0 */
	MAP_BETWEEN,	/* more memory, between parts 3 and 4 */
	MAP_AFTER_LAST, /* and after part 5 */
	REPLACE_LAST,	/* part 5 makes room for other memory just like it */
	GROW_SECOND,	/* part 1 by BETWEEN, in the same place */
	MAP_MANY,	/* MANY mappings of a page, after part 5 */
	EXEC,		/* never answers */
	SHARE,		/* its memory with another process, from now on */
	SHARE_NO_MORE,
	COUNT, /* how often it was told something */
};

struct call {
	uint64_t start;
	uint64_t length;
};

struct scene {
	struct child child;
	struct memhint_process *process;
	struct memhint_map *map;
	struct memhint_filter filter;
	struct memhint_ranges *ranges;
	struct memhint_advise_options options;
	struct memhint_result result;

	/* What the wrapper does, and sees. */
	int hook_call; /* before this call, counted from 0; -1: never */
	enum command hook;
	enum command hook_look;		   /* while it is selected again, for the first time */
	void (*look)(struct scene *scene); /* before each call; or NULL */
	struct call *calls;		   /* not on the stack, of which the target has a copy */
	size_t call_count;
};

void scene_begin(struct scene *scene, int advice);

/* With other memory, or the same if @setup is NULL; @bytes from address[0] on are selected. */
void scene_begin_as(struct scene *scene, int advice, void (*setup)(struct child_shared *shared),
		    uint64_t bytes);
void scene_end(struct scene *scene);

uint64_t part_start(const struct scene *scene, size_t part);

/*
 * Advises with this guard; at call number @when, -1 never, EVERY_CALL at each, the target does @what just
 * before.
 */
int scene_advise(struct scene *scene, enum memhint_guard guard, int advice, int when,
		 enum command what);

/* Whether every byte is in the account once. */
bool account_is_whole(const struct memhint_result *result);

/* Whether a call went to any of [start, start + length). */
bool was_called(const struct scene *scene, uint64_t start, uint64_t length);

/* The letter of /proc/PID/stat. */
char target_state(const struct scene *scene);

#endif
