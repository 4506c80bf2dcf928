/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that a process has already and that can be made use of. */
#ifndef LIB_INJECT_CODE_H
#define LIB_INJECT_CODE_H

#include "inject-arch.h"

struct memhint_process;

/*
 * Looks in the vDSO, then in the files that are mapped as code. 0 or a negative errno: -EOPNOTSUPP
 * it has none, or is of an ABI that is not known; -EACCES, -ESRCH, -ENOMEM.
 */
int inject_code_find(const struct memhint_process *process, const struct inject_abi **ret_abi,
		     struct inject_code *ret_code);

/* Whether what was found is there still. */
bool inject_code_is_there(int memory_fd, const struct inject_code *code);

#endif
