/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Classic BPF, as far as kernel/seccomp.c takes it: loads of whole words from the data of a system call,
 * 16 words of memory, no packets.
 */
#include "seccomp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

/* A filter that was taken has no loops, so it ends: each step goes forward. */
struct machine {
	uint32_t accumulator;
	uint32_t index;
	uint32_t memory[BPF_MEMWORDS];
	const struct seccomp_data *data;
};

static bool load(const struct machine *machine, const struct sock_filter *step, uint32_t *ret_value)
{
	switch (BPF_MODE(step->code)) {
	case BPF_IMM:
		*ret_value = step->k;
		return true;
	case BPF_LEN:
		*ret_value = sizeof(*machine->data);
		return true;
	case BPF_MEM:
		if (step->k >= BPF_MEMWORDS)
			return false;
		*ret_value = machine->memory[step->k];
		return true;
	case BPF_ABS:
		if (BPF_CLASS(step->code) != BPF_LD || step->k % sizeof(*ret_value) != 0 ||
		    step->k > sizeof(*machine->data) - sizeof(*ret_value))
			return false;
		memcpy(ret_value, (const char *)machine->data + step->k, sizeof(*ret_value));
		return true;
	default:
		return false;
	}
}

static bool compute(struct machine *machine, const struct sock_filter *step)
{
	uint32_t value = BPF_SRC(step->code) == BPF_X ? machine->index : step->k;

	switch (BPF_OP(step->code)) {
	case BPF_ADD:
		machine->accumulator += value;
		return true;
	case BPF_SUB:
		machine->accumulator -= value;
		return true;
	case BPF_MUL:
		machine->accumulator *= value;
		return true;
	case BPF_DIV:
		/* The kernel ends the filter with 0, which kills, when it divides by 0. */
		if (value == 0)
			return false;
		machine->accumulator /= value;
		return true;
	case BPF_AND:
		machine->accumulator &= value;
		return true;
	case BPF_OR:
		machine->accumulator |= value;
		return true;
	case BPF_XOR:
		machine->accumulator ^= value;
		return true;
	case BPF_LSH:
		machine->accumulator <<= value & 31;
		return true;
	case BPF_RSH:
		machine->accumulator >>= value & 31;
		return true;
	case BPF_NEG:
		machine->accumulator = -machine->accumulator;
		return true;
	default:
		return false;
	}
}

static bool jump(const struct machine *machine, const struct sock_filter *step, size_t *position)
{
	uint32_t value = BPF_SRC(step->code) == BPF_X ? machine->index : step->k;
	bool is_true;

	switch (BPF_OP(step->code)) {
	case BPF_JA:
		*position += step->k;
		return true;
	case BPF_JEQ:
		is_true = machine->accumulator == value;
		break;
	case BPF_JGT:
		is_true = machine->accumulator > value;
		break;
	case BPF_JGE:
		is_true = machine->accumulator >= value;
		break;
	case BPF_JSET:
		is_true = (machine->accumulator & value) != 0;
		break;
	default:
		return false;
	}
	*position += is_true ? step->jt : step->jf;
	return true;
}

static bool store(struct machine *machine, const struct sock_filter *step, uint32_t value)
{
	if (step->k >= BPF_MEMWORDS)
		return false;
	machine->memory[step->k] = value;
	return true;
}

uint32_t seccomp_filter_run(const struct sock_filter *code, size_t count,
			    const struct seccomp_data *data)
{
	struct machine machine = { .data = data };
	size_t position = 0;

	while (position < count) {
		const struct sock_filter *step = &code[position++];
		bool is_done = false;

		switch (BPF_CLASS(step->code)) {
		case BPF_LD:
			is_done = load(&machine, step, &machine.accumulator);
			break;
		case BPF_LDX:
			is_done = load(&machine, step, &machine.index);
			break;
		case BPF_ST:
			is_done = store(&machine, step, machine.accumulator);
			break;
		case BPF_STX:
			is_done = store(&machine, step, machine.index);
			break;
		case BPF_ALU:
			is_done = compute(&machine, step);
			break;
		case BPF_JMP:
			is_done = jump(&machine, step, &position);
			break;
		case BPF_RET:
			return BPF_RVAL(step->code) == BPF_A ? machine.accumulator : step->k;
		case BPF_MISC:
			if (BPF_MISCOP(step->code) == BPF_TAX)
				machine.index = machine.accumulator;
			else
				machine.accumulator = machine.index;
			is_done = true;
			break;
		}
		if (!is_done)
			break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

bool seccomp_filters_allow(const struct seccomp_filters *filters, const struct seccomp_data *data)
{
	for (size_t i = 0; i < filters->count; i++) {
		uint32_t action = seccomp_filter_run(filters->filters[i].code,
						     filters->filters[i].count, data);

		if ((action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW)
			return false;
	}
	return true;
}

void seccomp_filters_done(struct seccomp_filters *filters)
{
	for (size_t i = 0; i < filters->count; i++)
		free(filters->filters[i].code);
	free(filters->filters);
	*filters = (struct seccomp_filters){};
}

/* Filter number @index: 0, -ENOENT past the last, or another negative errno. */
static int filter_read(pid_t tid, size_t index, struct seccomp_filter *ret_filter)
{
	long count = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, NULL);
	struct sock_filter *code;

	if (count < 0)
		return -errno;
	code = calloc((size_t)count + 1, sizeof(*code));
	if (!code)
		return -ENOMEM;
	count = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, code);
	if (count < 0) {
		int error = errno;

		free(code);
		return -error;
	}
	*ret_filter = (struct seccomp_filter){ .code = code, .count = (size_t)count };
	return 0;
}

int seccomp_filters_read(pid_t tid, struct seccomp_filters *ret_filters)
{
	struct seccomp_filters filters = {};
	int r;

	for (;;) {
		struct seccomp_filter filter, *grown;

		r = filter_read(tid, filters.count, &filter);
		if (r < 0)
			break;
		grown = reallocarray(filters.filters, filters.count + 1, sizeof(*grown));
		if (!grown) {
			free(filter.code);
			r = -ENOMEM;
			break;
		}
		filters.filters = grown;
		filters.filters[filters.count++] = filter;
	}
	/* It is known to have one, so none at all is no answer. */
	if (r == -ENOENT && filters.count > 0) {
		*ret_filters = filters;
		return 0;
	}
	seccomp_filters_done(&filters);
	return r == -ENOMEM || r == -ESRCH ? r : -EOPNOTSUPP;
}
