/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cookies: 64 bits that name one state of one address space. */
#ifndef LIB_COOKIE_H
#define LIB_COOKIE_H

#include "bpf-room.h"

#include <memhint/guard.h>
#include <stdint.h>

/*
 * Reads one kind, where memhint_process_cookie() takes the best that there is. -EOPNOTSUPP exact ones
 * cannot be read here; else its errors.
 */
int cookie_read(struct memhint_process *process, enum memhint_cookie_kind kind,
		uint64_t *ret_cookie);

/* From what the BPF room has read of a process; 0 if it could not tell. */
uint64_t cookie_of_space(const struct memhint_process *process, const struct bpf_room_space *space);

/* From the fingerprint of the text of its maps. */
uint64_t cookie_of_fingerprint(const struct memhint_process *process, uint64_t fingerprint);

#endif
