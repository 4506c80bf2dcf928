#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Markdown and man pages speak only of what there is: links, files, targets of make, tests, other pages."""
import os
import re
import subprocess

import documents
from documents import ROOT, same
from harness import done, ok

TOP = {path.name for path in ROOT.iterdir()}
# "`name.c`" may be said of a file anywhere, "`dir/name.c`" only of one at that place.
FILE = re.compile(r"^[\w.*-]+\.(?:c|h|py|md|scd|map|build|txt|fish|js|sh)$")
# What the build makes is not in the tree.
BUILT = re.compile(r"^(build[\w-]*/|\.?/)")


def anchors(text):
    """What a heading can be linked to as."""
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)}


def code(text):
    """What stands in code: the lines of blocks, and each piece in a line of its own."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.S | re.M)
    return "\n".join(blocks + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text))


def check_links(path, text):
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (ROOT / path).parent / file if file else ROOT / path
        if not place.exists():
            wrong.append(f"{target}: there is no such file")
        elif anchor and place.suffix == ".md" and anchor not in anchors(place.read_text(encoding="utf-8")):
            wrong.append(f"{target}: there is no such heading")
    ok(not wrong, f"{path}: every link leads somewhere", *wrong)


def names_nothing(word):
    """Whether a word in code looks like a file of ours, and is none."""
    word = word.rstrip("/").rstrip(",;:")
    if BUILT.match(word) or not re.match(r"^[\w./*-]+$", word):
        return False
    if "/" in word and word.split("/")[0] in TOP:
        return not list(ROOT.glob(word))
    return bool(FILE.match(word)) and not any(path.match(word) for path in documents.files())


def check_files(path, text):
    words = code(text).split()
    ok(not any(map(names_nothing, words)), f"{path}: every file that it names is there",
       *[word for word in words if names_nothing(word)])


def check_make(path, text):
    targets = set(re.findall(r"^([a-z-]+):", documents.read("Makefile"), re.M))
    used = set(re.findall(r"(?:^|&& |\$ )make ([a-z-]+)", code(text), re.M))
    ok(used <= targets, f"{path}: every target of make is there", used - targets)


def check_tests():
    """docs/TESTING.md knows the tests and the suites that there are."""
    listed = subprocess.run([os.environ["MESON"], "test", "-C", str(documents.BUILD), "--list", "--no-rebuild"],
                            capture_output=True, text=True, check=True).stdout
    suites = {match.group(1).split("+")[0] for match in re.finditer(r"^memhint:([\w+-]+) / ", listed, re.M)}
    names = set(re.findall(r"^memhint:\S+ / (\S+)$", listed, re.M))
    text = documents.read("docs/TESTING.md")
    same(re.findall(r"^\| (\w+) \| `tests/", text, re.M), suites, "docs/TESTING.md: every suite")
    used = set(re.findall(r"^meson test -C build ([a-z][\w-]*)", text, re.M))
    ok(used and used <= names, "docs/TESTING.md: the tests that it runs are there", used - names)
    same(re.findall(r"^- `(\w+\.py)`:", text, re.M),
         [path.name for path in (ROOT / "tests/documents").glob("*.py") if path.name != "documents.py"],
         "docs/TESTING.md: every comparison of documents")


def check_architecture():
    text = documents.read("docs/ARCHITECTURE.md")
    listed = re.findall(r"^\| `([\w.-]+)` \|", text, re.M)
    # A pair of .c and .h is one line, by its .c.
    files = {path.name for path in (ROOT / "src/lib").iterdir() if path.name != "meson.build"}
    wanted = {name for name in files if not (name.endswith(".h") and name[:-2] + ".c" in files)}
    same(listed, wanted, "docs/ARCHITECTURE.md: a line for every file of src/lib")
    rooms = re.findall(r"^ (\S+?)/ {2,}", text, re.M)
    for room in rooms:
        ok((ROOT / room).is_dir(), f"docs/ARCHITECTURE.md: the room {room} is there")
    directories = {f"src/{path.name}" for path in (ROOT / "src").iterdir() if path.is_dir()}
    ok(directories <= set(rooms), "docs/ARCHITECTURE.md: every room of src", directories - set(rooms))


def check_man_references():
    """What a man page points to is installed, under the name of a page or one that it has besides."""
    pages = [(section, page) for section in "13" for page in documents.pages(section)]
    there = {f"{name}({section})" for section, page in pages for name in [page.name[:-2], *page.names()]}
    for _, page in pages:
        said = {f"{name}({section})" for name, section in
                re.findall(r"\b((?:lib)?memhint[\w-]*)\((\d)\)", page.words())}
        ok(said and said <= there, f"{page.name}: the pages that it points to are there",
           *sorted(said - there))


def main():
    pages = documents.files(".md")
    for path in pages:
        text = documents.read(path)
        check_links(path, text)
        check_files(path, text)
        check_make(path, text)
    check_architecture()
    check_tests()
    check_man_references()
    done()


if __name__ == "__main__":
    main()
