/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters of seccomp, run one step at a time; what the kernel would do is in each test's name. */
#include "seccomp.h"

#include "tap.h"

#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>

static const struct seccomp_data data = {
	.nr = 28,
	.arch = AUDIT_ARCH_X86_64,
	.instruction_pointer = 0x1122334455667788,
	.args = { 0xaaaabbbb00001000, 0x100002000, 12, 0, 0, 0xffffffff00000001 },
};

#define RUN(...)                                                                    \
	({                                                                          \
		const struct sock_filter code_[] = { __VA_ARGS__ };                 \
		seccomp_filter_run(code_, sizeof(code_) / sizeof(code_[0]), &data); \
	})

#define OFFSET(member) ((uint32_t)offsetof(struct seccomp_data, member))
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, OFFSET(member))
#define LOAD_AT(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define IMMEDIATE(value) BPF_STMT(BPF_LD | BPF_IMM, value)
#define RETURN_A BPF_STMT(BPF_RET | BPF_A, 0)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define KILL RETURN(SECCOMP_RET_KILL_PROCESS)

static void test_loads(void)
{
	is(RUN(LOAD(nr), RETURN_A), 28, "the number of the call");
	is(RUN(LOAD(arch), RETURN_A), AUDIT_ARCH_X86_64, "its architecture");
	is(RUN(LOAD(instruction_pointer), RETURN_A), 0x55667788, "where it is made, lower half");
	is(RUN(LOAD_AT(OFFSET(instruction_pointer) + 4), RETURN_A), 0x11223344, "upper half");
	is(RUN(LOAD(args[0]), RETURN_A), 0x1000, "an argument, lower half");
	is(RUN(LOAD_AT(OFFSET(args[0]) + 4), RETURN_A), 0xaaaabbbb, "upper half");
	is(RUN(LOAD_AT(OFFSET(args[5]) + 4), RETURN_A), 0xffffffff, "the last word");
	is(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RETURN_A), 64, "the length of all of it");
	is(RUN(BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0), RETURN_A),
	   64, "into the index too");
	is(RUN(LOAD_AT(64), ALLOW), SECCOMP_RET_KILL_PROCESS, "nothing behind the end");
	is(RUN(LOAD_AT(2), ALLOW), SECCOMP_RET_KILL_PROCESS, "nothing between words");
	is(RUN(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ALLOW), SECCOMP_RET_KILL_PROCESS,
	   "no loads of packets");
}

static void test_memory(void)
{
	is(RUN(IMMEDIATE(7), BPF_STMT(BPF_ST, 15), IMMEDIATE(0), BPF_STMT(BPF_LD | BPF_MEM, 15),
	       RETURN_A),
	   7, "a word is kept");
	is(RUN(BPF_STMT(BPF_LDX | BPF_IMM, 9), BPF_STMT(BPF_STX, 3), BPF_STMT(BPF_LD | BPF_MEM, 3),
	       RETURN_A),
	   9, "and one from the index");
	is(RUN(IMMEDIATE(5), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LDX | BPF_MEM, 1), IMMEDIATE(2),
	       BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RETURN_A),
	   7, "and loaded into it");
	is(RUN(BPF_STMT(BPF_ST, 16), ALLOW), SECCOMP_RET_KILL_PROCESS, "there are 16 of them");
	is(RUN(BPF_STMT(BPF_LD | BPF_MEM, 16), ALLOW), SECCOMP_RET_KILL_PROCESS,
	   "for loads as well");
}

static void test_arithmetic(void)
{
	static const struct {
		uint16_t operation;
		uint32_t a, b, result;
	} cases[] = {
		{ BPF_ADD, 0xffffffff, 3, 2 },		{ BPF_SUB, 3, 5, 0xfffffffe },
		{ BPF_MUL, 0x10001, 0x10000, 0x10000 }, { BPF_DIV, 100, 7, 14 },
		{ BPF_AND, 0xff0f, 0x0ff0, 0x0f00 },	{ BPF_OR, 0xf0, 0x0f, 0xff },
		{ BPF_XOR, 0xff, 0x0f, 0xf0 },		{ BPF_LSH, 3, 4, 48 },
		{ BPF_RSH, 0x80000000, 31, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		is(RUN(IMMEDIATE(cases[i].a),
		       BPF_STMT((uint16_t)(BPF_ALU | cases[i].operation | BPF_K), cases[i].b),
		       RETURN_A),
		   cases[i].result, "operation 0x%x with a constant", cases[i].operation);
		is(RUN(IMMEDIATE(cases[i].b), BPF_STMT(BPF_MISC | BPF_TAX, 0),
		       IMMEDIATE(cases[i].a),
		       BPF_STMT((uint16_t)(BPF_ALU | cases[i].operation | BPF_X), 0), RETURN_A),
		   cases[i].result, "and with the index");
	}
	is(RUN(IMMEDIATE(5), BPF_STMT(BPF_ALU | BPF_NEG, 0), RETURN_A), 0xfffffffb, "negated");
	is(RUN(IMMEDIATE(5), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW) &
		   SECCOMP_RET_ACTION_FULL,
	   SECCOMP_RET_KILL_PROCESS, "a division by 0 kills");
	is(RUN(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW), SECCOMP_RET_KILL_PROCESS,
	   "no remainders");
}

static void test_jumps(void)
{
	static const struct {
		uint16_t operation;
		uint32_t a, b;
		bool result;
	} cases[] = {
		{ BPF_JEQ, 5, 5, true },	  { BPF_JEQ, 5, 6, false },
		{ BPF_JGT, 6, 5, true },	  { BPF_JGT, 5, 5, false },
		{ BPF_JGE, 5, 5, true },	  { BPF_JGE, 4, 5, false },
		{ BPF_JGT, 0xffffffff, 1, true }, /* without a sign */
		{ BPF_JSET, 6, 2, true },	  { BPF_JSET, 5, 2, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		is(RUN(IMMEDIATE(cases[i].a),
		       BPF_JUMP((uint16_t)(BPF_JMP | cases[i].operation | BPF_K), cases[i].b, 1, 0),
		       RETURN(0), RETURN(1)),
		   cases[i].result, "jump 0x%x, case %zu", cases[i].operation, i);
		is(RUN(IMMEDIATE(cases[i].b), BPF_STMT(BPF_MISC | BPF_TAX, 0),
		       IMMEDIATE(cases[i].a),
		       BPF_JUMP((uint16_t)(BPF_JMP | cases[i].operation | BPF_X), 0, 0, 1),
		       RETURN(1), RETURN(0)),
		   cases[i].result, "with the index");
	}
	is(RUN(BPF_STMT(BPF_JMP | BPF_JA, 1), KILL, ALLOW), SECCOMP_RET_ALLOW, "always");
	is(RUN(BPF_STMT(BPF_JMP | BPF_JA, 7), ALLOW), SECCOMP_RET_KILL_PROCESS, "not past the end");
	is(RUN(LOAD(nr)), SECCOMP_RET_KILL_PROCESS, "nor just to it");
}

/* With one that allows all before it, and behind it: how often both together allow. */
static int count_allowed(struct sock_filter *code, size_t count)
{
	struct sock_filter allow[] = { ALLOW };
	struct seccomp_filter pair[2] = { { allow, 1 }, { code, count } };
	struct seccomp_filters filters = { pair, 2 };
	int allowed = seccomp_filters_allow(&filters, &data);

	pair[0] = (struct seccomp_filter){ code, count };
	pair[1] = (struct seccomp_filter){ allow, 1 };
	return allowed + seccomp_filters_allow(&filters, &data);
}

static void test_actions(void)
{
	static const struct {
		const char *name;
		uint32_t action;
		bool is_allowed;
	} cases[] = {
		{ "ALLOW", SECCOMP_RET_ALLOW, true },
		{ "ALLOW with data", SECCOMP_RET_ALLOW | 7, true },
		{ "LOG", SECCOMP_RET_LOG, false },
		{ "TRACE", SECCOMP_RET_TRACE, false },
		{ "USER_NOTIF", SECCOMP_RET_USER_NOTIF, false },
		{ "ERRNO", SECCOMP_RET_ERRNO | EPERM, false },
		{ "TRAP", SECCOMP_RET_TRAP, false },
		{ "KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
		{ "KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
		{ "one that does not exist", 0x7ffe0000u, false },
	};
	struct seccomp_filters none = {};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sock_filter code[] = { RETURN(cases[i].action) };

		is(count_allowed(code, 1), cases[i].is_allowed ? 2 : 0, "%s", cases[i].name);
	}
	ok(seccomp_filters_allow(&none, &data), "no filters, no objection");
}

/* A filter as libseccomp writes it: the advice is looked at. */
static void test_arguments(void)
{
	struct sock_filter code[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 7),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 28, 0, 4),
		LOAD_AT(OFFSET(args[2]) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 12, 0, 1),
		ALLOW,
		KILL,
	};
	struct seccomp_filter filter = { code, sizeof(code) / sizeof(code[0]) };
	struct seccomp_filters filters = { &filter, 1 };
	struct seccomp_data other = data;

	ok(seccomp_filters_allow(&filters, &other), "this advice");
	other.args[2] = 13;
	ok(!seccomp_filters_allow(&filters, &other), "not another one");
	other.args[2] = 0x10000000c;
	ok(!seccomp_filters_allow(&filters, &other), "nor one with its upper half set");
	other = data;
	other.arch = AUDIT_ARCH_I386;
	ok(!seccomp_filters_allow(&filters, &other), "nor from another architecture");
}

int main(void)
{
	test_loads();
	test_memory();
	test_arithmetic();
	test_jumps();
	test_actions();
	test_arguments();
	return done_testing();
}
