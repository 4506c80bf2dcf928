/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be found out about a hint before it is given, and sentences about what is in its way. */
#include "cleanup.h"
#include "hint.h"
#include "kin.h"
#include "log.h"
#include "swap.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

bool hint_is_injected(const struct hint *hint)
{
	return hint->via == MEMHINT_VIA_INJECT ||
	       (hint->via == MEMHINT_VIA_AUTO && !memhint_advice_is_remote(hint->advice));
}

bool hint_needs_swap(const struct hint *hint)
{
	return hint->advice == MADV_PAGEOUT &&
	       (hint->filter.kinds & (MEMHINT_KIND_PRIVATE | MEMHINT_KIND_SHMEM));
}

uint64_t hint_swap_floor(const struct hint *hint, uint64_t total_bytes)
{
	return hint->swap_floor_percent ? total_bytes / 100 * hint->swap_floor_percent
					: hint->swap_floor_bytes;
}

int hint_check_swap(const struct hint *hint)
{
	struct swap swap;
	uint64_t floor;

	if (!hint_needs_swap(hint) || swap_read_system(&swap) < 0)
		return 0;
	floor = hint_swap_floor(hint, swap.total_bytes);
	if (swap.total_bytes == 0)
		log_warning(
			"there is no swap, so anonymous memory cannot be paged out: this frees next to "
			"nothing; 'memhint doctor' says how to get swap");
	if (hint->force || swap.free_bytes >= floor)
		return 0;
	log_error(
		"only %s of %s swap are free, which is below the floor of %s; nothing was done. Lower it "
		"with --swap-floor, or go on with --force",
		unit_bytes(swap.free_bytes).text, unit_bytes(swap.total_bytes).text,
		unit_bytes(floor).text);
	return EXIT_FAILURE;
}

/*
 * Whether the kernel would let us: an empty vector goes through all of its checks and does nothing.
 * 0 or a negative errno.
 */
static int check_kernel(const struct hint *hint, const struct target *target)
{
	struct iovec nothing = {};

	if (memhint_process_madvise(memhint_process_pidfd(target->process), &nothing, 0,
				    hint->advice, 0) >= 0)
		return 0;
	/* That this kernel does not take it from outside at all is no fault of the ranges. */
	return errno == EINVAL ? -EOPNOTSUPP : -errno;
}

/* The kernel asks of who opens this file the same as of a tracer. Source: proc_pid_mem(5). */
static int check_trace(const struct target *target)
{
	_cleanup_close_ int fd =
		openat(memhint_process_dirfd(target->process), "mem", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

/* Whether code could be run inside it. 0 or a negative errno. */
static int check_inject(const struct target *target)
{
	struct kin_tracer tracer;
	int r = memhint_probe(MEMHINT_FEATURE_INJECT);

	/* Whether the right is missing is a question of this target. */
	if (r < 0 && r != -EPERM && r != -EACCES)
		return -EOPNOTSUPP;
	r = check_trace(target);
	return r == 0 && kin_tracer(target->process, &tracer) == 0 ? -EBUSY : r;
}

static int check_right(const struct hint *hint, const struct target *target)
{
	int r = -EOPNOTSUPP;

	if (!hint_is_injected(hint))
		r = check_kernel(hint, target);
	/* A kernel that does not know the advice from outside may well know it from inside. */
	if (hint->via != MEMHINT_VIA_KERNEL && (r == -EOPNOTSUPP || r == -ENOSYS))
		r = check_inject(target);
	return r;
}

/* Whether anything is mapped in the range that was asked for. 0 or a negative errno; -ENXIO: nothing. */
static int check_range(const struct hint *hint, const struct target *target)
{
	struct memhint_vma vma;
	int r;

	if (!hint->has_range)
		return 0;
	r = memhint_map_lookup(target->process, hint->filter.start, &vma);
	if (r == -ENOENT || (r == 0 && vma.start >= hint->filter.end))
		return -ENXIO;
	return r;
}

/* Whether it may be stopped at all, whatever rights there are. */
static int check_kin(const struct hint *hint, const struct target *target)
{
	return hint->guard == MEMHINT_GUARD_FREEZE && !hint->force &&
			       kin_of(target->process) != KIN_NONE
		       ? -EDEADLK
		       : 0;
}

static int check_guard(const struct hint *hint, const struct target *target)
{
	if (hint->guard == MEMHINT_GUARD_FREEZE)
		return check_trace(target);
	return hint->cookie ? memhint_cookie_check(target->process, hint->cookie) : 0;
}

void hint_check_target(const struct hint *hint, struct hint_outcome *outcome)
{
	outcome->stage = HINT_GUARD;
	outcome->error = check_kin(hint, outcome->target);
	if (outcome->error != 0)
		return;
	outcome->stage = HINT_RIGHT;
	outcome->error = check_right(hint, outcome->target);
	if (outcome->error != 0)
		return;
	outcome->stage = HINT_RANGE;
	outcome->error = check_range(hint, outcome->target);
	if (outcome->error != 0)
		return;
	outcome->stage = HINT_GUARD;
	outcome->error = check_guard(hint, outcome->target);
}

int hint_outcome_status(const struct hint_outcome *outcome)
{
	const struct memhint_result *result = &outcome->result;

	if (outcome->error == -ESTALE && result->advised.bytes > 0)
		return EXIT_PARTLY;
	/* What a kernel lacks is no matter of this one process; what is in the way there is. */
	if (outcome->error == -EOPNOTSUPP && outcome->stage == HINT_RUN)
		return EXIT_FAILURE;
	if (outcome->error != 0)
		return target_status(outcome->error);
	if (result->failed.bytes == 0)
		return EXIT_SUCCESS;
	return result->advised.bytes > 0 ? EXIT_PARTLY : EXIT_FAILURE;
}

const char *hint_instead(const struct hint *hint)
{
	return hint_is_injected(hint) ? "since only a tracer can run an advice inside a process"
				      : "or use --guard follow";
}

static const char *outcome_so_far(const struct hint_outcome *outcome)
{
	return outcome->result.advised.bytes > 0 ? "what was done until then stays done"
						 : "nothing was done";
}

static void stale(const struct hint *hint, const struct hint_outcome *outcome)
{
	const struct memhint_result *result = &outcome->result;
	pid_t pid = memhint_process_pid(outcome->target->process);
	const char *comm = outcome->target->stat.comm;
	const char *next = hint->destructive ? "'--guard freeze' keeps it from changing meanwhile"
					     : "'--guard follow' looks again instead, '--guard "
					       "freeze' keeps it from changing meanwhile";

	if (result->advised.bytes > 0)
		log_error(
			"process %d (%s) changed its mappings after %s of %s had been advised; the "
			"rest was left alone. Run it again; %s",
			pid, comm, unit_bytes(result->advised.bytes).text,
			unit_bytes(result->requested.bytes).text, next);
	else if (hint->cookie)
		log_error(
			"process %d (%s) is not in the state that cookie 0x%016" PRIx64
			" names: it has changed its mappings since, or the cookie is of another "
			"process, exec or boot; nothing was done. Look again, and take a new one by "
			"'memhint cookie %d'",
			pid, comm, hint->cookie, pid);
	else
		log_error(
			"process %d (%s) changed its mappings since they were looked at; nothing was "
			"done. Run it again; %s",
			pid, comm, next);
}

static void unsupported(const struct hint *hint, const struct hint_outcome *outcome)
{
	const struct target *target = outcome->target;
	pid_t pid = memhint_process_pid(target->process);
	const char *advice = memhint_advice_name(hint->advice);

	if (outcome->stage == HINT_GUARD)
		log_error("cookie 0x%016" PRIx64 " is an exact one, which cannot be compared here; "
			  "nothing was done. 'memhint doctor' says what exact_cookie needs",
			  hint->cookie);
	else if (outcome->stage == HINT_RIGHT && hint_is_injected(hint))
		log_error(
			"the advice %s would have to be run inside the process, which cannot be done "
			"here; nothing was done. 'memhint doctor' says what inject needs",
			advice);
	else if (outcome->stage == HINT_RIGHT)
		log_error(
			"this kernel does not take the advice %s for another process; 'memhint doctor' "
			"shows what it takes",
			advice);
	else if (!hint_is_injected(hint))
		log_error("process %d (%s): %s", pid, target->stat.comm,
			  memhint_error_help(outcome->error));
	else if (kin_has_filter(target->process))
		log_error(
			"process %d (%s) has a filter for system calls (seccomp) that might end it for an "
			"madvise(2) run inside; nothing was done",
			pid, target->stat.comm);
	else
		log_error(
			"process %d (%s): nothing can be run inside it: it is of another architecture, or "
			"has no code or stack to use; nothing was done",
			pid, target->stat.comm);
}

static int not_now(const struct hint *hint, const struct hint_outcome *outcome)
{
	if (memhint_advice_is_destructive(hint->advice))
		log_error(
			"process %d (%s) shares its memory with another process, which could change it during "
			"the call; or it can run nothing just now, frozen by its control group for "
			"instance; %s. Thaw it, or try again when it is the only one",
			memhint_process_pid(outcome->target->process), outcome->target->stat.comm,
			outcome_so_far(outcome));
	else
		log_error(
			"process %d (%s) can run nothing just now: its control group is frozen, or none of its "
			"threads is where a call could be made; %s. Thaw it, or try again",
			memhint_process_pid(outcome->target->process), outcome->target->stat.comm,
			outcome_so_far(outcome));
	return EXIT_FAILURE;
}

/* Missing rights, where there is more to say of them than the library does: whether there was. */
static bool refused(const struct hint *hint, const struct hint_outcome *outcome)
{
	const struct target *target = outcome->target;
	pid_t pid = memhint_process_pid(target->process);

	if (hint->guard == MEMHINT_GUARD_FREEZE && outcome->stage != HINT_RIGHT)
		freeze_failed(target, outcome->error, hint_instead(hint), "nothing was done");
	else if (hint_is_injected(hint))
		log_error(
			"process %d (%s): to run an advice inside a process needs the right to trace it: "
			"the same user and kernel.yama.ptrace_scope=0, or CAP_SYS_PTRACE; run as root",
			pid, target->stat.comm);
	else if (outcome->error == -EPERM && hint->via == MEMHINT_VIA_AUTO &&
		 check_inject(target) == 0)
		log_error(
			"process %d (%s): %s; --via inject needs none for a process that you may trace",
			pid, target->stat.comm, memhint_error_help(outcome->error));
	else
		return false;
	return true;
}

int hint_complain(const struct hint *hint, const struct hint_outcome *outcome)
{
	const struct target *target = outcome->target;
	struct kin_tracer tracer;
	int error = outcome->error;

	switch (error) {
	case -ENXIO:
		log_error("process %d (%s) has nothing mapped at 0x%" PRIx64 "-0x%" PRIx64,
			  memhint_process_pid(target->process), target->stat.comm,
			  hint->filter.start, hint->filter.end);
		return EXIT_FAILURE;
	case -ESTALE:
		stale(hint, outcome);
		return hint_outcome_status(outcome);
	case -EOPNOTSUPP:
		unsupported(hint, outcome);
		return hint_outcome_status(outcome);
	case -EBUSY:
		if (hint_is_injected(hint) && kin_tracer(target->process, &tracer) < 0)
			return not_now(hint, outcome);
		/* fall through */
	case -EDEADLK:
	case -ETIMEDOUT:
		return freeze_failed(target, error, hint_instead(hint), outcome_so_far(outcome));
	case -EPERM:
	case -EACCES:
		if (refused(hint, outcome))
			return EXIT_PERMISSION;
		break;
	}
	return target_failed(target, error);
}
