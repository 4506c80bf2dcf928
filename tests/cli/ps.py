# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint ps: what it lists, how, and in which order."""
import os
import pwd
import re
import subprocess

from harness import (MIB, Target, Zombie, common_target_complaints, complains, dead_pid, done, environment,
                     equal, finish, kernel_thread, ok, run, run_on_terminal, shape, skip, start)

PROCESS = {
    "pid": int, "id?": re.compile(r"\d+:\d+"), "parent_pid": int, "comm": str, "uid": int, "user": str,
    "state": re.compile("[A-Za-z]"), "kernel_thread": bool, "threads": int, "size_bytes": int,
    "rss_bytes": int, "anon_bytes": int, "file_bytes": int, "shmem_bytes": int, "swap_bytes": int,
    "locked_bytes": int, "cpu_usec": int, "age_usec": int, "idle_usec?": int, "cgroup?": str, "exe?": str,
}


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)


def kib(text):
    return int(text.split()[0]) * 1024


common_target_complaints("ps")
complains(2, "no column 'frob'", "ps", "--columns", "frob")
complains(2, "is 'swap' meant", "ps", "--columns", "pid,swop")
complains(2, "no column ''", "ps", "--columns", "pid,,rss")
complains(2, "no column ''", "ps", "--columns", "")
complains(2, "no column 'frob'", "ps", "--sort", "frob")
complains(2, "no column 'frob'", "ps", "--sort", "-frob")
complains(2, "no column ''", "ps", "--sort", "-")
complains(2, "not a number", "ps", "--limit", "0")
complains(2, "not a number", "ps", "--limit", "many")
complains(5, "no process", "ps", dead_pid())

with Target("anon=8388608", "shmem=2097152", "comm=memhint-bigger!") as big, \
        Target("anon=1048576", "comm=odd \"name\\") as small:
    # --- one process, as JSON -----------------------------------------------------------------
    result = run("ps", "--json", big.pid)
    value = result.json()
    equal(result.status, 0, "ps --json PID", result)
    equal(shape(value, {"schema": re.compile(r"memhint\.ps/1"), "processes": [PROCESS]}), [], "has its shape")
    equal(len(value["processes"]), 1, "is one process")
    process = value["processes"][0]
    status = status_of(big.pid)
    equal(process["pid"], big.pid, "its PID")
    equal(process["parent_pid"], os.getpid(), "its parent")
    equal(process["comm"], "memhint-bigger!", "its name")
    equal(process["uid"], os.geteuid(), "its user")
    equal(process["user"], pwd.getpwuid(os.geteuid()).pw_name, "its user's name")
    equal(process["state"], "S", "it sleeps")
    equal(process["threads"], 1, "one thread")
    equal(process["anon_bytes"], kib(status["RssAnon"]), "resident anonymous memory")
    equal(process["shmem_bytes"], kib(status["RssShmem"]), "resident shared memory")
    equal(process["file_bytes"], kib(status["RssFile"]), "resident pages of files")
    equal(process["swap_bytes"], kib(status["VmSwap"]), "swap")
    equal(process["size_bytes"], kib(status["VmSize"]), "address space")
    equal(process["rss_bytes"], process["anon_bytes"] + process["shmem_bytes"] + process["file_bytes"],
          "resident is the sum of the three")
    ok(process["anon_bytes"] >= 8 * MIB and process["shmem_bytes"] == 2 * MIB, "which is what it touched", process)
    big.tell("thread")
    equal(run("ps", "--json", big.pid).json()["processes"][0]["threads"], 2, "two threads")

    # --- names that are no plain words ----------------------------------------------------------
    equal(run("ps", "--json", small.pid).json()["processes"][0]["comm"], 'odd "name\\', "a name with quotes")
    for name, shown in ((b"tab\there", "tab\there"), (b"bad\xff\xfeutf", "bad\ufffd\ufffdutf"),
                        (b"\x1b[31mred", "\x1b[31mred"), ("grüße".encode(), "grüße")):
        with Target(b"comm=" + name) as odd:
            result = run("ps", "--json", odd.pid)
            equal(result.json()["processes"][0]["comm"], shown, f"a name with {name!r}", result)
            _, seen, _ = run_on_terminal("ps", odd.pid, env=environment(NO_COLOR="1"))
            ok("\x1b" not in seen, f"{name!r} cannot command the terminal", repr(seen))

    # --- choosing processes ---------------------------------------------------------------------
    def chosen(*args):
        return sorted(p["pid"] for p in run("ps", "--json", *args).json()["processes"])

    both = sorted([big.pid, small.pid])
    equal(chosen(big.pid, small.pid), both, "two PIDs")
    equal(chosen("--pid", big.pid, "--pid", small.pid), both, "--pid twice")
    equal(chosen("-p", big.pid, small.pid), both, "--pid and an argument")
    equal(chosen(big.pid, big.pid), [big.pid], "a PID twice is one process")
    equal(chosen("--comm", "memhint-bigger!"), [big.pid], "--comm")
    equal(chosen("--comm", "memhint-b*"), [big.pid], "--comm with a pattern")
    equal(chosen("--comm", "memhint-b*", "--comm", "odd*"), both, "--comm twice: either")
    equal(chosen("--comm", "memhint-b*", "--pid", small.pid), both, "a PID beside a pattern")
    exe = os.readlink(f"/proc/{big.pid}/exe")
    ok(set(both) <= set(chosen("--exe", exe)), "--exe with a path")
    ok(set(both) <= set(chosen("--exe", os.path.basename(exe))), "--exe with the last part")
    equal(chosen("--exe", exe, "--comm", "odd*"), [small.pid], "patterns of two kinds: both")
    ok(set(both) <= set(chosen("--user", pwd.getpwuid(os.geteuid()).pw_name)), "--user by name")
    equal(chosen("--user", os.geteuid(), "--comm", "odd*"), [small.pid], "--user by number")
    equal(run("ps", "--user", "4294967290").status, 5, "--user with nobody there")
    cgroups = {line.split(":", 2)[2] for line in open(f"/proc/{big.pid}/cgroup").read().splitlines()}
    for cgroup in sorted(cgroups):
        ok(set(both) <= set(chosen("--cgroup", cgroup)), f"--cgroup {cgroup}")
        ok(set(both) <= set(chosen("--cgroup", cgroup.rstrip("/") + "/")), f"--cgroup {cgroup} with a slash")
    equal(run("ps", "--cgroup", cgroup.rstrip("/") + "/nothing-here").status, 5, "a group that is not there")
    family = chosen("--pid", os.getpid(), "--children")
    ok(set(both + [os.getpid()]) <= set(family), "--children", family)
    own = run("ps", "--json", "--pid", os.getpid(), "--children").json()["processes"]
    ok(all(p["comm"] != "memhint" for p in own), "which leaves out memhint itself", own)
    everyone = run("ps", "--json").json()["processes"]
    ok(set(both) <= {p["pid"] for p in everyone}, "without a choice all are listed")
    ok(all(not p["kernel_thread"] for p in everyone), "but kernel threads")

    # --- PID:INODE ------------------------------------------------------------------------------
    named = run("ps", "--json", "--columns", "+id", big.pid).json()["processes"][0]["id"]
    pid, inode = map(int, named.split(":"))
    equal(pid, big.pid, "the id begins with the PID")
    equal(chosen(named), [big.pid], "PID:INODE finds the process")
    complains(5, "another one", "ps", f"{pid}:{inode + 1}")
    complains(2, "two different inodes", "ps", named, f"{pid}:{inode + 1}")
    result = run("ps", "--json", f"{pid}:{inode + 1}", small.pid)
    equal((result.status, [p["pid"] for p in result.json()["processes"]]), (3, [small.pid]),
          "one is another, one is there: partly", result)
    result = run("ps", "--json", small.pid, dead_pid())
    equal((result.status, [p["pid"] for p in result.json()["processes"]]), (3, [small.pid]),
          "one is gone, one is there: partly", result)

    # --- order ----------------------------------------------------------------------------------
    def order(*args):
        return [p["pid"] for p in run("ps", "--json", *args, big.pid, small.pid).json()["processes"]]

    equal(order(), [big.pid, small.pid], "the largest first")
    for column in ("rss", "anon", "shmem", "size", "bar", "RSS"):
        equal(order("--sort", column), [big.pid, small.pid], f"--sort {column}")
        equal(order("--sort", "-" + column), [small.pid, big.pid], f"--sort -{column}")
    equal(order("--sort", "command"), [big.pid, small.pid], "--sort command: from A to Z")
    equal(order("--sort", "-command"), [small.pid, big.pid], "--sort -command")
    equal(order("--sort", "pid"), both, "--sort pid: upwards")
    equal(order("--sort", "-pid"), both[::-1], "--sort -pid")
    equal(order("--sort", "threads"), [big.pid, small.pid], "--sort threads")
    equal(order("--limit", "1"), [big.pid], "--limit")
    equal(len(order("--limit", "5")), 2, "--limit above what there is")
    for column in ("id", "ppid", "user", "state", "file", "swap", "locked", "cpu", "idle", "age", "cgroup", "exe"):
        first, last = order("--sort", column), order("--sort", "-" + column)
        equal(first, last[::-1], f"--sort {column} and its reverse")

    # --- who ran last ---------------------------------------------------------------------------
    if os.path.exists("/proc/self/sched"):
        big.tell("touch 0")  # so it ran after the small one did
        idle = {p["pid"]: p["idle_usec"] for p in run("ps", "--json", big.pid, small.pid).json()["processes"]}
        ok(all(0 <= v < 3600 * 1000000 for v in idle.values()), "idle is a time", idle)
        equal(order("--sort", "idle"), [small.pid, big.pid], "who ran longer ago is first", idle)
        equal(order("--sort", "idle", "--columns", "pid"), [small.pid, big.pid], "also when that is not shown", idle)
    else:
        skip("idle", "this kernel has no /proc/PID/sched")
    ok("idle_usec" not in run("ps", "--json", "--columns", "pid", big.pid).json()["processes"][0],
       "what is not asked for is not read")

    # --- the table ------------------------------------------------------------------------------
    result = run("ps", big.pid, small.pid)
    lines = result.out.splitlines()
    equal(len(lines), 3, "a heading and two rows", result)
    equal(lines[0].split()[:3], ["PID", "USER", "S"], "the heading")
    equal(lines[0].split()[-1], "COMMAND", "the name comes last")
    ends = [re.search(r"RSS", lines[0]).end()] + [re.search(r"[\d.]+[KMG]?(?= )", line[lines[0].index("S ") + 1:]).end()
                                                  + lines[0].index("S ") + 1 for line in lines[1:]]
    equal(len(set(ends)), 1, "numbers are aligned to the right", result)
    ok("█" in lines[1], "a bar", result)
    ok(lines[1].count("█") > lines[2].count("█") >= 1, "the larger has the longer bar", result)
    equal(run("ps", "--columns", "pid,command", big.pid).out.splitlines()[1].split(), [str(big.pid), "memhint-bigger!"],
          "--columns")
    heading = run("ps", "--columns", "+threads,ppid", big.pid).out.splitlines()[0].split()
    equal((heading[:2], heading[-3:]), (["PID", "USER"], ["THREADS", "PPID", "COMMAND"]),
          "--columns with a plus: beside the others, before the name")
    heading = run("ps", "--columns", "PID,Rss", big.pid).out.splitlines()[0].split()
    equal(heading, ["PID", "RSS"], "names of columns in any case")
    row = run("ps", "--bytes", "--columns", "pid,anon,shmem", big.pid).out.splitlines()[1].split()
    equal(row[2], str(2 * MIB), "--bytes")
    row = run("ps", "--columns", "shmem", big.pid).out.splitlines()[1].split()
    equal(row, ["2.0M"], "sizes for people")
    heading = run("ps", "--columns", ",".join(c["name"] for v in run("--dump-options").json()["verbs"]
                                              if v["name"] == "ps" for c in v["columns"]), big.pid)
    equal((heading.status, len(heading.out.splitlines())), (0, 2), "all columns at once", heading)
    ok("#" in run("ps", big.pid, env=environment(LC_ALL="C")).out, "a bar in ASCII")
    ok("processes:" not in result.out, "no totals in a pipe")

    status, seen, _ = run_on_terminal("ps", big.pid, small.pid)
    ok(status == 0 and "2 processes: resident" in seen, "totals on a terminal", seen)
    ok("1 process: resident" in run_on_terminal("ps", big.pid)[1], "the total of one process")
    ok("\033[32m█" in seen, "a green bar on a terminal", repr(seen))
    plain = environment(NO_COLOR="1")
    columns = ("ps", "--columns", "pid,rss,command", big.pid)
    width = len(run_on_terminal(*columns, env=plain)[1].splitlines()[1])
    seen = run_on_terminal(*columns, env=plain, columns=width - 4)[1]
    ok(len(seen.splitlines()[1]) <= width - 4, "the name is cut where the terminal is narrow", seen)
    seen = run_on_terminal("ps", big.pid, env=plain, columns=80)[1]
    ok(seen.count("█" * 10) == 0 and "█" * 9 in seen, "and the bar is shorter", seen)
    ok("\033[" not in run_on_terminal("ps", big.pid, env=environment(NO_COLOR="1"))[1], "NO_COLOR")

# --- what is not shown unless asked for ---------------------------------------------------------
with Zombie() as zombie:
    ok(zombie.pid not in [p["pid"] for p in run("ps", "--json").json()["processes"]], "no zombies")
    equal([p["state"] for p in run("ps", "--json", zombie.pid).json()["processes"]], ["Z"], "but by its PID")
    ok(zombie.pid in [p["pid"] for p in run("ps", "--json", "--all").json()["processes"]], "or with --all")
thread = kernel_thread()
if thread:
    ok(thread not in [p["pid"] for p in run("ps", "--json").json()["processes"]], "no kernel threads")
    ok(thread in [p["pid"] for p in run("ps", "--json", "--all").json()["processes"]], "but with --all")
    equal(run("ps", "--comm", open(f"/proc/{thread}/comm").read().strip()).status, 5, "patterns do not find them")
else:
    skip("kernel threads", "this PID namespace has none")

done()
