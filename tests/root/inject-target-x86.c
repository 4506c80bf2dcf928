/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of x86-64 and i386, for inject-target.c. */
#include "inject-target-cpu.h"

#include <asm/unistd.h>
#include <cpuid.h>
#include <stdbool.h>

#ifdef __x86_64__
#define REGISTERS 16
#define XMM_COUNT 16
#else
#define REGISTERS 8
#define XMM_COUNT 8
#endif

#define STACK_BYTES 128 /* the red zone; only x86-64 has one */
#define XSAVE_BYTES 16384

/* In the order of their numbers: ax cx dx bx sp bp si di r8 ... r15. */
enum { AX, CX, DX, BX, SP, BP, SI, DI, R8, R9, R10, R11 };

__attribute__((used)) word want[REGISTERS], have[REGISTERS], want_flags, have_flags, first_stack;
__attribute__((used)) word want_stack[STACK_BYTES / sizeof(word)],
	have_stack[STACK_BYTES / sizeof(word)];
__attribute__((used)) void *action;
__attribute__((used)) void *gate;
__attribute__((used, aligned(64))) unsigned char want_vector[XSAVE_BYTES], have_vector[XSAVE_BYTES];
__attribute__((used)) uint32_t vector_mask;

void window(void);
extern char window_spin[], window_call[], window_gate[];

#ifdef __x86_64__
__asm__(".text\n"
	".globl window, window_spin, window_call, window_gate\n"
	"window:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, first_stack(%rip)\n"
	"	mov vector_mask(%rip), %eax\n"
	"	xor %edx, %edx\n"
	"	xrstor64 want_vector(%rip)\n"
	"	pushq want_flags(%rip)\n"
	"	popfq\n"
	"	.set i, 0\n"
	"	.rept 16\n"
	"	mov want_stack+8*i(%rip), %rax\n"
	"	mov %rax, -128+8*i(%rsp)\n"
	"	.set i, i+1\n"
	"	.endr\n"
	"	mov want(%rip), %rax; mov want+8(%rip), %rcx; mov want+16(%rip), %rdx\n"
	"	mov want+24(%rip), %rbx; mov want+40(%rip), %rbp; mov want+48(%rip), %rsi\n"
	"	mov want+56(%rip), %rdi; mov want+64(%rip), %r8; mov want+72(%rip), %r9\n"
	"	mov want+80(%rip), %r10; mov want+88(%rip), %r11; mov want+96(%rip), %r12\n"
	"	mov want+104(%rip), %r13; mov want+112(%rip), %r14; mov want+120(%rip), %r15\n"
	"	jmp *action(%rip)\n"
	/* None of these changes a flag. */
	"window_spin:\n"
	"	pause\n"
	"	lea -1(%rcx), %rcx\n"
	"	jrcxz 1f\n"
	"	jmp window_spin\n"
	"window_gate:\n"
	"window_call:\n"
	"	syscall\n"
	"1:\n"
	"	mov %rax, have(%rip); mov %rcx, have+8(%rip); mov %rdx, have+16(%rip)\n"
	"	mov %rbx, have+24(%rip); mov %rsp, have+32(%rip); mov %rbp, have+40(%rip)\n"
	"	mov %rsi, have+48(%rip); mov %rdi, have+56(%rip); mov %r8, have+64(%rip)\n"
	"	mov %r9, have+72(%rip); mov %r10, have+80(%rip); mov %r11, have+88(%rip)\n"
	"	mov %r12, have+96(%rip); mov %r13, have+104(%rip); mov %r14, have+112(%rip)\n"
	"	mov %r15, have+120(%rip)\n"
	"	.set i, 0\n"
	"	.rept 16\n"
	"	mov -128+8*i(%rsp), %rax\n"
	"	mov %rax, have_stack+8*i(%rip)\n"
	"	.set i, i+1\n"
	"	.endr\n"
	"	pushfq\n"
	"	popq have_flags(%rip)\n"
	"	pushq $0x202\n"
	"	popfq\n"
	"	mov vector_mask(%rip), %eax\n"
	"	xor %edx, %edx\n"
	"	xsave64 have_vector(%rip)\n"
	"	fninit\n"
	"	pushq $0x1f80\n"
	"	ldmxcsr (%rsp)\n"
	"	pop %rax\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");
#else
__asm__(".text\n"
	".globl window, window_spin, window_call, window_gate\n"
	"window:\n"
	"	push %ebx; push %ebp; push %esi; push %edi\n"
	"	mov %esp, first_stack\n"
	"	mov vector_mask, %eax\n"
	"	xor %edx, %edx\n"
	"	xrstor want_vector\n"
	"	pushl want_flags\n"
	"	popfl\n"
	"	mov want, %eax; mov want+4, %ecx; mov want+8, %edx\n"
	"	mov want+12, %ebx; mov want+20, %ebp; mov want+24, %esi; mov want+28, %edi\n"
	"	jmp *action\n"
	"window_spin:\n"
	"	pause\n"
	"	lea -1(%ecx), %ecx\n"
	"	jecxz 1f\n"
	"	jmp window_spin\n"
	"window_gate:\n"
	"	call *gate\n"
	"	jmp 1f\n"
	"window_call:\n"
	"	int $0x80\n"
	"1:\n"
	"	mov %eax, have; mov %ecx, have+4; mov %edx, have+8; mov %ebx, have+12\n"
	"	mov %esp, have+16; mov %ebp, have+20; mov %esi, have+24; mov %edi, have+28\n"
	"	pushfl\n"
	"	popl have_flags\n"
	"	pushl $0x202\n"
	"	popfl\n"
	"	mov vector_mask, %eax\n"
	"	xor %edx, %edx\n"
	"	xsave have_vector\n"
	"	fninit\n"
	"	pushl $0x1f80\n"
	"	ldmxcsr (%esp)\n"
	"	pop %eax\n"
	"	pop %edi; pop %esi; pop %ebp; pop %ebx\n"
	"	ret\n");

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call run\n");

#endif

#if defined(BARE) && defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call run\n");
#endif

#ifdef BARE
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
	return to;
}

void *memset(void *to, int value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((volatile unsigned char *)to)[i] = (unsigned char)value;
	return to;
}
#endif

long plain_call(long number, long a, long b, long c, long d, long e, long f)
{
	long result;

#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
#else
	long arguments[] = { b, c, d, e, f, a };

	(void)f;
	__asm__ volatile("push %%ebx\n"
			 "push %%ebp\n"
			 "push %%esi\n"
			 "push %%edi\n"
			 "mov (%%edx), %%ecx\n"
			 "mov 8(%%edx), %%esi\n"
			 "mov 12(%%edx), %%edi\n"
			 "mov 16(%%edx), %%ebp\n"
			 "mov 20(%%edx), %%ebx\n"
			 "mov 4(%%edx), %%edx\n"
			 "int $0x80\n"
			 "pop %%edi\n"
			 "pop %%esi\n"
			 "pop %%ebp\n"
			 "pop %%ebx\n"
			 : "=a"(result)
			 : "a"(number), "d"(arguments)
			 : "ecx", "memory");
#endif
	return result;
}

/* Where a component of the vector state is in the layout of XSAVE. */
struct component {
	uint32_t offset;
	uint32_t size;
};

static struct component components[8];

/* Everything that has been there since AVX and AVX-512, as far as this machine has it. */
void cpu_begin(void)
{
	uint32_t a, b, c, d, low, high;

	__cpuid_count(1, 0, a, b, c, d);
	if (!(c & bit_OSXSAVE)) {
		plain_call(__NR_exit_group, 77, 0, 0, 0, 0, 0);
		return;
	}
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	vector_mask = low & 0xe7u;
	components[0] = (struct component){ 32, 128 };
	components[1] = (struct component){ 160, 16 * XMM_COUNT };
	for (uint32_t i = 2; i < 8; i++) {
		if (!(vector_mask & 1u << i))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		components[i] = (struct component){ .offset = b, .size = a };
		/* 32-bit programs have half of the registers; the upper 16 of AVX-512 not at all. */
		if (XMM_COUNT == 8 && (i == 2 || i == 6))
			components[i].size /= 2;
		if (XMM_COUNT == 8 && i == 7)
			components[i].size = 0;
	}
}

static void fill_vector(void)
{
	static const uint16_t controls[] = { 0x037f, 0x0f7f, 0x027f, 0x0b7f };
	uint64_t in_use = vector_mask;
	uint16_t control = controls[next_random() & 3], status = 0;
	uint32_t mxcsr = 0x1f80u | (next_random() & 3) << 13 | (next_random() & 0x3f);

	for (size_t i = 0; i < sizeof(want_vector); i++)
		want_vector[i] = 0;
	for (size_t i = 0; i < 8; i++)
		fill(want_vector + components[i].offset, components[i].size);
	for (size_t i = 0; i < 8; i++) {
		/* Ten bytes of each of the old registers; six are not kept. */
		for (size_t byte = 10; byte < 16; byte++)
			want_vector[32 + 16 * i + byte] = 0;
	}
	__builtin_memcpy(want_vector, &control, sizeof(control));
	__builtin_memcpy(want_vector + 2, &status, sizeof(status));
	want_vector[4] = 0xff; /* all of them in use */
	__builtin_memcpy(want_vector + 24, &mxcsr, sizeof(mxcsr));
	__builtin_memcpy(want_vector + 512, &in_use, sizeof(in_use));
}

static void compare_vector(void)
{
	for (uint32_t i = 0; i < 8; i++)
		compare(TARGET_FAILURE_VECTOR + i, want_vector + components[i].offset,
			have_vector + components[i].offset, components[i].size);
	compare(TARGET_FAILURE_VECTOR + 16, want_vector, have_vector, 5);
	compare(TARGET_FAILURE_VECTOR + 17, want_vector + 24, have_vector + 24, 4);
}

/* Fills all registers, lets it happen, and compares. The result of a call is the caller's to judge. */
static long round_of(void *what_to_do, bool is_call)
{
	/* CF PF AF ZF SF DF OF AC ID */
	const word changing = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x400 | 0x800 | 0x40000 | 0x200000;

	action = what_to_do;
	want_flags = (next_random() & changing) | 0x202;
	fill(want_stack, sizeof(want_stack));
	fill_vector();
	window();
	for (uint32_t i = 0; i < REGISTERS; i++) {
		word wanted = i == SP ? first_stack : want[i];

		if (is_call && i == AX)
			continue;
#ifdef __x86_64__
		/* The instruction puts the flags and the way back there. */
		if (is_call && (i == CX || i == R11))
			continue;
#endif
		if (!is_call && i == CX)
			wanted = 0;
		if (have[i] != wanted)
			fail(TARGET_FAILURE_REGISTER + i, wanted, have[i]);
	}
	if ((have_flags ^ want_flags) & changing)
		fail(TARGET_FAILURE_FLAGS, want_flags, have_flags);
#ifdef __x86_64__
	compare(TARGET_FAILURE_STACK, want_stack, have_stack, sizeof(want_stack));
#endif
	compare_vector();
	return (long)have[AX];
}

void cpu_spin(void)
{
	fill(want, sizeof(want));
	want[CX] = 400;
	round_of(window_spin, false);
}

long cpu_call(void *other_gate, long number, const long arguments[CALL_ARGUMENTS])
{
	gate = other_gate;
	fill(want, sizeof(want));
	want[AX] = (word)number;
#ifdef __x86_64__
	want[DI] = (word)arguments[0];
	want[SI] = (word)arguments[1];
	want[DX] = (word)arguments[2];
	want[R10] = (word)arguments[3];
	want[R8] = (word)arguments[4];
	want[R9] = ~0ul;
#else
	want[BX] = (word)arguments[0];
	want[CX] = (word)arguments[1];
	want[DX] = (word)arguments[2];
	want[SI] = (word)arguments[3];
	want[DI] = (word)arguments[4];
	want[BP] = ~0ul;
#endif
	return round_of(gate ? window_gate : window_call, true);
}
