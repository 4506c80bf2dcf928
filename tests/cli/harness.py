# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the command share: TAP, running memhint, processes to run it on."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

MEMHINT, TARGET = sys.argv[1:3]
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20

_count = 0
_failed = 0


def ok(passed, name, *details):
    global _count, _failed
    _count += 1
    name = name.replace("#", "\\#")
    print(f"{'ok' if passed else 'not ok'} {_count} - {name}", flush=True)
    if not passed:
        _failed += 1
        caller = sys._getframe(1)
        while caller.f_code.co_filename == __file__:
            caller = caller.f_back
        print(f"# failed at line {caller.f_lineno} of {os.path.basename(caller.f_code.co_filename)}")
        for detail in details:
            for line in str(detail).splitlines():
                print(f"#   {line}")
        sys.stdout.flush()
    return passed


def equal(have, want, name, *details):
    return ok(have == want, name, f"have {have!r}", f"want {want!r}", *details)


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failed else 0)


def environment(**changes):
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "POSIXLY_CORRECT")}
    env.update({"LC_ALL": "C.UTF-8", "TERM": "xterm"})
    env.update(changes)
    return {k: v for k, v in env.items() if v is not None}


class Result:
    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    def __str__(self):
        return f"memhint {' '.join(self.args)}: {self.status}\n{self.out}\n{self.err}"

    def json(self):
        return json.loads(self.out)

    def row(self, pid):
        """The cells of the row of a table that has a PID in the first column."""
        for line in self.out.splitlines():
            if line.split()[:1] == [str(pid)]:
                return line.split()
        return None


def run(*args, env=None, prefix=(), **more):
    args = [str(a) for a in args]
    finished = subprocess.run([*prefix, MEMHINT, *args], stdin=subprocess.DEVNULL, capture_output=True,
                              env=env or environment(), timeout=100, **more)
    return Result(args, finished.returncode, finished.stdout.decode("utf-8", "replace"),
                  finished.stderr.decode("utf-8", "replace"))


def start(*args, prefix=()):
    """Begins memhint; finish() ends the wait for it."""
    return subprocess.Popen([*prefix, MEMHINT, *map(str, args)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())


def finish(process):
    out, err = process.communicate(timeout=100)
    return Result(process.args[1:], process.returncode, out.decode(), err.decode())


def wait_for_line(stream, part):
    """Reads lines until one holds @part; without it the test makes no sense."""
    while True:
        line = stream.readline()
        if not line:
            raise RuntimeError(f"no line with {part!r} came")
        if part in line.decode("utf-8", "replace"):
            return line.decode("utf-8", "replace")


def run_on_terminal(*args, env=None, columns=120, stream="stdout"):
    """Runs memhint with one of its streams on a terminal: (status, what the terminal saw, the other)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: slave}
    process = subprocess.Popen([MEMHINT, *map(str, args)], stdin=subprocess.DEVNULL,
                               env=env or environment(), **streams)
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: the last writer is gone
            break
        if not part:
            break
        seen += part
    os.close(master)
    other = process.stderr if stream == "stdout" else process.stdout
    rest = other.read()
    other.close()
    return process.wait(), seen.decode("utf-8", "replace"), rest.decode("utf-8", "replace")


class Target:
    """A process with memory as told; see memory-target.c."""

    def __init__(self, *args, prefix=()):
        self.process = subprocess.Popen([*prefix, TARGET, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answer = json.loads(self.process.stdout.readline())
        self.made = answer["ready"]
        self.answer = answer
        self.pid = self.process.pid
        self.mappings = answer.get("mappings", [])
        while self.made and self.state() != "S":  # its answer comes a little before it waits
            os.sched_yield()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def state(self):
        with open(f"/proc/{self.pid}/stat", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def range(self, number=0):
        mapping = self.mappings[number]
        return f"{mapping['start']:x}-{mapping['start'] + mapping['size']:x}"


def states(pid):
    """The states of all threads of a process; empty once it is gone."""
    found = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", errors="replace") as file:
                found.add(file.read().rsplit(")", 1)[1].split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def wait_for_state(pid, state):
    """Until all threads of a process are in one state: "t" stopped by a tracer, "T" by a signal, "S"."""
    given_up = time.monotonic() + 60  # it will never be so
    while states(pid) != {state}:
        if time.monotonic() > given_up:
            raise RuntimeError(f"process {pid} is {states(pid)}, and never {state}")
        if not os.path.exists(f"/proc/{pid}"):
            raise RuntimeError(f"process {pid} is gone before it was {state}")
        os.sched_yield()


class Cgroup:
    """A control group of version 2 of the test's own, removed at the end of the block."""

    @classmethod
    def make(cls):
        """A new one below the root, or None where there can be none."""
        with open("/proc/self/mounts") as file:
            mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
        for mount in mounts:
            try:
                name = f"/memhint-test-{os.getpid()}-{len(os.listdir(mount))}"
                os.mkdir(mount + name)
                return cls(mount, name)
            except OSError:
                continue
        return None

    def __init__(self, mount, path):
        self.mount, self.path = mount, path
        self.members = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.write("cgroup.freeze", "0")
        for pid in self.members:
            if os.path.exists(f"/proc/{pid}"):
                with open(f"{self.mount}/cgroup.procs", "w") as file:
                    file.write(str(pid))
        while "populated 1" in self.read("cgroup.events"):
            os.sched_yield()
        os.rmdir(self.mount + self.path)

    def add(self, pid):
        self.write("cgroup.procs", str(pid))
        self.members.append(pid)

    def read(self, name):
        with open(f"{self.mount}{self.path}/{name}") as file:
            return file.read().strip()

    def write(self, name, text):
        with open(f"{self.mount}{self.path}/{name}", "w") as file:
            file.write(text)


class Tracer:
    """A process that traces another one, as a debugger that lets it run."""
    SCRIPT = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.prctl(1, signal.SIGKILL)
pid = int(sys.argv[1])
for thread in os.listdir(f"/proc/{pid}/task"):
    if libc.ptrace(0x4206, int(thread), None, None) < 0:  # PTRACE_SEIZE
        sys.exit(os.strerror(ctypes.get_errno()))
print("seized", flush=True)
while True:
    try:
        thread, status = os.waitpid(-1, 0x40000000)  # __WALL
    except ChildProcessError:
        break
    if os.WIFSTOPPED(status):
        # Stops of the whole process are listened to, signals passed on. Source: ptrace(2)
        if status >> 16 == 128 and os.WSTOPSIG(status) != signal.SIGTRAP:
            libc.ptrace(0x4208, thread, None, None)  # PTRACE_LISTEN
        else:
            number = os.WSTOPSIG(status) if status >> 16 == 0 else 0
            libc.ptrace(7, thread, None, number)  # PTRACE_CONT
"""

    def __init__(self, pid):
        self.process = subprocess.Popen([sys.executable, "-c", self.SCRIPT, str(pid)], stdout=subprocess.PIPE)
        wait_for_line(self.process.stdout, "seized")
        self.pid = self.process.pid
        with open(f"/proc/{self.pid}/comm") as file:
            self.comm = file.read().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Zombie:
    """A child that has ended and was not waited for."""

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(0)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        return self

    def __exit__(self, *_):
        os.waitpid(self.pid, 0)


def dead_pid():
    """A PID that no process can have: they are all below this limit."""
    with open("/proc/sys/kernel/pid_max") as file:
        return int(file.read())


def as_nobody(*capabilities):
    """
    What makes a command run as an ordinary user, with some capabilities perhaps. One always: to read
    and run files in directories that are closed to that user, since the build may lie in one.
    """
    caps = ",".join(["-all", *(f"+{c}" for c in ("dac_read_search", *capabilities))])
    return ["setpriv", "--reuid", "65534", "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}"]


def nobody_is_possible():
    """Whether another user can run memhint: not without root."""
    return os.geteuid() == 0 and subprocess.run([*as_nobody(), MEMHINT, "--version"],
                                                capture_output=True).returncode == 0


def without_swap():
    """What makes a command see no swap, whatever the machine has; None where that cannot be done."""
    prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /proc/swaps && exec "$0" "$@"']
    done = subprocess.run([*prefix, "cat", "/proc/swaps"], capture_output=True)
    return prefix if done.returncode == 0 and not done.stdout else None


def kernel_thread():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    flags = int(file.read().rsplit(")", 1)[1].split()[6])
            except OSError:
                continue
            if flags & 0x00200000:
                return int(name)
    return None


def shape(value, want, path="$"):
    """Compares a value with a description of it: a list of what is wrong.

    A description is a type, a tuple of alternatives, [description of each item], a dictionary of keys
    ("key?" may be absent), or a compiled pattern for a string.
    """
    if isinstance(want, tuple):
        return [] if any(not shape(value, w, path) for w in want) else [f"{path}: {value!r} is none of {want}"]
    if isinstance(want, dict):
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        wrong = []
        for key, inner in want.items():
            name = key.rstrip("?")
            if name in value:
                wrong += shape(value[name], inner, f"{path}.{name}")
            elif not key.endswith("?"):
                wrong.append(f"{path}.{name}: is missing")
        known = {k.rstrip("?") for k in want}
        return wrong + [f"{path}.{k}: is not described" for k in value if k not in known and "*" not in known]
    if isinstance(want, list):
        if not isinstance(value, list):
            return [f"{path}: no array"]
        return [w for i, item in enumerate(value) for w in shape(item, want[0], f"{path}[{i}]")]
    if isinstance(want, re.Pattern):
        return [] if isinstance(value, str) and want.fullmatch(value) else [f"{path}: {value!r} does not match"]
    if want is None:
        return [] if value is None else [f"{path}: {value!r} is not null"]
    if want is int:
        return [] if isinstance(value, int) and not isinstance(value, bool) else [f"{path}: {value!r} is no number"]
    return [] if isinstance(value, want) else [f"{path}: {value!r} is no {want.__name__}"]


def one_sentence(result, *words):
    """Whether stderr is one complaint that names these words, and stdout is empty."""
    lines = result.err.splitlines()
    return (len(lines) == 1 and lines[0].startswith("memhint: ") and not result.out
            and all(word in lines[0] for word in words))


def complains(status, words, *args, name=None, **more):
    """memhint refuses: this status, one sentence with these words, nothing on stdout."""
    result = run(*args, **more)
    words = [words] if isinstance(words, str) else words
    ok(result.status == status and one_sentence(result, *words),
       name or f"{' '.join(map(str, args)) or 'no arguments'}: {words[0]}",
       f"want status {status} and one sentence with {words}", result)
    return result


def common_target_complaints(verb, *extra):
    """What every verb says of a target that cannot be: the lines of the table of bad input."""
    complains(2, "not a process id", verb, *extra, "12x")
    complains(2, "not a process id", verb, *extra, "--pid", "")
    complains(2, "not a process id", verb, *extra, "+5")
    complains(2, "not a process id", verb, *extra, "--", "-5")
    complains(2, "no process can have", verb, *extra, "0")
    complains(2, "no process can have", verb, *extra, "99999999999")
    complains(2, "not a process id", verb, *extra, "99999999999999999999999999999999999999")
    complains(2, "not an inode", verb, *extra, "1:")
    complains(2, "not an inode", verb, *extra, "1:0")
    complains(2, "not an inode", verb, *extra, "1:5x")
    complains(2, "no such user", verb, *extra, "--user", "nobody-by-this-name")
    complains(2, "empty", verb, *extra, "--comm", "")
    complains(2, "needs an argument", verb, *extra, "--comm")
    complains(2, "no option --frobnicate", verb, *extra, "--frobnicate")
    complains(2, "no option -Z", verb, *extra, "-Z")
    complains(2, "takes no argument", verb, *extra, "--json=yes")
    complains(2, "is --json meant", verb, *extra, "--jsom")
    complains(5, "no process matches", verb, *extra, "--comm", "no-such-name-anywhere")
    complains(5, "no process matches", verb, *extra, "--exe", "/no/such/*/program")
    complains(5, "no process matches", verb, *extra, "--unit", "no-such-unit")
    complains(5, "no control group '/no/such/group'", verb, *extra, "--cgroup", "/no/such/group")
    complains(5, "no control group '/no/such/group'", verb, *extra, "--cgroup", "/no/such/group", "--comm", "no-such")
