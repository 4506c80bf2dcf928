/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of the advices. */
#include "uapi.h"

#include <memhint/advise.h>

#include <errno.h>
#include <stddef.h>
#include <strings.h>

static const struct advice {
	const char *name;
	int advice;
	bool is_remote;
} advices[] = {
	{ "normal", MADV_NORMAL, false },
	{ "random", MADV_RANDOM, false },
	{ "sequential", MADV_SEQUENTIAL, false },
	{ "willneed", MADV_WILLNEED, true },
	{ "dontneed", MADV_DONTNEED, false },
	{ "free", MADV_FREE, false },
	{ "remove", MADV_REMOVE, false },
	{ "dontfork", MADV_DONTFORK, false },
	{ "dofork", MADV_DOFORK, false },
	{ "mergeable", MADV_MERGEABLE, false },
	{ "unmergeable", MADV_UNMERGEABLE, false },
	{ "hugepage", MADV_HUGEPAGE, false },
	{ "nohugepage", MADV_NOHUGEPAGE, false },
	{ "dontdump", MADV_DONTDUMP, false },
	{ "dodump", MADV_DODUMP, false },
	{ "wipeonfork", MADV_WIPEONFORK, false },
	{ "keeponfork", MADV_KEEPONFORK, false },
	{ "cold", MADV_COLD, true },
	{ "pageout", MADV_PAGEOUT, true },
	{ "populate_read", MADV_POPULATE_READ, false },
	{ "populate_write", MADV_POPULATE_WRITE, false },
	{ "collapse", MADV_COLLAPSE, true },
};

static const struct advice *advice_find(int advice)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].advice == advice)
			return &advices[i];
	return NULL;
}

const char *memhint_advice_name(int advice)
{
	const struct advice *found = advice_find(advice);

	return found ? found->name : NULL;
}

int memhint_advice_parse(const char *name, int *ret_advice)
{
	if (strncasecmp(name, "MADV_", 5) == 0)
		name += 5;
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (strcasecmp(advices[i].name, name) == 0) {
			*ret_advice = advices[i].advice;
			return 0;
		}
	return -EINVAL;
}

bool memhint_advice_is_remote(int advice)
{
	const struct advice *found = advice_find(advice);

	return found && found->is_remote;
}

bool memhint_advice_is_destructive(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_WIPEONFORK:
		return true;
	}
	return false;
}

const char *memhint_via_name(enum memhint_via via)
{
	static const char *const names[] = { "auto", "kernel", "inject" };

	return (unsigned int)via < sizeof(names) / sizeof(names[0]) ? names[via] : NULL;
}
