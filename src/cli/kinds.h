/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds and flags of mappings as words. */
#ifndef CLI_KINDS_H
#define CLI_KINDS_H

#include "options.h"

#include <memhint/map.h>
#include <stdint.h>

#define KIND_COUNT 7

/* "anon,heap" as bits of enum memhint_kind: 0, or EXIT_USAGE after a complaint. */
int kinds_parse(const struct options *options, uint32_t *ret_kinds);

/* The flags of the second group, one by one: the next name from @from on, NULL after the last. */
const char *vma_flag_next(uint32_t flags, unsigned *from);

/* "rw-p" */
struct vma_permissions {
	char text[5];
};
struct vma_permissions vma_permissions(uint32_t flags);

#endif
