/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every process of the machine, read in one pass. */
#ifndef CLI_PROCLIST_H
#define CLI_PROCLIST_H

#include "procfile.h"

#include <memhint/process.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_entry {
	pid_t pid;
	bool selected; /* for the caller; false at first */
	struct proc_stat stat;
	struct proc_status status;
};

struct proclist {
	size_t count;
	struct proc_entry *entries; /* in the order of /proc: by PID */
};

/*
 * Reads stat and status of every process below @procfd. What ends meanwhile is left out. stat and
 * status are two looks: a process that ends between them, whose PID is given away again at once,
 * would be mixed with its successor. A list bears that; whoever acts on a process, or says its unique
 * id, takes hold of it by proc_entry_open(). 0 or a negative errno.
 */
int proclist_read(int procfd, struct proclist *ret_list);
void proclist_done(struct proclist *list);

/*
 * Takes hold of the process that was read about. 0 or a negative errno; -ESTALE: its PID names another
 * one by now.
 */
int proc_entry_open(const struct proc_entry *entry, struct memhint_process **ret_process,
		    struct memhint_process_stat *ret_stat);

/* The entry of a process, or NULL. */
struct proc_entry *proclist_find(const struct proclist *list, pid_t pid);

/* Marks, too, every descendant of what is selected. */
void proclist_select_children(struct proclist *list);

/*
 * When any thread of a process last ran, and the same of the caller, which runs now, by the
 * scheduler's own record (se.exec_start of /proc/PID/sched), in microseconds. The clocks of
 * different CPUs may differ by what they spent in interrupts, so the difference is for "seconds or
 * hours?", no more. 0 or a negative errno; -ENOENT: this kernel does not show it.
 */
int proc_last_run_usec(int procfd, pid_t pid, uint32_t threads, uint64_t *ret_usec);
int proc_clock_usec(int procfd, uint64_t *ret_usec);

/* The path of the program below @procfd: 0 or a negative errno. " (deleted)" is taken off. */
int proc_exe(int procfd, pid_t pid, char *path, size_t size);

/* The cgroup v2 of a process, or else the one that systemd made for it: 0 or a negative errno. */
int proc_cgroup(int procfd, pid_t pid, char *path, size_t size);

#endif
