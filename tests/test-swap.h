/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A swap device for the time of a test. */
#ifndef TESTS_SWAP_H
#define TESTS_SWAP_H

#include <stdint.h>

/*
 * Makes a zram device and swaps on it before all else, once; waits while another test has one. Where
 * there is no zram, swap that the machine has must do. A process of its own removes it when the test
 * ends, in whatever way. Exits the test if it cannot be had.
 */
void swap_begin_bytes(uint64_t bytes);
void swap_begin(void); /* 512 MiB */

/* Removes it now. */
void swap_end(void);

#endif
