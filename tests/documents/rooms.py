#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may use whom: the rooms of docs/ARCHITECTURE.md, as #include lines and link lines show them."""
import re
import subprocess

import documents
from documents import same
from harness import done, ok

LGPL, GPL = "LGPL-2.1-or-later", "GPL-2.0-or-later"
LINES_WARN, LINES_MAX = 800, 1500

# Room -> (rooms that it may include from, systems' libraries that it may use).
ROOMS = {
    "include/memhint": (set(), set()),
    "src/util": (set(), set()),
    "src/lib": ({"src/util", "include/memhint"}, set()),
    "src/bpf": ({"src/util", "src/lib", "bpf", "include/memhint"}, {"bpf"}),
    "bpf": (set(), {"bpf"}),
    "src/shared": ({"src/util", "include/memhint"}, {"smartcols"}),
    "src/cli": ({"src/util", "src/shared", "include/memhint"}, set()),
    "tests": ({"src/util", "src/lib", "src/shared", "src/cli", "include/memhint"}, set()),
    "bench": ({"src/util", "src/lib", "src/shared", "tests", "include/memhint"}, set()),
    "examples": ({"include/memhint"}, set()),
}

# Headers that belong to a library that is not libc.
LIBRARY_HEADERS = {
    "bpf": re.compile(r"^(bpf/|.*\.skel\.h$)"),
    "smartcols": re.compile(r"^libsmartcols"),
    "systemd": re.compile(r"^systemd/"),
    "ncurses": re.compile(r"^(n?curses|ncursesw/)"),
    "sqlite": re.compile(r"^sqlite"),
    "json-c": re.compile(r"^json-c/"),
}

# Room -> what its meson.build may name. Of libmemhint the programs see the shared library only.
DEPENDENCIES = {
    "src/util": set(),
    "src/lib": {"util_dep", "dl_dep", "thread_dep"},
    "src/bpf": {"bpf_dep", "util_dep", "thread_dep"},
    "src/shared": {"util_dep", "smartcols_dep", "memhint_dep"},
    "src/cli": {"memhint_dep", "shared_dep", "util_dep"},
    "examples": {"memhint_dep"},
}


def room_of(path):
    """The room that a file is in: the longest that its path begins with."""
    return max((room for room in ROOMS if str(path).startswith(room + "/")), key=len, default=None)


def sources():
    return [path for path in documents.files(".c", ".h") if room_of(path)]


def homes():
    """Header name -> rooms that have one of that name."""
    found = {}
    for path in sources():
        if path.suffix == ".h":
            found.setdefault(path.name, set()).add(room_of(path))
    return found


def generated(name, room):
    """Headers that the build makes."""
    return name.endswith(".skel.h") and room == "src/bpf" or name == "demo-scripts.h" and room == "src/cli"


def library_of(header):
    return next((library for library, pattern in LIBRARY_HEADERS.items() if pattern.match(header)), None)


def check_includes():
    known, wrong = homes(), {room: [] for room in ROOMS}
    for path in sources():
        room = room_of(path)
        allowed, libraries = ROOMS[room]
        for bracket, header in re.findall(r'^\s*#\s*include\s*([<"])([^">]+)[">]', documents.read(path), re.M):
            if header.startswith("memhint/"):
                if room not in ("include/memhint",) and "include/memhint" not in allowed:
                    wrong[room].append(f"{path}: {header}")
                continue
            library = library_of(header)
            if library:
                if library not in libraries:
                    wrong[room].append(f"{path}: {header} is of {library}")
                continue
            if bracket == "<" or generated(header, room):
                continue
            if not known.get(header, set()) & (allowed | {room}):
                wrong[room].append(f"{path}: {header} of {' or '.join(known.get(header, {'nowhere'}))}")
    for room, lines in wrong.items():
        ok(not lines, f"{room}: includes only what it may", *lines)
    # Of two headers with one name the order of -I would choose.
    doubled = {name: rooms for name, rooms in known.items()
               if len({room for room in rooms if room.startswith(("src/", "bpf"))}) > 1}
    ok(not doubled, "no header name is in two rooms of src", doubled)


def check_library():
    """libmemhint is for programs of others: it keeps quiet and leaves the process alone."""
    banned = re.compile(r"\b(printf|puts|perror|exit|_exit|abort|syslog|getenv|secure_getenv|pthread_create|"
                        r"signal|sigaction|sigprocmask|pthread_sigmask|fork|setlocale)\s*\(")
    # Its one thread, with all signals blocked: see there why nothing else helps.
    excused = {("src/lib/trace-watch.c", "pthread_create")}
    for room in ("src/lib", "src/bpf", "src/util"):
        wrong = []
        for path in sources():
            if room_of(path) == room:
                text = documents.without_comments(documents.read(path))
                text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
                text = re.sub(r"//.*", "", text)
                wrong += [f"{path}: {match.group(1)}()" for match in banned.finditer(text)
                          if (str(path), match.group(1)) not in excused]
        ok(not wrong, f"{room}: does not print, exit, fork, start threads, change signals or read the environment",
           *wrong)


def check_links():
    for room, allowed in DEPENDENCIES.items():
        text = re.sub(r"#.*", "", documents.read(f"{room}/meson.build"))
        used = set(re.findall(r"\b(\w+_dep)\b", text))
        own = set(re.findall(r"^(\w+_dep) = declare_dependency", text, re.M))
        ok(used - own <= allowed, f"{room}: its meson.build names only dependencies that it may", used - own - allowed)
    # What a room can include is what its include path has.
    for room, forbidden in (("src/cli", ("lib_inc", "core_dep")), ("src/shared", ("lib_inc", "core_dep")),
                            ("examples", ("lib_inc", "core_dep")), ("src/util", ("lib_inc", "public_inc"))):
        text = documents.read(f"{room}/meson.build")
        ok(not any(word in text for word in forbidden), f"{room}: has no include path into other rooms", forbidden)
    libraries = documents.BUILD / "src/lib/libmemhint.so"
    needed = subprocess.run(["readelf", "-d", str(libraries)], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"NEEDED.*\[(.*?)\.so", needed))
    ok(names <= {"libc", "libdl", "libpthread", "libasan", "libubsan", "ld-linux-x86-64", "ld-linux-aarch64"},
       "libmemhint.so needs libc alone", names)


def check_exports():
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(documents.BUILD / "src/lib/libmemhint.so")],
                             capture_output=True, text=True, check=True).stdout
    # Sanitizers add symbols of their own.
    names = [name.partition("@")[0] for name in re.findall(r" [TDBRVW] (\S+)$", symbols, re.M)]
    same([name for name in names if name.startswith("memhint_")], documents.exports(),
         "libmemhint.so has just the symbols of libmemhint.map")


def licence_of(path):
    top = path.parts[0]
    if path.name.endswith(".bpf.c"):
        return None # by the kernel's licence check: looked at below
    if top in ("include", "examples") or str(path).startswith(("src/lib/", "src/util/", "src/bpf/")):
        return LGPL
    if str(path).startswith("bpf/"):
        return None
    if top in ("src", "tests", "bench", "data", "scripts"):
        return GPL
    return None


def check_licences():
    wrong, missing = [], []
    for path in documents.files(".c", ".h", ".py", ".sh", ".js", ".map", ".fish", ".yml", "meson.build", "Makefile"):
        first = "\n".join(documents.read(path).splitlines()[:3])
        stated = re.search(r"SPDX-License-Identifier: ([\w.-]+(?: (?:OR|AND) [\w.-]+)*)", first)
        if not stated:
            missing.append(path)
        elif stated.group(1).split()[0] not in (LGPL, GPL) and "bpf" not in str(path):
            wrong.append(f"{path}: {stated.group(1)}")
        elif path.suffix in (".c", ".h") and licence_of(path) not in (None, stated.group(1)):
            wrong.append(f"{path}: {stated.group(1)}, and not {licence_of(path)}")
    ok(not missing, "every source names its licence in its first lines", *missing)
    ok(not wrong, "and it is the licence of its room", *wrong)
    for path in documents.files(".bpf.c"):
        text = documents.read(path)
        ok("SEC(\"license\")" in text or "_license" in text or "vma.bpf.h" in text,
           f"{path}: tells the kernel its licence")
    for name, start in (("COPYING", "GNU GENERAL PUBLIC LICENSE"), ("COPYING.LIB", "GNU LESSER GENERAL PUBLIC LICENSE")):
        ok(documents.read(f"LICENSES/{name}").lstrip().startswith(start), f"LICENSES/{name} is there")


def check_sizes():
    long = []
    for path in documents.files(".c", ".h", ".py", ".sh", ".scd", ".md"):
        lines = documents.read(path).count("\n")
        if lines > LINES_MAX:
            long.append(f"{path}: {lines} lines")
        elif lines > LINES_WARN:
            print(f"# {path} has {lines} lines and wants splitting")
    ok(not long, f"no file has more than {LINES_MAX} lines", *long)


def main():
    ok(len(sources()) > 50 and len({room_of(path) for path in sources()}) >= 8, "the sources are found")
    check_includes()
    check_library()
    check_links()
    check_exports()
    check_licences()
    check_sizes()
    done()


if __name__ == "__main__":
    main()
