/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fresh looks at what is left of a run whose target has changed its mappings. */
#ifndef LIB_FOLLOW_H
#define LIB_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

struct batch;
struct memhint_map;
struct memhint_ranges;
struct origin;
struct run;
struct watch;

struct follow {
	const struct origin *origin; /* how the caller's ranges were selected */
	struct memhint_map *map;
	struct memhint_ranges *found; /* by the last look */
	struct memhint_ranges *spare;
	uint64_t found_end; /* up to where that look went */
	uint64_t state;	    /* which the list in use was looked at in */
	bool is_stale; /* the caller's ranges: each part of them wants a look before its call */
	uint64_t ready_usec; /* no look before */
};

void follow_init(struct follow *follow, const struct origin *origin, uint64_t state);
void follow_done(struct follow *follow);

/* Whether the list in use is of no use without a look, whatever the state is now. */
bool follow_wants_look(const struct follow *follow, const struct run *run);

/* Whether there is more to do; goes back to the caller's ranges after what a look has found. */
bool follow_has_more(struct follow *follow, struct run *run);

/*
 * Looks at [the place of the run, @reach) and puts what is found there in place of the list in use. Short
 * of @reach it stops where so much lies that looking would take long, unless @whole. What is no longer
 * there counts as changed, what is new as requested. 0 or a negative errno: -ESRCH exec or exit.
 */
int follow_look(struct follow *follow, struct run *run, const struct watch *watch, uint64_t reach,
		bool whole);

#endif
