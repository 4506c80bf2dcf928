/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memhint: tell the kernel which memory of other processes is not needed now.
 *
 * This header takes in all others. The way through the library is one line long:
 *
 *   memhint_process_open() -> memhint_map_open() -> memhint_select() -> memhint_advise()
 *
 * The error policy, once for all of it: a function that can fail returns 0 or a negative errno and
 * leaves its outputs alone on failure; what was done in part stands in a result structure, whatever
 * the return value. Only <memhint/syscall.h> follows libc (-1 and errno).
 *
 * An option or filter structure begins with its own size, so that old programs work with new
 * libraries; one that asks a library for more than it knows is refused with -EINVAL. A structure that
 * the library fills in has room for what later versions will tell: members named reserved, which are 0
 * until then. Of an enumeration, old values keep their numbers.
 *
 * The library does not log, exit, change signals or read the environment. It starts a thread in one
 * case, for a moment: see memhint_freeze_open().
 * No object may be used by two threads at once; different objects may.
 */
#ifndef MEMHINT_MEMHINT_H
#define MEMHINT_MEMHINT_H

#include <memhint/advise.h>
#include <memhint/error.h>
#include <memhint/filter.h>
#include <memhint/guard.h>
#include <memhint/map.h>
#include <memhint/probe.h>
#include <memhint/process.h>
#include <memhint/syscall.h>

#endif
