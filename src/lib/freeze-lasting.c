/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freeze-lasting.h"

#include "cleanup.h"
#include "clock.h"
#include "freeze-internal.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLL_USEC 200

/* Records */

/*
 * What is frozen by cgroup or signal, or will be once it is recorded; with @only_new only
 * the processes that are not recorded yet. The arrays are to be freed.
 */
static int describe(const struct memhint_freeze *freeze, bool only_new,
		    struct freeze_record *ret_record)
{
	struct freeze_record content = {
		.processes = calloc(freeze->count + 1, sizeof(*content.processes)),
		.cgroups = calloc(freeze->group_count + 1, sizeof(*content.cgroups)),
	};

	if (!content.processes || !content.cgroups) {
		free(content.processes);
		free(content.cgroups);
		return -ENOMEM;
	}
	for (size_t i = 0; i < freeze->count; i++) {
		const struct freeze_item *item = &freeze->items[i];

		if ((item->way != MEMHINT_FREEZE_SIGNAL && item->way != MEMHINT_FREEZE_CGROUP) ||
		    (only_new && item->is_recorded))
			continue;
		content.processes[content.process_count++] = (struct freeze_record_process){
			.pid = memhint_process_pid(item->process),
			.id = memhint_process_id(item->process),
			.way = item->way,
			.cgroup = item->group,
		};
	}
	for (size_t i = 0; i < freeze->group_count; i++)
		content.cgroups[content.cgroup_count++] = (struct freeze_record_cgroup){
			.id = freeze->groups[i].freezer.id,
			.path = freeze->groups[i].freezer.path,
		};
	*ret_record = content;
	return 0;
}

/* Writes down what is about to be frozen. */
static int write_record(struct memhint_freeze *freeze)
{
	struct freeze_record_file **records;
	struct freeze_record content;
	int r;

	records = reallocarray(freeze->records, freeze->record_count + 1, sizeof(*records));
	if (!records)
		return -ENOMEM;
	freeze->records = records;
	r = describe(freeze, true, &content);
	if (r < 0)
		return r;
	if (content.process_count || (content.cgroup_count && freeze->record_count == 0)) {
		r = freeze_record_create(freeze->run_directory, &content,
					 &records[freeze->record_count]);
		freeze->record_count += r == 0;
	}
	free(content.processes);
	free(content.cgroups);
	return r;
}

int lasting_keep(struct memhint_freeze *freeze)
{
	struct freeze_record content;
	int r = freeze->record_count ? describe(freeze, false, &content) : 0;

	if (freeze->record_count && r == 0) {
		r = freeze_record_keep(freeze->records[0], &content);
		free(content.processes);
		free(content.cgroups);
	}
	if (r < 0)
		return r;
	for (size_t i = 1; i < freeze->record_count; i++)
		freeze_record_remove(freeze->records[i]);
	freeze->record_count = 0;
	freeze->is_kept = true;
	return 0;
}

/* Stopping */

static int send_signal(const struct freeze_item *item, int signal)
{
	return syscall(SYS_pidfd_send_signal, memhint_process_pidfd(item->process), signal, NULL,
		       0) < 0
		       ? -errno
		       : 0;
}

static int add_group(struct memhint_freeze *freeze, struct freezer *freezer)
{
	struct freeze_group *groups =
		reallocarray(freeze->groups, freeze->group_count + 1, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	freeze->groups = groups;
	groups[freeze->group_count++] = (struct freeze_group){ .freezer = *freezer };
	*freezer = (struct freezer){};
	return 0;
}

/* Makes the cgroup of a process part of the freeze. -EBUSY it holds others as well. */
static int choose_group(struct memhint_freeze *freeze, const struct memhint_process *process,
			size_t *ret_group)
{
	_cleanup_(freezer_done) struct freezer freezer = {};
	_cleanup_free_ pid_t *pids = NULL;
	size_t count;
	int r = freezer_open_process(memhint_process_dirfd(process), &freezer);

	if (r < 0)
		return r;
	for (size_t i = 0; i < freeze->group_count; i++)
		if (freeze->groups[i].freezer.id == freezer.id) {
			*ret_group = i;
			return 0;
		}
	if (strcmp(freezer.path, "/") == 0)
		return -EBUSY;
	if (faccessat(freezer.fd, "cgroup.freeze", W_OK, AT_EACCESS) < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	r = freezer_members(&freezer, &pids, &count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (!freeze_find_pid(freeze, pids[i]))
			return -EBUSY;
	*ret_group = freeze->group_count;
	return add_group(freeze, &freezer);
}

static int choose_way(struct memhint_freeze *freeze, struct freeze_item *item)
{
	int r;

	if (memhint_process_is_stopped(item->process)) {
		item->way = MEMHINT_FREEZE_ALREADY;
		item->is_held = true;
		return 0;
	}
	item->way = MEMHINT_FREEZE_SIGNAL;
	if (freeze->way == MEMHINT_FREEZE_SIGNAL)
		return 0;
	r = choose_group(freeze, item->process, &item->group);
	if (r < 0)
		return freeze->way == MEMHINT_FREEZE_CGROUP || r == -ENOMEM || r == -ESRCH ? r : 0;
	item->way = MEMHINT_FREEZE_CGROUP;
	return 0;
}

static int wait_for_stop(const struct memhint_freeze *freeze, const struct freeze_item *item)
{
	while (!memhint_process_is_stopped(item->process)) {
		if (!memhint_process_is_alive(item->process))
			return -ESRCH;
		if (clock_usec() >= freeze->deadline_usec)
			return -ETIMEDOUT;
		clock_pause(POLL_USEC);
	}
	return 0;
}

/* Freezes what is chosen to be and recorded. */
static int act(struct memhint_freeze *freeze, bool may_end)
{
	int r;

	for (size_t i = 0; i < freeze->group_count; i++) {
		struct freeze_group *group = &freeze->groups[i];

		if (group->is_recorded)
			continue;
		r = freezer_set(&group->freezer, true);
		group->is_recorded = r == 0;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < freeze->count; i++) {
		struct freeze_item *item = &freeze->items[i];

		if (item->is_recorded)
			continue;
		r = item->way == MEMHINT_FREEZE_SIGNAL ? send_signal(item, SIGSTOP) : 0;
		if (r < 0 && !(r == -ESRCH && may_end))
			return r;
		item->is_recorded =
			item->way == MEMHINT_FREEZE_CGROUP || item->way == MEMHINT_FREEZE_SIGNAL;
	}
	for (size_t i = 0; i < freeze->group_count; i++) {
		r = freezer_wait(&freeze->groups[i].freezer, freeze->deadline_usec);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < freeze->count; i++) {
		struct freeze_item *item = &freeze->items[i];

		if (!item->is_recorded || item->is_held)
			continue;
		r = item->way == MEMHINT_FREEZE_SIGNAL ? wait_for_stop(freeze, item) : 0;
		if (r < 0 && !(r == -ESRCH && may_end))
			return r;
		item->is_held = true;
	}
	return 0;
}

int lasting_stop(struct memhint_freeze *freeze, bool may_end)
{
	bool any = false;
	int r;

	for (size_t i = 0; i < freeze->count; i++)
		any = any || freeze->items[i].way == MEMHINT_FREEZE_AUTO;
	if (!any)
		return 0;
	for (size_t i = 0; i < freeze->count; i++) {
		if (freeze->items[i].way != MEMHINT_FREEZE_AUTO)
			continue;
		r = choose_way(freeze, &freeze->items[i]);
		if (r < 0 && !(r == -ESRCH && may_end))
			return r;
	}
	r = write_record(freeze);
	return r < 0 ? r : act(freeze, may_end);
}

int lasting_stop_group(struct memhint_freeze *freeze, struct freezer *freezer)
{
	int r = add_group(freeze, freezer);

	if (r == 0)
		r = write_record(freeze);
	return r == 0 ? act(freeze, true) : r;
}

bool lasting_undo(struct memhint_freeze *freeze)
{
	bool done = true;
	int r;

	for (size_t i = 0; i < freeze->group_count; i++) {
		r = freeze->groups[i].is_recorded ? freezer_set(&freeze->groups[i].freezer, false)
						  : 0;
		done = done && (r == 0 || r == -ENODEV);
	}
	for (size_t i = 0; i < freeze->count; i++) {
		const struct freeze_item *item = &freeze->items[i];

		r = item->is_recorded && item->way == MEMHINT_FREEZE_SIGNAL
			    ? send_signal(item, SIGCONT)
			    : 0;
		done = done && (r == 0 || r == -ESRCH);
	}
	return done;
}
