# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint freeze and thaw: whom they stop, for how long, what they leave alone, and bad input."""
import ctypes
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

from harness import (MEMHINT, Cgroup, Target, Tracer, Zombie, as_nobody, common_target_complaints, complains, dead_pid,
                     done, environment, equal, finish, kernel_thread, nobody_is_possible, ok, run, run_on_terminal, shape,
                     skip, start, states, wait_for_state)

CLONE_NEWNS = 0x00020000  # include/uapi/linux/sched.h
ID = re.compile(r"\d+:\d+")
WAYS = re.compile("trace|cgroup|signal|already")
FREEZE = {"schema": re.compile(r"memhint\.freeze/1"), "hold": bool, "elapsed_usec": int,
          "processes": [{"pid": int, "id": ID, "comm": str, "way": WAYS}]}
RECORD = {"pid": (int, None), "id": (ID, None), "comm": (str, None), "way": re.compile("cgroup|signal"), "cgroup": (str, None)}
THAW = {"schema": re.compile(r"memhint\.thaw/1"), "processes": [{**RECORD, "error": (str, None)}]}
FROZEN = {"schema": re.compile(r"memhint\.frozen/1"),
          "processes": [{**RECORD, "state": re.compile("kept|going on|orphan|gone")}]}


def frozen(**more):
    """PID -> record, of all there are."""
    value = run("thaw", "--list", "--json", **more).json()
    equal(shape(value, FROZEN), [], "thaw --list --json: has its shape", value)
    return {record["pid"]: record for record in value["processes"]}


# Patterns find the targets of other runs, too, so names are of this one.
FROZEN_NAME = f"mh-frz{os.getpid()}"
HELD = f"mh-hld{os.getpid()}"

if os.geteuid() != 0:
    print("1..0 # SKIP freezing the processes of others needs root")
    raise SystemExit(0)

# Records of its own, that nobody else's thaw --all finds, and the other way round.
is_alone = ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0 and subprocess.run(
    "mount --make-rprivate / && mount -t tmpfs none /run", shell=True, capture_output=True).returncode == 0

# === bad input ==================================================================================

for verb in ("freeze", "thaw"):
    common_target_complaints(verb)
    complains(2, "which process", verb)
    complains(5, "there is no process", verb, dead_pid())
    with Zombie() as zombie:
        complains(5, "is a zombie", verb, zombie.pid)
    thread = kernel_thread()
    if thread:
        complains(1, "is a kernel thread", verb, thread)
    else:
        skip(f"{verb}: kernel threads", "this PID namespace has none")
    own = subprocess.run(["sh", "-c", f'exec "$0" {verb} $$', MEMHINT], capture_output=True, text=True, env=environment())
    ok(own.returncode == 2 and "memhint itself" in own.stderr and not own.stdout, f"{verb}: memhint itself", own)
for option, word, wrong in (("--way", "is no way", ("", "frob", "SIGSTOP", "already")),
                            ("--for", "is not a time", ("", "x", "-1", "5y")),
                            ("--for", "no time at all", ("0", "0s")),
                            ("--timeout", "is not a time", ("", "x", "-1", "1 s")),
                            ("--timeout", "no time at all", ("0", "0ms"))):
    for value in wrong:
        complains(2, word, "freeze", f"{option}={value}", "1", name=f"{option} '{value}': {word}")
complains(2, "add --hold", "freeze", "--way", "trace", "1")
for way in ("cgroup", "signal"):
    complains(2, "freeze by ptrace", "freeze", "--hold", "--way", way, "1")
    complains(2, "freeze by ptrace", "freeze", "--for", "1s", "--way", way, "1")
complains(2, "take no processes", "thaw", "--all", "1")
complains(2, "take no processes", "thaw", "--list", "--comm", "x")
for pair in (("--all", "--list"), ("--list", "--recover"), ("--recover", "--all")):
    complains(2, "which of them", "thaw", *pair)

# === whom it must not stop ======================================================================


def through_shell(script, *args):
    return subprocess.run(["sh", "-c", script, MEMHINT, *args], capture_output=True, text=True, env=environment())


for args in ((), ("--hold",)):
    complains(1, ["starts and ends all others", "--force", "nothing was frozen"], "freeze", *args, "1")
    result = through_shell(f'"$0" freeze {" ".join(args)} $$; exit $?')
    ok(result.returncode == 1 and "started memhint" in result.stderr and "--force" in result.stderr and not result.stdout,
       f"freeze {' '.join(args)}: the shell that started memhint", result)
    result = through_shell(f'sh -c \'"$0" freeze {" ".join(args)} $1; exit $?\' "$0" $$; exit $?')
    ok(result.returncode == 1 and "started what memhint runs in" in result.stderr,
       f"freeze {' '.join(args)}: an ancestor", result)
with Target("anon=65536", "comm=memhint-sib") as target:
    result = run("freeze", target.pid, "1")
    equal((result.status, result.out, states(target.pid)), (1, "", {"S"}), "all or nothing", result)
    result = run("freeze", target.pid, dead_pid())
    equal((result.status, result.out, states(target.pid)), (5, "", {"S"}), "all or nothing: one that is not there", result)
result = through_shell('"$0" freeze --json --for 50ms --force $$; exit $?')
ok(result.returncode == 0 and json.loads(result.stdout)["processes"][0]["way"] == "trace", "--force does it", result)

# === until thaw =================================================================================

with Target("anon=65536", f"comm={FROZEN_NAME}") as target, Target("anon=65536", f"comm={FROZEN_NAME}") as other:
    target.tell("thread")
    identity = run("ps", "--json", "--columns", "id", target.pid).json()["processes"][0]["id"]
    for way in ("auto", "signal"):
        result = run("freeze", "--json", "--way", way, target.pid)
        value = result.json()
        equal((result.status, result.err, shape(value, FREEZE)), (0, "", []), f"--way {way}: has its shape", result)
        equal((value["hold"], value["processes"]), (False, [{"pid": target.pid, "id": identity, "comm": FROZEN_NAME,
                                                             "way": "signal"}]), f"--way {way}: who, and how")
        equal(states(target.pid), {"T"}, f"--way {way}: no thread of it runs, and memhint has ended")
        record = frozen()[target.pid]
        equal((record["id"], record["comm"], record["way"], record["state"]), (identity, FROZEN_NAME, "signal", "kept"),
              f"--way {way}: is in the list", record)
        ok(other.pid not in frozen() and states(other.pid) == {"S"}, "nobody else is")
        result = run("thaw", "--json", target.pid)
        value = result.json()
        equal((result.status, result.err, shape(value, THAW)), (0, "", []), "thaw: has its shape", result)
        equal([(p["pid"], p["error"]) for p in value["processes"]], [(target.pid, None)], "thaw: whom")
        wait_for_state(target.pid, "S")
        ok(target.pid not in frozen(), "thaw: and it is in the list no more")
        equal(target.tell("map"), {"done": True}, "thaw: it runs")
        complains(1, "was not frozen by memhint", "thaw", target.pid)

    result = run("freeze", target.pid)
    equal(result.row(target.pid), [str(target.pid), FROZEN_NAME, identity, "signal"], "the table", result)
    result = run("thaw", "--list")
    equal(result.row(target.pid)[:5], [str(target.pid), FROZEN_NAME, identity, "signal", "kept"], "the table of the list", result)
    result = run("freeze", "--json", target.pid)
    equal((result.status, [p["way"] for p in result.json()["processes"]]), (0, ["already"]), "a second time: it is already", result)
    equal(run("pageout", "--dry-run", "--quiet", target.pid).status, 0, "a frozen one can be advised")
    equal(run("cold", "--guard", "freeze", target.pid).status, 0, "with guard freeze as well")
    wait_for_state(target.pid, "T")
    ok(True, "and stays frozen")
    complains(5, "another one", "thaw", f"{identity[:-1]}{(int(identity[-1]) + 1) % 10}", name="thaw: another inode")
    equal(states(target.pid), {"T"}, "which thaws nothing")
    result = run("thaw", target.pid)
    equal(result.row(target.pid)[:5], [str(target.pid), FROZEN_NAME, identity, "signal", "thawed"], "the table of thaw", result)
    wait_for_state(target.pid, "S")

    # --- several ------------------------------------------------------------------------------------
    child = target.tell("child")["child"]
    for name, args, members in (("two PIDs", (target.pid, other.pid), {target.pid, other.pid}),
                                ("a pattern", ("--comm", FROZEN_NAME), {target.pid, other.pid, child}),
                                ("children", ("--children", target.pid), {target.pid, child})):
        result = run("freeze", "--json", *args)
        equal((result.status, {p["pid"] for p in result.json()["processes"]}), (0, members), f"{name}: all of them", result)
        equal([states(pid) for pid in members], [{"T"}] * len(members), f"{name}: none runs")
        equal(set(frozen()) & members, members, f"{name}: all in the list")
        result = run("thaw", "--json", *args)
        equal((result.status, {p["pid"] for p in result.json()["processes"]}), (0, members), f"{name}: thawed", result)
        for pid in members:
            wait_for_state(pid, "S")
    run("freeze", target.pid, other.pid)
    result = run("thaw", "--json", "--comm", FROZEN_NAME)
    equal((result.status, {p["pid"] for p in result.json()["processes"]}), (0, {target.pid, other.pid}),
          "thaw by a pattern: those that are frozen", result)
    complains(1, "has frozen none", "thaw", "--comm", FROZEN_NAME)
    run("freeze", target.pid)
    result = run("thaw", target.pid, other.pid)
    equal((result.status, "was not frozen by memhint" in result.err), (3, True), "one of two is not frozen: 3", result)
    wait_for_state(target.pid, "S")

    # --- all of them --------------------------------------------------------------------------------
    run("freeze", target.pid, other.pid)
    if is_alone:
        result = run("thaw", "--all", "--json")
        equal((result.status, {p["pid"] for p in result.json()["processes"]}), (0, {target.pid, other.pid}), "thaw --all",
              result)
        equal(frozen(), {}, "leaves nothing")
        result = run("thaw", "--all")
        ok(result.status == 0 and "left nothing frozen" in result.err, "and then there is nothing to be done", result)
    else:
        skip("thaw --all", "records cannot be kept apart here, and those of others are to stay")
        run("thaw", target.pid, other.pid)
    for pid in (target.pid, other.pid):
        wait_for_state(pid, "S")

    # --- what a program that was killed has left ----------------------------------------------------
    if is_alone:
        run("freeze", target.pid)
        (record,) = pathlib.Path("/run/memhint").glob("freeze-*")
        record.write_text(record.read_text().replace("kept 1", "kept 0"))
        complains(1, "thaw --recover", "thaw", target.pid, name="thaw of what one that was killed has left")
        with record.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            complains(1, "still runs", "thaw", target.pid, name="thaw of what is being held")
        equal(states(target.pid), {"T"}, "both are left so")
        equal(run("thaw", "--recover").status, 0, "and --recover lets it go")
        wait_for_state(target.pid, "S")

    # --- what somebody else has stopped -------------------------------------------------------------
    os.kill(target.pid, signal.SIGSTOP)
    wait_for_state(target.pid, "T")
    result = run("freeze", "--json", target.pid, other.pid)
    equal((result.status, [p["way"] for p in result.json()["processes"]]), (0, ["already", "signal"]),
          "what somebody else has stopped is so already", result)
    result = run("thaw", target.pid, other.pid)
    wait_for_state(other.pid, "S")
    equal((result.status, states(target.pid)), (3, {"T"}), "and thaw leaves it so", result)
    os.kill(target.pid, signal.SIGCONT)
    wait_for_state(target.pid, "S")

    # --- one that is traced ---------------------------------------------------------------------------
    with Tracer(target.pid) as tracer:
        result = run("freeze", "--hold", target.pid)
        ok(result.status == 1 and f"traced by process {tracer.pid}" in result.err and "without --hold" in result.err,
           "--hold: one that is traced already", result)
    wait_for_state(target.pid, "S")

    # --- no room to tell it -----------------------------------------------------------------------------
    with open("/dev/full", "w") as full:
        result = subprocess.run([MEMHINT, "freeze", str(target.pid)], stdout=full, stderr=subprocess.PIPE, text=True,
                                env=environment())
        ok(result.returncode == 1 and "nothing stays frozen" in result.stderr, "a full disk", result)
    wait_for_state(target.pid, "S")
    ok(target.pid not in frozen(), "leaves nothing frozen")

# === a process that ends frozen, and its PID ======================================================

with Target("anon=65536", "comm=memhint-end") as target:
    run("freeze", target.pid)
    pid = target.pid
gone = frozen().get(pid)
equal(gone and gone["state"], "gone", "one that has ended is gone", gone)
complains(5, "there is no process", "thaw", pid)
result = run("thaw", "--recover")
ok(result.status == 0 and pid not in frozen(), "thaw --recover forgets it", result, frozen())

if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode == 0:
    # In a PID namespace of its own the next PID can be chosen, so that one comes again.
    with tempfile.TemporaryDirectory() as directory:
        script = """
            mount -t tmpfs none /run || exit 9
            sleep 1000 & first=$!
            "$0" freeze $first >/dev/null || exit 10
            kill -9 $first; wait $first 2>/dev/null
            echo $((first - 1)) >/proc/sys/kernel/ns_last_pid
            sleep 1000 & second=$!
            [ $first = $second ] || exit 11
            kill -STOP $second
            "$0" thaw $second; echo "status $?"
            "$0" thaw --all --quiet; "$0" thaw --recover
            read -r _ _ state _ </proc/$second/stat; echo "state $state"
            kill -9 $second
        """
        result = subprocess.run(["unshare", "--pid", "--fork", "--mount", "--mount-proc", "bash", "-c", script, MEMHINT],
                                capture_output=True, text=True, env=environment())
        ok(result.returncode == 0 and "status 1" in result.stdout and "state T" in result.stdout
           and "was not frozen by memhint" in result.stderr, "a process that got the PID of a frozen one is left alone", result)
else:
    skip("a PID that is given again", "no PID namespaces")

# === for as long as memhint runs ================================================================

with Target("anon=65536", f"comm={HELD}") as target, Target("anon=65536", f"comm={HELD}") as other:
    target.tell("thread")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = start("freeze", "--hold", "--json", target.pid, other.pid)
        wait_for_state(target.pid, "t")
        wait_for_state(other.pid, "t")
        value = process.stdout.readline() + process.stdout.readline()
        process.send_signal(number)
        result = finish(process)
        wait_for_state(target.pid, "S")
        wait_for_state(other.pid, "S")
        equal((result.status, result.err), (0, ""), f"--hold: until {number.name}", result)
    value = run("freeze", "--json", "--for", "50ms", target.pid).json()
    equal((shape(value, FREEZE), value["hold"], value["processes"][0]["way"]), ([], True, "trace"), "--for: has its shape", value)
    equal((states(target.pid), frozen().get(target.pid)), ({"S"}, None), "--for: only so long, and without a record")
    ok("let go after" in run("freeze", "--for", "10ms", "--verbose", target.pid).err, "--verbose says how long it was")
    for _ in range(20):
        process = start("freeze", "--hold", target.pid, other.pid)
        wait_for_state(target.pid, "t")
        process.kill()
        finish(process)
        wait_for_state(target.pid, "S")
        wait_for_state(other.pid, "S")
    equal(target.tell("map"), {"done": True}, "--hold: memhint is killed, and they run")
    process = start("freeze", "--hold", other.pid)
    wait_for_state(other.pid, "t")
    other.process.kill()
    result = finish(process)
    ok(result.status == 5 and "has ended" in result.err, "--hold: all that was held has ended", result)
    status, seen, err = run_on_terminal("freeze", "--for", "20ms", target.pid)
    ok(status == 0 and HELD in seen, "on a terminal", seen, err)

# === a control group ============================================================================

group = Cgroup.make()
if group is None:
    skip("a control group", "no cgroup v2 that can be written")
else:
    with group, Target("anon=65536", "comm=memhint-cg") as first, Target("anon=65536", "comm=memhint-cg") as second:
        group.add(first.pid)
        group.add(second.pid)
        members = {first.pid, second.pid}
        result = run("freeze", "--json", "--cgroup", group.path)
        equal((result.status, {(p["pid"], p["way"]) for p in result.json()["processes"]}),
              (0, {(pid, "cgroup") for pid in members}), "a group: all its members by its freezer", result)
        equal(group.read("cgroup.freeze"), "1", "which is on")
        listed = frozen()
        equal({(pid, r["way"], r["cgroup"], r["state"]) for pid, r in listed.items() if pid in members},
              {(pid, "cgroup", group.path, "kept") for pid in members}, "its members are in the list", listed)
        equal(run("cold", "--guard", "freeze", "--cgroup", group.path).status, 0, "it can be advised")
        equal(group.read("cgroup.freeze"), "1", "and stays frozen")
        result = run("thaw", "--json", "--cgroup", group.path)
        equal((result.status, group.read("cgroup.freeze"), set(frozen()) & members), (0, "0", set()), "thawed by its path",
              result)
        equal(({p["pid"] for p in result.json()["processes"]}, {p["error"] for p in result.json()["processes"]}),
              (members, {None}), "with its members", result)
        for way in ("auto", "cgroup"):
            run("freeze", "--way", way, "--cgroup", group.path)
            result = run("thaw", second.pid)
            equal((result.status, group.read("cgroup.freeze")), (0, "0"), "thawed by any of its members", result)
        run("freeze", "--cgroup", group.path)
        result = run("thaw", "--json", first.pid, second.pid)
        equal((result.status, group.read("cgroup.freeze")), (0, "0"), "thawed by all of them", result)
        run("freeze", "--cgroup", group.path)
        result = run("thaw", "--json", *(["--all"] if is_alone else ["--cgroup", group.path]))
        equal((result.status, group.read("cgroup.freeze")), (0, "0"), "thawed by --all", result)

        result = run("freeze", "--way", "cgroup", first.pid)
        ok(result.status == 1 and "control group" in result.err and "--way signal" in result.err
           and group.read("cgroup.freeze") == "0", "one of several in a group cannot be frozen by it", result)
        result = run("freeze", "--json", "--way", "signal", "--cgroup", group.path)
        equal((result.status, {p["way"] for p in result.json()["processes"]}), (0, {"signal"}), "a group by signals", result)
        equal(run("thaw", "--cgroup", group.path).status, 0, "and thawed")
        for pid in members:
            wait_for_state(pid, "S")
        process = start("freeze", "--hold", "--cgroup", group.path)
        for pid in members:
            wait_for_state(pid, "t")
        process.kill()
        finish(process)
        for pid in members:
            wait_for_state(pid, "S")
        group.write("cgroup.freeze", "1")
        result = run("freeze", "--json", "--cgroup", group.path)
        equal((result.status, {p["way"] for p in result.json()["processes"]}), (0, {"already"}),
              "one that somebody else has frozen is so already", result)
        equal((run("thaw", "--cgroup", group.path).status, group.read("cgroup.freeze")), (1, "1"), "and thaw leaves it so")
        group.write("cgroup.freeze", "0")
        result = run("freeze", "--json", first.pid)
        equal([p["way"] for p in result.json()["processes"]], ["signal"], "auto: not by a group that holds others", result)
        run("thaw", first.pid)
    alone = Cgroup.make()
    with alone, Target("anon=65536") as target:
        alone.add(target.pid)
        result = run("freeze", "--json", target.pid)
        equal(([p["way"] for p in result.json()["processes"]], alone.read("cgroup.freeze")), (["cgroup"], "1"),
              "auto: by a group of its own", result)
        equal((run("thaw", target.pid).status, alone.read("cgroup.freeze")), (0, "0"), "and thawed")

# === records that are none ======================================================================

if is_alone:
    os.makedirs("/run/memhint", mode=0o700, exist_ok=True)
    with open("/run/memhint/freeze-0-0", "w") as file:
        file.write("junk\n")
    with Target("anon=65536") as target:
        for args in (("--recover",), (target.pid,), ("--all",)):
            run("freeze", "--way", "signal", target.pid)
            equal(states(target.pid), {"T"}, "frozen beside a file that is no record")
            if "--recover" in args:
                for name in os.listdir("/run/memhint"):
                    with open(f"/run/memhint/{name}", "r+") as file:
                        text = file.read().replace("kept 1", "kept 0")
                        file.seek(0)
                        file.write(text)
            result = run("thaw", *args)
            ok("EBADMSG" in result.err and "/run/memhint" in result.err, f"thaw {args[0]}: is told of it", result)
            equal(result.status == 0, args[0] == target.pid, f"thaw {args[0]}: the status", result)
            ok("thawed" in result.out, f"thaw {args[0]}: and what could be read was thawed", result)
            wait_for_state(target.pid, "S")
    result = run("thaw", "--list")
    equal(result.status, 1, "--list: something could not be read", result)
    os.unlink("/run/memhint/freeze-0-0")
else:
    skip("records that are none", "no mount namespace of its own")

# === ordinary users =============================================================================

if nobody_is_possible():
    with tempfile.TemporaryDirectory() as directory, Target("anon=65536", "comm=memhint-usr", prefix=as_nobody()) as own, \
            Target("anon=65536") as root:
        os.chown(directory, 65534, 65534)
        nobody = {"prefix": as_nobody(), "env": environment(XDG_RUNTIME_DIR=directory)}
        complains(4, "may not be frozen", "freeze", root.pid, **nobody, name="another user's process")
        result = run("freeze", "--json", own.pid, **nobody)
        ok(result.status == 0 and os.path.isdir(f"{directory}/memhint"), "records are below XDG_RUNTIME_DIR", result)
        ok(own.pid in frozen(**nobody) and own.pid not in frozen(), "each user has his own")
        equal(run("thaw", own.pid, **nobody).status, 0, "and thaws what he froze")
        wait_for_state(own.pid, "S")
        result = run("freeze", own.pid, prefix=as_nobody(), env=environment(XDG_RUNTIME_DIR=None))
        equal(states(own.pid) == {"T"}, result.status == 0, "without it, where the library has them, or not at all", result)
        if result.status == 0:
            run("thaw", own.pid, prefix=as_nobody(), env=environment(XDG_RUNTIME_DIR=None))
        wait_for_state(own.pid, "S")
        missing = {"prefix": as_nobody(), "env": environment(XDG_RUNTIME_DIR=f"{directory}/none")}
        complains(1, f"no record in {directory}/none/memhint", "freeze", own.pid, **missing, name="no place for records")
        equal(run("freeze", "--for", "1ms", own.pid, **missing).status, 0, "--for needs none")
        os.chmod(f"{directory}/memhint", 0o722)
        complains(4, "only for yourself to write to", "freeze", own.pid, **nobody, name="others could change records")
        equal(states(own.pid), {"S"}, "and runs on")
        os.chmod(f"{directory}/memhint", 0o700)
else:
    skip("an ordinary user", "no other user can run this memhint")

done()
