# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint doctor: every check has an answer, and what is not well has a remedy."""
import os
import re

from harness import (as_nobody, complains, done, environment, equal, nobody_is_possible, ok, run, run_on_terminal,
                     shape, skip, without_swap)

SHAPE = {
    "schema": re.compile(r"memhint\.doctor/1"), "version": str, "can_hint": bool, "verdict": str,
    "checks": [{"name": re.compile("[a-z][a-z0-9_]*"), "state": re.compile("ok|limited|missing"), "detail": str,
                "help": (str, None)}],
}

complains(2, "takes no arguments", "doctor", "1234")
complains(2, "no option --pid", "doctor", "--pid", "1")

result = run("doctor", "--json")
value = result.json()
equal(shape(value, SHAPE), [], "has its shape")
checks = {check["name"]: check for check in value["checks"]}
for name in ("kernel", "pidfd_open", "process_madvise", "remote_cold", "remote_pageout", "remote_willneed",
             "remote_collapse", "pagemap_scan", "smaps", "bpf_vma", "cap_sys_nice", "cap_sys_ptrace", "cap_bpf",
             "hidepid", "swap", "zram_control", "psi", "cgroup2", "huge_pages"):
    ok(name in checks, f"there is a check of {name}", sorted(checks))
ok(all(bool(c["help"]) == (c["state"] != "ok") for c in value["checks"]), "what is not ok has a remedy, and only that",
   value)
ok(os.uname().release in checks["kernel"]["detail"], "the kernel's version")
equal(value["can_hint"], result.status == 0, "the status is the verdict", result)

with open("/proc/self/status") as file:
    effective = int(re.search(r"^CapEff:\s*(\w+)", file.read(), re.M)[1], 16)
for name, bit in (("cap_sys_nice", 23), ("cap_sys_ptrace", 19), ("cap_sys_admin", 21)):
    equal(checks[name]["state"] == "ok", bool(effective >> bit & 1), f"{name} as /proc has it")
with open("/proc/swaps") as file:
    has_swap = len(file.read().splitlines()) > 1
with open("/proc/swaps") as file:
    if (len(file.read().splitlines()) > 1) == has_swap and (run("doctor", "--json").json() == value):
        equal(checks["swap"]["state"] == "missing", not has_swap, "swap as /proc has it")
    else:
        skip("swap", "swap came or went meanwhile")
equal(checks["psi"]["state"] == "ok", os.path.exists("/proc/pressure/memory"), "PSI as /proc has it")

prefix = without_swap()
if prefix:
    swap = next(c for c in run("doctor", "--json", prefix=prefix).json()["checks"] if c["name"] == "swap")
    equal((swap["state"], swap["detail"]), ("missing", "none"), "no swap is missing", swap)
    ok("zramctl" in swap["help"], "and how to get some")
else:
    skip("no swap", "it cannot be hidden here")

# Somebody else may make swap, or remove it, between the two.
for _ in range(20):
    value, text, after = run("doctor", "--json").json(), run("doctor"), run("doctor", "--json").json()
    if [(c["name"], c["state"]) for c in value["checks"]] == [(c["name"], c["state"]) for c in after["checks"]]:
        break
equal(text.status, result.status, "the same status as text")
for check in value["checks"]:
    ok(re.search(rf"^{check['state']} +{check['name']}  ", text.out, re.M), f"the line of {check['name']}", text)
ok(text.out.splitlines()[-1].startswith("memhint "), "a verdict at the end", text)
ok(max(map(len, text.out.splitlines())) <= 110, "no line is overlong")
narrow = run_on_terminal("doctor", columns=80, env=environment(NO_COLOR="1"))[1]
helps = [line for line in narrow.splitlines() if line.startswith(" " * 27)]
ok(all(len(line) <= 110 for line in helps), "remedies are wrapped", narrow)

if nobody_is_possible():
    plain = run("doctor", "--json", prefix=as_nobody())
    value = plain.json()
    checks = {check["name"]: check for check in value["checks"]}
    equal((plain.status, value["can_hint"]), (4, False), "an ordinary user may not hint: 4", plain)
    ok("CAP_SYS_NICE" in value["verdict"], "and is told which capability is missing", value["verdict"])
    equal(checks["cap_sys_nice"]["state"], "missing", "CAP_SYS_NICE is missing")
    ok("setcap" in checks["cap_sys_nice"]["help"], "and how to get it")
    equal(checks["remote_pageout"]["state"], "missing", "so paging out is not possible")
else:
    skip("an ordinary user", "no other user can run this memhint")

done()
