/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine.h"

#include "cleanup.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int machine_capabilities(int procfd, uint64_t *ret_capabilities)
{
	char text[8192];
	const char *line;
	ssize_t n = fd_read_file_at(procfd, "self/status", text, sizeof(text));

	if (n < 0)
		return (int)n;
	line = strstr(text, "\nCapEff:");
	if (!line)
		return -EIO;
	*ret_capabilities = strtoull(line + strlen("\nCapEff:"), NULL, 16);
	return 0;
}

/*
 * Calls @see with mount point, type and options of the file system of every mount; stops when that
 * returns non-zero and returns it. Source: proc_pid_mountinfo(5).
 */
static int each_mount(int procfd,
		      int (*see)(const char *point, const char *type, const char *options,
				 void *data),
		      void *data)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = fd_fopen_at(procfd, "self/mountinfo", &file);

	if (r < 0)
		return r;
	while (r == 0 && getline(&line, &size, file) > 0) {
		char point[4096], type[64], options[1024];
		const char *rest = strstr(line, " - ");

		if (rest && sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 &&
		    sscanf(rest, " - %63s %*s %1023s", type, options) == 2)
			r = see(point, type, options, data);
	}
	return r;
}

struct text {
	char *value;
	size_t size;
};

/* Later mounts of /proc lie over earlier ones, so this looks at all. */
static int see_hidepid(const char *point, const char *type, const char *options, void *data)
{
	const struct text *text = data;
	const char *found = strstr(options, "hidepid=");

	if (strcmp(point, "/proc") != 0 || strcmp(type, "proc") != 0)
		return 0;
	text->value[0] = '\0';
	if (found) {
		found += strlen("hidepid=");
		snprintf(text->value, text->size, "%.*s", (int)strcspn(found, ","), found);
		if (strcmp(text->value, "0") == 0 || strcmp(text->value, "off") == 0)
			text->value[0] = '\0';
	}
	return 0;
}

int machine_hidepid(int procfd, char *value, size_t size)
{
	struct text text = { value, size };

	value[0] = '\0';
	return each_mount(procfd, see_hidepid, &text);
}

static int see_cgroup2(const char *point, const char *type, const char *options, void *data)
{
	const struct text *text = data;

	if (strcmp(type, "cgroup2") != 0)
		return 0;
	snprintf(text->value, text->size, "%s", point);
	return 1;
}

int machine_cgroup2(int procfd, char *path, size_t size)
{
	struct text text = { path, size };
	int r = each_mount(procfd, see_cgroup2, &text);

	return r < 0 ? r : r == 1 ? 0 : -ENOENT;
}

struct cgroup_seer {
	int (*see)(const char *point, bool is_v2, void *data);
	void *data;
};

static int see_cgroup(const char *point, const char *type, const char *options, void *data)
{
	const struct cgroup_seer *seer = data;
	bool is_v2 = strcmp(type, "cgroup2") == 0;

	(void)options;
	return is_v2 || strcmp(type, "cgroup") == 0 ? seer->see(point, is_v2, seer->data) : 0;
}

int machine_cgroups(int procfd, int (*see)(const char *point, bool is_v2, void *data), void *data)
{
	struct cgroup_seer seer = { see, data };

	return each_mount(procfd, see_cgroup, &seer);
}

bool machine_cgroup2_has(const char *mount, const char *controller)
{
	_cleanup_close_ int fd = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[1024], *rest = text;
	const char *word;

	if (fd < 0 || fd_read_file_at(fd, "cgroup.controllers", text, sizeof(text)) < 0)
		return false;
	while ((word = strsep(&rest, " \n")))
		if (strcmp(word, controller) == 0)
			return true;
	return false;
}

int machine_pressure(int procfd, double *ret_percent)
{
	char text[512];
	const char *found;
	double percent;
	char *end;
	/* With psi=0 on the kernel's command line opening it already says so. */
	ssize_t n = fd_read_file_at(procfd, "pressure/memory", text, sizeof(text));

	if (n < 0)
		return (int)n;
	found = strstr(text, "avg10=");
	if (!found)
		return -EIO;
	found += strlen("avg10=");
	percent = strtod(found, &end);
	if (end == found || !(percent >= 0 && percent <= 100)) /* nor NaN */
		return -EIO;
	*ret_percent = percent;
	return 0;
}

int machine_huge_pages(int sysfd, char *value, size_t size)
{
	char text[256];
	const char *open_bracket, *close_bracket;
	ssize_t n = fd_read_file_at(sysfd, "kernel/mm/transparent_hugepage/enabled", text,
				    sizeof(text));

	if (n < 0)
		return (int)n;
	open_bracket = strchr(text, '[');
	close_bracket = open_bracket ? strchr(open_bracket, ']') : NULL;
	if (!close_bracket)
		return -EIO;
	snprintf(value, size, "%.*s", (int)(close_bracket - open_bracket - 1), open_bracket + 1);
	return 0;
}

/* Whether a list of modules of the running kernel names zram. */
static bool list_has_zram(const char *list)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	struct utsname name;
	char path[512];
	size_t size = 0;

	if (uname(&name) < 0)
		return false;
	snprintf(path, sizeof(path), "/lib/modules/%s/%s", name.release, list);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0)
		if (strstr(line, "/zram.ko"))
			return true;
	return false;
}

enum machine_zram machine_zram(int sysfd)
{
	if (faccessat(sysfd, "class/zram-control/hot_add", F_OK, 0) == 0)
		return MACHINE_ZRAM_READY;
	return list_has_zram("modules.dep") ? MACHINE_ZRAM_MODULE : MACHINE_ZRAM_NONE;
}
