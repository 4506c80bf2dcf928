/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's type information names: proof of what it has, apart from what memhint makes of it. */
#ifndef TESTS_BTF_H
#define TESTS_BTF_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static inline bool btf_has(const char *name)
{
	static char text[64 << 20];
	static size_t size;
	int fd = size ? -1 : open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + size, sizeof(text) - size)) > 0)
		size += (size_t)n;
	if (fd >= 0)
		close(fd);
	return memmem(text, size, name, strlen(name) + 1);
}

/* Why exact cookies cannot work here; NULL: they must. Of root. */
static inline const char *exact_cookies_lack(void)
{
#ifndef BPF_BUILT
	return "memhint was built without BPF";
#endif
	/* The filter on one process came together with this function. */
	if (!btf_has("bpf_iter_attach_task"))
		return "this kernel has no BPF iterator over one process";
	if (!btf_has("mm_lock_seq"))
		return "this kernel does not count changes";
	return NULL;
}

#endif
