# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint pageout and willneed with swap to go to: a zram device of this test's own."""
import os
import re
import signal
import subprocess
import sys

from harness import (MIB, Target, done, equal, ok, run, run_on_terminal, skip)

CONTROL = "/sys/class/zram-control"
SIZE = 256 * MIB


class Zram:
    """Swap in compressed memory, used before any other, for as long as the block lasts."""

    def __enter__(self):
        with open(f"{CONTROL}/hot_add") as file:
            self.number = int(file.read())
        self.device = f"/dev/zram{self.number}"
        self.on = False
        try:
            with open(f"/sys/block/zram{self.number}/disksize", "w") as file:
                file.write(str(SIZE))
            subprocess.run(["mkswap", self.device], check=True, capture_output=True)
            subprocess.run(["swapon", "-p", "32000", self.device], check=True, capture_output=True)
            self.on = True
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.on:
            subprocess.run(["swapoff", self.device], check=True)
        with open(f"/sys/block/zram{self.number}/reset", "w") as file:
            file.write("1")
        with open(f"{CONTROL}/hot_remove", "w") as file:
            file.write(str(self.number))


if os.geteuid() != 0 or not os.access(f"{CONTROL}/hot_add", os.R_OK):
    print("1..0 # SKIP needs root and zram")
    raise SystemExit(0)

# A time limit must not leave the device behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

with Zram() as zram:
    with Target("anon=67108864", "comm=memhint-out") as target:
        digest = target.tell("digest 0")
        result = run("pageout", "--json", "--force", "--range", target.range(), target.pid)
        one = result.json()["targets"][0]
        equal((result.status, result.err), (0, ""), "pageout, with swap there is nothing to warn of", result)
        equal((one["before"]["rss_bytes"], one["before"]["swap_bytes"]), (64 * MIB, 0), "before: all is resident", one)
        equal((one["after"]["rss_bytes"], one["after"]["swap_bytes"]), (0, 64 * MIB), "after: all is out", one)
        process = run("ps", "--json", target.pid).json()["processes"][0]
        ok(process["swap_bytes"] >= 64 * MIB > process["anon_bytes"], "ps shows it", process)
        row = run("ps", "--columns", "pid,bar", target.pid).row(target.pid)
        ok("▒" * 10 in row[1], "and its bar", row)
        start = f"{target.mappings[0]['start']:#x}"
        value = run("map", "--json", target.pid).json()
        mapping = next(m for m in value["mappings"] if m["start"] == start)
        equal((mapping["rss_bytes"], mapping["swap_bytes"]), (0, 64 * MIB), "map shows it")
        ok(value["totals"]["anon"]["swap_bytes"] >= 64 * MIB, "in the totals too", value["totals"])
        ok("▒" * 12 in run("map", "--only", "anon", target.pid).out, "and its bar")

        one = run("pageout", "--json", "--force", "--range", target.range(), target.pid).json()["targets"][0]
        equal((one["bytes"]["advised"], one["skipped_by_reason"]), (0, {"swapped": 64 * MIB}),
              "a second pageout does nothing, and says why", one)
        one = run("willneed", "--json", "--range", target.range(), target.pid).json()["targets"][0]
        equal(one["bytes"]["advised"], 64 * MIB, "willneed asks for what is out", one)
        equal(target.tell("digest 0"), digest, "nothing was lost")
        doctor = {c["name"]: c for c in run("doctor", "--json").json()["checks"]}
        ok(doctor["swap"]["state"] == "ok" and zram.device in str([c["detail"] for c in doctor.values()]) or
           doctor["swap"]["state"] != "missing", "doctor sees the swap", doctor["swap"])

    with Target("anon=134217728", "comm=memhint-floor") as target:
        with open("/proc/meminfo") as file:
            free = int(re.search(r"^SwapFree: +([0-9]+)", file.read(), re.M)[1]) * 1024
        result = run("pageout", "--json", "--rate", "100M", "--swap-floor", free - 48 * MIB, target.pid)
        one = result.json()["targets"][0]
        equal((result.status, one["error"]), (3, "ECANCELED"), "stops when free swap falls to the floor: partly", result)
        ok("has fallen to the floor" in result.err, "and says so", result)
        ok(0 < one["bytes"]["advised"] < 128 * MIB, "in the middle", one)
        equal(run("pageout", "--rate", "1G", "--force", "--swap-floor", free, target.pid).status, 0, "--force goes on")

    with Target("anon=67108864", "comm=memhint-tty") as target:
        _, seen, _ = run_on_terminal("pageout", "--rate", "64M", "--force", target.pid, stream="stderr")
        ok(re.search(r"pageout \d+ \(memhint-tty\) █.*% .*M/s", seen), "a progress line", repr(seen))

done()
