#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every program in examples/ does what it says, and can be built as its comment says."""
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

import documents
from documents import same
from harness import MIB, Target, done, ok, skip, wait_for_line

TESTED = set()
MESON = shlex.split(os.environ["MESON"])


def path(name):
    TESTED.add(name)
    return str(documents.BUILD / "examples" / f"example-{name}")


def run(name, *arguments):
    return subprocess.run([path(name), *map(str, arguments)], capture_output=True, text=True, check=False,
                          timeout=100)


def numbers(text):
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


def check_cold_one():
    with Target(f"anon={4 * MIB}", f"reserve={8 * MIB}") as target:
        shown = run("cold-one", target.pid)
        first = re.search(r"advised (\d+) of (\d+) bytes in (\d+) system calls", shown.stdout)
        if ok(shown.returncode == 0 and first, "cold-one: runs on a process", shown):
            advised, requested, calls = map(int, first.groups())
            left_out = sum(map(int, re.findall(r"left out (\d+) bytes", shown.stdout)))
            ok(advised >= 4 * MIB and calls > 0, "cold-one: advises what there is", shown.stdout)
            ok("bytes: empty" in shown.stdout and left_out >= 8 * MIB, "cold-one: leaves out what is not there",
               shown.stdout)
            ok(requested == advised + left_out, "cold-one: accounts for all of it", shown.stdout)
    shown = run("cold-one", target.pid)
    ok(shown.returncode == 1 and "has ended" in shown.stderr and not shown.stdout,
       "cold-one: says that a process is gone", shown)


def check_map_report():
    with Target(f"anon={4 * MIB}", f"reserve={8 * MIB}", f"shmem={MIB}") as target:
        shown = run("map-report", target.pid)
        with open(f"/proc/{target.pid}/maps", encoding="utf-8") as maps:
            mappings = len(maps.readlines())
        kinds = {line.split()[0]: numbers(line) for line in shown.stdout.splitlines()[1:]}
        ok(shown.returncode == 0 and shown.stdout.startswith(f"{target.pid}:"), "map-report: runs on a process", shown)
        ok(kinds["anon"][1] >= 12 * MIB and kinds["anon"][2] + kinds["anon"][3] in range(4 * MIB, 8 * MIB),
           "map-report: anonymous memory, there and not there", shown.stdout)
        ok(kinds["shmem"][2] + kinds["shmem"][3] >= MIB, "map-report: shared memory", shown.stdout)
        ok(sum(values[0] for values in kinds.values()) == mappings, "map-report: counts every mapping", shown.stdout,
           mappings)


def check_pageout_gently():
    with Target(f"anon={4 * MIB}") as target:
        shown = run("pageout-gently", target.pid, 1 << 30)
        first = re.search(r"done: advised (\d+), skipped (\d+), failed (\d+) of (\d+) bytes", shown.stdout)
        if ok(shown.returncode == 0 and first, "pageout-gently: runs to the end", shown):
            advised, skipped, failed, requested = map(int, first.groups())
            ok(advised + skipped + failed == requested and advised >= 4 * MIB,
               "pageout-gently: accounts for all of it", shown.stdout)
            ok("resident: " in shown.stdout, "pageout-gently: measures", shown.stdout)
            ok(f"of {advised + failed} bytes" in shown.stderr.splitlines()[-1], "pageout-gently: tells how far it is",
               shown.stderr)
    with Target(f"anon={4 * MIB}") as target:
        # At this rate it would take hours.
        process = subprocess.Popen([path("pageout-gently"), str(target.pid), "100"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        wait_for_line(process.stderr, "bytes")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=100)
        ok(process.returncode == 0 and out.startswith(b"cancelled: "), "pageout-gently: stops on Ctrl-C", out)


def check_guarded():
    with Target(f"anon={4 * MIB}") as target:
        shown = run("guarded", "dontdump", target.pid)
        first = re.fullmatch(r"dontdump under guard freeze, by way of inject: (\d+) bytes; it stood still for (\d+) us\n",
                             shown.stdout)
        if ok(shown.returncode == 0 and first, "guarded: runs on a process", shown):
            ok(int(first.group(1)) >= 4 * MIB and int(first.group(2)) > 0, "guarded: advises all, and for how long",
               shown.stdout)
        with open(f"/proc/{target.pid}/smaps", encoding="utf-8") as smaps:
            ok(" dd" in smaps.read(), "guarded: the advice is there afterwards")
        refused = run("guarded", "dontneed", target.pid)
        ok(refused.returncode == 1 and "would destroy data" in refused.stderr, "guarded: destroys nothing", refused)


def check_vectored_self():
    shown = run("vectored-self")
    page = os.sysconf("SC_PAGE_SIZE")
    ok(shown.returncode == 0 and
       shown.stdout == f"advised {2000 * page} bytes in 2000 ranges: 2000 blocks given back, 2000 kept, "
       "0 of them wrongly\n",
       "vectored-self: gives back every second block", shown)


def check_building():
    """As the comment in each example says, against the library as it is installed."""
    sources = sorted((documents.ROOT / "examples").glob("*.c"))
    same({source.stem for source in sources}, TESTED, "every example is tested")
    if not shutil.which("pkg-config"):
        skip("examples build as they say", "there is no pkg-config")
        return
    with tempfile.TemporaryDirectory() as directory:
        installed = subprocess.run([*MESON, "install", "-C", str(documents.BUILD), "--no-rebuild", "--quiet",
                                    "--destdir", f"{directory}/root"], capture_output=True, text=True, check=False)
        if ok(installed.returncode == 0, "everything installs", installed.stdout, installed.stderr):
            check_installed(pathlib.Path(directory, "root"))
            build_all(sources, directory)


def check_installed(root):
    for pattern in ("bin/memhint", "include/memhint/memhint.h", "lib*/**/libmemhint.so", "lib*/**/pkgconfig/libmemhint.pc",
                    "share/bash-completion/completions/memhint", "share/zsh/site-functions/_memhint",
                    "share/fish/vendor_completions.d/memhint.fish"):
        ok(list(root.glob(f"**/{pattern}")), f"{pattern} is installed")
    if os.environ["DOCS_BUILT"]:
        pages = {path.name for path in root.glob("**/man/man?/*")}
        wanted = {f"{name}.{section}" for section in (1, 3) for page in documents.pages(section)
                  for name in page.names()} | {page.name for section in (1, 3) for page in documents.pages(section)}
        same(pages, wanted, "the man pages that are installed")
    else:
        skip("the man pages that are installed", "this build has no man pages (-Ddocs)")


def build_all(sources, directory):
    cc = shlex.split(os.environ["CC"])
    more = [] if os.environ["SANITIZE"] == "none" else [f"-fsanitize={os.environ['SANITIZE']}"]
    library = next(pathlib.Path(directory, "root").glob("**/libmemhint.so")).parent
    environment = {**os.environ, "PKG_CONFIG_PATH": f"{library}/pkgconfig",
                   "PKG_CONFIG_SYSROOT_DIR": f"{directory}/root"}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmemhint"], capture_output=True, text=True,
                           check=False, env=environment)
    ok(flags.returncode == 0 and "-lmemhint" in flags.stdout, "pkg-config knows libmemhint", flags)
    for source in sources:
        ok(f"cc {source.name} $(pkg-config --cflags --libs libmemhint) -o {source.stem}" in
           source.read_text(encoding="utf-8"), f"{source.name}: says how it is built")
        program = f"{directory}/{source.stem}"
        built = subprocess.run([*cc, *more, "-Wall", "-Wextra", "-Werror", str(source), *shlex.split(flags.stdout),
                                "-o", program], capture_output=True, text=True, check=False)
        if ok(built.returncode == 0, f"{source.name}: builds as it says", built.stderr):
            ran = subprocess.run([program, str(os.getpid())][:1 if source.stem == "vectored-self" else 2],
                                 capture_output=True, text=True, check=False,
                                 env={**os.environ, "LD_LIBRARY_PATH": str(library)})
            # With one argument it says how it is used.
            ok(ran.returncode == 0 or "usage:" in ran.stderr, f"{source.name}: and then runs", ran)


def main():
    check_cold_one()
    check_map_report()
    check_pageout_gently()
    check_guarded()
    check_vectored_self()
    check_building()
    done()


if __name__ == "__main__":
    main()
