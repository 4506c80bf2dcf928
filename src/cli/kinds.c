/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kinds.h"

#include "log.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

int kinds_parse(const struct options *options, uint32_t *ret_kinds)
{
	const char *text = options->argument;
	uint32_t kinds = 0;

	for (;;) {
		size_t length = strcspn(text, ",");
		unsigned i;

		for (i = 0; i < KIND_COUNT; i++) {
			const char *name = memhint_kind_name(1u << i);

			if (strlen(name) == length && strncasecmp(name, text, length) == 0)
				break;
		}
		if (i == KIND_COUNT) {
			log_error(
				"--%s: '%.*s' is no kind of mapping; the kinds are anon, heap, stack, file, "
				"shmem, code and special",
				options->name, (int)length, text);
			return EXIT_USAGE;
		}
		kinds |= 1u << i;
		if (!text[length])
			break;
		text += length + 1;
	}
	*ret_kinds = kinds;
	return 0;
}

const char *vma_flag_next(uint32_t flags, unsigned *from)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ MEMHINT_VMA_LOCKED, "locked" },	{ MEMHINT_VMA_HUGETLB, "hugetlb" },
		{ MEMHINT_VMA_PFNMAP, "pfnmap" },	{ MEMHINT_VMA_IO, "io" },
		{ MEMHINT_VMA_DROPPABLE, "droppable" }, { MEMHINT_VMA_UFFD, "uffd" },
		{ MEMHINT_VMA_HUGEPAGE, "hugepage" },	{ MEMHINT_VMA_NOHUGEPAGE, "nohugepage" },
		{ MEMHINT_VMA_MERGEABLE, "mergeable" }, { MEMHINT_VMA_DONTDUMP, "dontdump" },
		{ MEMHINT_VMA_MIXEDMAP, "mixedmap" },
	};

	while (*from < sizeof(names) / sizeof(names[0])) {
		unsigned i = (*from)++;

		if (flags & names[i].flag)
			return names[i].name;
	}
	return NULL;
}

struct vma_permissions vma_permissions(uint32_t flags)
{
	struct vma_permissions permissions = { {
		flags & MEMHINT_VMA_READ ? 'r' : '-',
		flags & MEMHINT_VMA_WRITE ? 'w' : '-',
		flags & MEMHINT_VMA_EXEC ? 'x' : '-',
		flags & MEMHINT_VMA_SHARED ? 's' : 'p',
	} };

	return permissions;
}
