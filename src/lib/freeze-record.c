/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freeze-record.h"

#include "cleanup.h"
#include "clock.h"
#include "fd.h"
#include "parse.h"

#include <memhint/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PREFIX "freeze-"
#define NEW_PREFIX ".new-" /* being written; nothing is frozen yet */
#define FIRST_LINE "memhint freeze 1"
#define TRIES 16

struct freeze_record_file {
	int directory;
	int fd;
	char name[80];
};

DEFINE_CLEANUP(struct memhint_process *, memhint_process_close)

/*
 * The directory of records, made if @make says so. Whoever can write there could have processes of the
 * caller's thawed, or signals sent by him: so nobody else may.
 */
static int open_directory(const char *path, bool make)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!path)
		path = memhint_run_directory();
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		/* What a link gives depends on the kernel; so is it with ELOOP of others. */
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	return take_fd(&fd);
}

static int read_boot_id(char *ret_id, size_t size)
{
	ssize_t n = fd_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret_id, size);

	if (n < 0)
		return (int)n;
	ret_id[strcspn(ret_id, "\n")] = '\0';
	return 0;
}

static void record_done(struct freeze_record *record)
{
	for (size_t i = 0; i < record->cgroup_count; i++)
		free(record->cgroups[i].path);
	free(record->cgroups);
	free(record->processes);
	*record = (struct freeze_record){};
}

/* Writing */

static int write_record(int fd, const struct freeze_record *record, bool is_kept)
{
	_cleanup_fclose_ FILE *file = NULL;
	char boot_id[64];
	int copy, r = read_boot_id(boot_id, sizeof(boot_id));

	if (r < 0)
		return r;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	file = copy < 0 ? NULL : fdopen(copy, "w");
	if (!file) {
		r = -errno;
		closep(&copy);
		return r;
	}
	fprintf(file, FIRST_LINE "\nboot %s\nkept %d\n", boot_id, is_kept);
	for (size_t i = 0; i < record->cgroup_count; i++)
		fprintf(file, "cgroup %llu %s\n", (unsigned long long)record->cgroups[i].id,
			record->cgroups[i].path);
	for (size_t i = 0; i < record->process_count; i++)
		fprintf(file, "process %d %llu %s %zu\n", record->processes[i].pid,
			(unsigned long long)record->processes[i].id,
			memhint_freeze_way_name(record->processes[i].way),
			record->processes[i].cgroup);
	/* A record without it is not whole. */
	fprintf(file, "end\n");
	return fflush(file) == 0 ? 0 : -errno;
}

/* A new file with all of a record in it, locked, under a name that is not a record's yet. */
static int create_new(int directory, const struct freeze_record *record, bool is_kept,
		      char *ret_name, size_t size)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		int r;

		snprintf(ret_name, size, NEW_PREFIX "%d-%llu", getpid(),
			 (unsigned long long)clock_nsec());
		fd = openat(directory, ret_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		/* One that removes leftovers may have come in between: then it has no name. */
		if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
			return -errno;
		if (st.st_nlink == 0)
			continue;
		r = write_record(fd, record, is_kept);
		if (r < 0) {
			unlinkat(directory, ret_name, 0);
			return r;
		}
		return take_fd(&fd);
	}
	return -EEXIST;
}

int freeze_record_create(const char *directory, const struct freeze_record *record,
			 struct freeze_record_file **ret_file)
{
	_cleanup_free_ struct freeze_record_file *file = malloc(sizeof(*file));
	_cleanup_close_ int dirfd = open_directory(directory, true), fd = -1;
	char name[64];

	if (!file)
		return -ENOMEM;
	if (dirfd < 0)
		return dirfd;
	fd = create_new(dirfd, record, false, name, sizeof(name));
	if (fd < 0)
		return fd;
	snprintf(file->name, sizeof(file->name), PREFIX "%s", name + strlen(NEW_PREFIX));
	if (renameat(dirfd, name, dirfd, file->name) < 0) {
		int error = errno;

		unlinkat(dirfd, name, 0);
		return -error;
	}
	file->directory = take_fd(&dirfd);
	file->fd = take_fd(&fd);
	*ret_file = take_pointer(file);
	return 0;
}

static void file_free(struct freeze_record_file *file)
{
	close(file->fd);
	close(file->directory);
	free(file);
}

int freeze_record_keep(struct freeze_record_file *file, const struct freeze_record *record)
{
	_cleanup_close_ int fd = -1;
	char name[64];
	int r;

	fd = create_new(file->directory, record, true, name, sizeof(name));
	if (fd < 0)
		return fd;
	if (renameat(file->directory, name, file->directory, file->name) < 0) {
		r = -errno;
		unlinkat(file->directory, name, 0);
		return r;
	}
	file_free(file);
	return 0;
}

void freeze_record_leave(struct freeze_record_file *file)
{
	file_free(file);
}

void freeze_record_remove(struct freeze_record_file *file)
{
	unlinkat(file->directory, file->name, 0);
	file_free(file);
}

/* Reading */

static int add_process(struct freeze_record *record, char *text)
{
	struct freeze_record_process *processes, process = {};
	unsigned long long id;
	char way[16];
	int end = 0;

	if (sscanf(text, "%d %llu %15s %zu%n", &process.pid, &id, way, &process.cgroup, &end) !=
		    4 ||
	    text[end] || process.pid <= 0)
		return -EBADMSG;
	process.id = id;
	if (strcmp(way, "cgroup") == 0 && process.cgroup < record->cgroup_count)
		process.way = MEMHINT_FREEZE_CGROUP;
	else if (strcmp(way, "signal") == 0)
		process.way = MEMHINT_FREEZE_SIGNAL;
	else
		return -EBADMSG;
	processes = reallocarray(record->processes, record->process_count + 1, sizeof(*processes));
	if (!processes)
		return -ENOMEM;
	record->processes = processes;
	processes[record->process_count++] = process;
	return 0;
}

static int add_cgroup(struct freeze_record *record, char *text)
{
	struct freeze_record_cgroup *cgroups, cgroup = {};
	char *path = strchr(text, ' ');

	if (!path || path[1] != '/')
		return -EBADMSG;
	*path++ = '\0';
	if (parse_u64(text, 10, &cgroup.id) < 0)
		return -EBADMSG;
	cgroups = reallocarray(record->cgroups, record->cgroup_count + 1, sizeof(*cgroups));
	if (!cgroups)
		return -ENOMEM;
	record->cgroups = cgroups;
	cgroup.path = strdup(path);
	if (!cgroup.path)
		return -ENOMEM;
	cgroups[record->cgroup_count++] = cgroup;
	return 0;
}

/* Reads a record: 0, -ESTALE it is of another boot, -EBADMSG it is none, or another negative errno. */
static int read_record(int fd, struct freeze_record *ret_record)
{
	_cleanup_(record_done) struct freeze_record record = {};
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0, number = 0;
	bool is_whole = false;
	char boot_id[64];
	int copy, r = read_boot_id(boot_id, sizeof(boot_id));
	ssize_t n;

	if (r < 0)
		return r;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	file = copy < 0 ? NULL : fdopen(copy, "r");
	if (!file) {
		r = -errno;
		closep(&copy);
		return r;
	}
	rewind(file);
	while ((n = getline(&line, &size, file)) > 0) {
		if (is_whole || line[n - 1] != '\n' || strlen(line) != (size_t)n)
			return -EBADMSG;
		line[n - 1] = '\0';
		r = 0;
		switch (number++) {
		case 0:
			r = strcmp(line, FIRST_LINE) == 0 ? 0 : -EBADMSG;
			break;
		case 1:
			if (strncmp(line, "boot ", 5) != 0)
				r = -EBADMSG;
			else if (strcmp(line + 5, boot_id) != 0)
				r = -ESTALE;
			break;
		case 2:
			record.is_kept = strcmp(line, "kept 1") == 0;
			r = record.is_kept || strcmp(line, "kept 0") == 0 ? 0 : -EBADMSG;
			break;
		default:
			if (strcmp(line, "end") == 0)
				is_whole = true;
			else if (strncmp(line, "cgroup ", 7) == 0)
				r = add_cgroup(&record, line + 7);
			else if (strncmp(line, "process ", 8) == 0)
				r = add_process(&record, line + 8);
			else
				r = -EBADMSG;
		}
		if (r < 0)
			return r;
	}
	if (ferror(file))
		return -EIO;
	if (!is_whole)
		return -EBADMSG;
	*ret_record = record;
	record = (struct freeze_record){};
	return 0;
}

/*
 * Opens a record and tries to lock it: 1 nobody has it, 0 its maker has it, -ENOENT it has been removed
 * or replaced meanwhile, or another negative errno.
 */
static int open_record(int directory, const char *name, int *ret_fd)
{
	_cleanup_close_ int fd =
		openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat ours, named;
	int is_free = 1;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		is_free = 0;
	}
	/* Another one that recovers may have had it, and removed it, before we got the lock. */
	if (fstat(fd, &ours) < 0 || fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev)
		return -ENOENT;
	if (!S_ISREG(ours.st_mode))
		return -EBADMSG;
	*ret_fd = take_fd(&fd);
	return is_free;
}

/* Undoing */

static int undo_cgroup(const struct freeze_record_cgroup *cgroup, size_t *count)
{
	struct freezer freezer;
	int r = freezer_open_path(cgroup->path, &freezer);

	if (r < 0)
		return r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
	/* One of the same name that was made later is none of ours. */
	if (freezer.id == cgroup->id) {
		r = freezer_set(&freezer, false);
		*count += r == 0;
	}
	freezer_done(&freezer);
	return r == -ENODEV ? 0 : r;
}

static int undo_process(const struct freeze_record_process *recorded, size_t *count)
{
	_cleanup_(memhint_process_closep) struct memhint_process *process = NULL;
	int r;

	if (recorded->way != MEMHINT_FREEZE_SIGNAL)
		return 0; /* its cgroup is thawed */
	r = memhint_process_open_unique(recorded->pid, recorded->id, &process);
	if (r == -ESRCH || r == -ESTALE)
		return 0;
	if (r < 0)
		return r;
	/* Also if it does not stand still yet: the SIGSTOP may still be on its way. */
	if (syscall(SYS_pidfd_send_signal, memhint_process_pidfd(process), SIGCONT, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	(*count)++;
	return 0;
}

static int undo_record(const struct freeze_record *record, size_t *count)
{
	int result = 0, r;

	for (size_t i = 0; i < record->cgroup_count; i++) {
		r = undo_cgroup(&record->cgroups[i], count);
		result = result ? result : r;
	}
	for (size_t i = 0; i < record->process_count; i++) {
		r = undo_process(&record->processes[i], count);
		result = result ? result : r;
	}
	return result;
}

/* Whether nobody is left of those whom a record keeps frozen: then there is nothing to be kept. */
static bool is_deserted(const struct freeze_record *record)
{
	for (size_t i = 0; i < record->process_count; i++) {
		_cleanup_(memhint_process_closep) struct memhint_process *process = NULL;
		int r = memhint_process_open_unique(record->processes[i].pid,
						    record->processes[i].id, &process);

		if (r != -ESRCH && r != -ESTALE)
			return false;
	}
	for (size_t i = 0; i < record->cgroup_count; i++) {
		struct freezer freezer;
		_cleanup_free_ pid_t *pids = NULL;
		size_t count = 0;
		int r = freezer_open_path(record->cgroups[i].path, &freezer);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return false;
		if (freezer.id == record->cgroups[i].id)
			r = freezer_members(&freezer, &pids, &count);
		freezer_done(&freezer);
		if (r < 0 || count > 0)
			return false;
	}
	return true;
}

/*
 * Calls @visit for each record; the first error, after all were visited. With @alone no other caller does
 * so at the same time: a record that cannot be locked then has a maker that lives, and what a record
 * names is not thawed by one while the other takes it for stopped by somebody else.
 */
static int visit_records(const char *path, bool alone,
			 int (*visit)(int directory, const char *name, void *userdata),
			 void *userdata)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int directory = open_directory(path, false);
	struct dirent *entry;
	int fd, result = 0;

	if (directory < 0)
		return directory == -ENOENT ? 0 : directory;
	if (alone && flock(directory, LOCK_EX) < 0)
		return -errno;
	fd = fd_opendir_at(directory, ".", &dir);
	if (fd < 0)
		return fd;
	while ((entry = readdir(dir))) {
		int r = 0;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 ||
		    strncmp(entry->d_name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0)
			r = visit(directory, entry->d_name, userdata);
		if (r > 0)
			return r;
		if (r < 0 && r != -ENOENT && result == 0)
			result = r;
	}
	return result;
}

static int recover_one(int directory, const char *name, void *userdata)
{
	_cleanup_(record_done) struct freeze_record record = {};
	_cleanup_close_ int fd = -1;
	size_t *count = userdata;
	int r = open_record(directory, name, &fd);

	if (r <= 0)
		return r;
	if (strncmp(name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0)
		/* Its maker died before it froze anything. */
		return unlinkat(directory, name, 0) < 0 ? -errno : 0;
	r = read_record(fd, &record);
	if (r == 0 && record.is_kept && !is_deserted(&record))
		return 0;
	if (r == 0)
		r = undo_record(&record, count);
	else if (r == -ESTALE)
		r = 0;
	if (r == 0 && unlinkat(directory, name, 0) < 0)
		r = -errno;
	return r;
}

int memhint_freeze_recover(const char *run_directory, size_t *ret_count)
{
	size_t count = 0;
	int r = visit_records(run_directory, true, recover_one, &count);

	if (ret_count)
		*ret_count = count;
	return r;
}

struct listing {
	int (*sink)(const struct memhint_frozen *frozen, void *userdata);
	void *userdata;
};

/* A cgroup that was frozen as such is recorded without who was in it. */
static bool has_process_in(const struct freeze_record *record, size_t cgroup)
{
	for (size_t i = 0; i < record->process_count; i++)
		if (record->processes[i].way == MEMHINT_FREEZE_CGROUP &&
		    record->processes[i].cgroup == cgroup)
			return true;
	return false;
}

static int tell(const struct freeze_record *record, bool is_orphan, const struct listing *listing)
{
	int r = 0;

	for (size_t i = 0; i < record->process_count && r == 0; i++) {
		const struct freeze_record_process *process = &record->processes[i];
		struct memhint_frozen frozen = {
			.pid = process->pid,
			.unique_id = process->id,
			.way = process->way,
			.is_kept = record->is_kept,
			.is_orphan = is_orphan,
		};

		if (process->way == MEMHINT_FREEZE_CGROUP)
			frozen.cgroup = record->cgroups[process->cgroup].path;
		r = listing->sink(&frozen, listing->userdata);
	}
	for (size_t i = 0; i < record->cgroup_count && r == 0; i++) {
		struct memhint_frozen frozen = {
			.way = MEMHINT_FREEZE_CGROUP,
			.is_kept = record->is_kept,
			.is_orphan = is_orphan,
			.cgroup = record->cgroups[i].path,
		};

		if (!has_process_in(record, i))
			r = listing->sink(&frozen, listing->userdata);
	}
	return r;
}

static int list_one(int directory, const char *name, void *userdata)
{
	_cleanup_(record_done) struct freeze_record record = {};
	int fd = -1, is_free, r;

	if (strncmp(name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0)
		return 0;
	/* Not while the caller looks at it, who may want to thaw what he is told of. */
	if (flock(directory, LOCK_EX) < 0)
		return -errno;
	is_free = open_record(directory, name, &fd);
	r = is_free < 0 ? is_free : read_record(fd, &record);
	closep(&fd);
	flock(directory, LOCK_UN);
	if (r < 0)
		return r == -ESTALE ? 0 : r;
	return tell(&record, is_free && !record.is_kept, userdata);
}

int memhint_freeze_list(const char *run_directory,
			int (*sink)(const struct memhint_frozen *frozen, void *userdata),
			void *userdata)
{
	struct listing listing = { .sink = sink, .userdata = userdata };

	return visit_records(run_directory, false, list_one, &listing);
}

struct thaw {
	struct memhint_process *process;
	bool is_done;
};

/* Whether a cgroup of a record has the process; it is no longer to be in it then. */
static bool record_has_cgroup_of(const struct freeze_record *record,
				 const struct memhint_process *process, size_t *ret_index)
{
	for (size_t i = 0; i < record->cgroup_count; i++) {
		struct freezer freezer;
		bool is_in = false;

		if (freezer_open_path(record->cgroups[i].path, &freezer) < 0)
			continue;
		if (freezer.id == record->cgroups[i].id)
			is_in = freezer_has(&freezer, memhint_process_dirfd(process));
		freezer_done(&freezer);
		if (is_in) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

/* With all that are in it. */
static void remove_cgroup(struct freeze_record *record, size_t index)
{
	size_t last = --record->cgroup_count;

	free(record->cgroups[index].path);
	record->cgroups[index] = record->cgroups[last];
	for (size_t i = record->process_count; i-- > 0;) {
		struct freeze_record_process *process = &record->processes[i];

		if (process->way != MEMHINT_FREEZE_CGROUP)
			continue;
		if (process->cgroup == index)
			*process = record->processes[--record->process_count];
		else if (process->cgroup == last)
			process->cgroup = index;
	}
}

/* Undoes what concerns one process, and takes it out of the record. 1 if there was something. */
static int thaw_in(struct freeze_record *record, struct memhint_process *process)
{
	size_t index, count = 0;
	int found = 0, r;

	for (size_t i = 0; i < record->process_count; i++) {
		if (record->processes[i].id != memhint_process_id(process) ||
		    record->processes[i].pid != memhint_process_pid(process) ||
		    record->processes[i].way != MEMHINT_FREEZE_SIGNAL)
			continue;
		r = undo_process(&record->processes[i], &count);
		if (r < 0)
			return r;
		record->processes[i--] = record->processes[--record->process_count];
		found = 1;
	}
	while (record_has_cgroup_of(record, process, &index)) {
		r = undo_cgroup(&record->cgroups[index], &count);
		if (r < 0)
			return r;
		remove_cgroup(record, index);
		found = 1;
	}
	return found;
}

static int thaw_one(int directory, const char *name, void *userdata)
{
	_cleanup_(record_done) struct freeze_record record = {};
	_cleanup_close_ int fd = -1, new_fd = -1;
	struct thaw *thaw = userdata;
	char new_name[64];
	int r;

	if (strncmp(name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0)
		return 0;
	r = open_record(directory, name, &fd);
	if (r <= 0)
		return r;
	r = read_record(fd, &record);
	if (r < 0)
		return r == -ESTALE ? 0 : r;
	if (!record.is_kept)
		return 0; /* for memhint_freeze_recover() */
	r = thaw_in(&record, thaw->process);
	if (r <= 0)
		return r;
	thaw->is_done = true;
	if (record.cgroup_count == 0 && record.process_count == 0)
		return unlinkat(directory, name, 0) < 0 ? -errno : 0;
	new_fd = create_new(directory, &record, true, new_name, sizeof(new_name));
	if (new_fd < 0)
		return new_fd;
	return renameat(directory, new_name, directory, name) < 0 ? -errno : 0;
}

int memhint_thaw(struct memhint_process *process, const char *run_directory)
{
	struct thaw thaw = { .process = process };
	int r;

	if (!memhint_process_is_alive(process))
		return -ESRCH;
	r = visit_records(run_directory, true, thaw_one, &thaw);
	if (thaw.is_done)
		return 0;
	return r < 0 ? r : -ENOENT;
}
