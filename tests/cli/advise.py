# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint advise and its short forms: bad input, options, exact accounts, and every way to end."""
import os
import re
import signal
import subprocess

from harness import (MEMHINT, MIB, PAGE, Target, Zombie, as_nobody, common_target_complaints, complains, dead_pid,
                     done, environment, equal, finish, kernel_thread, nobody_is_possible, ok, run, run_on_terminal, shape, skip, start,
                     wait_for_line, without_swap)

VERBS = ("cold", "pageout", "willneed", "collapse")
ADDRESS = re.compile("0x[0-9a-f]+")
AMOUNTS = {"requested": int, "advised": int, "skipped": int, "failed": int}
USAGE = ({"rss_bytes": int, "swap_bytes": int, "huge_bytes": int}, None)
SHAPE = {
    "schema": re.compile(r"memhint\.advise/1"), "advice": re.compile("|".join(VERBS)), "dry_run": bool,
    "guard": re.compile("none|follow|cookie|freeze"),
    "targets": [{
        "pid": int, "id": re.compile(r"\d+:\d+"), "comm": str, "ranges": AMOUNTS, "bytes": AMOUNTS,
        "skipped_by_reason": {f"{reason}?": int for reason in (
            "locked", "hugetlb", "pfnmap", "io", "droppable", "special", "no_access", "empty", "swapped",
            "resident", "huge", "unaligned", "budget", "cancelled", "dry_run", "stopped", "changed")},
        "before": USAGE, "after": USAGE, "syscalls": int, "elapsed_usec": int, "longest_call_usec": int,
        "retries": int, "map_changed": bool, "exec_seen": bool, "via": (re.compile("kernel|inject"), None),
        "looks": int, "was_frozen": bool, "frozen_usec": int, "cookie": (re.compile("0x[0-9a-f]{16}"), None),
        "reader": (re.compile("bpf|bpf-seq|smaps|maps"), None), "flags_known": bool, "error": (str, None),
        "errors": [{"start": ADDRESS, "end": ADDRESS, "name": str, "errno": re.compile("E[A-Z]+")}],
    }],
    "bytes_advised": int,
}


def swaps():
    with open("/proc/swaps") as file:
        return file.read().splitlines()[1:]


def sums_up(value):
    """In every target requested is advised, skipped and failed together, and skipped its reasons."""
    wrong = []
    for target in value["targets"]:
        for what in ("bytes", "ranges"):
            amounts = target[what]
            if amounts["requested"] != amounts["advised"] + amounts["skipped"] + amounts["failed"]:
                wrong.append((what, amounts))
        if target["bytes"]["skipped"] != sum(target["skipped_by_reason"].values()):
            wrong.append((target["bytes"], target["skipped_by_reason"]))
    if value["bytes_advised"] != sum(t["bytes"]["advised"] for t in value["targets"]):
        wrong.append(value["bytes_advised"])
    return wrong


def account(result, name):
    """The one target of a result whose shape and sums are right."""
    value = result.json()
    equal(shape(value, SHAPE), [], f"{name}: has its shape", result)
    equal(sums_up(value), [], f"{name}: sums up", result)
    equal(len(value["targets"]), 1, f"{name}: one target")
    return value["targets"][0]


# === bad input ==================================================================================

if os.geteuid() != 0:
    print("1..0 # SKIP giving advice needs root")
    raise SystemExit(0)

common_target_complaints("advise", "cold")
for verb in VERBS:
    common_target_complaints(verb)
    complains(2, "which process", verb)
complains(2, "which advice", "advise")
complains(2, "no advice 'frob'", "advise", "frob", "1")
complains(2, "is 'pageout' meant", "advise", "pagout", "1")
complains(2, "no advice ''", "advise", "", "1")
complains(2, "which process", "advise", "cold")
for advice in ("MADV_HUGEPAGE", "mergeable", "normal"):
    complains(6, "only from a process itself", "advise", advice, "--via", "kernel", "1")

for option, word, wrong in (
        ("--range", "is not a range", ("", "1000", "1000-", "-1000", "x-y", "1000-2000-3000", "0x-0x", " 1000-2000",
                                       "10000000000000000000-2", "1000-2000 ")),
        ("--range", "wrong way round", ("2000-1000", "ffff000-1000")),
        ("--range", "is empty", ("1000-1000", "0-0")),
        ("--range", "page boundary", ("1-1000", "1000-1001", "0x1800-0x2000")),
        ("--min-size", "is not a size", ("", "x", "-1", "1X", "1 M", "0x10", "1.M", ".5M", "1e3")),
        ("--min-size", "more than any memory", ("99999999999999999999", "16777216T")),
        ("--max-bytes", "is not a size", ("", "some", "-5")),
        ("--max-bytes", "nothing at all", ("0", "0G")),
        ("--rate", "is not a size", ("", "fast", "1M/m", "/s")),
        ("--rate", "nothing at all", ("0", "0/s")),
        ("--pace", "neither auto, none nor a time", ("", "slow", "0", "-1ms", "5x", "AUTO")),
        ("--timeout", "is not a time", ("", "x", "-1", "5y", "1 s")),
        ("--timeout", "no time at all", ("0", "0ms")),
        ("--timeout", "longer than can be counted", ("99999999999999999999",)),
        ("--swap-floor", "is not a size", ("", "x", "-1", "5%%%x")),
        ("--swap-floor", "is not a share", ("%", "101%", "-1%", "1.5%", "x%")),
        ("--only", "is no kind of mapping", ("", "frob", "anon,", ",anon", "anon heap"))):
    for value in wrong:
        complains(2, word, "cold", f"{option}={value}", "1", name=f"{option} '{value}': {word}")

own = subprocess.run(["sh", "-c", f"exec {MEMHINT} cold $$"], capture_output=True, text=True, env=environment())
ok(own.returncode == 2 and "memhint itself" in own.stderr and not own.stdout, "memhint itself", own)
for verb in VERBS:
    complains(5, "there is no process", verb, dead_pid())
    with Zombie() as zombie:
        complains(5, "is a zombie", verb, zombie.pid)
thread = kernel_thread()
if thread:
    for verb in VERBS:
        complains(1, "is a kernel thread", verb, thread)
else:
    skip("kernel threads", "this PID namespace has none")

with Target("anon=4194304", "comm=memhint-thr") as target:
    target.tell("thread")
    thread = next(t for t in os.listdir(f"/proc/{target.pid}/task") if int(t) != target.pid)
    complains(2, "is a thread", "cold", thread)
    identity = run("ps", "--json", "--columns", "id", target.pid).json()["processes"][0]["id"]
    inode = int(identity.split(":")[1])
    for verb in VERBS:
        complains(5, "another one", verb, f"{target.pid}:{inode + 1}")
    complains(5, "another one", "cold", "--pid", f"{target.pid}:1")
    complains(1, "nothing mapped", "cold", "--range", "1000-2000", target.pid)
    complains(1, "nothing mapped", "cold", "--range", "7ffffffff000-800000000000", target.pid)

    # --- nothing is done to the good ones when one is bad ----------------------------------------
    def referenced(pid):
        """What was used since it was last marked cold, kiB."""
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return int(re.search(r"^Referenced: +([0-9]+)", file.read(), re.M)[1])

    for bad, status in ((dead_pid(), 5), (f"{target.pid}:{inode + 1}", 5), ("x", 2)):
        with Target("anon=4194304") as good:
            before = referenced(good.pid)
            result = run("cold", good.pid, bad)
            equal((result.status, result.out, referenced(good.pid) >= 4096 and before >= 4096), (status, "", True),
                  f"beside '{bad}' the good one is not touched", result)
            run("cold", good.pid)
            ok(referenced(good.pid) < 4096, "but alone it is")

    # --- permission -------------------------------------------------------------------------------
    without_nice = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]
    for verb in VERBS:
        complains(4, ["CAP_SYS_NICE"], verb, target.pid, prefix=without_nice, name=f"{verb}: no CAP_SYS_NICE")
    complains(4, ["CAP_SYS_NICE"], "cold", "--dry-run", target.pid, prefix=without_nice,
              name="--dry-run says that it would be refused")
    outside = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*outside, "true"], capture_output=True).returncode == 0:
        complains(4, ["user namespace"], "cold", target.pid, prefix=outside, name="the root of a container")
    else:
        skip("the root of a container", "no user namespaces")
    if nobody_is_possible():
        for verb in VERBS:
            complains(4, ["CAP_SYS_PTRACE"], verb, target.pid, prefix=as_nobody(), name=f"{verb}: no ptrace access")
        complains(4, ["CAP_SYS_PTRACE"], "cold", "--comm", "memhint-thr", prefix=as_nobody(),
                  name="a pattern that finds only what is refused")
        with Target("anon=4194304", "comm=memhint-thr", prefix=as_nobody()) as own:
            nice = as_nobody("sys_nice")
            equal(run("cold", own.pid, prefix=nice).status, 0, "with CAP_SYS_NICE one's own can be hinted")
            complains(4, ["CAP_SYS_PTRACE"], "cold", own.pid, target.pid, prefix=nice,
                      name="one that was named is refused: nothing is done")
            result = run("cold", "--json", "--comm", "memhint-thr", prefix=nice)
            equal((result.status, {t["pid"]: t["error"] for t in result.json()["targets"]}),
                  (3, {own.pid: None, target.pid: "EACCES"}), "of those found by a pattern the others are done", result)
            result = run("cold", "--comm", "memhint-thr", prefix=nice)
            ok(result.row(target.pid)[-1] == "EACCES" and "CAP_SYS_PTRACE" in result.err, "which the table says", result)
    else:
        skip("an ordinary user", "no other user can run this memhint")

with Target(b"comm=\x1b[31mred\n", "anon=4096") as target:
    result = run("cold", "--range", "1000-2000", target.pid)
    ok(result.status == 1 and "\x1b" not in result.err and result.err.count("\n") == 1,
       "a name in a sentence cannot command the terminal", repr(result.err))

# === the account ================================================================================

with Target("anon=8388608", "reserve=1073741824", "locked=65536", "none=1048576", "shmem=1048576",
            "comm=memhint-adv") as target:
    pid = target.pid
    result = run("cold", "--json", "--flags", pid)
    one = account(result, "cold")
    equal((result.status, result.err), (0, ""), "cold: done, nothing to say", result)
    equal((one["pid"], one["comm"], one["error"], one["errors"]), (pid, "memhint-adv", None, []), "cold: its names")
    equal(one["id"], run("map", "--json", pid).json()["id"], "cold: its id")
    ok(one["bytes"]["advised"] >= 8 * MIB, "cold: at least what was touched", one)
    equal((one["bytes"]["failed"], one["ranges"]["failed"]), (0, 0), "cold: nothing failed")
    equal(one["skipped_by_reason"].get("locked"), 65536, "cold: locked memory is skipped", one)
    ok(one["skipped_by_reason"].get("no_access", 0) >= MIB, "cold: memory without access is skipped", one)
    ok(one["skipped_by_reason"].get("empty", 0) >= 1 << 30, "cold: what was never touched is skipped", one)
    ok(8 * MIB <= one["before"]["rss_bytes"] == one["after"]["rss_bytes"], "cold: resident before and after", one)
    exact = account(run("cold", "--json", "--flags", "--exact", pid), "cold --exact")
    equal((exact["before"]["rss_bytes"], exact["after"]["rss_bytes"]), (exact["bytes"]["advised"],) * 2,
          "cold --exact: just what is resident", exact)
    ok(one["syscalls"] >= 1 and one["elapsed_usec"] >= one["longest_call_usec"], "cold: calls and times", one)
    equal((one["flags_known"], one["exec_seen"], one["map_changed"]), (True, False, False), "cold: what was seen")

    with_name = account(run("advise", "cold", "--json", "--flags", pid), "advise cold")
    equal(with_name["bytes"], one["bytes"], "advise cold is cold")
    for name in ("MADV_COLD", "COLD", "Cold"):
        equal(account(run("advise", name, "--json", "--flags", pid), name)["bytes"], one["bytes"], f"advise {name}")

    # --- dry run ----------------------------------------------------------------------------------
    for verb in VERBS:
        result = run(verb, "--dry-run", "--json", "--quiet", "--force", pid)
        dry = account(result, f"{verb} --dry-run")
        equal((result.status, dry["syscalls"], dry["bytes"]["advised"], result.json()["dry_run"]), (0, 0, 0, True),
              f"{verb} --dry-run gives no advice", result)
    dry = account(run("cold", "--dry-run", "--json", "--flags", pid), "cold --dry-run")
    equal(dry["skipped_by_reason"]["dry_run"], one["bytes"]["advised"], "--dry-run tells what would be advised")
    result = run("cold", "--dry-run", pid)
    ok("WOULD ADVISE" in result.out, "--dry-run in the table", result)

    # --- which memory -----------------------------------------------------------------------------
    def requested(*args):
        return account(run("cold", "--json", "--flags", *args, pid), " ".join(args))["bytes"]

    equal(requested("--range", target.range(0)), {"requested": 8 * MIB, "advised": 8 * MIB, "skipped": 0, "failed": 0},
          "--range: one mapping")
    first = target.mappings[0]["start"]
    equal(requested("--range", f"0x{first:X}-0x{first + PAGE:x}")["advised"], PAGE, "--range: one page of it")
    equal(requested("--range", f"{first - PAGE:x}-{first + PAGE:x}"),
          {"requested": 2 * PAGE, "advised": PAGE, "skipped": PAGE, "failed": 0}, "--range: past its start")
    equal(requested("--range", target.range(4))["advised"], MIB, "--range means any kind")
    equal(requested("--only", "shmem"), {"requested": MIB, "advised": MIB, "skipped": 0, "failed": 0}, "--only shmem")
    equal(requested("--only", "shmem", "--range", target.range(0))["requested"], 0, "--only and --range: both")
    ok(requested("--only", "anon,shmem")["requested"] > requested("--only", "anon")["requested"], "--only two kinds")
    equal(requested("--only", "stack")["failed"], 0, "--only stack")
    ok(requested("--mapping", "libc.so*")["requested"] > 0, "--mapping means any kind")
    equal(requested("--mapping", "no-such-name")["requested"], 0, "--mapping that nothing matches")
    result = run("cold", "--mapping", "no-such-name", pid)
    ok(result.status == 0 and "no mapping matches" in result.err, "and says so", result)
    seen = run_on_terminal("cold", "--json", "--mapping", "no-such-name", pid)[1]
    ok(seen.startswith('{"schema"'), "--json on a terminal", seen)
    ok("no mapping matches" not in run("cold", "--mapping", "libc.so*", pid).err, "but not where one does")
    equal(requested("--only", "anon", "--min-size", "8M", "--range", target.range(0))["advised"], 8 * MIB,
          "--min-size: this one is")
    equal(requested("--only", "anon", "--min-size", "8193K", "--range", target.range(0))["requested"], 0,
          "--min-size: this one is not")
    equal(requested("--exact", "--range", target.range(0))["advised"], 8 * MIB, "--exact")
    result = run("cold", "--json", "--only", "special", pid)
    equal((result.status, result.json()["bytes_advised"]), (0, 0), "special mappings are never advised", result)

    # --- limits -----------------------------------------------------------------------------------
    one = account(run("cold", "--json", "--max-bytes", "1M", "--range", target.range(0), pid), "--max-bytes")
    equal((one["bytes"]["advised"], one["skipped_by_reason"]), (MIB, {"budget": 7 * MIB}), "--max-bytes is kept")
    with Target("anon=1048576") as second:
        result = run("cold", "--json", "--max-bytes", "8704K", "--only", "anon", "--min-size", "1M", pid, second.pid)
        equal((result.status, result.json()["bytes_advised"]), (0, 8 * MIB + MIB // 2), "--max-bytes counts over all", result)
        result = run("cold", "--json", "--max-bytes", "512K", "--only", "anon", "--min-size", "1M", pid, second.pid)
        equal((result.status, result.json()["bytes_advised"], sums_up(result.json())), (0, MIB // 2, []),
              "--max-bytes that is used up by the first", result)
    for pace in ("auto", "none", "500us", "2ms", "250"):
        one = account(run("cold", "--json", "--pace", pace, "--range", target.range(0), pid), f"--pace {pace}")
        equal(one["bytes"]["advised"], 8 * MIB, f"--pace {pace}: all of it")
    for rate in ("1G", "512M/s"):
        one = account(run("cold", "--json", "--rate", rate, "--range", target.range(0), pid), f"--rate {rate}")
        equal(one["bytes"]["advised"], 8 * MIB, f"--rate {rate}: all of it")
    ok(account(run("cold", "--json", "--rate", "32M", "--range", target.range(0), pid), "--rate 32M")
       ["elapsed_usec"] >= 8 / 32 * 1e6 * 0.7, "--rate is not exceeded by much")

    # --- the table --------------------------------------------------------------------------------
    result = run("cold", "--flags", pid)
    row = result.row(pid)
    ok(result.status == 0 and row and row[1] == "memhint-adv", "a row for the target", result)
    ok("locked 64K" in result.out and "→" in result.out, "with its reasons and an arrow", result)
    ok("->" in run("cold", pid, env=environment(LC_ALL="C")).out, "an arrow in ASCII")
    result = run("cold", "--verbose", pid)
    ok("mappings read by" in result.err, "--verbose says how", result)
    status, seen, _ = run_on_terminal("cold", pid)
    ok(status == 0 and "\033[1m" in seen, "colours on a terminal", repr(seen))
    ok("\033[" not in run_on_terminal("cold", pid, env=environment(NO_COLOR="1"))[1], "NO_COLOR")

    # --- a full disk is found out before anything is done --------------------------------------------
    with open("/dev/full", "w") as full:
        result = subprocess.run([MEMHINT, "cold", "--json", str(pid)], stdout=full, stderr=subprocess.PIPE, text=True,
                                env=environment())
        ok(result.returncode == 1 and "nothing was done" in result.stderr, "--json to a full disk", result)
        result = subprocess.run([MEMHINT, "cold", str(pid)], stdout=full, stderr=subprocess.PIPE, text=True,
                                env=environment())
        ok(result.returncode == 1 and "could not be written" in result.stderr, "a table to a full disk", result)
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([MEMHINT, "cold", str(pid)], stdout=write, stderr=subprocess.PIPE, env=environment())
    os.close(write)
    ok(result.returncode == 0 and not result.stderr, "a reader that went away: the work is done all the same", result)

# === swap =======================================================================================

with Target("anon=4194304") as target:
    before = target.tell("digest 0")
    had = swaps()
    result = run("pageout", "--json", "--force", "--range", target.range(0), target.pid)
    if bool(had) == bool(swaps()):
        ok(("there is no swap" in result.err) == (not had), "pageout warns when there is no swap", result)
        quiet = run("pageout", "--quiet", "--force", "--range", target.range(0), target.pid)
        equal(quiet.err, "", "--quiet does not")
    else:
        skip("no swap", "swap came or went meanwhile")
    prefix = without_swap()
    if prefix:
        without = run("pageout", "--dry-run", "--range", target.range(0), target.pid, prefix=prefix)
        equal(without.status, 0, "pageout where no swap is seen", without)
        ok("there is no swap" in without.err and without.err.count("\n") == 1, "says so first", without)
        without = run("pageout", "--dry-run", "--only", "file", target.pid, prefix=prefix)
        equal(without.err, "", "but not for pages of files", without)
    else:
        skip("no swap", "it cannot be hidden here")
    one = account(result, "pageout")
    equal((result.status, one["bytes"]["failed"]), (0, 0), "pageout", result)
    equal(one["after"]["rss_bytes"] + one["after"]["swap_bytes"], 4 * MIB, "pageout loses nothing", one)
    if not had and not swaps():
        equal(one["after"]["rss_bytes"], 4 * MIB, "without swap everything stays, and the result says so", one)
    complains(1, "below the floor", "pageout", "--quiet", "--swap-floor", "1000T", target.pid)
    equal(run("pageout", "--quiet", "--swap-floor", "1000T", "--force", target.pid).status, 0, "--force goes on")
    equal(run("pageout", "--quiet", "--swap-floor", "0", target.pid).status, 0, "--swap-floor 0")
    equal(run("pageout", "--quiet", "--swap-floor", "0%", target.pid).status, 0, "--swap-floor 0%")
    equal(run("pageout", "--swap-floor", "1000T", "--only", "file,code", target.pid).status, 0,
          "pages of files need no swap")
    equal(run("cold", "--swap-floor", "1000T", target.pid).status, 0, "nor does another advice")
    equal(run("willneed", target.pid).status, 0, "willneed")
    equal(target.tell("digest 0"), before, "its data is what it was")

# === a process that lives without its main thread ===============================================

EXIT = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)
if EXIT is None:
    skip("a main thread that has ended", "the number of the system call exit is not known here")
else:
    script = ("import ctypes, signal, threading; threading.Thread(target=signal.pause).start();"
              f"ctypes.CDLL(None).syscall({EXIT}, 0)")
    headless = subprocess.Popen(["/usr/bin/python3", "-c", script])
    while True:
        with open(f"/proc/{headless.pid}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                break
        os.sched_yield()
    complains(1, "without its main thread", "cold", headless.pid)
    complains(1, "without its main thread", "map", headless.pid)
    headless.kill()
    headless.wait()

# === droppable memory ===========================================================================

with Target("droppable=65536", "anon=65536") as target:
    if target.made:
        one = account(run("pageout", "--json", "--flags", "--quiet", "--force", target.pid), "droppable")
        equal(one["skipped_by_reason"].get("droppable"), 65536, "droppable memory is left alone", one)
    else:
        skip("droppable", "this kernel has no MAP_DROPPABLE")

# Without BPF, and large enough for smaps not to be read for its own sake.
if not nobody_is_possible():
    skip("droppable memory without BPF", "no other user can run this memhint")
else:
    with Target("droppable=65536", "anon=67108864") as target:
        if target.made:
            before = target.tell("digest 0")
            for verb in "cold", "pageout", "willneed", "collapse":
                result = run(verb, "--json", "--quiet", "--force", target.pid,
                             prefix=as_nobody("sys_nice", "sys_ptrace"))
                equal(result.status, 0, f"droppable memory without BPF: {verb}", result)
                equal(target.tell("digest 0"), before, "it keeps its content")
        else:
            skip("droppable memory without BPF", "this kernel has no MAP_DROPPABLE")

# === huge pages =================================================================================

with Target("anon=16777216") as target:
    result = run("collapse", "--json", target.pid)
    if result.status == 6:
        skip("collapse", "this kernel has no MADV_COLLAPSE")
    else:
        one = account(result, "collapse")
        ok(result.status in (0, 3), "collapse", result)
        ok(one["after"]["huge_bytes"] > one["before"]["huge_bytes"], "huge pages were made", one)
        ok("HUGE" in run("collapse", target.pid).out, "and stand in the table")

# === what refuses ===============================================================================

with Target("single=3000", "comm=memhint-many") as target:
    one = account(run("cold", "--json", target.pid), "3,000 mappings")
    ok(one["bytes"]["advised"] >= 3000 * PAGE and one["bytes"]["failed"] == 0, "3,000 mappings of one page", one)
    ok(one["syscalls"] < 600, "in few calls", one)

# === several targets ============================================================================

with Target("anon=1048576", "comm=memhint-two") as first, Target("anon=1048576", "comm=memhint-two") as second:
    for args in ((first.pid, second.pid), ("--comm", "memhint-two"), ("--comm", "memhint-t?o", "--pid", first.pid)):
        value = run("cold", "--json", *args).json()
        equal(sorted(t["pid"] for t in value["targets"]), sorted([first.pid, second.pid]), f"both by {args[0]}")
        equal(sums_up(value), [], "sums up")
    result = run("cold", first.pid, second.pid)
    ok(result.row(first.pid) and result.row(second.pid), "a row for each", result)
    value = run("cold", "--json", "--pid", os.getpid(), "--children").json()
    ok({first.pid, second.pid, os.getpid()} <= {t["pid"] for t in value["targets"]}, "--children")
    ok(all(t["comm"] != "memhint" for t in value["targets"]), "which leaves out memhint itself")

# === ends before the end ========================================================================

SLOW = ("--rate", "1M", "--json", "--verbose", "--only", "anon")


def begin(target, *args):
    """Begins slow work on a target, and returns once the advice is being given."""
    process = start("cold", *SLOW, *args, target.pid)
    wait_for_line(process.stderr, "to advise in")
    return process


with Target("anon=67108864") as target:
    process = begin(target)
    target.end()
    result = finish(process)
    one = account(result, "exit")
    equal((result.status, one["error"], one["exec_seen"]), (5, "ESRCH", False), "the target ends half-way: 5", result)
    ok("has ended" in result.err, "and this is said", result)
    ok(one["skipped_by_reason"].get("stopped", 0) > 0, "what was left is accounted for", one)

with Target("anon=67108864") as target:
    process = begin(target)
    target.tell("exec")
    result = finish(process)
    one = account(result, "exec")
    equal((result.status, one["error"], one["exec_seen"]), (5, "ESRCH", True), "the target execs half-way: 5", result)
    ok("by exec" in result.err, "and this is said", result)
    equal(target.tell("touch 9"), {"done": True}, "the new program was not touched")

with Target("anon=67108864") as target:
    process = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" <&- 2>&-', MEMHINT, "cold", *SLOW, str(target.pid)],
                               stdout=subprocess.PIPE, env=environment())
    process.stdout.read(1)  # its result has begun
    files = [f"/proc/{process.pid}/fd/{fd}" for fd in (0, 2)]
    equal([os.path.lexists(file) and os.readlink(file) for file in files], ["/dev/null"] * 2,
          "no file of memhint's own takes the place of a closed stdin or stderr")
    process.terminate()
    process.stdout.read()
    process.stdout.close()
    equal(process.wait(), 3, "and the work goes on as ever")

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    with Target("anon=67108864") as target:
        process = begin(target)
        process.send_signal(number)
        result = finish(process)
        one = account(result, number.name)
        equal((result.status, one["error"]), (3, "ECANCELED"), f"{number.name}: partly done", result)
        ok(one["skipped_by_reason"].get("cancelled", 0) > 0, f"{number.name}: what was left is accounted for", one)
        ok(number.name[3:] in result.err, f"{number.name}: is said", result)

with Target("anon=67108864") as target:
    process = subprocess.Popen(["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\"", MEMHINT, "cold", *SLOW, "--timeout", "500ms",
                                str(target.pid)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
    process.stdout.read(1)  # its result has begun
    process.send_signal(signal.SIGHUP)
    process.stdout.read()
    process.stdout.close()
    equal(process.wait(), 124, "a signal that is ignored, as nohup does, ends nothing")

with Target("anon=67108864") as target, Target("anon=4194304") as other:
    result = run("cold", *SLOW, "--timeout", "300ms", target.pid, other.pid)
    equal((result.status, [t["error"] for t in result.json()["targets"]]), (124, ["ECANCELED", "ECANCELED"]),
          "--timeout: 124, and the rest is not begun", result)
    equal(sums_up(result.json()), [], "--timeout: sums up")
    equal(shape(result.json(), SHAPE), [], "--timeout: has its shape")
    equal(run("cold", "--timeout", "100", target.pid).status, 0, "--timeout that is not reached")
    process = start("cold", *SLOW, target.pid, other.pid)
    wait_for_line(process.stderr, "to advise in")
    target.end()
    result = finish(process)
    equal((result.status, [t["error"] for t in result.json()["targets"]]), (3, ["ESRCH", None]),
          "one target ends, the other is done all the same: 3", result)

# === the progress line ==========================================================================

with Target("anon=67108864", "comm=memhint-prog") as target:
    status, seen, out = run_on_terminal("cold", "--rate", "2M", "--timeout", "1s", target.pid, stream="stderr")
    ok(re.search(r"\r\033\[K.*cold \d+ \(memhint-prog\).*%.* of 64", seen), "a progress line on a terminal", repr(seen))
    ok(seen.rstrip().endswith("as --timeout asked") and "\r\033[Kmemhint: " in seen, "which is taken away again", repr(seen))
    _, seen, _ = run_on_terminal("cold", "--quiet", "--rate", "2M", "--timeout", "1s", target.pid, stream="stderr")
    ok("%" not in seen, "--quiet: none", repr(seen))
    result = run("cold", "--rate", "2M", "--timeout", "1s", target.pid)
    ok("%" not in result.err, "none in a pipe", result)
    status, seen, _ = run_on_terminal("cold", target.pid, stream="stderr")
    equal(seen, "", "none for what takes no time")

done()
