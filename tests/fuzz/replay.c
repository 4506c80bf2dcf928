/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Goes through the inputs in a directory, whole and cut off at every length. */
#include "fuzz.h"
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define INPUT_MAX (64 << 10)
#define CUT_MAX 4096 /* of longer inputs as many beginnings as this */

static void replay(const uint8_t *input, size_t length)
{
	size_t step = length / CUT_MAX + 1;

	for (size_t cut = 0; cut < length; cut += step) {
		/* A copy of its own size, so that the sanitizer sees a step beyond it. */
		uint8_t *part = malloc(cut + 1);

		must(part);
		memcpy(part, input, cut);
		LLVMFuzzerTestOneInput(part, cut);
		free(part);
	}
	LLVMFuzzerTestOneInput(input, length);
}

int main(int argc, char **argv)
{
	static uint8_t input[INPUT_MAX];
	struct dirent *entry;
	DIR *dir;

	must(argc == 2);
	dir = opendir(argv[1]);
	must(dir);
	while ((entry = readdir(dir))) {
		ssize_t length;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		must(fd >= 0);
		length = read(fd, input, sizeof(input));
		must(length >= 0);
		close(fd);
		replay(input, (size_t)length);
		ok(true, "%s", entry->d_name);
	}
	closedir(dir);
	must(tap_count > 0);
	return done_testing();
}
