/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Architectures on which no system call can be run inside another thread yet. */
#include "inject-arch.h"

#include <errno.h>

bool inject_arch_is_built(void)
{
	return false;
}

const struct inject_abi *inject_arch_abi(const unsigned char *header, size_t size)
{
	return NULL;
}

void inject_arch_find(const struct inject_abi *abi, const unsigned char *text, size_t size,
		      uint64_t address, struct inject_code *code)
{
}

int inject_arch_get(pid_t tid, struct inject_registers *ret_registers)
{
	return -EOPNOTSUPP;
}

int inject_arch_set(pid_t tid, const struct inject_registers *registers)
{
	return -EOPNOTSUPP;
}

uint64_t inject_arch_instruction(const struct inject_registers *registers)
{
	return 0;
}

void inject_arch_set_instruction(struct inject_registers *registers, uint64_t address)
{
}

uint64_t inject_arch_stack(const struct inject_registers *registers)
{
	return 0;
}

uint64_t inject_arch_thread_pointer(pid_t tid, const struct inject_registers *registers)
{
	return 0;
}

int inject_arch_check(pid_t tid, const struct inject_registers *registers, const char *status)
{
	return -EOPNOTSUPP;
}

int inject_arch_frame(const struct inject_thread *thread, const struct inject_registers *registers,
		      uint64_t mask, const struct inject_code *code, uint64_t top,
		      struct inject_frame *ret_frame, struct inject_registers *ret_call)
{
	return -EOPNOTSUPP;
}

size_t inject_arch_frame_max(void)
{
	return 0;
}

void inject_arch_set_call(struct inject_registers *call, uint32_t number, const uint64_t *arguments,
			  size_t count)
{
}

int64_t inject_arch_result(const struct inject_registers *registers)
{
	return -EOPNOTSUPP;
}

int inject_arch_look(const struct inject_thread *thread, struct inject_registers *registers)
{
	return 0;
}

int inject_arch_enter(const struct inject_thread *thread, const struct inject_code *code,
		      struct inject_registers *call)
{
	return 0;
}

int inject_arch_restore(const struct inject_thread *thread,
			const struct inject_registers *registers,
			const struct inject_registers *call)
{
	return -EOPNOTSUPP;
}

bool inject_arch_restores_all(const struct inject_registers *call)
{
	return true;
}

int inject_arch_leave(const struct inject_thread *thread, const struct inject_registers *registers,
		      const struct inject_registers *call)
{
	return -EOPNOTSUPP;
}

int inject_arch_mend(pid_t tid)
{
	return 0;
}
