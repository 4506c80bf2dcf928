# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint advise with what the kernel takes only from a process itself, and --via."""
import os
import re
import signal

from harness import (MIB, PAGE, Target, Tracer, as_nobody, complains, done, equal, nobody_is_possible, ok, run, skip,
                     wait_for_state)

if os.geteuid() != 0:
    print("1..0 # SKIP giving advice needs root")
    raise SystemExit(0)

doctor = {check["name"]: check["state"] for check in run("doctor", "--json").json()["checks"]}


def vm_flags(target, number=0):
    """The flags of one mapping, by smaps; source: proc_pid_smaps(5)."""
    start = f"{target.mappings[number]['start']:x}-"
    with open(f"/proc/{target.pid}/smaps") as file:
        text = file.read()
    return re.search(rf"^{start}.*?^VmFlags: ([^\n]*)", text, re.M | re.S)[1].split()


def present(target, number=0):
    """How many pages of one mapping are there, be it the page of zeros; source: pagemap of the kernel's manual."""
    mapping = target.mappings[number]
    with open(f"/proc/{target.pid}/pagemap", "rb") as file:
        file.seek(mapping["start"] // PAGE * 8)
        entries = file.read(mapping["size"] // PAGE * 8)
    return sum(entries[i + 7] >> 7 for i in range(0, len(entries), 8))


def advise(target, advice, *args, number=0, status=0, more=""):
    result = run("advise", advice, "--json", *args, "--range", target.range(number), target.pid)
    one = result.json()["targets"][0] if result.out else {}
    ok(result.status == status and one.get("via") == "inject" and one["bytes"]["failed"] == 0
       and not one["exec_seen"], f"advise {advice} {' '.join(args)}{more}", result)
    return one


# === what cannot be ===============================================================================

for advice in ("mergeable", "normal", "populate_read", "MADV_HUGEPAGE"):
    complains(6, ["only from a process itself", "without --via kernel"], "advise", advice, "--via", "kernel", "1")
complains(2, "is 'hugepage' meant", "advise", "hugepag", "1")
complains(2, "no advice 'hwpoison'", "advise", "hwpoison", "1")
complains(5, "there is no process", "advise", "mergeable", "4194305")

equal(doctor["inject"], "ok" if os.uname().machine in ("x86_64", "aarch64") else "limited",
      "where calls can be run inside processes")
if doctor["inject"] != "ok":
    with Target("anon=65536") as target:
        complains(6, "what inject needs", "advise", "mergeable", target.pid)
        complains(6, "what inject needs", "cold", "--via", "inject", target.pid)
    done()

# === each advice, by what can be seen of it =======================================================

with Target("anon=4194304", "comm=memhint-inj", "shmem=1048576", "reserve=4194304") as target:
    digest = target.tell("digest 0")
    target.tell("thread")
    for advice, flag, is_set in (("dontdump", "dd", True), ("dodump", "dd", False), ("hugepage", "hg", True),
                                 ("nohugepage", "nh", True), ("mergeable", "mg", True), ("unmergeable", "mg", False),
                                 ("random", "rr", True), ("sequential", "sr", True), ("normal", "sr", False)):
        one = advise(target, advice)
        equal((flag in vm_flags(target), one["bytes"]["advised"]), (is_set, 4 * MIB), f"{advice}: {flag} in VmFlags", one)
    for advice, flag in (("dontfork", "dc"), ("wipeonfork", "wf")):
        for guard in ("freeze", "cookie"):
            advise(target, advice, "--destructive", "--guard", guard)
            equal(flag in vm_flags(target), True, f"{advice}: {flag} in VmFlags")
            advise(target, {"dontfork": "dofork", "wipeonfork": "keeponfork"}[advice])
            equal(flag in vm_flags(target), False, f"and taken back: {flag}")
    one = advise(target, "MADV_DONTDUMP")
    equal(target.tell("digest 0"), digest, "no content has changed")
    equal(run("advise", "dontdump", "--json", "--dry-run", target.pid).json()["targets"][0]["via"], None,
          "--dry-run calls nothing")
    value = run("advise", "dodump", "--json", "--range", target.range(), target.pid).json()
    equal(value["guard"], "follow", "what is run inside is guarded by follow if no guard is chosen")
    ok(not value["targets"][0]["map_changed"], "and its own changes are not taken for others'", value)
    wait_for_state(target.pid, "S")
    ok(True, "it runs afterwards")

    equal(present(target, 2), 0, "before populate_read nothing is there")
    advise(target, "populate_read", number=2)
    equal(present(target, 2), 4 * MIB // PAGE, "afterwards all of it")

    advise(target, "cold", "--via", "inject")
    for advice in ("pageout", "willneed"):
        # What comes of these depends on the swap that there is just now.
        result = run(advice, "--json", "--via", "inject", "--force", "--quiet", "--range", target.range(), target.pid)
        one = result.json()["targets"][0]
        ok(result.status == 0 and one["via"] == ("inject" if one["syscalls"] else None) and not one["bytes"]["failed"],
           f"{advice} --via inject", result)
    equal(target.tell("digest 0"), digest, "cold, pageout and willneed from inside lose nothing")
    for via in ("auto", "kernel"):
        one = run("cold", "--json", "--via", via, "--range", target.range(), target.pid).json()["targets"][0]
        equal(one["via"], "kernel", f"cold --via {via}")
    result = run("advise", "dontdump", "--verbose", target.pid)
    ok(result.status == 0 and "run inside it" in result.err and "FROZEN" in result.out,
       "--verbose and the table say how it was done", result)

    # Alternately, as what is so already is left out.
    for guard, advice in (("none", "dodump"), ("follow", "dontdump"), ("cookie", "dodump"), ("freeze", "dontdump")):
        one = advise(target, advice, "--guard", guard)
        equal((one["was_frozen"], one["frozen_usec"] > 0), (guard == "freeze", True),
              f"--guard {guard}: it stood still for the calls, or all the while", one)
        wait_for_state(target.pid, "S")

with Target("reserve=4194304") as target:
    advise(target, "populate_write")
    equal(present(target), 4 * MIB // PAGE, "populate_write: all of it is there")

# --- what destroys ----------------------------------------------------------------------------------

zeros = None
with Target("reserve=1048576") as target:
    zeros = target.tell("digest 0")
for advice, kind in (("dontneed", "anon"), ("remove", "shmem")):
    for guard in ("freeze", "cookie"):
        with Target(f"{kind}=1048576", "anon=65536") as target:
            digest, other = target.tell("digest 0"), target.tell("digest 1")
            equal(run("advise", advice, "--guard", guard, "--range", target.range(), target.pid).status, 2,
                  f"{advice} without --destructive")
            equal(target.tell("digest 0"), digest, "destroys nothing")
            advise(target, advice, "--destructive", "--guard", guard)
            equal((target.tell("digest 0"), target.tell("digest 1")), (zeros, other),
                  f"{advice} --guard {guard}: what was named is gone, and nothing else")
with Target("anon=1048576") as target:
    one = advise(target, "free", "--destructive", "--guard", "freeze")
    equal(one["bytes"]["advised"], MIB, "free")
with Target("shmem=1048576", "anon=65536") as target:
    other = target.tell("digest 1")
    result = run("advise", "remove", "--json", "--destructive", "--guard", "freeze", target.pid)
    equal((result.status, target.tell("digest 0"), target.tell("digest 1")), (0, zeros, other),
          "remove without a choice of memory means shared memory", result)
with Target("anon=1048576") as target:
    before = run("cookie", "--json", target.pid).json()["processes"][0]["cookie"]
    digest = target.tell("digest 0")
    target.tell("map")
    result = run("advise", "dontneed", "--destructive", "--cookie", before, "--range", target.range(), target.pid)
    equal((result.status, "nothing was done" in result.err, target.tell("digest 0")), (5, True, digest),
          "a cookie from before a change destroys nothing", result)
with Target("anon=1048576") as target:
    target.tell("churn")
    advise(target, "dontneed", "--destructive", "--guard", "freeze", more=": one that maps without end")
    equal(target.tell("digest 0"), zeros, "is done while it stands still")

# === those that cannot be used ======================================================================

with Target("anon=4194304", "comm=memhint-sec") as target:
    digest = target.tell("digest 0")
    target.tell("filter")
    for args in (("advise", "dontdump"), ("cold", "--via", "inject")):
        result = run(*args, target.pid)
        ok(result.status == 1 and "seccomp" in result.err, f"{' '.join(args)}: a filter that would end it for a madvise(2)",
           result)
        equal(target.tell("digest 0"), digest, "it lives on")
        wait_for_state(target.pid, "S")
    equal(run("cold", target.pid).status, 0, "from outside it can be advised")
    target.tell("exec")

with Target("anon=4194304", "comm=memhint-tra") as target:
    with Tracer(target.pid) as tracer:
        for args in (("advise", "dontdump"), ("cold", "--via", "inject"), ("cold", "--via", "inject", "--guard", "freeze")):
            result = run(*args, target.pid)
            ok(result.status == 1 and f"traced by process {tracer.pid}" in result.err and tracer.comm in result.err
               and result.err.count("\n") == 1 and not result.out, f"{' '.join(args)}: one that is traced already", result)
        ok("dd" not in vm_flags(target), "nothing was done")
    equal(run("advise", "dontdump", target.pid).status, 0, "without the tracer it can be")

with Target("anon=4194304") as target:
    os.kill(target.pid, signal.SIGSTOP)
    wait_for_state(target.pid, "T")
    one = advise(target, "dontdump", more=": a stopped process")
    equal("dd" in vm_flags(target), True, "is done")
    wait_for_state(target.pid, "T")
    ok(True, "and it stays stopped")
    os.kill(target.pid, signal.SIGCONT)
    wait_for_state(target.pid, "S")

with Target("anon=4194304", "comm=memhint-one") as first, Target("anon=4194304", "comm=memhint-one") as second:
    second.tell("filter")
    result = run("advise", "dontdump", "--json", "--comm", "memhint-one")
    targets = result.json()["targets"]
    equal((result.status, [t["bytes"]["failed"] > 0 for t in targets], {e["errno"] for e in targets[1]["errors"]}),
          (3, [False, True], {"EOPNOTSUPP"}), "of several that a pattern finds the others are done", result)

# === rights =========================================================================================

without_nice = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]
with Target("anon=4194304", "comm=memhint-nic") as target:
    result = complains(4, ["CAP_SYS_NICE", "--via inject"], "cold", target.pid, prefix=without_nice,
                       name="without CAP_SYS_NICE: the message names the way without")
    result = run("cold", "--json", "--via", "inject", target.pid, prefix=without_nice)
    equal((result.status, result.json()["targets"][0]["via"]), (0, "inject"), "which works", result)
if nobody_is_possible():
    with Target("anon=4194304") as target:
        complains(4, "right to trace", "advise", "dontdump", target.pid, prefix=as_nobody(), name="no right to trace")
    with Target("anon=4194304", prefix=as_nobody()) as own:
        with open("/proc/sys/kernel/yama/ptrace_scope" if os.path.exists("/proc/sys/kernel/yama/ptrace_scope")
                  else "/dev/null") as file:
            scope = file.read().strip() or "0"
        result = run("cold", "--json", "--via", "inject", own.pid, prefix=as_nobody())
        equal(result.status, 0 if scope == "0" else 4, "an ordinary user can hint his own from inside", result)
else:
    skip("an ordinary user", "no other user can run this memhint")

done()
