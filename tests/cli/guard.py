# SPDX-License-Identifier: GPL-2.0-or-later
"""--guard, --cookie and --force of the advice verbs: each guard on targets that change and that do not."""
import ctypes
import json
import os
import re
import signal
import subprocess
import sys

from harness import (MEMHINT, MIB, PAGE, Cgroup, Target, Tracer, as_nobody, complains, done, environment, equal, finish,
                     nobody_is_possible, ok, run, skip, start, states, wait_for_line, wait_for_state)

VERBS = ("cold", "pageout", "willneed", "collapse")
GUARDS = ("none", "follow", "cookie", "freeze")
DESTRUCTIVE = ("dontneed", "free", "remove", "dontfork", "wipeonfork")
# So slow that there is time to do something meanwhile.
SLOW = ("--rate", "1M", "--json", "--verbose", "--only", "anon")

# Patterns find the targets of other runs, too, so names are of this one.
GROUP = f"mh-grp{os.getpid()}"
GUARDED = f"mh-gua{os.getpid()}"

if os.geteuid() != 0:
    print("1..0 # SKIP giving advice needs root")
    raise SystemExit(0)

doctor = {check["name"]: check["state"] for check in run("doctor", "--json").json()["checks"]}
exact = doctor["exact_cookie"] == "ok"


def cookie(pid):
    return run("cookie", "--json", pid).json()["processes"][0]["cookie"]


def referenced(pid):
    """What was used since it was last marked cold, kiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"^Referenced: +([0-9]+)", file.read(), re.M)[1])


def sums_up(one):
    return (one["bytes"]["requested"] == one["bytes"]["advised"] + one["bytes"]["skipped"] + one["bytes"]["failed"]
            and one["bytes"]["skipped"] == sum(one["skipped_by_reason"].values()))


def begin(target, *args, verb="cold"):
    """Begins slow work on a target, and returns once the advice is being given."""
    process = start(verb, *SLOW, *args, target.pid)
    wait_for_line(process.stderr, "to advise in")
    return process


# === bad input ==================================================================================

for verb in (*VERBS, "advise"):
    extra = ("cold",) if verb == "advise" else ()
    for wrong in ("", "frob", "Follow", "followx"):
        complains(2, "is no guard", verb, *extra, f"--guard={wrong}", "1", name=f"{verb} --guard '{wrong}': is no guard")
    for wrong in ("", "frob", "ptrace"):
        complains(2, "is no way", verb, *extra, f"--via={wrong}", "1", name=f"{verb} --via '{wrong}': is no way")
    for wrong in ("", "0", "0x", "xyz", "-1", "1" * 17):
        complains(2, "is not a cookie", verb, *extra, f"--cookie={wrong}", "1",
                  name=f"{verb} --cookie '{wrong}': is not a cookie")
for advice in DESTRUCTIVE:
    complains(2, ["add --destructive", "--guard freeze"], "advise", advice, "1")
    complains(2, "--guard freeze or --guard cookie", "advise", advice, "--destructive", "1")
    for guard in ("none", "follow"):
        complains(2, "--guard freeze or --guard cookie", "advise", advice, "--destructive", "--guard", guard, "1")
    complains(2, "add --destructive", "advise", advice, "--guard", "freeze", "1")

with Target("anon=4194304", f"comm={GUARDED}") as target, Target("anon=65536", f"comm={GUARDED}") as other:
    now = cookie(target.pid)
    for guard in ("none", "follow", "freeze"):
        complains(2, "--cookie means --guard cookie", "cold", "--cookie", now, "--guard", guard, target.pid)
    complains(2, "of one process", "cold", "--cookie", now, target.pid, other.pid)
    complains(2, "of one process", "cold", "--cookie", now, "--comm", GUARDED)
    result = run("cold", "--destructive", target.pid)
    ok(result.status == 0 and "destroys nothing" in result.err, "--destructive that is not needed is said to be so", result)

    # --- a cookie that does not fit ---------------------------------------------------------------
    def refused(name, value, *args, pid=target.pid):
        target.tell("touch 0")
        before = referenced(pid)
        result = run("cold", "--cookie", value, *args, pid)
        ok(result.status == 5 and "nothing was done" in result.err and result.err.count("\n") == 1 and not result.out
           and referenced(pid) >= before >= 4096, name, result)

    refused("a cookie of another process", cookie(other.pid))
    refused("a cookie of another boot", f"0x{int(now, 16) ^ 0x5a5a5:016x}")
    target.tell("map")
    refused("a cookie from before a change", now)
    refused("and so with --guard cookie", now, "--guard", "cookie")
    refused("and with --dry-run", now, "--dry-run")
    result = run("cold", "--json", "--cookie", cookie(target.pid), target.pid)
    one = result.json()["targets"][0]
    equal((result.status, result.json()["guard"], one["cookie"], one["map_changed"]),
          (0, "cookie", cookie(target.pid), False), "the right one", result)
    ok(referenced(target.pid) < 4096, "lets it be done")

with Target("anon=4194304") as target:
    before = cookie(target.pid)
    target.tell("exec")
    result = run("cold", "--cookie", before, target.pid)
    equal((result.status, "nothing was done" in result.err), (5, True), "a cookie from before an exec", result)

# === each guard, on a target that does nothing ====================================================

with Target("anon=8388608", "comm=memhint-qui") as target:
    digest = target.tell("digest 0")
    for verb in VERBS:
        for guard in GUARDS:
            result = run(verb, "--json", "--quiet", "--force", "--guard", guard, "--range", target.range(), target.pid)
            one = result.json()["targets"][0]
            expected = (0, guard, None, False, 0)
            ok((result.status, result.json()["guard"], one["error"], one["map_changed"], one["looks"]) == expected
               and sums_up(one) and one["bytes"]["requested"] == 8 * MIB, f"{verb} --guard {guard}", result)
            calls = one["syscalls"] > 0
            equal((one["via"], one["was_frozen"], one["frozen_usec"] > 0),
                  ("kernel" if calls else None, guard == "freeze", guard == "freeze"),
                  f"{verb} --guard {guard}: by whom, and whether it stood still", one)
            wait_for_state(target.pid, "S")
            ok(True, f"{verb} --guard {guard}: it runs afterwards")
        value = run(verb, "--json", "--quiet", "--force", target.pid).json()
        equal(value["guard"], "follow" if exact else "none", f"{verb}: the guard if none is chosen")
    equal(target.tell("digest 0"), digest, "nothing is lost")
    result = run("cold", "--guard", "freeze", target.pid)
    ok("FROZEN" in result.out and result.row(target.pid), "the table says how long it stood still", result)
    ok("FROZEN" not in run("cold", "--guard", "none", target.pid).out, "but only if it did")
    dry = run("cold", "--json", "--dry-run", "--guard", "freeze", target.pid).json()["targets"][0]
    equal(dry["frozen_usec"], 0, "--dry-run stops nobody")
    if nobody_is_possible():
        complains(4, "CAP_SYS_PTRACE", "cold", "--guard", "freeze", target.pid, prefix=as_nobody("sys_nice"),
                  name="--guard freeze without the right to trace")
        with Target("anon=4194304", prefix=as_nobody()) as own:
            result = run("cold", "--json", "--guard", "cookie", own.pid, prefix=as_nobody("sys_nice"))
            equal((result.status, result.json()["targets"][0]["error"]), (0, None), "--guard cookie without BPF", result)
            equal(run("cold", "--json", own.pid, prefix=as_nobody("sys_nice")).json()["guard"], "none",
                  "without BPF there is no guard if none is chosen")
    else:
        skip("guards of an ordinary user", "no other user can run this memhint")

# === a change while the advice is given =========================================================

with Target("anon=16777216", "anon=16777216") as target:
    process = begin(target, "--guard", "none")
    target.tell("map")
    process.send_signal(signal.SIGINT)
    one = finish(process).json()["targets"][0]
    equal(one["map_changed"], True, "none: the result says that the map changed", one)

with Target("anon=16777216", "anon=16777216") as target:
    before = referenced(target.pid)
    process = begin(target, "--guard", "cookie")
    while referenced(target.pid) >= before:  # until something was done
        os.sched_yield()
    target.tell("map")
    result = finish(process)
    one = result.json()["targets"][0]
    ok(result.status == 3 and one["error"] == "ESTALE" and one["map_changed"] and one["bytes"]["advised"] > 0
       and sums_up(one), "cookie: it ends, partly done", result)
    ok(one["skipped_by_reason"].get("changed", 0) > 16 * MIB, "cookie: what is left is skipped as changed", one)
    ok("changed its mappings" in result.err and "--guard follow" in result.err and "--guard freeze" in result.err,
       "cookie: what changed, and what to do next", result)

with Target("anon=2097152", "anon=2097152", "anon=2097152") as target:
    process = begin(target, "--guard", "follow")
    target.tell("unmap 2")
    result = finish(process)
    one = result.json()["targets"][0]
    ok(result.status == 0 and one["error"] is None and one["map_changed"] and one["looks"] >= 1 and sums_up(one),
       "follow: looks again, and goes on", result)
    ok(one["skipped_by_reason"].get("changed", 0) >= 2 * MIB and one["bytes"]["failed"] == 0
       and one["bytes"]["advised"] >= 4 * MIB, "follow: what is gone is skipped as changed, the rest is done", one)
    ok("looked again" in result.err, "follow: which --verbose tells", result)

with Target("anon=67108864") as target:
    target.tell("churn")
    for guard in ("none", "follow", "freeze"):
        result = run("cold", "--json", "--quiet", "--guard", guard, "--range", target.range(), target.pid)
        one = result.json()["targets"][0]
        ok(result.status == 0 and one["bytes"]["advised"] >= 0.8 * 64 * MIB and sums_up(one),
           f"{guard}: one that maps without end still gets it", result)
    ok(not one["map_changed"] or one["was_frozen"], "freeze: it could not change meanwhile", one)
    # So slow that it maps something meanwhile, however seldom it runs.
    result = run("cold", *SLOW, "--guard", "cookie", "--range", target.range(), target.pid)
    one = result.json()["targets"][0]
    equal((result.status, one["error"]), (3 if one["bytes"]["advised"] else 5, "ESTALE"), "cookie: it does not", result)

# === a target that stands still =================================================================

with Target("anon=16777216") as target:
    process = begin(target, "--guard", "freeze")
    wait_for_state(target.pid, "t")
    ok(True, "freeze: it does not run while it is advised")
    process.send_signal(signal.SIGINT)
    result = finish(process)
    one = result.json()["targets"][0]
    equal((result.status, one["error"]), (3, "ECANCELED"), "freeze: Ctrl-C", result)
    wait_for_state(target.pid, "S")
    target.tell("map")
    ok(one["was_frozen"] and not one["map_changed"], "freeze: lets it go", one)

    process = begin(target, "--guard", "freeze", "--timeout", "300ms")
    result = finish(process)
    equal(result.status, 124, "freeze: --timeout", result)
    wait_for_state(target.pid, "S")

    process = begin(target, "--guard", "freeze")
    wait_for_state(target.pid, "t")
    process.kill()
    finish(process)
    wait_for_state(target.pid, "S")
    equal(target.tell("map"), {"done": True}, "freeze: memhint is killed, and it runs")

    target.tell("thread")
    os.kill(target.pid, signal.SIGSTOP)
    wait_for_state(target.pid, "T")
    result = run("cold", "--json", "--guard", "freeze", "--only", "anon", target.pid)
    one = result.json()["targets"][0]
    equal((result.status, one["was_frozen"]), (0, True), "freeze: what somebody else had stopped", result)
    wait_for_state(target.pid, "T")
    ok(True, "freeze: stays stopped")
    os.kill(target.pid, signal.SIGCONT)
    wait_for_state(target.pid, "S")

# === several as one =============================================================================

with Target("anon=16777216", f"comm={GROUP}") as first, Target("anon=16777216", f"comm={GROUP}") as second:
    child = first.tell("child")["child"]
    for name, args in (("two PIDs", (first.pid, second.pid)), ("a pattern", ("--comm", GROUP)),
                       ("children", ("--children", first.pid))):
        members = {"two PIDs": {first.pid, second.pid}, "children": {first.pid, child}}.get(
            name, {first.pid, second.pid, child})
        process = start("cold", *SLOW, "--guard", "freeze", *args)
        for pid in members:
            wait_for_state(pid, "t")
        process.send_signal(signal.SIGTERM)
        result = finish(process)
        value = result.json()
        equal({t["pid"] for t in value["targets"]}, members, f"{name}: all of them", result)
        equal(result.status, 3, f"{name}: ended by a signal", result)
        for pid in members:
            wait_for_state(pid, "S")
        result = run("cold", "--json", "--guard", "freeze", *args)
        value = result.json()
        equal((result.status, {t["pid"] for t in value["targets"] if t["was_frozen"] and t["frozen_usec"]}),
              (0, members), f"{name}: done, and each stood still", result)
        dry = run("cold", "--json", "--dry-run", "--guard", "freeze", *args)
        equal((dry.status, {t["frozen_usec"] for t in dry.json()["targets"]}), (0, {0}), f"{name}: --dry-run stops nobody", dry)
        process = start("cold", *SLOW, "--guard", "freeze", *args)
        for pid in members:
            wait_for_state(pid, "t")
        process.kill()
        finish(process)
        for pid in members:
            wait_for_state(pid, "S")
        ok(True, f"{name}: memhint is killed, and all run")

with Target("anon=16777216") as target:
    target.tell("breed")
    for _ in range(20):
        process = start("cold", *SLOW, "--guard", "freeze", "--children", target.pid)
        wait_for_state(target.pid, "t")
        # All that it had started by then are among the targets, so that none of them runs.
        process.send_signal(signal.SIGINT)
        result = finish(process)
        if result.status != 3 or not all(t["was_frozen"] or t["error"] in ("ESRCH", "ECANCELED")
                                         for t in result.json()["targets"]):
            ok(False, "one that forks without end: all that it forked are frozen", result)
            break
    else:
        ok(True, "one that forks without end: all that it forked are frozen")
    for _ in range(10):
        before = referenced(target.pid)
        process = start("cold", *SLOW, "--guard", "freeze", "--children", target.pid)
        while referenced(target.pid) >= before:  # until all stand still, and the advice is being given
            os.sched_yield()
        children = set()
        for thread in os.listdir(f"/proc/{target.pid}/task"):
            with open(f"/proc/{target.pid}/task/{thread}/children") as file:
                children |= {int(pid) for pid in file.read().split()}
        living = {pid for pid in children if states(pid) - {"Z"}}
        still = {pid for pid in living if states(pid) == {"t"}}
        process.send_signal(signal.SIGINT)
        have = {t["pid"] for t in finish(process).json()["targets"]}
        if not living or still != living or not living <= have:
            ok(False, "its children of that moment are among them", have, living, still)
            break
        target.tell("touch 0")
    else:
        ok(True, "its children of that moment are among them")

group = Cgroup.make()
if group is None:
    skip("a control group", "no cgroup v2 that can be written")
else:
    with group, Target("anon=4194304") as first, Target("anon=4194304") as second:
        group.add(first.pid)
        group.add(second.pid)
        for path in (group.path, f"{group.mount}{group.path}"):
            result = run("cold", "--json", "--guard", "freeze", "--cgroup", path)
            equal((result.status, {t["pid"] for t in result.json()["targets"] if t["was_frozen"]}),
                  (0, {first.pid, second.pid}), "a control group: all its members", result)
        process = start("cold", *SLOW, "--guard", "freeze", "--cgroup", group.path)
        for target in (first, second):
            wait_for_state(target.pid, "t")
        equal(group.read("cgroup.freeze"), "0", "by ptrace, which the kernel undoes")
        process.kill()
        finish(process)
        for target in (first, second):
            wait_for_state(target.pid, "S")
        ok(True, "memhint is killed, and all run")
    complains(5, "no control group", "cold", "--guard", "freeze", "--cgroup", group.path)

# === whom it must not stop ======================================================================


def through_shell(script, *args):
    return subprocess.run(["sh", "-c", script, MEMHINT, *args], capture_output=True, text=True, env=environment())


complains(1, ["--force", "starts and ends all others"], "cold", "--guard", "freeze", "1")
result = through_shell('"$0" cold --guard freeze $$; exit $?')
ok(result.returncode == 1 and "started memhint" in result.stderr and "--force" in result.stderr and not result.stdout,
   "the shell that started memhint", result)
result = through_shell('sh -c \'"$0" cold --guard freeze $1; exit $?\' "$0" $$; exit $?')
ok(result.returncode == 1 and "started what memhint runs in" in result.stderr, "an ancestor", result)
result = through_shell('"$0" cold --json --guard freeze --force $$; exit $?')
ok(result.returncode == 0 and json.loads(result.stdout)["targets"][0]["was_frozen"], "--force does it", result)
inside = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c"]
if subprocess.run([*inside, "true"], capture_output=True).returncode == 0:
    result = subprocess.run([*inside, '"$0" cold --json --guard freeze --force 1; exit $?', MEMHINT], capture_output=True,
                            text=True, env=environment())
    ok(result.returncode == 0 and json.loads(result.stdout)["targets"][0]["was_frozen"], "--force: PID 1, too", result)
else:
    skip("PID 1 with --force", "no PID namespaces")
with Target("anon=65536", "comm=memhint-sib") as target:
    result = run("cold", "--json", "--guard", "freeze", "--pid", target.pid, "--pid", os.getpid())
    equal((result.status, result.out), (1, ""), "beside one that may not be frozen the other is not touched", result)

# === one that is traced already =================================================================

with Target("anon=4194304", "comm=memhint-tra") as target:
    with Tracer(target.pid) as tracer:
        result = run("cold", "--json", "--guard", "freeze", target.pid)
        equal((result.status, result.json()["targets"][0]["was_frozen"]), (0, True),
              "a target under a debugger is stopped by other means", result)
        equal(target.tell("map"), {"done": True}, "and runs afterwards")
        equal(run("cold", "--guard", "cookie", target.pid).status, 0, "the other guards do not mind a debugger")
        equal(run("cold", "--guard", "follow", target.pid).status, 0, "none of them")
        result = run("cold", "--via", "inject", target.pid)
        ok(result.status == 1 and f"traced by process {tracer.pid}" in result.err and tracer.comm in result.err
           and "nothing was done" in result.err, "but nothing can be run inside it: by whom it is traced is said", result)
    equal(target.tell("map"), {"done": True}, "and it runs without the debugger")

done()
