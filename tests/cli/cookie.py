# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint cookie: what moves it and what does not, --check, and bad input."""
import os
import re
import signal
import subprocess

from harness import (MEMHINT, Target, Zombie, as_nobody, common_target_complaints, complains, dead_pid, done, environment,
                     equal, kernel_thread, nobody_is_possible, ok, run, run_on_terminal, shape, skip)

COOKIE = re.compile("0x[0-9a-f]{16}")
SHAPE = {
    "schema": re.compile(r"memhint\.cookie/1"),
    "processes": [{"pid": int, "id": re.compile(r"\d+:\d+"), "comm": str, "cookie": (COOKIE, None),
                   "kind": (re.compile("exact|fingerprint"), None), "error": (str, None)}],
    "checked?": COOKIE, "same?": bool,
}
MALFORMED = ("", "0", "x", "0x", "-1", "0x0", "1" * 17, "0x0000000000000001 ", "0x00000000000000zz", "ffffffffffffffff0")


def cookie(pid, **more):
    return run("cookie", "--json", pid, **more).json()["processes"][0]["cookie"]


if os.geteuid() != 0:
    print("1..0 # SKIP giving advice needs root")
    raise SystemExit(0)

# === bad input ==================================================================================

common_target_complaints("cookie")
complains(2, "which process", "cookie")
for wrong in MALFORMED:
    complains(2, "is not a cookie", "cookie", f"--check={wrong}", "1", name=f"--check '{wrong}': is not a cookie")
complains(5, "there is no process", "cookie", dead_pid())
with Zombie() as zombie:
    complains(5, "is a zombie", "cookie", zombie.pid)
thread = kernel_thread()
if thread:
    complains(1, "is a kernel thread", "cookie", thread)
else:
    skip("kernel threads", "this PID namespace has none")

# === what it says ===============================================================================

with Target("anon=4194304", "comm=memhint-cok") as target, Target("anon=65536") as other:
    result = run("cookie", "--json", target.pid)
    value = result.json()
    one = value["processes"][0]
    equal((result.status, result.err, shape(value, SHAPE)), (0, "", []), "--json: has its shape", result)
    identity = run("ps", "--json", "--columns", "id", target.pid).json()["processes"][0]["id"]
    equal((one["pid"], one["id"], one["comm"], one["error"]), (target.pid, identity, "memhint-cok", None), "its names")
    result = run("cookie", target.pid)
    equal(result.row(target.pid), [str(target.pid), "memhint-cok", identity, one["kind"], one["cookie"]],
          "the table says the same", result)
    equal(result.err, "", "and nothing else, when no person reads it")
    exact = {c["name"]: c["state"] for c in run("doctor", "--json").json()["checks"]}["exact_cookie"] == "ok"
    equal(one["kind"], "exact" if exact else "fingerprint", "its kind is the one that doctor says")
    for args in (("cookie", "--verbose", target.pid),):
        ok("cannot see" in run(*args).err, "--verbose says what it cannot see", run(*args))
    seen = run_on_terminal("cookie", target.pid)
    ok("cannot see" in seen[2] and one["cookie"] in seen[1], "and so it is on a terminal", seen)
    equal(run_on_terminal("cookie", "--quiet", target.pid)[2], "", "but not with --quiet")
    both = run("cookie", "--json", target.pid, other.pid).json()["processes"]
    equal([p["pid"] for p in both], [target.pid, other.pid], "several processes")
    ok(both[0]["cookie"] != both[1]["cookie"], "have different cookies", both)

    # --- what moves it, and what does not -----------------------------------------------------------
    before = cookie(target.pid)
    for what, action in (("looking again", lambda: run("map", target.pid)),
                         ("touching memory", lambda: target.tell("touch 0")),
                         ("cold", lambda: run("cold", target.pid)),
                         ("pageout", lambda: run("pageout", "--force", "--quiet", target.pid)),
                         ("willneed", lambda: run("willneed", target.pid)),
                         ("a page fault", lambda: target.tell("touch 0"))):
        action()
        equal(cookie(target.pid), before, f"{what} does not move it")
    equal(run("cookie", "--check", before, target.pid).status, 0, "--check: the same")
    value = run("cookie", "--json", "--check", before, target.pid).json()
    equal((shape(value, SHAPE), value["checked"], value["same"]), ([], before, True), "--check --json", value)
    for spelt in (before[2:], before.upper().replace("X", "x")):
        equal(run("cookie", "--check", spelt, target.pid).status, 0, f"--check {spelt}")

    for what, command in (("a mapping", "map"), ("a thread", "thread"), ("a mapping taken away", "unmap 0")):
        before = cookie(target.pid)
        target.tell(command)
        ok(cookie(target.pid) != before, f"{what} moves it")
        result = run("cookie", "--check", before, target.pid)
        ok(result.status == 5 and "changed its mappings" in result.err and result.row(target.pid)[-1] == cookie(target.pid),
           f"{what}: --check is 5, says so, and tells the present one", result)
        value = run("cookie", "--json", "--check", before, target.pid).json()
        equal((shape(value, SHAPE), value["checked"], value["same"]), ([], before, False), f"{what}: --check --json", value)
    before = cookie(target.pid)
    target.tell("child")
    ok(cookie(target.pid) == cookie(target.pid), "it is the same when nothing happens, after a fork too")
    before = cookie(target.pid)
    equal(run("cookie", "--check", before, other.pid).status, 5, "a cookie of another process")
    target.tell("exec")
    equal(run("cookie", "--check", before, target.pid).status, 5, "a cookie from before an exec")
    now = int(cookie(target.pid), 16)
    # The same in all that tells kinds apart, but of another state: another boot would have it so.
    for bit in range(40):
        foreign = f"0x{now ^ (1 << bit):016x}"
        if run("cookie", "--check", foreign, target.pid).status != 5:
            ok(False, "a cookie of another boot", foreign, run("cookie", "--check", foreign, target.pid))
            break
    else:
        ok(True, "a cookie of another boot")
    result = complains(2, "is of one process", "cookie", "--check", f"{now:#018x}", target.pid, other.pid)
    complains(2, "is of one process", "cookie", "--check", f"{now:#018x}", "--comm", "memory-target", "--pid", target.pid,
              "--pid", other.pid, name="and patterns count")

    # --- permission -------------------------------------------------------------------------------
    if nobody_is_possible():
        complains(4, ["ptrace"], "cookie", target.pid, prefix=as_nobody(), name="no ptrace access")
        with Target("anon=65536", "comm=memhint-own", prefix=as_nobody()) as own:
            one = run("cookie", "--json", own.pid, prefix=as_nobody()).json()["processes"][0]
            equal(one["kind"], "fingerprint", "an ordinary user has fingerprints", one)
            same = [cookie(own.pid, prefix=as_nobody()) for _ in range(2)]
            equal(same[0], same[1], "which stay the same")
            ok("fingerprint cannot see" in run("cookie", "--verbose", own.pid, prefix=as_nobody()).err, "and what they miss")
            own.tell("map")
            equal(run("cookie", "--check", same[0], own.pid, prefix=as_nobody()).status, 5, "and move")
            exact_one = cookie(own.pid)
            if exact:
                complains(6, "is an exact one", "cookie", "--check", exact_one, own.pid, prefix=as_nobody(),
                          name="an exact one cannot be compared there")
            result = run("cookie", "--json", "--comm", "memhint-own", "--pid", own.pid, "--pid", target.pid,
                         prefix=as_nobody())
            equal((result.status, [p["error"] for p in result.json()["processes"]]), (3, [None, "EACCES"]),
                  "of several the others are told", result)
    else:
        skip("an ordinary user", "no other user can run this memhint")

# A target that ends meanwhile, and stopped ones.
with Target("anon=65536") as target:
    os.kill(target.pid, signal.SIGSTOP)
    equal(run("cookie", target.pid).status, 0, "a stopped process has one, too")
    os.kill(target.pid, signal.SIGCONT)

own = subprocess.run(["sh", "-c", 'exec "$0" cookie $$', MEMHINT], capture_output=True, text=True, env=environment())
ok(own.returncode == 2 and "memhint itself" in own.stderr and not own.stdout, "memhint itself", own)

done()
