#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the benchmarks of a build and prints one JSON object.

usage: run.py BUILD-DIRECTORY [name[:argument...]...]

names: pass, ps, pageout, stall, cookie, inject, follow, freeze; and chaos, which runs only when it is named,
as it takes six minutes. chaos:10 takes ten seconds a guard, chaos:10:freeze is that guard alone.
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


def run_program(build, name, arguments):
    print(f"bench: {name}", file=sys.stderr)
    program = os.path.join(build, "bench", "bench-" + name)
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def run(build, wanted):
    name, *arguments = wanted.split(":")
    return bench_ps(build) if name == "ps" else run_program(build, name, arguments)


def print_results(results, head):
    """JSON with a line for each key of a benchmark, so that each way is a row."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    tables = []
    for result in results:
        rows = ",\n".join(f"      {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
        tables.append("    {\n" + rows + "\n    }")
    lines.append('  "results": [\n' + ",\n".join(tables) + "\n  ]")
    print("{\n" + ",\n".join(lines) + "\n}")


def main():
    build = sys.argv[1]
    wanted = sys.argv[2:] or ["pass", "ps", "pageout", "stall", "cookie", "inject", "follow", "freeze"]
    results = [run(build, name) for name in wanted]
    with open("/proc/version", encoding="utf-8") as version:
        kernel = version.read().split()[2]
    print_results(results, {"schema": "memhint.bench/1", "kernel": kernel, "cpus": os.cpu_count()})


if __name__ == "__main__":
    main()
