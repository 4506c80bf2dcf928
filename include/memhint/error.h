/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors as words. */
#ifndef MEMHINT_ERROR_H
#define MEMHINT_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/** memhint_error_name() - "ESRCH" for ESRCH or -ESRCH; "E?" if unknown. Since: 0.1. */
const char *memhint_error_name(int error);

/**
 * memhint_error_help() - what an error of memhint_process_open(), memhint_map_open(),
 * memhint_select() or memhint_advise() means and what to do next: a sentence. Since: 0.1.
 */
const char *memhint_error_help(int error);

#ifdef __cplusplus
}
#endif
#endif
