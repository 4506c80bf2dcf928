/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "calibrate.h"

#include "cleanup.h"
#include "uapi.h"

#include <memhint/map.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum step {
	STEP_NONE,
	STEP_ADVISE,
	STEP_LOCK,
};

/* One page each. What a kernel refuses is left out: then no mapping can have that flag. */
static const struct trial {
	int map_flags;
	int protection;
	enum step step;
	int advice;
} trials[] = {
	{ MAP_PRIVATE, PROT_READ | PROT_WRITE, STEP_NONE, 0 },
	{ MAP_PRIVATE, PROT_READ, STEP_NONE, 0 },
	{ MAP_SHARED, PROT_READ | PROT_WRITE, STEP_NONE, 0 },
	{ MAP_PRIVATE, PROT_READ | PROT_WRITE, STEP_LOCK, 0 },
	{ MAP_PRIVATE, PROT_READ | PROT_WRITE, STEP_ADVISE, MADV_HUGEPAGE },
	{ MAP_PRIVATE, PROT_READ | PROT_WRITE, STEP_ADVISE, MADV_NOHUGEPAGE },
	{ MAP_PRIVATE, PROT_READ | PROT_WRITE, STEP_ADVISE, MADV_MERGEABLE },
	{ MAP_PRIVATE, PROT_READ | PROT_WRITE, STEP_ADVISE, MADV_DONTDUMP },
	/* These two come with MAP_DROPPABLE, too: its own bit is the one that is left. */
	{ MAP_PRIVATE | MAP_NORESERVE, PROT_READ | PROT_WRITE, STEP_ADVISE, MADV_WIPEONFORK },
	{ MAP_DROPPABLE, PROT_READ | PROT_WRITE, STEP_NONE, 0 },
};

#define TRIALS (sizeof(trials) / sizeof(trials[0]))

/* What was made of a trial, and what is said of it. */
struct outcome {
	uint64_t start;
	bool is_made;
	bool is_recorded;
	bool is_told;
	struct vma_record record; /* by the program */
	uint32_t flags;		  /* by smaps */
};

struct calibration {
	uint64_t page_bytes;
	uint64_t start;
	uint64_t end;
	struct outcome outcomes[TRIALS];
};

static bool trial_make(const struct trial *trial, void *address, size_t bytes)
{
	if (mmap(address, bytes, trial->protection, trial->map_flags | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		return false;
	switch (trial->step) {
	case STEP_ADVISE:
		return madvise(address, bytes, trial->advice) == 0;
	case STEP_LOCK:
		return mlock(address, bytes) == 0;
	case STEP_NONE:
		break;
	}
	return true;
}

static struct outcome *outcome_find(struct calibration *calibration, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < TRIALS; i++) {
		struct outcome *outcome = &calibration->outcomes[i];

		if (outcome->is_made && outcome->start == start &&
		    end == start + calibration->page_bytes)
			return outcome;
	}
	return NULL;
}

static int record_trials(struct calibration *calibration, struct vma_reader *reader)
{
	const struct vma_record *records;
	ssize_t n;
	int r;

	r = vma_reader_begin(reader, getpid(), calibration->start, 0);
	while (r == 0) {
		n = vma_reader_next(reader, &records);
		if (n <= 0 || records[0].start >= calibration->end) {
			r = n < 0 ? (int)n : 0;
			break;
		}
		for (ssize_t i = 0; i < n; i++) {
			struct outcome *outcome =
				outcome_find(calibration, records[i].start, records[i].end);

			if (outcome) {
				outcome->record = records[i];
				outcome->is_recorded = true;
			}
		}
	}
	vma_reader_end(reader);
	return r;
}

static uint32_t letters_to_flags(const char *text)
{
	uint32_t flags = 0;

	for (; text[0] && text[1]; text += 2) {
		while (*text == ' ')
			text++;
		if (!text[0] || !text[1])
			break;
		flags |= vma_flag_by_letters(text);
	}
	return flags;
}

/* The kernel makes up the text as it is read, so not much of it is if the trials come early. */
static int tell_trials(struct calibration *calibration)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/smaps", "re");
	_cleanup_free_ char *line = NULL;
	struct outcome *outcome = NULL;
	unsigned long start, end;
	size_t size = 0;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			if (start >= calibration->end)
				break;
			outcome = outcome_find(calibration, start, end);
		} else if (outcome && strncmp(line, "VmFlags:", 8) == 0) {
			outcome->flags = letters_to_flags(line + 8);
			outcome->is_told = true;
		}
	}
	return 0;
}

/* The bits of vm_flags that only droppable memory has. */
static uint64_t droppable_bits(const struct calibration *calibration)
{
	uint64_t droppable = 0, other = 0;

	for (size_t i = 0; i < TRIALS; i++) {
		const struct outcome *outcome = &calibration->outcomes[i];

		if (trials[i].map_flags == MAP_DROPPABLE)
			droppable |= outcome->record.flags;
		else
			other |= outcome->record.flags;
	}
	return droppable & ~other;
}

static int judge(const struct calibration *calibration, const struct vma_head *head,
		 struct vma_convert *ret_convert)
{
	struct vma_convert convert = { .page_bytes = calibration->page_bytes };
	struct bpf_room_vma vma;
	bool has_droppable = false;

	for (size_t i = 0; i < TRIALS; i++) {
		const struct outcome *outcome = &calibration->outcomes[i];

		if (!outcome->is_made)
			continue;
		if (!outcome->is_recorded || !outcome->is_told)
			return -EOPNOTSUPP;
		if (trials[i].map_flags == MAP_DROPPABLE)
			has_droppable = true;
	}
	if (has_droppable) {
		convert.droppable_bit = droppable_bits(calibration);
		if (__builtin_popcountll(convert.droppable_bit) != 1)
			return -EOPNOTSUPP;
	}
	for (size_t i = 0; i < TRIALS; i++) {
		const struct outcome *outcome = &calibration->outcomes[i];

		if (!outcome->is_made)
			continue;
		vma_convert(&convert, head, &outcome->record, &vma);
		if (vma.flags != outcome->flags)
			return -EOPNOTSUPP;
		if (vma.kind !=
		    (trials[i].map_flags & MAP_SHARED ? MEMHINT_KIND_SHMEM : MEMHINT_KIND_ANON))
			return -EOPNOTSUPP;
	}
	*ret_convert = convert;
	return 0;
}

int vma_calibrate(struct vma_reader *reader, struct vma_convert *ret_convert)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), bytes = page_bytes * (2 * TRIALS + 1);
	struct calibration calibration = { .page_bytes = page_bytes };
	char *memory;
	int r;

	/*
	 * Pages that nobody may touch keep the trials apart. The address is only a wish: below most
	 * of what a program has, so that little of smaps has to be read.
	 */
	memory = mmap((void *)(uintptr_t)0x100000, bytes, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	calibration.start = (uintptr_t)memory;
	calibration.end = calibration.start + bytes;
	for (size_t i = 0; i < TRIALS; i++) {
		char *address = memory + (2 * i + 1) * page_bytes;

		calibration.outcomes[i].start = (uintptr_t)address;
		calibration.outcomes[i].is_made = trial_make(&trials[i], address, page_bytes);
	}
	r = record_trials(&calibration, reader);
	if (r == 0)
		r = tell_trials(&calibration);
	munmap(memory, bytes);
	return r < 0 ? r : judge(&calibration, reader->head, ret_convert);
}
