#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the benchmarks of a build and prints one JSON object.

usage: run.py BUILD-DIRECTORY [name...]    names: pass, ps, pageout, stall
"""
import json
import os
import statistics
import subprocess
import sys
import time

ROUNDS = 31


def bench_ps(build):
    """`memhint ps` against `ps -eo pid,rss,comm` with 1,000 processes more, interleaved."""
    ways = {
        "memhint_ps": [os.path.join(build, "src/cli/memhint"), "ps"],
        "ps": ["ps", "-eo", "pid,rss,comm"],
    }
    sleepers = [subprocess.Popen(["sleep", "infinity"]) for _ in range(1000)]
    try:
        times = {name: [] for name in ways}
        rows = {}
        for _ in range(ROUNDS):
            for name, command in ways.items():
                start = time.monotonic()
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                times[name].append((time.monotonic() - start) * 1e3)
                rows[name] = done.stdout.count(b"\n")
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "benchmark": "ps",
        "processes": 1000,
        "rounds": ROUNDS,
        **{name: {"median_msec": round(medians[name], 2), "lines": rows[name]} for name in ways},
        "times_faster": round(medians["ps"] / medians["memhint_ps"], 2),
    }


def run_program(build, name):
    print(f"bench: {name}", file=sys.stderr)
    done = subprocess.run([os.path.join(build, "bench", "bench-" + name)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    build = sys.argv[1]
    wanted = sys.argv[2:] or ["pass", "ps", "pageout", "stall"]
    results = [bench_ps(build) if name == "ps" else run_program(build, name) for name in wanted]
    with open("/proc/version", encoding="utf-8") as version:
        kernel = version.read().split()[2]
    json.dump({"schema": "memhint.bench/1", "kernel": kernel, "cpus": os.cpu_count(), "results": results},
              sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
