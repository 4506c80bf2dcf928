/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of 64-bit ARM, for inject-target.c; with the scalable vector extension where it is there. */
#include "inject-target-cpu.h"

#include <asm/hwcap.h>
#include <asm/unistd.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#define REGISTERS 31
#define VECTORS 32
#define VECTOR_BYTES 16
#define PREDICATES 17	   /* the last is the first fault register */
#define SVE_BYTES 256	   /* the longest that there are */
#define FLAGS 0xf0000000ul /* N Z C V */

/* All of the floating point status and what of its control can be set everywhere. */
#define FP_STATUS 0x0800009ful
#define FP_CONTROL 0x03c00000ul

__attribute__((used)) word want[REGISTERS], have[REGISTERS], want_flags, have_flags, first_stack,
	last_stack;
__attribute__((used)) word want_fp[2], have_fp[2]; /* status, control */
__attribute__((used, aligned(16))) unsigned char want_vector[VECTORS][VECTOR_BYTES],
	have_vector[VECTORS][VECTOR_BYTES];
__attribute__((used, aligned(16))) unsigned char want_sve[VECTORS * SVE_BYTES],
	have_sve[VECTORS * SVE_BYTES];
__attribute__((used, aligned(16))) unsigned char want_predicates[PREDICATES * SVE_BYTES / 8],
	have_predicates[PREDICATES * SVE_BYTES / 8];
static unsigned int sve_bytes; /* of a vector; 0: there are none */

void window_spin(void);
void window_spin_sve(void);
void window_call(void);

/* Nothing in between: neither the loop nor the call changes a register that it does not say. */
__asm__(".text\n"
	".arch armv8.2-a+sve\n"
	".macro begin\n"
	"	stp x29, x30, [sp, -16]!\n"
	"	stp x27, x28, [sp, -16]!\n"
	"	stp x25, x26, [sp, -16]!\n"
	"	stp x23, x24, [sp, -16]!\n"
	"	stp x21, x22, [sp, -16]!\n"
	"	stp x19, x20, [sp, -16]!\n"
	"	stp d14, d15, [sp, -16]!\n"
	"	stp d12, d13, [sp, -16]!\n"
	"	stp d10, d11, [sp, -16]!\n"
	"	stp d8, d9, [sp, -16]!\n"
	"	adrp x0, first_stack\n"
	"	mov x1, sp\n"
	"	str x1, [x0, :lo12:first_stack]\n"
	"	adrp x0, want_fp\n"
	"	add x0, x0, :lo12:want_fp\n"
	"	ldp x1, x2, [x0]\n"
	"	msr fpsr, x1\n"
	"	msr fpcr, x2\n"
	".endm\n"
	".macro load_vectors\n"
	"	adrp x0, want_vector\n"
	"	add x0, x0, :lo12:want_vector\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, "
	"22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
	"	ldr q\\n, [x0], 16\n"
	"	.endr\n"
	".endm\n"
	".macro load_registers\n"
	"	adrp x0, want_flags\n"
	"	ldr x0, [x0, :lo12:want_flags]\n"
	"	msr nzcv, x0\n"
	"	adrp x30, want\n"
	"	add x30, x30, :lo12:want\n"
	"	ldp x0, x1, [x30]; ldp x2, x3, [x30, 16]; ldp x4, x5, [x30, 32]\n"
	"	ldp x6, x7, [x30, 48]; ldp x8, x9, [x30, 64]; ldp x10, x11, [x30, 80]\n"
	"	ldp x12, x13, [x30, 96]; ldp x14, x15, [x30, 112]; ldp x16, x17, [x30, 128]\n"
	"	ldp x18, x19, [x30, 144]; ldp x20, x21, [x30, 160]; ldp x22, x23, [x30, 176]\n"
	"	ldp x24, x25, [x30, 192]; ldp x26, x27, [x30, 208]; ldp x28, x29, [x30, 224]\n"
	"	ldr x30, [x30, 240]\n"
	".endm\n"
	".macro store_registers\n"
	"	stp x0, x30, [sp, -16]!\n"
	"	adrp x30, have\n"
	"	add x30, x30, :lo12:have\n"
	"	str x1, [x30, 8]; stp x2, x3, [x30, 16]; stp x4, x5, [x30, 32]\n"
	"	stp x6, x7, [x30, 48]; stp x8, x9, [x30, 64]; stp x10, x11, [x30, 80]\n"
	"	stp x12, x13, [x30, 96]; stp x14, x15, [x30, 112]; stp x16, x17, [x30, 128]\n"
	"	stp x18, x19, [x30, 144]; stp x20, x21, [x30, 160]; stp x22, x23, [x30, 176]\n"
	"	stp x24, x25, [x30, 192]; stp x26, x27, [x30, 208]; stp x28, x29, [x30, 224]\n"
	"	ldp x0, x1, [sp], 16\n"
	"	str x0, [x30]; str x1, [x30, 240]\n"
	"	mrs x0, nzcv\n"
	"	adrp x1, have_flags\n"
	"	str x0, [x1, :lo12:have_flags]\n"
	"	mov x0, sp\n"
	"	adrp x1, last_stack\n"
	"	str x0, [x1, :lo12:last_stack]\n"
	".endm\n"
	".macro store_vectors\n"
	"	adrp x0, have_vector\n"
	"	add x0, x0, :lo12:have_vector\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, "
	"22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
	"	str q\\n, [x0], 16\n"
	"	.endr\n"
	".endm\n"
	".macro finish\n"
	"	adrp x0, have_fp\n"
	"	add x0, x0, :lo12:have_fp\n"
	"	mrs x1, fpsr\n"
	"	mrs x2, fpcr\n"
	"	stp x1, x2, [x0]\n"
	"	msr fpsr, xzr\n"
	"	msr fpcr, xzr\n"
	"	ldp d8, d9, [sp], 16\n"
	"	ldp d10, d11, [sp], 16\n"
	"	ldp d12, d13, [sp], 16\n"
	"	ldp d14, d15, [sp], 16\n"
	"	ldp x19, x20, [sp], 16\n"
	"	ldp x21, x22, [sp], 16\n"
	"	ldp x23, x24, [sp], 16\n"
	"	ldp x25, x26, [sp], 16\n"
	"	ldp x27, x28, [sp], 16\n"
	"	ldp x29, x30, [sp], 16\n"
	"	ret\n"
	".endm\n"
	".globl window_spin, window_spin_sve, window_call\n"
	"window_spin:\n"
	"	begin\n"
	"	load_vectors\n"
	"	load_registers\n"
	"1:	sub x1, x1, 1\n"
	"	cbnz x1, 1b\n"
	"	store_registers\n"
	"	store_vectors\n"
	"	finish\n"
	"window_call:\n"
	"	begin\n"
	"	load_vectors\n"
	"	load_registers\n"
	"	svc 0\n"
	"	store_registers\n"
	"	store_vectors\n"
	"	finish\n"
	"window_spin_sve:\n"
	"	begin\n"
	"	adrp x0, want_predicates\n"
	"	add x0, x0, :lo12:want_predicates\n"
	"	ldr p0, [x0, 16, mul vl]\n"
	"	wrffr p0.b\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	ldr p\\n, [x0, \\n, mul vl]\n"
	"	.endr\n"
	"	adrp x0, want_sve\n"
	"	add x0, x0, :lo12:want_sve\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, "
	"22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
	"	ldr z\\n, [x0, \\n, mul vl]\n"
	"	.endr\n"
	"	load_registers\n"
	"1:	sub x1, x1, 1\n"
	"	cbnz x1, 1b\n"
	"	store_registers\n"
	"	adrp x0, have_sve\n"
	"	add x0, x0, :lo12:have_sve\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, "
	"22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
	"	str z\\n, [x0, \\n, mul vl]\n"
	"	.endr\n"
	"	adrp x0, have_predicates\n"
	"	add x0, x0, :lo12:have_predicates\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	str p\\n, [x0, \\n, mul vl]\n"
	"	.endr\n"
	"	rdffr p0.b\n"
	"	str p0, [x0, 16, mul vl]\n"
	"	finish\n");

long plain_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

void cpu_begin(void)
{
	int length;

	if (!(getauxval(AT_HWCAP) & HWCAP_SVE))
		return;
	length = prctl(PR_SVE_GET_VL);
	if (length > 0)
		sve_bytes = (unsigned int)length & PR_SVE_VL_LEN_MASK;
}

static void fill_all(void)
{
	want_flags = (word)next_random() << 16 & FLAGS;
	want_fp[0] = next_random() & FP_STATUS;
	want_fp[1] = (word)next_random() << 8 & FP_CONTROL;
	fill(want_vector, sizeof(want_vector));
}

static void compare_all(bool is_call)
{
	for (uint32_t i = 0; i < REGISTERS; i++) {
		word wanted = want[i];

		if (is_call && i == 0)
			continue;
		if (!is_call && i == 1)
			wanted = 0;
		/* The kernel's own way to go on with a time-out, whoever stopped the thread. */
		if (is_call && i == 8 && have[i] == __NR_restart_syscall)
			continue;
		if (have[i] != wanted)
			fail(TARGET_FAILURE_REGISTER + i, wanted, have[i]);
	}
	if (last_stack != first_stack)
		fail(TARGET_FAILURE_REGISTER + REGISTERS, first_stack, last_stack);
	if ((have_flags ^ want_flags) & FLAGS)
		fail(TARGET_FAILURE_FLAGS, want_flags, have_flags);
	compare(TARGET_FAILURE_VECTOR + VECTORS, want_fp, have_fp, sizeof(want_fp));
}

static void compare_short_vectors(void)
{
	for (uint32_t i = 0; i < VECTORS; i++)
		compare(TARGET_FAILURE_VECTOR + i, want_vector[i], have_vector[i], VECTOR_BYTES);
}

static void spin_sve(void)
{
	/* Each time another length; a system call, but before the registers are filled. */
	static const unsigned int lengths[] = { 16, 32, 64, 128, 256 };
	int length = prctl(PR_SVE_SET_VL,
			   lengths[next_random() % (sizeof(lengths) / sizeof(lengths[0]))]);

	if (length > 0)
		sve_bytes = (unsigned int)length & PR_SVE_VL_LEN_MASK;
	fill(want_sve, sizeof(want_sve));
	fill(want_predicates, sizeof(want_predicates));
	/* Of the first fault register only a beginning can be set. */
	for (unsigned int i = 0, set = next_random() % (sve_bytes + 1); i < sve_bytes; i++) {
		unsigned char *byte = &want_predicates[16 * sve_bytes / 8 + i / 8];
		unsigned char bit = (unsigned char)(1u << i % 8);

		*byte = (unsigned char)(i < set ? *byte | bit : *byte & ~bit);
	}
	window_spin_sve();
	for (uint32_t i = 0; i < VECTORS; i++)
		compare(TARGET_FAILURE_VECTOR + i, &want_sve[i * sve_bytes],
			&have_sve[i * sve_bytes], sve_bytes);
	compare(TARGET_FAILURE_VECTOR + VECTORS + 1, want_predicates, have_predicates,
		PREDICATES * sve_bytes / 8);
}

void cpu_spin(void)
{
	static bool is_sve_next;

	fill_all();
	fill(want, sizeof(want));
	want[1] = 20000;
	if (is_sve_next && sve_bytes) {
		spin_sve();
	} else {
		window_spin();
		compare_short_vectors();
	}
	is_sve_next = !is_sve_next;
	compare_all(false);
}

long cpu_call(void *gate, long number, const long arguments[CALL_ARGUMENTS])
{
	(void)gate;
	fill_all();
	fill(want, sizeof(want));
	for (unsigned int i = 0; i < CALL_ARGUMENTS; i++)
		want[i] = (word)arguments[i];
	want[5] = ~0ul;
	want[8] = (word)number;
	window_call();
	compare_short_vectors();
	compare_all(true);
	return (long)have[0];
}
