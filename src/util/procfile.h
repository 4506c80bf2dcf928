/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two texts that tell a process's numbers, as structures. Sources: proc_pid_stat(5), proc_pid_status(5). */
#ifndef UTIL_PROCFILE_H
#define UTIL_PROCFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char comm[64];
	char state;
	pid_t ppid;
	uint64_t flags; /* PF_* of the kernel */
	uint64_t utime_ticks;
	uint64_t stime_ticks;
	uint32_t num_threads;
	uint64_t start_ticks;
	uint64_t start_code; /* these three move with every exec; 0 without ptrace access */
	uint64_t start_stack;
	uint64_t env_start;
};

struct proc_status {
	uid_t euid;
	uint64_t size_bytes;
	uint64_t anon_bytes;
	uint64_t file_bytes;
	uint64_t shmem_bytes;
	uint64_t swap_bytes;
	uint64_t locked_bytes;
};

/* Parse text that ends with NUL: 0 or -EIO. */
int proc_stat_parse(const char *text, struct proc_stat *ret_stat);
int proc_status_parse(const char *text, struct proc_status *ret_status);

/* Read and parse "stat" and "status" below @dirfd, a /proc/PID directory: 0 or a negative errno. */
int proc_stat_read(int dirfd, struct proc_stat *ret_stat);
int proc_status_read(int dirfd, struct proc_status *ret_status);

/* The same of "status" at another place, such as "PID/status". */
int proc_status_read_path(int dirfd, const char *path, struct proc_status *ret_status);

/*
 * The text of "status" or "task/TID/status" below @dirfd, whole, however many groups it lists; the caller
 * frees it. 0 or a negative errno.
 */
int proc_status_text(int dirfd, const char *path, char **ret_text);

#define PROC_FLAG_EXITING 0x00000004u /* PF_EXITING of include/linux/sched.h */
#define PROC_FLAG_KTHREAD 0x00200000u /* PF_KTHREAD */

#endif
