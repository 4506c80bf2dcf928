/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found out by trying is remembered, what failed for want of a descriptor is not. */
#include "page-size.h"
#include "tap.h"
#include "vector.h"

#include <memhint/memhint.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void set_descriptors(rlim_t most)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = most;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* What the kernel says of it, asked without the library. */
static uint64_t huge_page_truth(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
	unsigned long long size = 0;

	if (file && fscanf(file, "%llu", &size) != 1)
		size = 0;
	if (file)
		fclose(file);
	return size;
}

int main(void)
{
	static const enum memhint_feature features[] = {
		MEMHINT_FEATURE_PIDFD,		 MEMHINT_FEATURE_PIDFS,
		MEMHINT_FEATURE_PROCESS_MADVISE, MEMHINT_FEATURE_PAGEMAP,
		MEMHINT_FEATURE_PAGEMAP_SCAN,	 MEMHINT_FEATURE_PROCMAP_QUERY,
		MEMHINT_FEATURE_SMAPS,		 MEMHINT_FEATURE_BPF_VMA,
		MEMHINT_FEATURE_BPF_VMA_SEQ,	 MEMHINT_FEATURE_EXACT_COOKIE,
	};
	const size_t count = sizeof(features) / sizeof(features[0]);
	struct rlimit before;
	uint64_t huge = huge_page_truth();
	int first[sizeof(features) / sizeof(features[0])];
	bool native;

	must(getrlimit(RLIMIT_NOFILE, &before) == 0);
	set_descriptors(0);
	for (size_t i = 0; i < count; i++)
		is(memhint_probe(features[i]), -EMFILE, "%s: no descriptor to try it with",
		   memhint_feature_name(features[i]));
	ok(huge_page_size() >= huge, "huge pages are not taken for missing");
	native = vector_self_is_native(MADV_COLD);
	ok(!native, "nor is advice on oneself taken for possible");
	set_descriptors(before.rlim_cur);

	for (size_t i = 0; i < count; i++) {
		first[i] = memhint_probe(features[i]);
		ok(first[i] != -EMFILE, "%s: tried again", memhint_feature_name(features[i]));
	}
	is(huge_page_size(), huge, "the size of huge pages is what the kernel says");
	is(vector_self_is_native(MADV_COLD), memhint_probe(MEMHINT_FEATURE_PROCESS_MADVISE) == 0,
	   "advice on oneself is tried again");

	set_descriptors(0);
	for (size_t i = 0; i < count; i++)
		is(memhint_probe(features[i]), first[i], "%s: remembered",
		   memhint_feature_name(features[i]));
	is(huge_page_size(), huge, "the size of huge pages is remembered");
	set_descriptors(before.rlim_cur);

	is(memhint_probe(MEMHINT_FEATURE_COUNT), -EINVAL, "no such feature");
	for (int i = 0; i < MEMHINT_FEATURE_COUNT; i++)
		ok(memhint_feature_name(i) && memhint_feature_help(i), "feature %d has its words",
		   i);
	return done_testing();
}
