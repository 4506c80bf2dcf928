/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freeze.h"

#include "ancestor.h"
#include "cleanup.h"
#include "clock.h"
#include "freeze-internal.h"
#include "freeze-lasting.h"
#include "procfile.h"
#include "sized.h"

#include <memhint/process.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_USEC 1000000
#define TURN_USEC 10000 /* of waiting for one process, while another may have to come first */
#define KCMP_VM 1	/* linux/kcmp.h */

DEFINE_CLEANUP(struct memhint_freeze *, memhint_freeze_close)
DEFINE_CLEANUP(struct memhint_process *, memhint_process_close)

const char *memhint_freeze_way_name(enum memhint_freeze_way way)
{
	static const char *const names[] = { "auto", "trace", "cgroup", "signal", "already" };

	return (unsigned int)way < sizeof(names) / sizeof(names[0]) ? names[way] : NULL;
}

const char *memhint_run_directory(void)
{
	static _Thread_local char path[64];

	if (geteuid() == 0)
		return "/run/memhint";
	snprintf(path, sizeof(path), "/run/user/%u/memhint", geteuid());
	return path;
}

/* Who must not be frozen */

/* -EDEADLK if freezing it would freeze the caller, or whom he answers to. */
static int check_allowed(const struct memhint_freeze *freeze, const struct memhint_process *process)
{
	int r;

	if (memhint_process_is_self(process))
		return -EDEADLK;
	if (freeze->flags & MEMHINT_FREEZE_FORCE)
		return 0;
	if (memhint_process_pid(process) == 1)
		return -EDEADLK;
	r = ancestor_check(process);
	return r > 0 ? -EDEADLK : r;
}

/* Items */

static int add_item(struct memhint_freeze *freeze, struct memhint_process *process, bool is_owned)
{
	if (freeze->count == freeze->capacity) {
		size_t capacity = freeze->capacity ? 2 * freeze->capacity : 8;
		struct freeze_item *items = reallocarray(freeze->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		freeze->items = items;
		freeze->capacity = capacity;
	}
	freeze->items[freeze->count++] =
		(struct freeze_item){ .process = process, .is_owned = is_owned };
	return 0;
}

static void drop_item(struct memhint_freeze *freeze, size_t index)
{
	struct freeze_item *item = &freeze->items[index];

	trace_end(&item->trace);
	if (item->is_owned)
		memhint_process_close(item->process);
	freeze->count--;
	memmove(item, item + 1, (freeze->count - index) * sizeof(*item));
}

const struct freeze_item *freeze_find_pid(const struct memhint_freeze *freeze, pid_t pid)
{
	for (size_t i = 0; i < freeze->count; i++)
		if (memhint_process_pid(freeze->items[i].process) == pid)
			return &freeze->items[i];
	return NULL;
}

static const struct freeze_item *find_process(const struct memhint_freeze *freeze,
					      const struct memhint_process *process)
{
	const struct freeze_item *item = freeze_find_pid(freeze, memhint_process_pid(process));

	return item && memhint_process_id(item->process) == memhint_process_id(process) ? item
											: NULL;
}

/* Adds the members of a cgroup that are not known yet. How many, or a negative errno. */
static ssize_t add_members(struct memhint_freeze *freeze, const struct freezer *source)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count;
	ssize_t added = 0;
	int r = freezer_members(source, &pids, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		_cleanup_(memhint_process_closep) struct memhint_process *process = NULL;
		const struct freeze_item *known = freeze_find_pid(freeze, pids[i]);

		if (known && memhint_process_is_alive(known->process))
			continue;
		r = memhint_process_open(P_PID, (id_t)pids[i], &process);
		if (r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		r = add_item(freeze, process, true);
		if (r < 0)
			return r;
		take_pointer(process);
		added++;
	}
	return added;
}

/* ptrace */

/* Whether another way is to be tried where ptrace cannot be used. */
static bool is_refused(const struct memhint_freeze *freeze, int r)
{
	return freeze->way == MEMHINT_FREEZE_AUTO &&
	       (r == -EBUSY || r == -EPERM || r == -EACCES || r == -ENOSYS || r == -EIO);
}

static int begin_trace(const struct memhint_freeze *freeze, struct freeze_item *item)
{
	int r = trace_begin(&item->trace, item->process);

	if (is_refused(freeze, r))
		return 0;
	if (r < 0)
		return r;
	item->is_traced = true;
	item->way = MEMHINT_FREEZE_TRACE;
	return 0;
}

/*
 * Whether the threads of a process that do not stand still are in vfork(2), and the child of each is held:
 * such a thread can neither be stopped nor run before its child does.
 */
static bool waits_for_held_child(const struct memhint_freeze *freeze,
				 const struct freeze_item *item)
{
	pid_t pid = memhint_process_pid(item->process);
	size_t sleepers = trace_sleepers(&item->trace), children = 0;

	for (size_t i = 0; i < freeze->count && sleepers > 0; i++) {
		const struct freeze_item *other = &freeze->items[i];
		struct proc_stat stat;

		if (other->is_held &&
		    proc_stat_read(memhint_process_dirfd(other->process), &stat) == 0 &&
		    stat.ppid == pid &&
		    syscall(SYS_kcmp, pid, memhint_process_pid(other->process), KCMP_VM, 0, 0) == 0)
			children++;
	}
	return sleepers > 0 && children == sleepers;
}

/* Waits for one, but not longer than @until_usec: -EAGAIN it does not stand still yet. */
static int wait_for_trace(const struct memhint_freeze *freeze, struct freeze_item *item,
			  uint64_t until_usec)
{
	int r = trace_wait(&item->trace, until_usec);

	if (r == -ETIMEDOUT)
		return -EAGAIN;
	if (is_refused(freeze, r)) {
		trace_end(&item->trace);
		item->is_traced = false;
		item->way = MEMHINT_FREEZE_AUTO;
		return 0;
	}
	item->is_held = r == 0;
	return r;
}

/* One turn over all. -EAGAIN some do not stand still yet. Members of a cgroup may end meanwhile. */
static int wait_for_traces(struct memhint_freeze *freeze, bool may_end)
{
	uint64_t until_usec = freeze->deadline_usec;
	int result = 0;

	/* One may have to wait for another: look at all in turn. */
	if (freeze->count > 1 || may_end)
		until_usec = clock_usec() + TURN_USEC < until_usec ? clock_usec() + TURN_USEC
								   : until_usec;
	for (size_t i = 0; i < freeze->count; i++) {
		struct freeze_item *item = &freeze->items[i];
		int r;

		if (!item->is_traced || item->is_held)
			continue;
		r = wait_for_trace(freeze, item, until_usec);
		if (r == -EAGAIN && waits_for_held_child(freeze, item)) {
			item->is_held = true;
			r = 0;
		}
		if (r == -ESRCH && may_end) {
			drop_item(freeze, i--);
			r = 0;
		}
		if (r < 0 && r != -EAGAIN)
			return r;
		result = r < 0 ? r : result;
	}
	return result;
}

/* All of it */

static bool all_held(const struct memhint_freeze *freeze)
{
	for (size_t i = 0; i < freeze->count; i++)
		if (!freeze->items[i].is_held)
			return false;
	return true;
}

/* Begins with the items that are new. */
static int begin(struct memhint_freeze *freeze, bool may_end)
{
	bool by_trace =
		freeze->way == MEMHINT_FREEZE_TRACE ||
		(freeze->way == MEMHINT_FREEZE_AUTO && !(freeze->flags & MEMHINT_FREEZE_KEEP));

	for (size_t i = 0; i < freeze->count; i++) {
		int r;

		if (freeze->items[i].is_checked)
			continue;
		r = check_allowed(freeze, freeze->items[i].process);
		if (r == 0 && by_trace)
			r = begin_trace(freeze, &freeze->items[i]);
		if (r == -ESRCH && may_end) {
			drop_item(freeze, i--);
			continue;
		}
		if (r < 0)
			return r;
		freeze->items[i].is_checked = true;
	}
	return 0;
}

static void drop_ended(struct memhint_freeze *freeze)
{
	for (size_t i = freeze->count; i-- > 0;)
		if (!memhint_process_is_alive(freeze->items[i].process))
			drop_item(freeze, i);
}

/* Freezes all items, and what appears in @source meanwhile, which may be NULL. */
static int freeze_all(struct memhint_freeze *freeze, const struct freezer *source)
{
	for (;;) {
		ssize_t added;
		int r;

		if (source)
			drop_ended(freeze);
		added = source ? add_members(freeze, source) : 0;
		if (added < 0)
			return (int)added;
		if (freeze->count == 0)
			return -ECHILD;
		/* They were so before the listing, which found nobody new: none is left to be born. */
		if (all_held(freeze))
			return 0;
		r = begin(freeze, source);
		if (r == 0)
			r = wait_for_traces(freeze, source);
		if (r == 0 || r == -EAGAIN)
			r = lasting_stop(freeze, source);
		if (r < 0)
			return r;
		if (!all_held(freeze) && clock_usec() >= freeze->deadline_usec)
			return -ETIMEDOUT;
	}
}

static int freeze_new(const struct memhint_freeze_options *options,
		      struct memhint_freeze **ret_freeze)
{
	struct memhint_freeze_options taken;
	struct memhint_freeze *freeze;
	uint64_t timeout_usec;
	int r = sized_take(options, &taken, sizeof(taken));

	if (r < 0)
		return r;
	if (taken.flags & ~(MEMHINT_FREEZE_FORCE | MEMHINT_FREEZE_KEEP) ||
	    (unsigned int)taken.way > MEMHINT_FREEZE_SIGNAL)
		return -EINVAL;
	if (taken.flags & MEMHINT_FREEZE_KEEP && taken.way == MEMHINT_FREEZE_TRACE)
		return -EOPNOTSUPP;
	freeze = malloc(sizeof(*freeze));
	if (!freeze)
		return -ENOMEM;
	timeout_usec = taken.timeout_usec ? taken.timeout_usec : DEFAULT_TIMEOUT_USEC;
	*freeze = (struct memhint_freeze){
		.way = taken.way,
		.flags = taken.flags,
		.run_directory = taken.run_directory,
	};
	if (__builtin_add_overflow(clock_usec(), timeout_usec, &freeze->deadline_usec))
		freeze->deadline_usec = UINT64_MAX;
	/*
	 * Whom a dead maker has left frozen would be taken for stopped by somebody else. Before anybody is
	 * stopped, who could be recovering himself. What cannot be undone must not keep this from being done.
	 */
	memhint_freeze_recover(freeze->run_directory, NULL);
	*ret_freeze = freeze;
	return 0;
}

int memhint_freeze_open(struct memhint_process *const *processes, size_t count,
			const struct memhint_freeze_options *options,
			struct memhint_freeze **ret_freeze)
{
	_cleanup_(memhint_freeze_closep) struct memhint_freeze *freeze = NULL;
	int r;

	if (count == 0)
		return -EINVAL;
	r = freeze_new(options, &freeze);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (find_process(freeze, processes[i]))
			return -EINVAL; /* twice */
		r = add_item(freeze, processes[i], false);
		if (r < 0)
			return r;
	}
	r = freeze_all(freeze, NULL);
	if (r == 0 && freeze->flags & MEMHINT_FREEZE_KEEP)
		r = lasting_keep(freeze);
	if (r < 0)
		return r;
	*ret_freeze = take_pointer(freeze);
	return 0;
}

/* Whether freezing a whole cgroup would freeze the caller, or whom he answers to. */
static int check_members(const struct memhint_freeze *freeze)
{
	for (size_t i = 0; i < freeze->count; i++) {
		int r = check_allowed(freeze, freeze->items[i].process);

		if (r < 0 && r != -ESRCH)
			return r;
	}
	return 0;
}

/* Freezes a cgroup as such, then finds out who is in it. */
static int freeze_group(struct memhint_freeze *freeze, struct freezer *freezer)
{
	const struct freezer *group = freezer;
	enum memhint_freeze_way way = MEMHINT_FREEZE_CGROUP;
	ssize_t n;
	int r;

	if (freezer_is_frozen(freezer)) {
		way = MEMHINT_FREEZE_ALREADY;
	} else {
		r = lasting_stop_group(freeze, freezer);
		if (r < 0)
			return r;
		group = &freeze->groups[0].freezer;
	}
	drop_ended(freeze);
	n = add_members(freeze, group);
	if (n < 0)
		return (int)n;
	for (size_t i = 0; i < freeze->count; i++) {
		freeze->items[i].way = way;
		freeze->items[i].is_held = true;
	}
	return freeze->count ? 0 : -ECHILD;
}

int memhint_freeze_cgroup(int cgroup_fd, const struct memhint_freeze_options *options,
			  struct memhint_freeze **ret_freeze)
{
	_cleanup_(memhint_freeze_closep) struct memhint_freeze *freeze = NULL;
	_cleanup_(freezer_done) struct freezer freezer = {};
	bool as_such;
	ssize_t n;
	int r = freeze_new(options, &freeze);

	if (r == 0)
		r = freezer_open_fd(cgroup_fd, &freezer);
	if (r < 0)
		return r;
	n = add_members(freeze, &freezer);
	if (n <= 0)
		return n < 0 ? (int)n : -ECHILD;
	as_such = freeze->way == MEMHINT_FREEZE_CGROUP || freeze->way == MEMHINT_FREEZE_AUTO;
	if (as_such) {
		r = check_members(freeze);
		if (r < 0)
			return r;
		r = freeze_group(freeze, &freezer);
	} else {
		r = freeze_all(freeze, &freezer);
	}
	if (r == 0 && freeze->flags & MEMHINT_FREEZE_KEEP)
		r = lasting_keep(freeze);
	if (r < 0)
		return r;
	*ret_freeze = take_pointer(freeze);
	return 0;
}

void memhint_freeze_close(struct memhint_freeze *freeze)
{
	bool is_undone;

	if (!freeze)
		return;
	is_undone = freeze->is_kept || lasting_undo(freeze);
	for (size_t i = 0; i < freeze->record_count; i++)
		if (is_undone)
			freeze_record_remove(freeze->records[i]);
		else
			freeze_record_leave(freeze->records[i]);
	for (size_t i = 0; i < freeze->count; i++)
		trace_let_go(&freeze->items[i].trace);
	for (size_t i = 0; i < freeze->count; i++) {
		trace_end(&freeze->items[i].trace);
		if (freeze->items[i].is_owned)
			memhint_process_close(freeze->items[i].process);
	}
	for (size_t i = 0; i < freeze->group_count; i++)
		freezer_done(&freeze->groups[i].freezer);
	free(freeze->records);
	free(freeze->groups);
	free(freeze->items);
	free(freeze);
}

size_t memhint_freeze_count(const struct memhint_freeze *freeze)
{
	return freeze->count;
}

struct memhint_process *memhint_freeze_process(const struct memhint_freeze *freeze, size_t index)
{
	return index < freeze->count ? freeze->items[index].process : NULL;
}

enum memhint_freeze_way memhint_freeze_way(const struct memhint_freeze *freeze, size_t index)
{
	const struct freeze_item *item = &freeze->items[index];
	struct freezer freezer;
	bool is_frozen;

	if (index >= freeze->count)
		return MEMHINT_FREEZE_AUTO;
	if (!item->is_traced)
		return item->way;
	/* It is held besides, so that it does not run should the other one let go. */
	if (item->trace.was_stopped)
		return MEMHINT_FREEZE_ALREADY;
	if (freezer_open_process(memhint_process_dirfd(item->process), &freezer) < 0)
		return MEMHINT_FREEZE_TRACE;
	is_frozen = freezer_is_frozen(&freezer);
	freezer_done(&freezer);
	return is_frozen ? MEMHINT_FREEZE_ALREADY : MEMHINT_FREEZE_TRACE;
}

struct trace *freeze_trace(const struct memhint_freeze *freeze,
			   const struct memhint_process *process)
{
	const struct freeze_item *item = find_process(freeze, process);

	return item && item->is_traced ? (struct trace *)&item->trace : NULL;
}

bool freeze_has(const struct memhint_freeze *freeze, const struct memhint_process *process)
{
	return find_process(freeze, process);
}
