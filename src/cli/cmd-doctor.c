/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memhint doctor: what this machine can do, why not more, and what mends it. */
#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "machine.h"
#include "options.h"
#include "swap.h"
#include "term.h"
#include "units.h"

#include <memhint/error.h>
#include <memhint/probe.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum check_state {
	CHECK_OK,
	CHECK_LIMITED, /* works, but not as well */
	CHECK_MISSING, /* something cannot be done */
};

static const char *const state_names[] = { "ok", "limited", "missing" };

struct check {
	char name[32];
	enum check_state state;
	char detail[256];
	const char *help; /* the sentence that mends it; NULL if nothing needs it */
};

#define CHECKS_MAX 64

struct doctor {
	int procfd;
	int sysfd;
	size_t count;
	struct check checks[CHECKS_MAX];
};

__attribute__((format(printf, 5, 6))) static void add(struct doctor *doctor, const char *name,
						      enum check_state state, const char *help,
						      const char *format, ...)
{
	struct check *check;
	va_list list;

	if (doctor->count == CHECKS_MAX)
		return;
	check = &doctor->checks[doctor->count++];
	*check = (struct check){ .state = state, .help = state == CHECK_OK ? NULL : help };
	snprintf(check->name, sizeof(check->name), "%s", name);
	va_start(list, format);
	vsnprintf(check->detail, sizeof(check->detail), format, list);
	va_end(list);
}

/* Whether memhint can do its work at all without a feature. */
static bool is_essential(enum memhint_feature feature)
{
	switch (feature) {
	case MEMHINT_FEATURE_PIDFD:
	case MEMHINT_FEATURE_PROCESS_MADVISE:
	case MEMHINT_FEATURE_REMOTE_COLD:
	case MEMHINT_FEATURE_REMOTE_PAGEOUT:
	case MEMHINT_FEATURE_REMOTE_WILLNEED:
	case MEMHINT_FEATURE_REMOTE_COLLAPSE:
		return true;
	default:
		return false;
	}
}

/* What an answer of memhint_probe() means. */
static const char *reason(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return "the right is missing";
	case -ENOENT:
		return "it is not installed";
	case -ENODATA:
		return "there is none to tell it by; the root group has no freezer";
	case -EPROTO:
		return "what is installed is of another version";
	case -ENOSYS:
	case -EOPNOTSUPP:
	case -ENOTTY:
	case -EINVAL:
		return "this kernel does not offer it";
	default: /* of this moment, or of a kernel that has it, but not as it should be */
		return "it could not be tried, or does not work here";
	}
}

/* Which of the two kinds is in force. */
static void check_cookies(struct doctor *doctor, int r)
{
	const char *name = memhint_feature_name(MEMHINT_FEATURE_EXACT_COOKIE);

	if (r == 0)
		add(doctor, name, CHECK_OK, NULL,
		    "cookies are exact: no change of the mappings goes unseen");
	else
		add(doctor, name, CHECK_LIMITED, memhint_feature_help(MEMHINT_FEATURE_EXACT_COOKIE),
		    "cookies are fingerprints: %s: %s", memhint_error_name(r), reason(r));
}

static void check_features(struct doctor *doctor)
{
	for (int i = 0; i < MEMHINT_FEATURE_COUNT; i++) {
		int r = memhint_probe(i);

		if (i == MEMHINT_FEATURE_EXACT_COOKIE)
			check_cookies(doctor, r);
		else if (r == 0)
			add(doctor, memhint_feature_name(i), CHECK_OK, NULL, "works");
		else
			add(doctor, memhint_feature_name(i),
			    is_essential(i) ? CHECK_MISSING : CHECK_LIMITED,
			    memhint_feature_help(i), "%s: %s", memhint_error_name(r), reason(r));
	}
}

static void check_capabilities(struct doctor *doctor)
{
	static const struct {
		const char *name;
		unsigned number;
		enum check_state without;
		const char *help;
	} capabilities[] = {
		{ "cap_sys_nice", CAP_SYS_NICE, CHECK_MISSING,
		  "without it no other process can be hinted, one's own neither: run memhint as root, or "
		  "grant it once: setcap cap_sys_nice,cap_sys_ptrace+ep $(command -v memhint)" },
		{ "cap_sys_ptrace", CAP_SYS_PTRACE, CHECK_LIMITED,
		  "without it only processes of the same user can be looked at: run memhint as root, or grant "
		  "it once: setcap cap_sys_nice,cap_sys_ptrace+ep $(command -v memhint)" },
		{ "cap_bpf", CAP_BPF, CHECK_LIMITED,
		  "without it (and CAP_SYS_ADMIN) mappings are read from text, which is slower: add cap_bpf and "
		  "cap_perfmon with setcap" },
		{ "cap_perfmon", CAP_PERFMON, CHECK_LIMITED,
		  "without it (and CAP_SYS_ADMIN) mappings are read from text, which is slower: add cap_bpf and "
		  "cap_perfmon with setcap" },
		{ "cap_sys_admin", CAP_SYS_ADMIN, CHECK_LIMITED,
		  "without it swap cannot be made: run memhint demo as root" },
	};
	uint64_t have;
	int r = machine_capabilities(doctor->procfd, &have);

	for (size_t i = 0; r == 0 && i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		unsigned number = capabilities[i].number;
		bool has = have >> number & 1;

		/* CAP_SYS_ADMIN stands for the two that were split off from it. */
		if (!has && (number == CAP_BPF || number == CAP_PERFMON) &&
		    have >> CAP_SYS_ADMIN & 1)
			add(doctor, capabilities[i].name, CHECK_OK, NULL, "through CAP_SYS_ADMIN");
		else
			add(doctor, capabilities[i].name, has ? CHECK_OK : capabilities[i].without,
			    capabilities[i].help, "%s", has ? "effective" : "not there");
	}
}

static void check_hidepid(struct doctor *doctor)
{
	char value[32];

	if (machine_hidepid(doctor->procfd, value, sizeof(value)) < 0)
		return;
	if (!value[0])
		add(doctor, "hidepid", CHECK_OK, NULL, "/proc shows the processes of all users");
	else
		add(doctor, "hidepid", geteuid() == 0 ? CHECK_OK : CHECK_LIMITED,
		    "processes of other users are not seen: run as root, or be in the group of the gid= option "
		    "of the mount",
		    "/proc is mounted with hidepid=%s", value);
}

static void check_swap(struct doctor *doctor)
{
	static const char no_swap[] =
		"without swap anonymous memory stays where it is and pageout frees next to nothing: add a swap "
		"device or file (mkswap, swapon), or compressed memory as root: zramctl --find --size 2G, then "
		"mkswap and swapon that device; memhint demo makes its own for as long as it runs";
	struct swap swap;
	int r = swap_read(doctor->procfd, doctor->sysfd, &swap);

	if (r < 0)
		return;
	if (swap.total_bytes == 0)
		add(doctor, "swap", CHECK_MISSING, no_swap, "none");
	else
		add(doctor, "swap",
		    swap.free_bytes < swap.total_bytes / 20 ? CHECK_LIMITED : CHECK_OK,
		    "pageout refuses below 5% of free swap: add more, or lower --swap-floor",
		    "%s free of %s in %zu %s", unit_bytes(swap.free_bytes).text,
		    unit_bytes(swap.total_bytes).text, swap.count,
		    swap.count == 1 ? "area" : "areas");
	for (size_t i = 0; i < swap.count; i++) {
		const struct swap_area *area = &swap.areas[i];

		if (area->is_zram && area->zram_known)
			add(doctor, "zram", CHECK_OK, NULL, "%s: %s stored in %s of memory",
			    area->name, unit_bytes(area->zram_original_bytes).text,
			    unit_bytes(area->zram_memory_bytes).text);
		else if (area->is_zram)
			add(doctor, "zram", CHECK_OK, NULL, "%s", area->name);
	}
}

static void check_zram(struct doctor *doctor)
{
	switch (machine_zram(doctor->sysfd)) {
	case MACHINE_ZRAM_READY:
		add(doctor, "zram_control", CHECK_OK, NULL, "devices can be added");
		break;
	case MACHINE_ZRAM_MODULE:
		add(doctor, "zram_control", CHECK_LIMITED,
		    "load the module as root: modprobe zram num_devices=0",
		    "the module is there, but not loaded");
		break;
	default:
		add(doctor, "zram_control", CHECK_LIMITED,
		    "this kernel has no zram (CONFIG_ZRAM): use a swap device or file",
		    "not there");
	}
}

static void check_pressure(struct doctor *doctor)
{
	double percent;
	int r = machine_pressure(doctor->procfd, &percent);

	if (r == 0)
		add(doctor, "psi", CHECK_OK, NULL, "memory stalls in the last 10 s: %.1f%%",
		    percent);
	else
		add(doctor, "psi", CHECK_LIMITED,
		    "without it memory pressure cannot be seen coming: boot with psi=1 (CONFIG_PSI)",
		    "%s", memhint_error_name(r));
}

static void check_cgroup2(struct doctor *doctor)
{
	char mount[4096];
	int r = machine_cgroup2(doctor->procfd, mount, sizeof(mount));

	if (r < 0) {
		add(doctor, "cgroup2", CHECK_LIMITED,
		    "without it groups of processes cannot be frozen: mount -t cgroup2 none /sys/fs/cgroup",
		    "not mounted");
		return;
	}
	add(doctor, "cgroup2", CHECK_OK, NULL, "mounted at %.200s", mount);
	if (machine_cgroup2_has(mount, "memory"))
		add(doctor, "cgroup2_memory", CHECK_OK, NULL, "the memory controller is there");
	else
		add(doctor, "cgroup2_memory", CHECK_LIMITED,
		    "the memory controller is bound to cgroup v1 or switched off: boot with "
		    "systemd.unified_cgroup_hierarchy=1, or cgroup_enable=memory",
		    "the memory controller is not there");
}

static void check_huge_pages(struct doctor *doctor)
{
	char value[32];
	int r = machine_huge_pages(doctor->sysfd, value, sizeof(value));

	if (r == 0)
		add(doctor, "huge_pages", CHECK_OK, NULL, "transparent huge pages: %s", value);
	else
		add(doctor, "huge_pages", CHECK_LIMITED,
		    "this kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE), so collapse cannot work",
		    "%s", memhint_error_name(r));
}

static void check_all(struct doctor *doctor)
{
	struct utsname name;

	if (uname(&name) == 0)
		add(doctor, "kernel", CHECK_OK, NULL, "%s %s %s", name.sysname, name.release,
		    name.machine);
	check_features(doctor);
	check_capabilities(doctor);
	check_hidepid(doctor);
	check_swap(doctor);
	check_zram(doctor);
	check_pressure(doctor);
	check_cgroup2(doctor);
	check_huge_pages(doctor);
}

/* Hinting is impossible when neither of the two advices that all need can be given. */
static int verdict(const char **ret_sentence)
{
	int cold = memhint_probe(MEMHINT_FEATURE_REMOTE_COLD);
	int pageout = memhint_probe(MEMHINT_FEATURE_REMOTE_PAGEOUT);

	*ret_sentence = "other processes can be hinted";
	if (cold == 0 || pageout == 0)
		return EXIT_SUCCESS;
	if (cold == -EPERM || cold == -EACCES) {
		*ret_sentence =
			"other processes cannot be hinted: the right is missing (CAP_SYS_NICE, and "
			"CAP_SYS_PTRACE for those of other users)";
		return EXIT_PERMISSION;
	}
	*ret_sentence = "other processes cannot be hinted: this kernel does not offer it";
	return EXIT_UNSUPPORTED;
}

static void show_json(const struct doctor *doctor, int status, const char *sentence)
{
	struct json json;

	json_init(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "schema", "memhint.doctor/1");
	json_string(&json, "version", MEMHINT_VERSION);
	json_bool(&json, "can_hint", status == EXIT_SUCCESS);
	json_string(&json, "verdict", sentence);
	json_array(&json, "checks");
	for (size_t i = 0; i < doctor->count; i++) {
		const struct check *check = &doctor->checks[i];

		json_object(&json, NULL);
		json_string(&json, "name", check->name);
		json_string(&json, "state", state_names[check->state]);
		json_string(&json, "detail", check->detail);
		json_string(&json, "help", check->help);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
}

/* Prints @text in lines of at most @width columns, each begun by @indent blanks. */
static void print_wrapped(const char *text, unsigned indent, unsigned width)
{
	unsigned column = 0;

	while (*text) {
		unsigned length = (unsigned)strcspn(text, " ");

		if (column > 0 && column + 1 + length > width) {
			putchar('\n');
			column = 0;
		}
		if (column == 0)
			column = (unsigned)printf("%*s", (int)indent, "");
		else
			column += (unsigned)printf(" ");
		column += (unsigned)printf("%.*s", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void show_text(const struct doctor *doctor, int status, const char *sentence)
{
	static const enum term_colour colours[] = { TERM_GREEN, TERM_YELLOW, TERM_RED };
	struct term term;

	term_init(&term, STDOUT_FILENO);
	for (size_t i = 0; i < doctor->count; i++) {
		const struct check *check = &doctor->checks[i];

		printf("%s%-7s%s  %-16s  %s\n", term_colour(&term, colours[check->state]),
		       state_names[check->state], term_colour(&term, TERM_RESET), check->name,
		       check->detail);
		if (check->help)
			print_wrapped(check->help, 27,
				      term.is_terminal && term.width > 60 ? term.width : 100);
	}
	printf("\n%smemhint %s: %s%s\n",
	       term_colour(&term, status == EXIT_SUCCESS ? TERM_GREEN : TERM_RED), MEMHINT_VERSION,
	       sentence, term_colour(&term, TERM_RESET));
}

static int run_doctor(const struct verb *verb, int argc, char **argv)
{
	struct doctor doctor = {};
	_cleanup_close_ int procfd = -1;
	_cleanup_close_ int sysfd = -1;
	struct options options;
	const char *sentence;
	bool json = false;
	int id, status;

	options_init(&options, verb, argc, argv);
	while ((id = options_next(&options)) != OPTION_END) {
		if (id < 0)
			return options.exit_status;
		json |= id == OPTION_JSON;
	}
	if (!options_no_rest(&options))
		return EXIT_USAGE;
	procfd = doctor.procfd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	sysfd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	doctor.sysfd = sysfd;
	if (procfd < 0 || access("/proc/self/stat", R_OK) < 0) {
		log_error(
			"/proc is not mounted; nothing works without it: mount -t proc proc /proc");
		return EXIT_FAILURE;
	}
	check_all(&doctor);
	status = verdict(&sentence);
	if (json)
		show_json(&doctor, status, sentence);
	else
		show_text(&doctor, status, sentence);
	return status;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "what this machine can do, and what mends what it cannot",
	.description =
		"Tries what memhint needs, with the rights it is run with: the kernel's features, permission,\n"
		"swap and zram, pressure, control groups. Changes nothing. Every line that is not \"ok\" is\n"
		"followed by what is lost and what mends it.",
	.groups = (const struct option_group *const[]){ &common_options, NULL },
	.examples = "  # everything\n"
		    "  memhint doctor\n"
		    "  # what is not as it should be, for a program to read\n"
		    "  memhint doctor --json | jq '.checks[] | select(.state != \"ok\")'\n"
		    "  # as an ordinary user would find it\n"
		    "  setpriv --reuid nobody --clear-groups memhint doctor\n",
	.exit_status =
		"  Other processes cannot be hinted: 4 for want of rights, 6 for want of a kernel that does.",
	.run = run_doctor,
};
