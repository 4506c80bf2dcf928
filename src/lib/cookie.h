/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cookies: 64 bits that name one state of one address space. */
#ifndef LIB_COOKIE_H
#define LIB_COOKIE_H

#include "bpf-room.h"
#include "exec-marks.h"

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
uint64_t cookie_of_text(const struct memhint_process *process, const struct exec_marks *marks,
			uint64_t fingerprint);

/*
 * What both are made of, and the boot beside it: numbers in, a cookie out. Apart from them so that
 * another boot can be tried.
 */
uint64_t cookie_mix(enum memhint_cookie_kind kind, uint64_t boot, uint64_t key,
		    const uint64_t *numbers, size_t count);

/* Told from other boots of this machine and of all others: 0 or a negative errno. */
int cookie_boot(uint64_t *ret_boot);

/* Closes what was kept between two readings; NULL is accepted. */
struct cookie_keep;
void cookie_keep_free(struct cookie_keep *keep);

#endif
