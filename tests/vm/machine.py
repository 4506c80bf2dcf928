#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests of a build directory in a virtual machine with another kernel, and prints one TAP stream.

usage: machine.py [--fetch] KERNEL BUILD [--suite SUITE]... [TEST]...

The kernels are Debian's. Their packages are fetched with apt-get into a cache, $XDG_CACHE_HOME/memhint
(else ~/.cache/memhint), and unpacked there; nothing is installed, and the machine's own lists of packages
are not touched. The machine is QEMU's, without a disk: all that it runs is in its initramfs, which is never
a file. It ends with this program, however that ends.
"""
import argparse
import ctypes
import dataclasses
import gzip
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
BOOT_SECONDS = 120
# Emulation is slow, and more so on a machine that does something else as well.
SLOWER = 5
# What tests start of the programs that are everywhere.
PROGRAMS = "busybox-static"
APPLETS = ["cat", "sh", "sleep", "true"]


@dataclasses.dataclass
class Kernel:
    architecture: str # as Debian calls it
    release: str
    package: str
    qemu: list
    console: str
    libraries: list # where the libraries of programs for it are, on this machine


KERNELS = {
    # Pointer authentication with the architecture's own algorithm would take most of the time.
    "arm64-6.1": Kernel("arm64", "bookworm", "linux-image-cloud-arm64",
                        ["qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on"], "ttyAMA0",
                        ["/usr/aarch64-linux-gnu/lib"]),
}


class Problem(Exception):
    """What keeps the tests from being run, as a sentence."""


def output(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise Problem(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Packages:
    """Debian's packages of one release and architecture, by apt-get with lists of its own."""

    def __init__(self, folder, kernel):
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        self.folder = folder
        (folder / "sources.list").write_text(
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
            f"{self.mirror()} {kernel.release} main\n", encoding="utf-8")
        settings = {"Dir::State": folder / "state", "Dir::State::status": folder / "status",
                    "Dir::Cache": folder / "cache", "Dir::Etc::SourceList": folder / "sources.list",
                    "Dir::Etc::SourceParts": "/dev/null", "APT::Architecture": kernel.architecture,
                    "APT::Architectures": kernel.architecture, "Acquire::Languages": "none",
                    # The folder is the user's alone; apt's own user cannot get at it.
                    "APT::Sandbox::User": "root" if os.getuid() == 0 else ""}
        self.options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        output("apt-get", *self.options, "update")

    @staticmethod
    def mirror():
        """The one that this machine uses."""
        for line in output("apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)",
                           "Created-By: Packages").splitlines():
            place, _, label = line.partition(" ")
            if label == "Debian":
                return place
        return "http://deb.debian.org/debian"

    def newest(self, package):
        """The package that an otherwise empty one is there to name."""
        found = re.search(r"^\s*Depends: (linux-image-\S+)$",
                          output("apt-cache", *self.options, "depends", package), re.M)
        return found.group(1) if found else package

    def unpack(self, package, target):
        output("apt-get", *self.options, "download", package, cwd=self.folder)
        (archive,) = self.folder.glob(f"{package}_*.deb")
        output("dpkg-deb", "--extract", archive, target)


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "memhint"


def fetched(name, kernel, again):
    """The folder that has the packages for a kernel unpacked; fetched if they are not there yet."""
    place, wanted = cache() / name, f"{kernel.package} {PROGRAMS}"
    stamp = place / "packages"
    if again or not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        for tool in ("apt-get", "dpkg-deb"):
            if not shutil.which(tool):
                raise Problem(f"kernels are fetched with {tool}, which this machine has not")
        cache().mkdir(parents=True, exist_ok=True)
        print(f"# fetching {kernel.package} of {kernel.release}", flush=True)
        with tempfile.TemporaryDirectory(dir=cache(), prefix="fetch.") as folder:
            packages = Packages(pathlib.Path(folder), kernel)
            unpacked = pathlib.Path(folder) / "unpacked"
            for package in packages.newest(kernel.package), PROGRAMS:
                packages.unpack(package, unpacked)
            (unpacked / "packages").write_text(wanted, encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            # Whole or not at all.
            os.rename(unpacked, place)
    return place


class Archive:
    """An initramfs: cpio(5) in its "newc" form."""

    def __init__(self):
        self.names, self.parts = set(), []

    def entry(self, name, mode, content=b""):
        if name in self.names:
            return
        parent = os.path.dirname(name)
        if parent:
            self.entry(parent, 0o40755)
        self.names.add(name)
        coded = name.encode() + b"\0"
        fields = [len(self.parts) + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(coded), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + coded
        self.parts.append(head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4))

    def file(self, path, name=None):
        path = pathlib.Path(path)
        name = (name or str(path.absolute())).lstrip("/")
        if path.is_dir():
            self.entry(name, 0o40755)
            for inner in sorted(path.iterdir()):
                self.file(inner, f"{name}/{inner.name}")
        else:
            self.entry(name, 0o100000 | path.stat().st_mode & 0o777, path.read_bytes())

    def pack(self):
        self.entry("TRAILER!!!", 0)
        return gzip.compress(b"".join(self.parts), compresslevel=1)


class Tests:
    """Those of a build directory that are programs of its own, with all that they need."""

    def __init__(self, build, kernel, suites, names):
        self.build, self.kernel = build.resolve(), kernel
        info = self.build / "meson-info"
        if not info.is_dir():
            raise Problem(f"{build} is no build directory")
        targets = json.loads((info / "intro-targets.json").read_text(encoding="utf-8"))
        self.files = {target["id"]: target["filename"] for target in targets}
        self.chosen = []
        for test in json.loads((info / "intro-tests.json").read_text(encoding="utf-8")):
            suite = test["suite"][0].rpartition(":")[2]
            if (not suites or suite in suites) and (not names or test["name"] in names) \
               and test["protocol"] == "tap" and self.program(test).is_relative_to(self.build):
                self.chosen.append((f"{suite}-{test['name']}", test))
        missing = set(names) - {test["name"] for _, test in self.chosen}
        if missing or not self.chosen:
            raise Problem(f"{build} has no such tests: {' '.join(missing) or 'none at all'}")

    @staticmethod
    def program(test):
        """Without what meson puts in front for running it here."""
        return next(pathlib.Path(word) for word in test["cmd"] if "qemu-" not in word and word.startswith("/")
                    and os.access(word, os.X_OK) and not os.path.isdir(word))

    def arguments(self, test):
        return test["cmd"][test["cmd"].index(str(self.program(test))):]

    def seconds(self):
        return sum(int(test["timeout"]) * SLOWER for _, test in self.chosen)

    def libraries(self, path, archive, seen):
        """What a program is linked with, and what that is."""
        text = output("readelf", "-dlW", path)
        folders = re.findall(r"R(?:UN)?PATH.*\[(.*)\]", text)
        places = [pathlib.Path(folder.replace("$ORIGIN", str(path.parent)))
                  for line in folders for folder in line.split(":")] + list(map(pathlib.Path, self.kernel.libraries))
        needed = re.findall(r"NEEDED.*\[(.*)\]", text)
        needed += [os.path.basename(name) for name in re.findall(r"interpreter: (.*)\]", text)]
        for name in needed:
            if name not in seen:
                seen.add(name)
                found = next((place / name for place in places if (place / name).exists()), None)
                if not found:
                    raise Problem(f"{path} needs {name}, which is not in {' '.join(map(str, places))}")
                archive.file(found, f"lib/{name}")
                self.libraries(found, archive, seen)

    def put_into(self, archive):
        lines, seen = [], set()
        for name, test in self.chosen:
            # And the programs that a test starts.
            programs = sum((self.files[target] for target in test["depends"]), [str(self.program(test))])
            for program in filter(lambda path: os.access(path, os.X_OK), programs):
                archive.file(program)
                self.libraries(pathlib.Path(program), archive, seen)
            words = self.arguments(test)
            # Fixtures, corpora: as far as they are in the tree, at the same place.
            for word in words[1:] + list(test["env"].values()):
                if word.startswith(f"{ROOT}/") and os.path.exists(word) and str(self.build) not in word:
                    archive.file(word)
            lines += [f"env {key}={value}" for key, value in {**test["env"], "PATH": "/bin"}.items()]
            lines += [f"arg {word}" for word in words] + [f"run {name} {int(test['timeout']) * SLOWER}"]
        archive.file(self.build / "tests/vm/vm-init", "init")
        archive.entry("tests", 0o100644, ("\n".join(lines) + "\n").encode())


class Stream:
    """Many streams of TAP in, one out."""

    def __init__(self):
        self.count = self.failed = self.skipped = 0
        self.begin(None)

    def begin(self, name):
        self.name, self.seen, self.plan, self.bad = name, 0, None, None

    def result(self, good, text):
        self.count += 1
        self.failed += not good
        self.skipped += "# SKIP" in text
        print(f"{'ok' if good else 'not ok'} {self.count} - {text}", flush=True)

    def line(self, text):
        found = re.match(r"(ok|not ok)\b(?: \d+)?(?: -)? ?(.*)", text)
        if found:
            self.seen += 1
            self.result(found.group(1) == "ok", f"{self.name}: {found.group(2)}")
        elif re.match(r"1\.\.\d+", text):
            self.plan = int(re.match(r"1\.\.(\d+)", text).group(1))
            if self.plan == 0:
                self.result(True, f"{self.name} {text[4:].strip()}")
        elif text.startswith("Bail out!"):
            self.bad = text
        else:
            print(f"# {text}" if not text.startswith("#") else text, flush=True)

    def end(self, how):
        """What the lines do not say: whether it came to its end."""
        if how not in ("exit 0", "exit 1") or self.bad:
            self.result(False, f"{self.name}: ended with {self.bad or how}")
        elif self.plan != self.seen:
            self.result(False, f"{self.name}: {self.seen} results of {self.plan}")
        self.begin(None)


def with_parent():
    """The machine ends when this program is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def lines_of(process, deadline):
    """What comes over the serial line, until its end or the deadline."""
    rest = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise Problem("the machine took too long")
        piece = os.read(process.stdout.fileno(), 65536)
        if not piece:
            break
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")


def run(kernel, place, tests):
    archive, stream, done, other = Archive(), Stream(), False, []
    tests.put_into(archive)
    for name in APPLETS:
        # Copies: tests look for the name among the mappings.
        archive.file(place / "bin/busybox", f"bin/{name}")
    # A file that is only in memory, so that none is left behind.
    initramfs = os.memfd_create("initramfs", 0)
    with os.fdopen(initramfs, "wb", closefd=True) as file:
        file.write(archive.pack())
        file.flush()
        command = [*kernel.qemu, "-accel", "tcg", "-smp", "2", "-m", "1024", "-display", "none", "-nic", "none",
                   "-no-reboot", "-nodefaults", "-serial", "stdio",
                   "-kernel", next(place.glob("boot/vmlinuz-*")),
                   "-initrd", f"/proc/self/fd/{initramfs}",
                   "-append", f"console={kernel.console} quiet loglevel=1 panic=-1"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, pass_fds=[initramfs], preexec_fn=with_parent) as process:
            try:
                for line in lines_of(process, time.monotonic() + BOOT_SECONDS + tests.seconds()):
                    word, _, text = line.partition(" ")
                    if line.startswith("|"):
                        stream.line(line[1:])
                    elif word == "@begin":
                        stream.begin(text)
                    elif word == "@end":
                        stream.end(text.partition(" ")[2])
                    elif word == "@done":
                        done = True
                    else:
                        other.append(line)
            finally:
                process.kill()
    if not done:
        tail = "".join(f"\n#   {line}" for line in other[-20:])
        stream.result(False, f"the machine came to its end{tail}")
    print(f"1..{stream.count}")
    return stream.failed == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fetch", action="store_true", help="fetch the kernel again")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("kernel", choices=KERNELS)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("test", nargs="*")
    words = parser.parse_intermixed_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    kernel = KERNELS[words.kernel]
    try:
        if not shutil.which(kernel.qemu[0]):
            raise Problem(f"{kernel.qemu[0]} is not installed")
        tests = Tests(words.build, kernel, words.suite, words.test)
        good = run(kernel, fetched(words.kernel, kernel, words.fetch), tests)
    except Problem as problem:
        print(f"Bail out! {problem}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
