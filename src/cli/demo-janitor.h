/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that makes what the demo could leave behind, and that removes it all when the demo is
 * over, however it ended. It has a session of its own, ignores the signals of terminals, and waits for
 * the end of a socket whose other side only the demo holds: the kernel closes that even for SIGKILL.
 */
#ifndef CLI_DEMO_JANITOR_H
#define CLI_DEMO_JANITOR_H

#include "swap-device.h"

#include <stdint.h>

struct janitor;

/* Forks it; best before anything else is done. 0 or a negative errno. */
int janitor_start(struct janitor **ret_janitor);

/* Has a temporary folder made below TMPDIR. *ret_path lives as long as the janitor. */
int janitor_make_folder(struct janitor *janitor, const char **ret_path);

/* Has swap made, a swap file in the folder. *ret_device lives as long as the janitor. */
int janitor_make_swap(struct janitor *janitor, enum swap_kind kind, uint64_t size_bytes,
		      const struct swap_device **ret_device);

/* Hands it a process to be killed in the end. @pidfd stays open until janitor_finish() has returned. */
int janitor_adopt(struct janitor *janitor, int pidfd);

/*
 * Has everything removed, waits for that, and frees @janitor. The processes are dead then, but their
 * parent has to wait for them. 0, or -EIO when something could not be removed: the janitor has said
 * what on stderr.
 */
int janitor_finish(struct janitor *janitor);

#endif
