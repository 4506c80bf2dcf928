/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "group.h"

#include "cgroup.h"
#include "cleanup.h"
#include "clock.h"
#include "frozen.h"
#include "interrupt.h"
#include "kin.h"
#include "log.h"

#include <memhint/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Those frozen can start no more, so that a few looks find all that they had started. */
#define ROUNDS_MAX 32

static int append(struct group *group, struct memhint_freeze *freeze)
{
	struct memhint_freeze **freezes =
		reallocarray(group->freezes, group->count + 1, sizeof(struct memhint_freeze *));

	if (!freezes)
		return -ENOMEM;
	freezes[group->count++] = freeze;
	group->freezes = freezes;
	return 0;
}

static bool is_to_freeze(const struct target *target)
{
	return !target->left_out && !target->freeze;
}

/* What a pattern found may end at any time: whether there is one less now. */
static bool drop_ended(struct target_list *list)
{
	bool dropped = false;

	for (size_t i = 0; i < list->count; i++) {
		struct target *target = &list->targets[i];

		if (is_to_freeze(target) && !target->by_pid &&
		    !memhint_process_is_alive(target->process))
			dropped = target->left_out = true;
	}
	return dropped;
}

/* One try to freeze all that are not frozen yet, as one. */
static int try_rest(struct target_list *list, const struct memhint_freeze_options *options,
		    struct group *group)
{
	_cleanup_free_ struct memhint_process **processes = NULL;
	struct memhint_freeze *freeze;
	size_t count = 0;
	int r;

	processes = calloc(list->count + 1, sizeof(struct memhint_process *));
	if (!processes)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++)
		if (is_to_freeze(&list->targets[i]))
			processes[count++] = list->targets[i].process;
	if (count == 0)
		return 0;
	r = memhint_freeze_open(processes, count, options, &freeze);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->count; i++)
		if (is_to_freeze(&list->targets[i]))
			list->targets[i].freeze = freeze;
	r = append(group, freeze);
	if (r < 0)
		memhint_freeze_close(freeze);
	return r;
}

static int freeze_rest(struct target_list *list, const struct memhint_freeze_options *options,
		       struct group *group)
{
	int r;

	do
		r = try_rest(list, options, group);
	while (r == -ESRCH && drop_ended(list));
	return r;
}

static struct target *find_target(const struct target_list *list,
				  const struct memhint_process *process)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct memhint_process *other = list->targets[i].process;

		if (memhint_process_pid(other) == memhint_process_pid(process) &&
		    memhint_process_id(other) == memhint_process_id(process))
			return &list->targets[i];
	}
	return NULL;
}

/* A member of a frozen control group joins the list, under a handle of its own. */
static int add_member(struct target_list *list, const struct memhint_process *member,
		      struct memhint_freeze *freeze)
{
	struct memhint_process *process;
	struct memhint_process_stat stat;
	struct target *target = find_target(list, member);
	int r;

	if (!target) {
		r = memhint_process_open(P_PIDFD, (id_t)memhint_process_pidfd(member), &process);
		if (r < 0)
			return r == -ESRCH ? 0 : r; /* killed meanwhile */
		r = memhint_process_stat(process, &stat);
		if (r == 0)
			r = target_list_add(list, process, &stat, false);
		if (r < 0) {
			memhint_process_close(process);
			return r == -ESRCH ? 0 : r;
		}
		target = &list->targets[list->count - 1];
	}
	target->freeze = freeze;
	return 0;
}

/* Whether the targets are one control group and nothing else. */
static bool is_one_cgroup(const struct targets *targets)
{
	return targets->pid_count == 0 && targets->pattern_count == 1 &&
	       targets->patterns[0].option == OPTION_CGROUP;
}

static int open_cgroup(const struct targets *targets)
{
	_cleanup_close_ int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return procfd < 0 ? -errno : cgroup_open(procfd, targets->patterns[0].text);
}

/* As a whole, if it can be had; what is not frozen then, freeze_rest() sees to. */
static int freeze_cgroup(const struct targets *targets, struct target_list *list,
			 const struct memhint_freeze_options *options, struct group *group)
{
	struct memhint_freeze_options traced = *options;
	_cleanup_close_ int fd = open_cgroup(targets);
	struct memhint_freeze *freeze;
	int r;

	if (fd < 0)
		return 0;
	/* Where there is a choice, the way that the kernel undoes itself should memhint be killed. */
	if (options->way == MEMHINT_FREEZE_AUTO && !(options->flags & MEMHINT_FREEZE_KEEP))
		traced.way = MEMHINT_FREEZE_TRACE;
	r = memhint_freeze_cgroup(fd, &traced, &freeze);
	if (r == -EBUSY && traced.way != options->way)
		r = memhint_freeze_cgroup(fd, options, &freeze);
	/* memhint is a member itself, or the group is of another hierarchy: one by one. */
	if (r == -EDEADLK || r == -ENOENT || r == -ENOTDIR || r == -ECHILD)
		return 0;
	if (r < 0)
		return r;
	r = append(group, freeze);
	if (r < 0) {
		memhint_freeze_close(freeze);
		return r;
	}
	for (size_t i = 0; r == 0 && i < memhint_freeze_count(freeze); i++)
		r = add_member(list, memhint_freeze_process(freeze, i), freeze);
	return r;
}

void group_undo(struct group *group, struct target_list *list,
		const struct memhint_freeze_options *options)
{
	bool kept = options->flags & MEMHINT_FREEZE_KEEP;

	for (size_t i = 0; kept && i < group->count; i++)
		for (size_t k = 0; k < memhint_freeze_count(group->freezes[i]); k++)
			if (memhint_freeze_way(group->freezes[i], k) != MEMHINT_FREEZE_ALREADY)
				memhint_thaw(memhint_freeze_process(group->freezes[i], k),
					     options->run_directory);
	group_close(group, list);
}

int group_freeze(const struct targets *targets, struct target_list *list,
		 const struct memhint_freeze_options *options, struct group *ret_group)
{
	struct group group = { .begun_usec = clock_usec() };
	size_t known;
	int r = 0, rounds = 0;

	if (is_one_cgroup(targets))
		r = freeze_cgroup(targets, list, options, &group);
	do {
		if (r == 0)
			r = freeze_rest(list, options, &group);
		known = list->count;
		if (r == 0)
			r = targets_open_more(targets, list);
		if (r == 0 && rounds++ == ROUNDS_MAX)
			r = -EAGAIN;
		if (r == 0 && interrupted)
			r = -ECANCELED;
	} while (r == 0 && list->count > known);
	if (r < 0) {
		group_undo(&group, list, options);
		return r;
	}
	*ret_group = group;
	return 0;
}

uint64_t group_close(struct group *group, struct target_list *list)
{
	uint64_t stood_usec;

	while (group->count > 0)
		memhint_freeze_close(group->freezes[--group->count]);
	stood_usec = clock_usec() - group->begun_usec;
	free(group->freezes);
	for (size_t i = 0; i < list->count; i++)
		list->targets[i].freeze = NULL;
	*group = (struct group){};
	return stood_usec;
}

/* Whether @error may be about this one of several. */
static bool explains(const struct target *target, int error)
{
	struct kin_tracer tracer;

	switch (error) {
	case -EDEADLK:
		return kin_of(target->process) != KIN_NONE;
	case -EBUSY:
		return kin_tracer(target->process, &tracer) == 0;
	case -ESRCH:
		return !memhint_process_is_alive(target->process);
	default:
		return false;
	}
}

static int deadlock(const struct target *target, const char *outcome)
{
	static const char *const who[] = {
		[KIN_NONE] = "starts what memhint needs",
		[KIN_INIT] = "starts and ends all others, which may come to wait for it",
		[KIN_PARENT] = "started memhint, and nobody could be answered by it meanwhile",
		[KIN_ANCESTOR] =
			"started what memhint runs in, and nobody could be answered by it meanwhile",
	};

	log_error("process %d (%s) %s; %s. --force freezes it all the same",
		  memhint_process_pid(target->process), target->stat.comm,
		  who[kin_of(target->process)], outcome);
	return EXIT_FAILURE;
}

static int busy(const struct target *target, const char *instead, const char *outcome)
{
	pid_t pid = memhint_process_pid(target->process);
	struct kin_tracer tracer;

	if (kin_tracer(target->process, &tracer) == 0)
		log_error(
			"process %d (%s) is traced by process %d (%s), and there can be no second "
			"tracer; %s. Detach it, %s",
			pid, target->stat.comm, tracer.pid, tracer.comm, outcome, instead);
	else
		log_error("process %d (%s) cannot be held just now: it is traced, or shares its "
			  "control group with others; %s. Try again, %s",
			  pid, target->stat.comm, outcome, instead);
	return EXIT_FAILURE;
}

int freeze_failed(const struct target *target, int error, const char *instead, const char *outcome)
{
	pid_t pid = memhint_process_pid(target->process);

	switch (error) {
	case -EDEADLK:
		return deadlock(target, outcome);
	case -EBUSY:
		return busy(target, instead, outcome);
	case -ETIMEDOUT:
		log_error(
			"process %d (%s) did not come to a stop in time: it waits where nothing can "
			"interrupt it, for a disk perhaps; it runs on, and %s. Try again",
			pid, target->stat.comm, outcome);
		return EXIT_FAILURE;
	case -EPERM:
	case -EACCES:
		log_error(
			"process %d (%s) may not be frozen: that needs ptrace access to it, or the right "
			"to signal it and a directory for records that nobody else can write to (%s); "
			"%s. Run memhint as root",
			pid, target->stat.comm,
			frozen_directory() ? frozen_directory() : memhint_run_directory(), outcome);
		return EXIT_PERMISSION;
	default:
		return target_failed(target, error);
	}
}

int group_failed(const struct target_list *list, int error, const char *instead,
		 const char *outcome)
{
	for (size_t i = 0; i < list->count; i++)
		if (!list->targets[i].left_out && explains(&list->targets[i], error))
			return freeze_failed(&list->targets[i], error, instead, outcome);
	if (list->count == 1)
		return freeze_failed(&list->targets[0], error, instead, outcome);
	switch (error) {
	case -EAGAIN:
		log_error(
			"new processes kept appearing, so that they could not be frozen as one; all run "
			"as before, and %s. Name fewer, or try again",
			outcome);
		break;
	case -ETIMEDOUT:
		log_error(
			"not all of the %zu processes came to a stop in time; all run as before, and %s. "
			"Try again, or name fewer",
			list->count, outcome);
		break;
	case -EBUSY:
		log_error(
			"one of the %zu processes is traced, or shares its control group with others; "
			"all run as before, and %s. Try again, %s",
			list->count, outcome, instead);
		break;
	case -EPERM:
	case -EACCES:
		log_error(
			"one of the %zu processes may not be frozen: that needs ptrace access to it, or "
			"the right to signal it; all run as before, and %s. Run memhint as root",
			list->count, outcome);
		break;
	default:
		log_error(
			"the %zu processes could not be frozen as one: %s; all run as before, and %s",
			list->count, memhint_error_help(error), outcome);
	}
	return target_status(error);
}
