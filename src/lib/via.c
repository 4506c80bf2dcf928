/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "via.h"

#include "clock.h"
#include "freeze.h"
#include "inject.h"
#include "uapi.h"
#include "vector.h"

#include <memhint/probe.h>
#include <memhint/process.h>

#include <errno.h>

/* A target that does not come to a stop in this time is in the kernel's hands. */
#define HOLD_TIMEOUT_USEC 1000000u

/* A careful first guess: each range takes some 10 us. */
#define FIRST_COUNT 16u

/* Whether this kernel gives @advice to another process, with the caller's rights. */
static int advice_is_possible(int advice)
{
	int r;

	switch (advice) {
	case MADV_COLD:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_COLD);
		break;
	case MADV_PAGEOUT:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_PAGEOUT);
		break;
	case MADV_WILLNEED:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_WILLNEED);
		break;
	case MADV_COLLAPSE:
		r = memhint_probe(MEMHINT_FEATURE_REMOTE_COLLAPSE);
		break;
	default:
		return -EOPNOTSUPP;
	}
	/* Of the rights over this target only the target's own call can tell. */
	return r == -EINVAL || r == -ENOSYS ? -EOPNOTSUPP : 0;
}

int via_choose(enum memhint_via wanted, int advice, bool is_self, enum memhint_via *ret_way)
{
	int r = is_self || wanted == MEMHINT_VIA_INJECT ? 0 : advice_is_possible(advice);

	if (r < 0 && wanted == MEMHINT_VIA_KERNEL)
		return r;
	/* Nobody traces himself, and needs not. */
	*ret_way = !is_self && (r < 0 || wanted == MEMHINT_VIA_INJECT) ? MEMHINT_VIA_INJECT
								       : MEMHINT_VIA_KERNEL;
	return 0;
}

int via_open(struct via *via, enum memhint_via way, struct memhint_process *process, int advice,
	     bool is_self)
{
	*via = (struct via){
		.way = way,
		.process = process,
		.is_self = is_self,
		.advice = advice,
	};
	if (way != MEMHINT_VIA_INJECT)
		return 0;
	via->max_count = FIRST_COUNT;
	return inject_open(process, &via->injector);
}

int via_hold(struct via *via)
{
	struct trace *trace;
	int r;

	if (via->way != MEMHINT_VIA_INJECT)
		return 0;
	trace = via->freeze ? freeze_trace(via->freeze, via->process) : NULL;
	if (!trace) {
		via->held_usec = clock_usec();
		r = trace_begin(&via->own, via->process);
		if (r < 0)
			return r;
		via->is_held = true;
		r = trace_wait(&via->own, via->held_usec + HOLD_TIMEOUT_USEC);
		if (r < 0)
			return r;
		trace = &via->own;
	}
	r = inject_begin(via->injector, trace);
	via->is_ready = r == 0;
	return r == -EBUSY ? -EAGAIN : r;
}

ssize_t via_advise(struct via *via, const struct iovec *ranges, size_t count)
{
	if (via->way == MEMHINT_VIA_INJECT)
		return inject_advise(via->injector, ranges, count, via->advice);
	return vector_advise(memhint_process_pidfd(via->process), via->is_self, ranges, count,
			     via->advice);
}

uint64_t via_release(struct via *via)
{
	if (via->is_ready)
		inject_end(via->injector);
	via->is_ready = false;
	if (!via->is_held)
		return 0;
	trace_end(&via->own);
	via->is_held = false;
	return clock_usec() - via->held_usec;
}

void via_account(struct via *via, size_t count, uint64_t spent_usec, uint64_t call_usec)
{
	uint64_t fitting = count * call_usec / (spent_usec ? spent_usec : 1);

	if (via->way != MEMHINT_VIA_INJECT)
		return;
	if (fitting < via->max_count)
		via->max_count = fitting ? (size_t)fitting : 1;
	else if (count >= via->max_count)
		via->max_count *= 2;
	if (via->max_count > KERNEL_IOV_MAX)
		via->max_count = KERNEL_IOV_MAX;
}

void via_close(struct via *via)
{
	via_release(via);
	inject_close(via->injector);
	via->injector = NULL;
}
