/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "procfile.h"

#include "cleanup.h"
#include "fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_LIMIT (4u << 20)

/* Points at field @number (from 4 on) of a stat line, @rest being what follows the comm's ')'. */
static const char *stat_field(const char *rest, int number)
{
	for (int field = 3; field < number; field++) {
		rest = strchr(rest, ' ');
		if (!rest)
			return NULL;
		rest++;
	}
	return rest;
}

static bool stat_number(const char *rest, int number, uint64_t *ret)
{
	const char *text = stat_field(rest, number);
	char *end;

	if (!text)
		return false;
	*ret = strtoull(text, &end, 10);
	return end != text;
}

int proc_stat_parse(const char *text, struct proc_stat *ret_stat)
{
	struct proc_stat stat = {};
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	uint64_t ppid, threads;
	size_t length;

	/* A comm may hold anything, spaces and brackets too: the last ')' ends it. */
	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return -EIO;
	length = (size_t)(close - open - 1);
	if (length >= sizeof(stat.comm))
		length = sizeof(stat.comm) - 1;
	memcpy(stat.comm, open + 1, length);
	stat.state = close[2];
	if (!stat_number(close + 2, 4, &ppid) || !stat_number(close + 2, 9, &stat.flags) ||
	    !stat_number(close + 2, 14, &stat.utime_ticks) ||
	    !stat_number(close + 2, 15, &stat.stime_ticks) ||
	    !stat_number(close + 2, 20, &threads) ||
	    !stat_number(close + 2, 22, &stat.start_ticks) ||
	    !stat_number(close + 2, 26, &stat.start_code) ||
	    !stat_number(close + 2, 28, &stat.start_stack) ||
	    !stat_number(close + 2, 50, &stat.env_start))
		return -EIO;
	stat.ppid = (pid_t)ppid;
	stat.num_threads = (uint32_t)threads;
	*ret_stat = stat;
	return 0;
}

/* The number after "@key:\t", or false if the key is missing: kernel threads have no Vm lines. */
static bool status_number(const char *text, const char *key, uint64_t *ret)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			*ret = strtoull(line + length + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

int proc_status_parse(const char *text, struct proc_status *ret_status)
{
	struct proc_status status = {};
	const char *uids = strstr(text, "\nUid:\t");
	char *end;
	struct {
		const char *key;
		uint64_t *bytes;
	} fields[] = {
		{ "VmSize", &status.size_bytes },  { "RssAnon", &status.anon_bytes },
		{ "RssFile", &status.file_bytes }, { "RssShmem", &status.shmem_bytes },
		{ "VmSwap", &status.swap_bytes },  { "VmLck", &status.locked_bytes },
	};

	if (!uids)
		return -EIO;
	strtoul(uids + 6, &end, 10); /* real, then effective */
	status.euid = (uid_t)strtoul(end, NULL, 10);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (status_number(text, fields[i].key, fields[i].bytes))
			*fields[i].bytes *= 1024;
	*ret_status = status;
	return 0;
}

int proc_stat_read(int dirfd, struct proc_stat *ret_stat)
{
	char text[1024];
	ssize_t n = fd_read_file_at(dirfd, "stat", text, sizeof(text));

	return n < 0 ? (int)n : proc_stat_parse(text, ret_stat);
}

/* Memory grows with very many groups, of which a process may have 65,536, or processors. */
int proc_status_text(int dirfd, const char *path, char **ret_text)
{
	ssize_t n = -EFBIG;

	for (size_t size = 8u << 10; n == -EFBIG && size <= STATUS_LIMIT; size *= 8) {
		_cleanup_free_ char *text = malloc(size);

		if (!text)
			return -ENOMEM;
		n = fd_read_file_at(dirfd, path, text, size);
		if (n >= 0) {
			*ret_text = take_pointer(text);
			return 0;
		}
	}
	return (int)n;
}

int proc_status_read_path(int dirfd, const char *path, struct proc_status *ret_status)
{
	_cleanup_free_ char *text = NULL;
	int r = proc_status_text(dirfd, path, &text);

	return r < 0 ? r : proc_status_parse(text, ret_status);
}

int proc_status_read(int dirfd, struct proc_status *ret_status)
{
	return proc_status_read_path(dirfd, "status", ret_status);
}
