/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stat and status texts, the awkward ones too. */
#include "procfile.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

static const char awkward_stat[] =
	"4242 (a) R (b\n c) S 17 4242 4242 0 -1 4194304 100 0 3 0 250 50 0 0 20 0 3 0 987654 "
	"262144000 5000 18446744073709551615 94000000000000 94000000100000 140720000000000 0 0 0 0 0 "
	"0 0 0 0 17 1 0 0 0 0 0 94000000200000 94000000210000 94000000300000 140720000001000 "
	"140720000001100 140720000001200 140720000001300 0\n";

static const char status_text[] =
	"Name:\tx\\nUid: 5\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1000\t1001\t1002\t1003\n"
	"VmPeak:\t  999 kB\nVmSize:\t  500 kB\nVmLck:\t   8 kB\nVmRSS:\t  300 kB\nRssAnon:\t  200 kB\n"
	"RssFile:\t  90 kB\nRssShmem:\t  10 kB\nVmSwap:\t  40 kB\nThreads:\t1\n";

static const char kernel_thread_status[] =
	"Name:\tkthreadd\nUmask:\t0000\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\nThreads:\t1\n";

int main(void)
{
	struct proc_status status;
	struct proc_stat stat;

	is(proc_stat_parse(awkward_stat, &stat), 0, "a comm with brackets, blanks and a newline");
	ok(strcmp(stat.comm, "a) R (b\n c") == 0, "its comm is whole");
	is(stat.state, 'S', "state");
	is(stat.ppid, 17, "parent");
	is(stat.utime_ticks, 250, "utime");
	is(stat.stime_ticks, 50, "stime");
	is(stat.num_threads, 3, "threads");
	is(stat.start_ticks, 987654, "start time");
	is(stat.start_code, 94000000000000, "start of code");
	is(stat.start_stack, 140720000000000, "start of stack");
	is(stat.env_start, 140720000001200, "start of environment");
	is(proc_stat_parse("1 (x", &stat), -EIO, "no closing bracket");
	is(proc_stat_parse("1 (x) ", &stat), -EIO, "nothing after the comm");
	is(proc_stat_parse("1 (x) S 1 2 3", &stat), -EIO, "too few fields");
	is(proc_stat_parse("", &stat), -EIO, "empty");

	is(proc_status_parse(status_text, &status), 0, "a status");
	is(status.euid, 1001, "effective uid");
	is(status.size_bytes, 500 * 1024, "VmSize");
	is(status.locked_bytes, 8 * 1024, "VmLck");
	is(status.anon_bytes, 200 * 1024, "RssAnon");
	is(status.file_bytes, 90 * 1024, "RssFile");
	is(status.shmem_bytes, 10 * 1024, "RssShmem");
	is(status.swap_bytes, 40 * 1024, "VmSwap");
	is(proc_status_parse(kernel_thread_status, &status), 0, "a kernel thread's status");
	is(status.size_bytes, 0, "which has no memory");
	is(proc_status_parse("", &status), -EIO, "an empty status");
	return done_testing();
}
