# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents and what they are about, as data: headers, exports, man pages, the table of options."""
import os
import pathlib
import re

from harness import ok, run

ROOT = pathlib.Path(os.environ["SOURCE_ROOT"])
BUILD = pathlib.Path(os.environ["BUILD_ROOT"])


def same(have, want, name):
    """Whether two sets of things are the same; else says what is in just one of them."""
    have, want = set(have), set(want)
    return ok(have == want and have, name,
              *[f"has {item}, which it should not" for item in sorted(have - want, key=str)],
              *[f"lacks {item}" for item in sorted(want - have, key=str)],
              *([] if have else ["there is nothing at all"]))


# Directories of the tree that hold nothing of ours.
FOREIGN = re.compile(r"^(\.git|build[^/]*|\.cache|__pycache__)$")


def files(*suffixes):
    """Every file of the tree with one of these suffixes, relative to its root; all without suffixes."""
    found = []
    for directory, directories, names in os.walk(ROOT):
        directories[:] = [d for d in directories
                          if not FOREIGN.match(d) and not os.path.exists(os.path.join(directory, d, ".git"))
                          and not os.path.exists(os.path.join(directory, d, "build.ninja"))]
        for name in names:
            path = pathlib.Path(directory, name).relative_to(ROOT)
            if name != ".git" and (not suffixes or path.name.endswith(suffixes)):
                found.append(path)
    return sorted(found)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def plain(text):
    """C with one blank wherever there are several, and none beside brackets and stars."""
    return re.sub(r"\s*([(),;*])\s*", r"\1", re.sub(r"\s+", " ", text)).strip()


# The library

def exports():
    """The functions that libmemhint.map lists."""
    body = re.search(r"global:(.*?)local:", read("src/lib/libmemhint.map"), re.S).group(1)
    return re.findall(r"(\w+);", body)


def headers():
    return sorted((ROOT / "include/memhint").glob("*.h"))


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def declarations(text):
    """Function name -> plain declaration, of C text."""
    text = re.sub(r"^\s*#.*?[^\\]$", "", without_comments(text), flags=re.M)
    text = text.replace('extern "C" {', "")
    found = {}
    for match in re.finditer(r"(?:^|(?<=[;}]))\s*((?:const\s+)?\w[\w\s*]*?\b(memhint_\w+)\s*\([^;{}]*\)\s*;)", text):
        found[match.group(2)] = plain(match.group(1))
    return found


def comments(text):
    """Function name -> the comment block right before its declaration."""
    found = {}
    for match in re.finditer(r"/\*\*((?:(?!\*/).)*)\*/\s*\n(?:const\s+)?\w[\w \t*]*?\b(memhint_\w+)\s*\(", text,
                             re.S):
        found[match.group(2)] = re.sub(r"^\s*\* ?", "", match.group(1), flags=re.M)
    return found


def structures(text, whole=False):
    """Structure name -> its fields, in order: their names or, as a whole, their types, too."""
    found = {}
    for match in re.finditer(r"struct (memhint_\w+) \{(.*?)\n\}", without_comments(text), re.S):
        fields = []
        for line in match.group(2).split(";"):
            name = re.search(r"\(\*(\w+)\)\s*\(", line) or re.search(r"(\w+)(?:\[\w+\])?\s*$", line)
            if line.strip():
                fields.append(" ".join(line.split()) if whole else name.group(1))
        found[match.group(1)] = fields
    return found


def constants(text):
    """What begins with MEMHINT_ and is an enumerator or a macro with a value."""
    text = without_comments(text)
    found = set(re.findall(r"^\t(MEMHINT_\w+)\s*[,=\n]", text, re.M))
    return found | set(re.findall(r"^#define (MEMHINT_\w+)[ \t]+\S", text, re.M))


# Man pages

class Page:
    """One man page source."""

    def __init__(self, path):
        self.path = path
        self.name = path.name[:-len(".scd")]
        self.text = path.read_text(encoding="utf-8")
        self.sections = {}
        for part in re.split(r"^# ", self.text, flags=re.M)[1:]:
            title, _, body = part.partition("\n")
            self.sections[title.strip()] = body

    def names(self):
        """What NAME names."""
        return [name.strip() for name in self.sections["NAME"].split(" - ")[0].replace("\n", " ").split(",")]

    def subsections(self, section="DESCRIPTION"):
        """Title -> text of the parts of a section."""
        parts = re.split(r"^## ", self.sections.get(section, ""), flags=re.M)[1:]
        return {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}

    def literals(self, section=None):
        """The literal blocks of a section, or of the page."""
        return re.findall(r"^```\n(.*?)^```$", self.sections.get(section, "") if section else self.text,
                          re.S | re.M)

    def words(self):
        """The page without its markup."""
        return self.text.replace("*", "").replace("\\", "")

    def terms(self, section):
        """Lines at the margin of a section, each with an indented text below it: the terms of its list."""
        return re.findall(r"^(\S.*)\n(?=\t)", self.sections.get(section, ""), re.M)


def pages(section):
    return [Page(path) for path in sorted((ROOT / "docs/man").glob(f"*.{section}.scd"))]


# The command

def table():
    """Verb -> what the command's own table says of it."""
    return {verb["name"]: verb for verb in run("--dump-options").json()["verbs"]}


def option_line(option):
    """An option as a man page writes it."""
    line = f"*-{option['letter']}*, " if option["letter"] else ""
    line += f"*--{option['name']}*"
    return line + (f" _{option['argument']}_" if option["argument"] else "")


def keys(value):
    """Every key of a JSON value, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*[keys(item) for item in value.values()])
    if isinstance(value, list):
        return set().union(*[keys(item) for item in value])
    return set()
