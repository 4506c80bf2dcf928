/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-watch.h"

#include "cookie.h"
#include "uapi.h"

#include <errno.h>

/* Source: mm/madvise.c, which advice takes the mmap lock for writing; a test tries each. */
enum watch_moves watch_moves_of(int advice, bool is_inside)
{
	switch (advice) {
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_WILLNEED:
		return WATCH_STILL;
	case MADV_COLLAPSE:
		return WATCH_LOCKS;
	default:
		return is_inside ? WATCH_CHANGES : WATCH_STILL;
	}
}

int watch_read(const struct watch *watch, uint64_t *ret_state)
{
	return cookie_read(watch->process, watch->kind, ret_state);
}

/* A fingerprint is compared just once: from then on the exact cookie that was taken before says more. */
static int begin_exact(struct watch *watch, uint64_t reference, uint64_t *ret_state)
{
	uint64_t fingerprint;
	int r;

	switch (memhint_cookie_kind(reference)) {
	case MEMHINT_COOKIE_EXACT:
		r = *ret_state != reference;
		*ret_state = reference;
		return r;
	case MEMHINT_COOKIE_FINGERPRINT:
		r = cookie_read(watch->process, MEMHINT_COOKIE_FINGERPRINT, &fingerprint);
		if (r < 0)
			return r;
		if (fingerprint == reference)
			return 0;
		*ret_state = 0; /* which no state ever is */
		return 1;
	default:
		return 0;
	}
}

int watch_begin(struct watch *watch, struct memhint_process *process, enum watch_moves moves,
		uint64_t reference, uint64_t *ret_state)
{
	enum memhint_cookie_kind kind = memhint_cookie_kind(reference);
	uint64_t now;
	int r;

	*watch = (struct watch){ .process = process, .moves = moves };
	if (reference && kind == MEMHINT_COOKIE_INVALID)
		return -EINVAL;
	r = cookie_read(process, MEMHINT_COOKIE_EXACT, &now);
	if (r == 0) {
		watch->kind = MEMHINT_COOKIE_EXACT;
		r = begin_exact(watch, reference, &now);
	} else if (r == -EOPNOTSUPP && kind == MEMHINT_COOKIE_FINGERPRINT) {
		watch->kind = kind;
		r = cookie_read(process, kind, &now);
		if (r == 0)
			r = now != reference;
		now = reference;
	}
	if (r >= 0)
		*ret_state = now;
	return r;
}

int watch_before(struct watch *watch, uint64_t state)
{
	uint64_t now;
	int r;

	/* First, so that it is of the state that the exact cookie is then found in. */
	if (watch->moves == WATCH_LOCKS && watch->kind == MEMHINT_COOKIE_EXACT) {
		r = cookie_read(watch->process, MEMHINT_COOKIE_FINGERPRINT, &watch->fingerprint);
		if (r < 0)
			return r;
	}
	r = watch_read(watch, &now);
	return r < 0 ? r : now != state;
}

int watch_after(const struct watch *watch, uint64_t *state)
{
	uint64_t now, fingerprint;
	int r;

	if (watch->moves == WATCH_STILL ||
	    (watch->moves == WATCH_LOCKS && watch->kind != MEMHINT_COOKIE_EXACT))
		return 0;
	r = watch_read(watch, &now);
	if (r < 0)
		return r;
	if (watch->moves == WATCH_LOCKS && now != *state) {
		r = cookie_read(watch->process, MEMHINT_COOKIE_FINGERPRINT, &fingerprint);
		if (r < 0)
			return r;
		if (fingerprint != watch->fingerprint)
			return 1;
	}
	*state = now;
	return 0;
}
