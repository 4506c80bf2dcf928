/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "smaps.h"

#include "tap.h"

#include <memhint/map.h>

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static uint32_t flag_of(const char *letters)
{
	static const struct {
		char letters[3];
		uint32_t flag;
	} flags[] = {
		{ "rd", MEMHINT_VMA_READ },	 { "wr", MEMHINT_VMA_WRITE },
		{ "ex", MEMHINT_VMA_EXEC },	 { "sh", MEMHINT_VMA_SHARED },
		{ "lo", MEMHINT_VMA_LOCKED },	 { "ht", MEMHINT_VMA_HUGETLB },
		{ "pf", MEMHINT_VMA_PFNMAP },	 { "io", MEMHINT_VMA_IO },
		{ "dp", MEMHINT_VMA_DROPPABLE }, { "um", MEMHINT_VMA_UFFD },
		{ "uw", MEMHINT_VMA_UFFD },	 { "ui", MEMHINT_VMA_UFFD },
		{ "hg", MEMHINT_VMA_HUGEPAGE },	 { "nh", MEMHINT_VMA_NOHUGEPAGE },
		{ "mg", MEMHINT_VMA_MERGEABLE }, { "dd", MEMHINT_VMA_DONTDUMP },
		{ "mm", MEMHINT_VMA_MIXEDMAP },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(flags[i].letters, letters) == 0)
			return flags[i].flag;
	return 0;
}

/* Asks the file itself on which file system it is. */
static uint32_t kind_of_file(pid_t pid, const struct smaps_vma *vma)
{
	bool is_private = !(vma->flags & MEMHINT_VMA_SHARED);
	struct statfs fs;
	struct stat st;
	char path[96];

	if (is_private && strcmp(vma->name, "/dev/zero") == 0)
		return MEMHINT_KIND_ANON;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, vma->start, vma->end);
	must(statfs(path, &fs) == 0 && stat(path, &st) == 0);
	if (fs.f_type == TMPFS_MAGIC && S_ISREG(st.st_mode))
		return MEMHINT_KIND_SHMEM;
	if (fs.f_type == (__typeof__(fs.f_type))HUGETLBFS_MAGIC) {
		if (strncmp(vma->name, "/anon_hugepage", 14) == 0)
			return is_private ? MEMHINT_KIND_ANON : MEMHINT_KIND_SHMEM;
		if (strncmp(vma->name, "/memfd:", 7) == 0 || strncmp(vma->name, "/SYSV", 5) == 0)
			return MEMHINT_KIND_SHMEM;
	}
	return vma->flags & MEMHINT_VMA_EXEC ? MEMHINT_KIND_CODE : MEMHINT_KIND_FILE;
}

static uint32_t kind_of(pid_t pid, const struct smaps_vma *vma)
{
	if (vma->name[0] == '\0' || strncmp(vma->name, "[anon:", 6) == 0)
		return MEMHINT_KIND_ANON;
	if (strcmp(vma->name, "[heap]") == 0)
		return MEMHINT_KIND_HEAP;
	if (strcmp(vma->name, "[stack]") == 0)
		return MEMHINT_KIND_STACK;
	if (vma->name[0] == '[')
		return MEMHINT_KIND_SPECIAL;
	return kind_of_file(pid, vma);
}

void smaps_read(pid_t pid, struct smaps *ret_smaps)
{
	char path[32], *line = NULL, *word, *next;
	struct smaps smaps = {};
	struct smaps_vma *vma = NULL;
	unsigned long start, end, offset;
	size_t size = 0, room = 0;
	FILE *file;
	int name;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	file = fopen(path, "re");
	must(file);
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %n", &start, &end, &offset, &name) == 3) {
			if (smaps.count == room) {
				room = room ? room * 2 : 256;
				smaps.vmas = realloc(smaps.vmas, room * sizeof(*smaps.vmas));
				must(smaps.vmas);
			}
			vma = &smaps.vmas[smaps.count++];
			*vma = (struct smaps_vma){ .start = start, .end = end, .offset = offset };
			snprintf(vma->name, sizeof(vma->name), "%s", line + name);
		} else if (strncmp(line, "VmFlags:", 8) == 0) {
			must(vma);
			for (word = strtok_r(line + 8, " ", &next); word;
			     word = strtok_r(NULL, " ", &next))
				vma->flags |= flag_of(word);
			vma->kind = kind_of(pid, vma);
		}
	}
	free(line);
	fclose(file);
	must(smaps.count > 0);
	*ret_smaps = smaps;
}

void smaps_done(struct smaps *smaps)
{
	free(smaps->vmas);
	*smaps = (struct smaps){};
}
