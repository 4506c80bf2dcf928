#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""memhint demo, small: what it tells, and that nothing stays behind, however it ends.

usage: demo.py MEMHINT
"""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import fcntl
import pty
import time

MEMHINT = sys.argv[1]
SMALL = ["--keys", "20000", "--megabytes", "50"]
PR_SET_CHILD_SUBREAPER = 36
DEADLINE = 120  # seconds until something that should end is taken for stuck

count = failed = 0


def ok(passed, name, *notes):
    global count, failed
    count += 1
    print("ok" if passed else "not ok", count, "-", name)
    if not passed:
        failed += 1
        for note in notes:
            print("#", str(note).replace("\n", "\n# "))
    sys.stdout.flush()
    return passed


def skip(name, why):
    global count
    count += 1
    print("ok", count, "-", name, "# SKIP", why)


def swaps():
    lines = pathlib.Path("/proc/swaps").read_text().splitlines()[1:]
    return {line.split()[0] for line in lines}


def zrams():
    return {path.name for path in pathlib.Path("/sys/block").glob("zram*")}


def children():
    """Processes whose parent this is: with the subreaper on, also those that the demo left."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:].rsplit(") ", 1)
        if int(rest.split()[1]) == os.getpid():
            found[int(path.parent.name)] = name
    return found


def descendants(pid):
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:].rsplit(") ", 1)
        parents[int(path.parent.name)] = (int(rest.split()[1]), name)
    return {child: name for child, (parent, name) in parents.items() if parent == pid}


class Demo:
    """A demo that runs, with a temporary folder of its own."""

    def __init__(self, *arguments, environment=None, prefix=()):
        self.folder = tempfile.mkdtemp(prefix="memhint-test.", dir="/var/tmp")
        self.swaps, self.zrams = swaps(), zrams()
        self.lines, self.swap = [], None
        env = dict(os.environ, TMPDIR=self.folder, **(environment or {}))
        self.process = subprocess.Popen(
            [*prefix, MEMHINT, "demo", *arguments], env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def read_until(self, marker):
        """Reads what it says on stderr up to a line with the marker: False if that never comes."""
        for line in self.process.stderr:
            line = line.decode(errors="replace")
            self.lines.append(line)
            made = re.search(r"made swap (\S+)", line)
            if made:
                self.swap = made[1]
            if marker and marker in line:
                return True
        return False

    def finish(self):
        """Reads to the end, which comes when the janitor has ended, too, and waits."""
        self.read_until(None)
        self.output = self.process.stdout.read()
        self.process.wait()
        return self.process.returncode

    def errors(self):
        return "".join(self.lines)

    def check_nothing_left(self, name):
        """What was handed to this process as the subreaper must end by itself, and soon."""
        end = time.monotonic() + DEADLINE
        left = children()
        while left and time.monotonic() < end:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(0.01)
            left = children()
        ok(not left, f"{name}: no process is left", left)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        ok(not os.listdir(self.folder), f"{name}: no file is left", os.listdir(self.folder))
        # Somebody else may make swap at the same time, and remove it.
        while (swaps() - self.swaps or zrams() - self.zrams) and time.monotonic() < end:
            time.sleep(0.1)
        ok(not swaps() - self.swaps and self.swap not in swaps(), f"{name}: no swap is left", swaps())
        ok(not zrams() - self.zrams, f"{name}: no zram device is left", zrams())
        shutil.rmtree(self.folder, ignore_errors=True)


def check_result(demo, kind):
    name = f"demo with {kind}"
    if not ok(demo.finish() == 0, f"{name}: succeeds", demo.errors()):
        return demo.check_nothing_left(name)
    result = json.loads(demo.output)
    ok(result["schema"] == "memhint.demo/1", f"{name}: schema", result)
    programs, totals = result["programs"], result["totals"]
    expected = {p for p in ("redis-server", "python3", "node") if shutil.which(p)}
    ok({p["program"] for p in programs} == expected, f"{name}: all programs", programs)
    for program in programs:
        who = f"{name}: {program['program']}"
        ok(program["digest_before"] == program["digest_after"] and len(program["digest_before"]) >= 40,
           f"{who}: the data is the same", program)
        ok(program["intact"] and program["answer_same"], f"{who}: the answer is the same", program)
        saved = program["resident_before_bytes"] - program["resident_after_bytes"]
        ok(program["saved_bytes"] == saved, f"{who}: saved is before less after", program)
        ok(saved > 2 << 20, f"{who}: it has become smaller", program)
        ok(program["swap_bytes"] >= saved * 0.9, f"{who}: what it lost is in swap", program)
        ok(program["advised_bytes"] >= program["swap_bytes"] * 0.95 and program["syscalls"] > 0,
           f"{who}: no more went out than was advised", program)
        ok(all(program[key] > 0 for key in ("elapsed_usec", "bytes_per_second", "answer_before_usec",
                                            "answer_after_usec")), f"{who}: times", program)
        ok(re.fullmatch(rf"{program['pid']}:\d+", program["id"]), f"{who}: id", program)
    for key in ("saved_bytes", "swap_bytes", "resident_before_bytes", "elapsed_usec"):
        ok(totals[key] == sum(p[key] for p in programs), f"{name}: total of {key}", totals)
    ok(totals["intact"] is True, f"{name}: all is intact", totals)
    swap = result["swap"]
    ok(swap["made"] and swap["kind"] == kind and swap["path"] == demo.swap, f"{name}: the swap", swap)
    ok(swap["size_bytes"] >= totals["swap_bytes"], f"{name}: the swap is large enough", swap)
    others = (demo.swaps | swaps()) - {demo.swap}
    if kind == "zram" and totals["zram_memory_bytes"] is None and others:
        skip(f"{name}: it compresses", f"there is other swap: {others}")
    elif kind == "zram":
        ok(0 < totals["zram_memory_bytes"] < totals["swap_bytes"], f"{name}: it compresses", totals)
        ok(totals["net_saved_bytes"] == totals["saved_bytes"] - totals["zram_memory_bytes"],
           f"{name}: net is less what zram takes", totals)
    demo.check_nothing_left(name)


def test_results():
    check_result(Demo(*SMALL, "--json", "--verbose", "--swap", "zram"), "zram")
    check_result(Demo(*SMALL, "--json", "--verbose", "--swap", "file"), "file")


def test_interrupts():
    cases = [
        (signal.SIGINT, "loading data"), (signal.SIGINT, "paging out"), (signal.SIGHUP, "making"),
        (signal.SIGTERM, "taking a digest"),
        (signal.SIGKILL, "loading data"), (signal.SIGKILL, "making"), (signal.SIGKILL, "paging out"),
        (signal.SIGKILL, "comparing"), (signal.SIGKILL, "removing"),
    ]
    for number, marker in cases:
        name = f"{number.name} at '{marker}'"
        demo = Demo(*SMALL, "--verbose", "--swap", "zram")
        ok(demo.read_until(marker), f"{name}: that step comes", demo.errors())
        # To all of its process group, as a terminal or a service manager does.
        os.killpg(demo.process.pid, number)
        status = demo.finish()
        if number == signal.SIGKILL:
            ok(status == -number, f"{name}: killed", status)
        else:
            ok(status == 128 + number, f"{name}: exit status", status, demo.errors())
            ok("interrupted" in demo.errors(), f"{name}: says so", demo.errors())
        demo.check_nothing_left(name)


def test_deaths():
    """A program that ends before its time; and the janitor, whose work the demo then does itself."""
    for victim, marker in ("python3", "paging out"), ("redis-server", "comparing"):
        if not shutil.which(victim):
            skip(f"{victim} dies", f"{victim} is not installed")
            continue
        demo = Demo(*SMALL, "--verbose", "--swap", "zram")
        ok(demo.read_until(marker), f"{victim} dies: the step comes", demo.errors())
        for pid, name in descendants(demo.process.pid).items():
            if name == victim:
                os.kill(pid, signal.SIGKILL)
        ok(demo.finish() == 1, f"{victim} dies: failure", demo.process.returncode)
        ok(f"{victim} ended before its time" in demo.errors(), f"{victim} dies: says so", demo.errors())
        ok(b"intact" not in demo.output, f"{victim} dies: no claim about its data", demo.output)
        demo.check_nothing_left(f"{victim} dies")
    for marker, signals, wanted in (
            ("loading data", [signal.SIGKILL], 1), ("paging out", [signal.SIGKILL], 0),
            ("loading data", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], 0)):
        name = f"the janitor gets {signals[0].name} at '{marker}'"
        demo = Demo(*SMALL, "--verbose", "--swap", "zram")
        ok(demo.read_until(marker), f"{name}: the step comes", demo.errors())
        janitors = [pid for pid, comm in descendants(demo.process.pid).items()
                    if comm == "memhint-janitor"]
        ok(len(janitors) == 1, f"{name}: there is one", janitors)
        for number in signals:
            os.kill(janitors[0], number)
        ok(demo.finish() == wanted, f"{name}: exit status", demo.process.returncode, demo.errors())
        demo.check_nothing_left(name)


def test_double_kill():
    """Without anybody to clean up, the kernel still ends the programs."""
    name = "demo and janitor are killed"
    demo = Demo(*SMALL, "--verbose", "--swap", "zram")
    ok(demo.read_until("taking a digest"), f"{name}: the step comes", demo.errors())
    for pid, comm in descendants(demo.process.pid).items():
        if comm == "memhint-janitor":
            os.kill(pid, signal.SIGKILL)
    demo.process.kill()
    demo.finish()
    for path in pathlib.Path(demo.folder).glob("*"):
        shutil.rmtree(path)
    demo.check_nothing_left(name)


def refused(name, status, words, *arguments, **more):
    demo = Demo(*arguments, **more)
    ok(demo.finish() == status, f"{name}: exit status {status}", demo.process.returncode, demo.errors())
    ok(all(word in demo.errors() for word in words), f"{name}: the sentence", demo.errors())
    ok(demo.errors().count("\n") == 1 and not demo.output, f"{name}: only that", demo.errors(), demo.output)
    demo.check_nothing_left(name)


def test_refusals():
    for arguments in (["--keys", "999"], ["--keys", "x"], ["--keys", "-1"], ["--keys", "100000000"],
                      ["--megabytes", "49"], ["--megabytes", "1.5"], ["--megabytes", ""],
                      ["--swap", "tape"], ["now"]):
        refused(" ".join(arguments), 2, arguments[-1:], *arguments)
    refused("too large", 1, ["memory", "--megabytes"], "--megabytes", "1048576")
    for capability in "sys_nice", "sys_admin":
        refused(f"without {capability}", 4, [f"CAP_{capability.upper()}"], "--swap", "zram",
                prefix=["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"])
    refused("a TMPDIR that is no folder", 1, ["TMPDIR"], *SMALL, "--quiet",
            prefix=["env", "TMPDIR=/dev/null"])


def test_missing_programs():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        refused("no program at all", 1, ["redis-server", "python3", "nodejs", "apt install"],
                environment={"PATH": path})
        os.symlink(os.path.realpath(sys.executable), f"{path}/python3")
        demo = Demo(*SMALL, "--json", "--swap", "zram", environment={"PATH": path})
        ok(demo.finish() == 0, "Python alone: succeeds", demo.errors())
        ok("redis-server, node" in demo.errors() and "apt install redis-server nodejs" in demo.errors(),
           "Python alone: says what is missing", demo.errors())
        ok([p["program"] for p in json.loads(demo.output)["programs"]] == ["python3"],
           "Python alone: there is no other", demo.output)
        demo.check_nothing_left("Python alone")
        os.unlink(f"{path}/python3")
        pathlib.Path(f"{path}/python3").write_text("#!/bin/sh\necho no luck today >&2\nexit 1\n")
        os.chmod(f"{path}/python3", 0o755)
        demo = Demo(*SMALL, "--quiet", environment={"PATH": path})
        ok(demo.finish() == 1, "a Python that fails: failure", demo.process.returncode)
        ok("no luck today" in demo.errors(), "a Python that fails: its last words", demo.errors())
        demo.check_nothing_left("a Python that fails")


def on_terminal(columns, environment, interrupt_at=None):
    """Runs the demo on a terminal: its status and all it wrote."""
    folder = tempfile.mkdtemp(prefix="memhint-test.", dir="/var/tmp")
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = dict(os.environ, TMPDIR=folder, TERM="xterm", LC_ALL="C.UTF-8", **environment)
    process = subprocess.Popen([MEMHINT, "demo", *SMALL, "--swap", "zram"], env=env, stdin=child,
                               stdout=child, stderr=child, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(child)
    output, pressed = b"", False
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # the last one has closed it
            break
        output += data
        if interrupt_at and not pressed and interrupt_at in output:
            pressed = True
            os.write(parent, b"\x03")
    os.close(parent)
    status = process.wait()
    ok(not os.listdir(folder), f"terminal of {columns} columns: no file is left", os.listdir(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return status, output.decode(errors="replace")


def test_terminal():
    status, text = on_terminal(120, {})
    ok(status == 0, "on a terminal: succeeds", text[-2000:])
    ok("\033[32m" in text, "on a terminal: colours")
    ok(text.count("PROGRAM ") > 10 and "\033[" in text, "on a terminal: the table is drawn over and over")
    ok("▒" in text and "█" in text, "on a terminal: bars")
    ok(re.search(r"paging out \S+ \d+%|paging out \S+: \d+%", text), "on a terminal: progress")
    last = text[text.rindex("PROGRAM "):]
    ok("DATA" in last and last.count("intact") >= 2 and "saved" in last, "on a terminal: the end", last)

    status, text = on_terminal(50, {"NO_COLOR": "1"})
    ok(status == 0, "NO_COLOR: succeeds", text[-2000:])
    ok(not re.search(r"\033\[[0-9;]*m", text), "NO_COLOR: no colours")
    plain = re.sub(r"\033\[\??[0-9;]*[a-zA-Z]", "", text[text.rindex("PROGRAM "):])
    table = plain.replace("\r", "").split("\n\n")[0].split("\n")
    ok(len(table) > 1 and all(len(line) <= 50 for line in table), "narrow: the table fits", plain)
    ok("FIRST" not in plain and "SAVED" in plain, "narrow: the most important columns stay", plain)

    status, text = on_terminal(80, {}, b"paging out")
    ok(status == 130, "Ctrl-C: exit status", status)
    ok(text.rstrip().endswith("interrupted; everything was removed"), "Ctrl-C: says so", text[-500:])


def free_swap():
    with open("/proc/meminfo") as file:
        return int(re.search(r"SwapFree: *([0-9]+) kB", file.read())[1]) << 10


def test_existing_swap():
    """Swap that was there before is used if it is enough, and stays as it is."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        for megabytes, enough in (1024, True), (16, False):
            name = f"{megabytes} MiB of swap there"
            path = f"{folder}/{megabytes}"
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            os.posix_fallocate(descriptor, 0, megabytes << 20)
            os.close(descriptor)
            subprocess.run(["mkswap", path], check=True, capture_output=True)
            subprocess.run(["swapon", path], check=True)
            try:
                # A machine may have swap of its own, which counts as well.
                enough = enough or free_swap() > 512 << 20
                demo = Demo(*SMALL, "--json", "--verbose")
                ok(demo.finish() == 0, f"{name}: succeeds", demo.errors())
                result = json.loads(demo.output)
                others = (demo.swaps | swaps()) - {path}
                if others:
                    skip(f"{name}: more is made only if needed", f"there is other swap: {others}")
                else:
                    ok(result["swap"]["made"] is not enough, f"{name}: more is made only if needed",
                       result)
                ok(result["totals"]["swap_bytes"] > 0, f"{name}: is used", result)
                demo.check_nothing_left(name)
                ok(path in swaps(), f"{name}: is still there", swaps())
            finally:
                subprocess.run(["swapoff", path], check=True)


def test_plain():
    demo = Demo(*SMALL, "--swap", "zram")
    ok(demo.finish() == 0, "plain: succeeds", demo.errors())
    text = demo.output.decode()
    ok("\033" not in text, "plain: no control sequences", text)
    ok(text.count("PROGRAM ") == 1 and text.rstrip().split("\n")[-1].startswith("saved "),
       "plain: one table, and the totals in the last line", text)
    ok(not demo.errors(), "plain: nothing on stderr", demo.errors())
    demo.check_nothing_left("plain")


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    if not any(shutil.which(program) for program in ("redis-server", "node")):
        print("1..0 # SKIP neither redis-server nor node is installed")
        return 0
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    test_results()
    test_interrupts()
    test_deaths()
    test_double_kill()
    test_refusals()
    test_missing_programs()
    test_terminal()
    test_existing_swap()
    test_plain()
    print(f"1..{count}")
    return failed != 0


sys.exit(main())
