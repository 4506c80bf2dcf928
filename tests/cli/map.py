# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint map: the address space of a process that is known page by page."""
import re

from harness import (MIB, Target, Zombie, as_nobody, common_target_complaints, complains, dead_pid, done,
                     environment, equal, kernel_thread, nobody_is_possible, ok, run, run_on_terminal, shape, skip)

ADDRESS = re.compile("0x[0-9a-f]+")
TOTAL = {"mappings": int, "size_bytes": int, "rss_bytes": int, "swap_bytes": int, "huge_bytes": int}
SHAPE = {
    "schema": re.compile(r"memhint\.map/1"), "pid": int, "id": re.compile(r"\d+:\d+"), "comm": str,
    "reader": re.compile("bpf|bpf-seq|smaps|maps"), "pages_reader": re.compile("pagemap-scan|pagemap|smaps"),
    "flags_known": bool,
    "mappings": [{"start": ADDRESS, "end": ADDRESS, "permissions": re.compile("[r-][w-][x-][ps]"),
                  "kind": re.compile("anon|heap|stack|file|shmem|code|special"), "offset": ADDRESS,
                  "size_bytes": int, "rss_bytes": int, "swap_bytes": int, "huge_bytes": int,
                  "flags": ([str], None), "name": str}],
    "totals": {f"{kind}?": TOTAL for kind in ("anon", "heap", "stack", "file", "shmem", "code", "special")},
}

common_target_complaints("map")
complains(2, "which process", "map")
complains(2, "is no kind of mapping", "map", "--only", "anon,frob", "1")
complains(2, "is no kind of mapping", "map", "--only", "", "1")
complains(2, "no column 'frob'", "map", "--columns", "frob", "1")
complains(2, "no column 'frob'", "map", "--sort", "frob", "1")
complains(5, "there is no process", "map", dead_pid())
with Zombie() as zombie:
    complains(5, "is a zombie", "map", zombie.pid)
thread = kernel_thread()
if thread:
    complains(1, "kernel thread", "map", thread)
else:
    skip("kernel threads", "this PID namespace has none")

with Target("anon=8388608", "reserve=1073741824", "locked=65536", "shmem=1048576", "none=1048576",
            "comm=memhint-map") as target, Target("anon=4096", "comm=memhint-map") as other:
    result = run("map", "--json", "--flags", target.pid)
    value = result.json()
    equal(result.status, 0, "map --json", result)
    equal(shape(value, SHAPE), [], "has its shape")
    equal(value["pid"], target.pid, "its PID")
    ok(value["id"].startswith(f"{target.pid}:"), "its id")
    equal(value["comm"], "memhint-map", "its name")
    equal(value["flags_known"], True, "--flags finds the flags out")

    with open(f"/proc/{target.pid}/maps") as file:
        lines = [re.match(r"(\w+)-(\w+) (\S+) (\w+) \S+ \S+ *(.*)", line).groups() for line in file]
    listed = [(m["start"][2:], m["end"][2:], m["permissions"]) for m in value["mappings"]]
    equal(listed, [(f"{int(s, 16):x}", f"{int(e, 16):x}", p) for s, e, p, _, _ in lines], "as /proc/PID/maps has it")
    equal([m["name"] for m in value["mappings"]], [n for *_, n in lines], "with its names")

    def mapping(number):
        start = target.mappings[number]["start"]
        return next(m for m in value["mappings"] if int(m["start"], 16) <= start < int(m["end"], 16))

    anon, reserve, locked, shmem, none = map(mapping, range(5))
    equal((anon["kind"], anon["size_bytes"], anon["rss_bytes"] + anon["swap_bytes"]), ("anon", 8 * MIB, 8 * MIB),
          "touched anonymous memory", anon)
    equal((reserve["kind"], reserve["size_bytes"], reserve["rss_bytes"]), ("anon", 1 << 30, 0), "untouched memory")
    equal((locked["rss_bytes"], "locked" in locked["flags"]), (65536, True), "locked memory", locked)
    equal((shmem["kind"], shmem["rss_bytes"], shmem["permissions"]), ("shmem", MIB, "rw-s"), "shared memory", shmem)
    equal((none["rss_bytes"], none["permissions"]), (0, "---p"), "memory without access", none)
    ok(any(m["kind"] == "code" and m["name"].endswith("memory-target") for m in value["mappings"]), "its code")
    ok(any(m["kind"] == "stack" and m["name"] == "[stack]" for m in value["mappings"]), "its stack")
    for kind, total in value["totals"].items():
        chosen = [m for m in value["mappings"] if m["kind"] == kind]
        equal({k: total[k] for k in ("mappings", "size_bytes", "rss_bytes", "swap_bytes", "huge_bytes")},
              {"mappings": len(chosen), **{k: sum(m[k] for m in chosen) for k in
                                           ("size_bytes", "rss_bytes", "swap_bytes", "huge_bytes")}},
              f"the total of {kind}")

    # --- choosing -------------------------------------------------------------------------------
    def kinds(*args):
        return {m["kind"] for m in run("map", "--json", *args, target.pid).json()["mappings"]}

    equal(kinds("--only", "shmem"), {"shmem"}, "--only")
    equal(kinds("--only", "shmem,CODE"), {"shmem", "code"}, "--only with two kinds")
    names = {m["name"] for m in run("map", "--json", "--mapping", "*/libc.so*", target.pid).json()["mappings"]}
    ok(names and all("/libc.so" in n for n in names), "--mapping with a path", names)
    equal({m["name"] for m in run("map", "--json", "--mapping", "libc.so*", target.pid).json()["mappings"]}, names,
          "--mapping with the last part")
    equal(run("map", "--json", "--mapping", "no-such", target.pid).json()["mappings"], [], "none: JSON is empty")
    complains(1, "has no such mapping", "map", "--mapping", "no-such", target.pid)
    complains(2, "shows one process, and 2 match", "map", "--comm", "memhint-map")
    complains(2, "shows one process, and 2 match", "map", target.pid, other.pid)
    equal(run("map", "--json", "--comm", "memhint-m*", "--pid", target.pid).status, 2, "a PID and a pattern: two")
    equal(run("map", "--json", value["id"]).json()["pid"], target.pid, "PID:INODE")
    pid, inode = map(int, value["id"].split(":"))
    complains(5, "another one", "map", f"{pid}:{inode + 1}")

    # --- order ----------------------------------------------------------------------------------
    def order(column, key):
        found = [m[key] for m in run("map", "--json", "--sort", column, target.pid).json()["mappings"]]
        return found

    for column, key in (("size", "size_bytes"), ("rss", "rss_bytes"), ("swap", "swap_bytes"), ("huge", "huge_bytes")):
        found = order(column, key)
        equal(found, sorted(found, reverse=True), f"--sort {column}: from the largest down")
    found = order("-size", "size_bytes")
    equal(found, sorted(found), "--sort -size: upwards")
    found = [int(a, 16) for a in order("-start", "start")]
    equal(found, sorted(found, reverse=True), "--sort -start")
    for column, key in (("name", "name"), ("perms", "permissions"), ("offset", "offset")):
        found = order(column, key)
        found = [int(a, 16) for a in found] if key == "offset" else found
        equal(found, sorted(found), f"--sort {column}")
    for column in ("end", "kind", "untouched", "bar", "flags"):
        equal(order(column, "start"), order("-" + column, "start")[::-1], f"--sort {column} and its reverse")

    # --- the table ------------------------------------------------------------------------------
    result = run("map", target.pid)
    lines = result.out.splitlines()
    row = next(line for line in lines if line.split()[:1] == [f"{target.mappings[0]['start']:x}"])
    ok("████████████" in row and "8.0M" in row, "all of it resident: a full bar", row)
    row = next(line for line in lines if line.split()[:1] == [f"{target.mappings[1]['start']:x}"])
    ok("░░░░░░░░░░░░" in row and "1.0G" in row, "never touched: an empty bar", row)
    ok(any(line.startswith("total ") for line in lines), "totals", result)
    rows = [line.split() for line in run("map", "--bytes", target.pid).out.split("\n\n")[-1].splitlines()[1:]]
    equal([int(word) for word in rows[-1][1:6]], [sum(int(row[i]) for row in rows[:-1]) for i in range(1, 6)],
          "which are the sums of the kinds", rows)
    ok(lines[0].split()[-1] == "NAME", "the name comes last", lines[0])
    equal(run("map", "--columns", "start,size", "--only", "shmem", "--bytes", target.pid).out.splitlines()[1].split(),
          [f"{target.mappings[3]['start']:x}", str(MIB)], "--columns and --bytes")
    for line in run("map", "--columns", "start,size,rss,swap,untouched", "--bytes", target.pid).out.splitlines()[1:]:
        words = line.split()
        if words[:1] == [f"{target.mappings[1]['start']:x}"] or words[:1] == [f"{target.mappings[0]['start']:x}"]:
            equal(int(words[4]), int(words[1]) - int(words[2]) - int(words[3]), "untouched is the rest", line)
    every = ",".join(c["name"] for v in run("--dump-options").json()["verbs"] if v["name"] == "map"
                     for c in v["columns"])
    equal(run("map", "--columns", every, target.pid).status, 0, "all columns at once")
    ok("#" in run("map", target.pid, env=environment(LC_ALL="C")).out, "a bar in ASCII")
    ok("read by" in run("map", "--verbose", target.pid).err, "--verbose says how")
    equal(run("map", target.pid).err, "", "without it nothing is said")
    status, seen, _ = run_on_terminal("map", target.pid)
    ok(status == 0 and "\033[32m█" in seen and "never touched" in seen, "colours and a legend on a terminal", seen)
    ok("\033[" not in run_on_terminal("map", target.pid, env=environment(NO_COLOR="1"))[1], "NO_COLOR")

    # --- permission -----------------------------------------------------------------------------
    if nobody_is_possible():
        complains(4, "CAP_SYS_PTRACE", "map", target.pid, prefix=as_nobody())
        with Target("anon=4096", prefix=as_nobody()) as own:
            equal(run("map", own.pid, prefix=as_nobody()).status, 0, "one's own need no capability")
    else:
        skip("an ordinary user", "no other user can run this memhint")

done()
