/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is frozen beyond the life of who did it: written down before, undone by whoever comes next. */
#include "cgroup.h"
#include "child.h"
#include "freeze-scene.h"
#include "tap.h"

#include <memhint/guard.h>
#include <memhint/process.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char run_directory[] = "/tmp/memhint-freeze-record-XXXXXX";

static int freeze(struct memhint_process *process, enum memhint_freeze_way way, uint32_t flags,
		  struct memhint_freeze **ret_freeze)
{
	const struct memhint_freeze_options options = {
		.size = sizeof(options),
		.way = way,
		.flags = flags,
		.timeout_usec = 10000000,
		.run_directory = run_directory,
	};

	return memhint_freeze_open(&process, 1, &options, ret_freeze);
}

/* The files in the directory; the name of the last one. */
static int list_files(char *ret_name)
{
	DIR *dir = opendir(run_directory);
	struct dirent *entry;
	int count = 0;

	must(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			snprintf(ret_name, 512, "%s/%s", run_directory, entry->d_name);
			count++;
		}
	closedir(dir);
	return count;
}

static int count_files(void)
{
	char name[512];

	return list_files(name);
}

/* A child that freezes and then does nothing more until it is killed. */
static pid_t start_maker(struct memhint_process *process, enum memhint_freeze_way way)
{
	int ready[2];
	char byte;
	pid_t maker, parent = getpid();

	must(pipe2(ready, O_CLOEXEC) == 0);
	fflush(NULL);
	maker = fork();
	must(maker >= 0);
	if (maker == 0) {
		struct memhint_freeze *hold;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || freeze(process, way, 0, &hold) < 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	must(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	return maker;
}

static void kill_maker(pid_t maker)
{
	kill(maker, SIGKILL);
	must(waitpid(maker, NULL, 0) == maker);
}

struct told {
	int count;
	struct memhint_frozen last;
	char cgroup[256];
};

static int take(const struct memhint_frozen *frozen, void *userdata)
{
	struct told *told = userdata;

	told->count++;
	told->last = *frozen;
	snprintf(told->cgroup, sizeof(told->cgroup), "%s", frozen->cgroup ? frozen->cgroup : "");
	return 0;
}

static struct told list(void)
{
	struct told told = {};

	is(memhint_freeze_list(run_directory, take, &told), 0, "what is recorded can be read");
	return told;
}

static void test_orphans(struct scene *scene, struct memhint_process *process,
			 const struct cgroup *cgroup, enum memhint_freeze_way way)
{
	const char *name = memhint_freeze_way_name(way);
	pid_t maker = start_maker(process, way);
	struct told told = list();
	size_t count = 99;

	ok(told.count == 1 && told.last.pid == scene->pid && told.last.way == way &&
		   told.last.unique_id == memhint_process_id(process),
	   "%s: the record names it", name);
	ok(!told.last.is_kept && !told.last.is_orphan, "and its maker lives");
	ok((way == MEMHINT_FREEZE_CGROUP) ==
		   (strstr(cgroup->folder, told.cgroup) && told.cgroup[0]),
	   "with its cgroup where it was used: %s", told.cgroup);
	is(memhint_freeze_recover(run_directory, &count), 0, "nothing to recover");
	ok(count == 0 && scene_stands(scene), "what goes on is not disturbed");
	kill_maker(maker);
	ok(scene_stands(scene), "it stands still when its maker has died");
	told = list();
	ok(told.count == 1 && told.last.is_orphan, "as an orphan");
	is(memhint_freeze_recover(run_directory, &count), 0, "recovered");
	is(count, 1, "one");
	ok(scene_moves(scene), "it goes on");
	is(count_files(), 0, "no record is left");
}

/* Who freezes next, in whatever way, cleans up first. */
static void test_next(struct scene *scene, struct memhint_process *process,
		      enum memhint_freeze_way left, enum memhint_freeze_way way)
{
	struct memhint_freeze *hold;

	kill_maker(start_maker(process, left));
	ok(scene_stands(scene), "left behind");
	is(freeze(process, way, 0, &hold), 0, "and frozen again");
	is(memhint_freeze_way(hold, 0), way, "not taken for somebody else's");
	memhint_freeze_close(hold);
	ok(scene_moves(scene) && count_files() == 0, "so it goes on afterwards");
}

static void test_kept(struct scene *scene, struct memhint_process *process,
		      enum memhint_freeze_way way)
{
	struct memhint_freeze *hold;
	struct told told;
	size_t count = 99;

	is(freeze(process, way, MEMHINT_FREEZE_KEEP, &hold), 0, "to be kept");
	memhint_freeze_close(hold);
	ok(scene_stands(scene), "it is");
	told = list();
	ok(told.count == 1 && told.last.is_kept && !told.last.is_orphan, "and recorded so");
	is(memhint_freeze_recover(run_directory, &count), 0, "recover");
	ok(count == 0 && scene_stands(scene) && count_files() == 1, "leaves it");
	is(memhint_thaw(process, run_directory), 0, "thaw");
	ok(scene_moves(scene) && count_files() == 0, "lets it go");
	is(memhint_thaw(process, run_directory), -ENOENT, "once");
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void read_boot_id(char *ret_id, size_t size)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	must(file && fgets(ret_id, (int)size, file));
	ret_id[strcspn(ret_id, "\n")] = '\0';
	fclose(file);
}

/* Files that are no records, of other times, or of others with the same number. */
static void test_strange(struct scene *scene, struct memhint_process *process)
{
	static const char *const broken[] = {
		"",
		"memhint freeze 1\n",
		"memhint freeze 2\nboot %s\nkept 0\nend\n",
		"memhint freeze 1\nboot %s\nkept 0\nprocess 1 1 signal 0\n",
		"memhint freeze 1\nboot %s\nkept 2\nend\n",
		"memhint freeze 1\nboot %s\nkept 0\nprocess 0 1 signal 0\nend\n",
		"memhint freeze 1\nboot %s\nkept 0\nprocess 1 1 cgroup 0\nend\n",
		"memhint freeze 1\nboot %s\nkept 0\ncgroup 1 ../x\nend\n",
		"memhint freeze 1\nboot %s\nkept 0\nend\nend\n",
		"memhint freeze 1\nboot %s\nkept 0\nend",
	};
	char boot_id[64], path[600], text[512];
	int refused = 0, left = 0;
	size_t count;

	read_boot_id(boot_id, sizeof(boot_id));
	snprintf(path, sizeof(path), "%s/freeze-1-1", run_directory);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		const char *hole = strstr(broken[i], "%s");

		if (hole)
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(hole - broken[i]), broken[i],
				 boot_id, hole + 2);
		write_file(path, hole ? text : broken[i]);
		refused += memhint_freeze_recover(run_directory, NULL) == -EBADMSG;
		left += count_files() == 1;
	}
	is(refused, sizeof(broken) / sizeof(broken[0]), "what is broken is told");
	is(left, refused, "and left");

	kill_maker(start_maker(process, MEMHINT_FREEZE_SIGNAL));
	is(memhint_freeze_recover(run_directory, &count), -EBADMSG, "beside it");
	ok(count == 1 && scene_moves(scene) && count_files() == 1, "others are undone");
	unlink(path);

	snprintf(text, sizeof(text),
		 "memhint freeze 1\nboot 0\nkept 0\nprocess %d %llu signal 0\nend\n", scene->pid,
		 (unsigned long long)memhint_process_id(process));
	write_file(path, text);
	is(memhint_freeze_recover(run_directory, &count), 0, "a record of another boot");
	ok(count == 0 && count_files() == 0, "is removed, and nobody touched");

	/* Somebody else has stopped it, and a record means one that had its number. */
	kill(scene->pid, SIGSTOP);
	must(scene_wait_state(scene->pid, "T"));
	snprintf(text, sizeof(text),
		 "memhint freeze 1\nboot %s\nkept 0\nprocess %d %llu signal 0\nend\n", boot_id,
		 scene->pid, (unsigned long long)memhint_process_id(process) + 1);
	write_file(path, text);
	is(memhint_freeze_recover(run_directory, &count), 0, "a record of an earlier process");
	ok(count == 0 && count_files() == 0 && scene_state(scene->pid) == 'T',
	   "is removed, and the present one not signalled");
	kill(scene->pid, SIGCONT);
	ok(scene_moves(scene), "it goes on by whom it was stopped");

	snprintf(path, sizeof(path), "%s/.new-1-1", run_directory);
	write_file(path, "memhint freeze 1\n");
	ok(memhint_freeze_recover(run_directory, NULL) == 0 && count_files() == 0,
	   "what was being written is removed");
}

/* A cgroup that has the name of one that was frozen. */
static void test_other_cgroup(void)
{
	char boot_id[64], path[600], text[1024];
	struct cgroup cgroup;
	const char *name;
	size_t count;

	must(cgroup_make(&cgroup, "record-other"));
	name = strrchr(cgroup.folder, '/');
	must(cgroup_write(&cgroup, "cgroup.freeze", "1"));
	read_boot_id(boot_id, sizeof(boot_id));
	snprintf(path, sizeof(path), "%s/freeze-1-1", run_directory);
	snprintf(text, sizeof(text), "memhint freeze 1\nboot %s\nkept 0\ncgroup 1 %s\nend\n",
		 boot_id, name);
	write_file(path, text);
	is(memhint_freeze_recover(run_directory, &count), 0, "a record of an earlier cgroup");
	ok(count == 0 && cgroup_is_frozen(&cgroup) && count_files() == 0, "does not thaw this one");
	ok(cgroup_end(&cgroup), "nothing is left");
}

/* Two at once, and more: each does it, or waits for who does. */
static void test_at_once(struct scene *scene, struct memhint_process *process)
{
	bool good = true;

	for (int i = 0; i < 30 && good; i++) {
		pid_t children[4];

		kill_maker(start_maker(process, MEMHINT_FREEZE_SIGNAL));
		fflush(NULL);
		for (int j = 0; j < 4; j++) {
			children[j] = fork();
			if (children[j] == 0)
				_exit(memhint_freeze_recover(run_directory, NULL) != 0 ||
				      count_files() != 0);
		}
		for (int j = 0; j < 4; j++) {
			int status;

			must(waitpid(children[j], &status, 0) == children[j]);
			good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
		}
		good = good && scene_moves(scene);
	}
	ok(good, "four recover at once: for each it is done when it returns");
}

static void test_directory(struct memhint_process *process)
{
	struct memhint_freeze_options options = { .size = sizeof(options),
						  .way = MEMHINT_FREEZE_SIGNAL };
	char path[600], target[600];
	struct memhint_freeze *hold;

	snprintf(path, sizeof(path), "%s/sub", run_directory);
	options.run_directory = path;
	is(memhint_freeze_recover(path, NULL), 0, "no directory, nothing to recover");
	is(memhint_freeze_list(path, take, NULL), 0, "and nothing to list");
	is(memhint_thaw(process, path), -ENOENT, "and nothing to thaw");
	is(memhint_freeze_open(&process, 1, &options, &hold), 0, "it is made");
	memhint_freeze_close(hold);
	{
		struct stat st;

		ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700, "for its owner only");
	}
	must(chmod(path, 0770) == 0);
	is(memhint_freeze_open(&process, 1, &options, &hold), -EPERM, "not where others can write");
	is(memhint_freeze_recover(path, NULL), -EPERM, "nor is anything believed there");
	must(chmod(path, 0700) == 0 && chown(path, 65534, 65534) == 0);
	is(memhint_freeze_open(&process, 1, &options, &hold), -EPERM, "not what others own");
	must(chown(path, 0, 0) == 0);
	snprintf(target, sizeof(target), "%s/link", run_directory);
	must(symlink(path, target) == 0);
	options.run_directory = target;
	is(memhint_freeze_open(&process, 1, &options, &hold), -EPERM, "not where a link leads");
	ok(!memhint_process_is_stopped(process), "then it runs");
	unlink(target);
	ok(rmdir(path) == 0, "nothing is left");
}

static void run_alone(struct child_shared *shared)
{
	(void)shared;
	must(setsid() >= 0);
}

/*
 * What was not frozen has nothing to be undone: nobody could, for as long as it lives. In a session of its
 * own, since SIGCONT may be sent to everybody of one's own.
 */
static void test_refused(void)
{
	struct memhint_freeze_options options = { .size = sizeof(options),
						  .way = MEMHINT_FREEZE_SIGNAL };
	struct memhint_process *process;
	char path[600];
	int status;
	pid_t user;
	struct child child;

	snprintf(path, sizeof(path), "%s/user", run_directory);
	options.run_directory = path;
	must(mkdir(path, 0700) == 0 && chown(path, 65534, 65534) == 0 &&
	     chmod(run_directory, 0711) == 0);
	child_start(&child, run_alone, NULL);
	must(memhint_process_open(P_PID, (id_t)child.pid, &process) == 0);
	fflush(NULL);
	user = fork();
	must(user >= 0);
	if (user == 0) {
		struct memhint_freeze *hold;

		must(setresuid(65534, 65534, 65534) == 0);
		_exit(memhint_freeze_open(&process, 1, &options, &hold) == -EPERM ? 0 : 1);
	}
	must(waitpid(user, &status, 0) == user);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "not by who may not signal it");
	ok(rmdir(path) == 0, "and that leaves no record");
	memhint_process_close(process);
	child_end(&child);
}

int main(void)
{
	struct memhint_process *process;
	struct cgroup cgroup;
	struct scene scene;

	if (geteuid() != 0)
		skip_all("needs root");
	must(mkdtemp(run_directory));
	scene_start(&scene, "count", "2");
	must(memhint_process_open(P_PID, (id_t)scene.pid, &process) == 0);
	must(cgroup_make(&cgroup, "freeze-record") && cgroup_add(&cgroup, scene.pid));
	ok(strcmp(memhint_run_directory(), "/run/memhint") == 0, "root's directory");
	test_orphans(&scene, process, &cgroup, MEMHINT_FREEZE_SIGNAL);
	test_orphans(&scene, process, &cgroup, MEMHINT_FREEZE_CGROUP);
	test_next(&scene, process, MEMHINT_FREEZE_SIGNAL, MEMHINT_FREEZE_SIGNAL);
	test_next(&scene, process, MEMHINT_FREEZE_SIGNAL, MEMHINT_FREEZE_TRACE);
	test_next(&scene, process, MEMHINT_FREEZE_CGROUP, MEMHINT_FREEZE_TRACE);
	test_kept(&scene, process, MEMHINT_FREEZE_SIGNAL);
	test_kept(&scene, process, MEMHINT_FREEZE_CGROUP);
	test_strange(&scene, process);
	test_other_cgroup();
	test_at_once(&scene, process);
	test_directory(process);
	test_refused();
	memhint_process_close(process);
	scene_end(&scene);
	ok(cgroup_end(&cgroup) && rmdir(run_directory) == 0, "nothing is left");
	return done_testing();
}
