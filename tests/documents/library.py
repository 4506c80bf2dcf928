#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every exported function has a declaration, a comment and a manual, and nothing else has."""
import errno
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import documents
from documents import same
from harness import done, ok, skip

CC = shlex.split(os.environ.get("CC", "cc"))
ERRNO = re.compile(r"\b(" + "|".join(sorted(errno.errorcode.values(), key=len, reverse=True)) + r")\b")
# A function's own subsection, or one that it shares, ends the search in the errors of another.
AS_ANOTHER = re.compile(r"\bas\s+\*?memhint_\w+|those of", re.I)


def compiles(compiler, options, text, suffix):
    """Whether the compiler takes a text: (yes, what it says)."""
    with tempfile.NamedTemporaryFile("w", suffix=suffix) as source:
        source.write(text)
        source.flush()
        result = subprocess.run([*compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *options,
                                 f"-I{documents.ROOT}/include", source.name],
                                capture_output=True, text=True, check=False)
    return result.returncode == 0, result.stderr


def check_headers(exported):
    declared, commented = {}, {}
    for header in documents.headers():
        text = header.read_text(encoding="utf-8")
        declared.update(documents.declarations(text))
        commented.update(documents.comments(text))
    same(declared, exported, "the headers declare just what is exported")
    for name in exported:
        comment, declaration = commented.get(name, ""), declared.get(name, "")
        ok(comment.startswith((f" {name}() - ", f"{name}() - ")), f"{name}: a comment block begins with its name")
        ok("Since: 0." in comment, f"{name}: its comment says since when")
        if "Errors:" in comment or "errno" in comment:
            ok("Return:" in comment, f"{name}: its comment says what it returns")
        if declaration.startswith("int ") and not re.search(r"_(pidfd|dirfd)\(", declaration):
            ok("negative errno" in comment or ERRNO.search(comment), f"{name}: its comment says how it fails")
    return declared, commented


def check_compilers():
    cxx = shutil.which("g++") or shutil.which("clang++")
    umbrella = documents.read("include/memhint/memhint.h")
    for header in documents.headers():
        text = f"#include <memhint/{header.name}>\n"
        ok(*_named(compiles(CC, ["-std=gnu17", "-Wpedantic", "-Wstrict-prototypes"], text * 2, ".c"),
                   f"{header.name}: compiles alone, and twice"))
        if cxx:
            ok(*_named(compiles([cxx], ["-std=c++11", "-Wpedantic"], text, ".cc"), f"{header.name}: compiles as C++"))
        else:
            skip(f"{header.name}: compiles as C++", "there is no C++ compiler")
        if header.name != "memhint.h":
            ok(f"#include <memhint/{header.name}>" in umbrella, f"{header.name}: memhint.h takes it in")
            ok(f"'include/memhint/{header.name}'" in documents.read("meson.build"), f"{header.name}: is installed")


def _named(result, name):
    return result[0], name, result[1]


def header_of(page):
    """The header that a page is about, of which it may describe a part."""
    return re.search(r"#include <memhint/(\w+\.h)>", page.sections["SYNOPSIS"]).group(1)


def check_synopses(pages, declared):
    described, by_header = {}, {}
    for page in pages:
        synopsis = documents.declarations("\n".join(page.literals("SYNOPSIS")))
        for name, declaration in synopsis.items():
            ok(declaration == declared.get(name), f"{page.name}: {name} as the header declares it", declaration,
               declared.get(name))
            described[name] = page
        if page.name != "libmemhint.3":
            same(page.names(), {page.name[:-2], *synopsis}, f"{page.name}: NAME names what SYNOPSIS declares")
            ok(not set(synopsis) & set(by_header.get(header_of(page), {})), f"{page.name}: declares nothing again")
            by_header.setdefault(header_of(page), {}).update(synopsis)
    for header, synopsis in by_header.items():
        same(synopsis, documents.declarations(documents.read(f"include/memhint/{header}")),
             f"{header}: the SYNOPSES have just what it declares")
    same(described, declared, "the man pages document just what is exported")
    return described


def check_descriptions(described, commented):
    for name, page in sorted(described.items()):
        parts = [text for title, text in page.subsections().items()
                 if name in re.findall(r"(memhint_\w+)\(\)", title)]
        if not ok(len(parts) == 1, f"{name}: {page.name} has one part for it", f"has {len(parts)}"):
            continue
        text, comment = parts[0], commented.get(name, "")
        ok("*Since:* " + "".join(re.findall(r"Since: (0\.\d+\.)", comment)) in text, f"{name}: since the same version")
        if "Return:" in comment:
            ok("*Return:*" in text, f"{name}: says what it returns")
        if "Errors:" in comment:
            ok("*Errors:*" in text, f"{name}: says how it fails")
        # The one page may name an errno where the other refers to another function, both tell the same.
        if ERRNO.search(comment) or ERRNO.search(text):
            same(ERRNO.findall(text), ERRNO.findall(comment), f"{name}: the same errors as in the header")
        ok(bool(AS_ANOTHER.search(text)) == bool(AS_ANOTHER.search(comment)) or "Errors:" not in comment,
           f"{name}: refers to another's errors where the header does")
    for title, page in [(title, page) for page in documents.pages(3) for title in page.subsections()
                        if "(" in title]:
        ok(set(re.findall(r"(\w+)\(\)", title)) <= set(described), f"{page.name}: {title} is about what there is")


def check_contents(pages):
    for header in documents.headers():
        text, mine = header.read_text(encoding="utf-8"), [page for page in pages if header_of(page) == header.name]
        if not ok(mine, f"{header.name} has a man page"):
            continue
        wanted, name = documents.constants(text), " and ".join(page.name for page in mine)
        if wanted:
            same({word for page in mine for word in re.findall(r"\bMEMHINT_\w+", page.words())
                  if word in wanted or not known_elsewhere(word, header)},
                 wanted, f"{name}: the constants of {header.name}")
        literals = [block for page in mine for block in page.literals("DESCRIPTION")]
        shown = documents.structures("\n".join(literals).replace("    ", "\t"), whole=True)
        whole = documents.structures(text, whole=True)
        for structure, fields in documents.structures(text).items():
            ok(shown.get(structure) == whole[structure], f"{name}: struct {structure} as it is",
               shown.get(structure), whole[structure])
            if structure in ("memhint_amount", "memhint_failure"):
                continue # bytes, ranges, start, end: nothing to say
            prose = re.sub(r"^```\n.*?^```$", "", "\n".join(page.sections["DESCRIPTION"] for page in mine),
                           flags=re.S | re.M)
            same([field for field in fields if re.search(rf"(?<!\w)_?{field}_?(?!\w)", prose)], fields,
                 f"{name}: says what the fields of {structure} are")


def known_elsewhere(word, header):
    return any(word in documents.constants(other.read_text(encoding="utf-8"))
               for other in documents.headers() if other != header)


def check_examples(pages, exported):
    called = set()
    for page in pages:
        blocks = page.literals("EXAMPLES")
        ok(blocks, f"{page.name}: has an example")
        for number, block in enumerate(blocks, 1):
            ok(*_named(compiles(CC, ["-std=gnu17", "-D_GNU_SOURCE", "-Wno-unused-function"], block, ".c"),
                       f"{page.name}: example {number} compiles"))
            called |= set(re.findall(r"\b(memhint_\w+)\(", block))
    same(called & set(exported), exported, "every function is called in an example")


def check_names(pages):
    """What the library prints is in the manual, and the manual names nothing else."""
    said = {}
    for line in subprocess.run([os.environ["PRINT_NAMES"]], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        noun, word = line.split()
        said.setdefault(noun, set()).add(word)
    text = {page.name: page.sections["DESCRIPTION"] for page in pages}
    quoted = r'^\*(MEMHINT_{}_\w+)\*\n\t"([\w-]+)":'
    for noun, page, prefix in [("skip", "memhint_filter.3", "SKIP"), ("feature", "memhint_probe.3", "FEATURE"),
                               ("kind", "memhint_map.3", "KIND")]:
        pairs = re.findall(quoted.format(prefix), text[page], re.M)
        same([word for _, word in pairs], said[noun], f"{page}: the name of every {noun}")
        ok(len({constant for constant, _ in pairs}) == len(said[noun]), f"{page}: each {noun} has a name of its own")
    readers = re.findall(quoted.format("READER"), text["memhint_map.3"], re.M)
    same([word for _, word in readers], said["reader"] - {"auto"}, "memhint_map.3: the name of every reader")
    readers = re.findall(quoted.format("PAGES"), text["memhint_map.3"], re.M)
    same([word for _, word in readers], said["pages_reader"] - {"none"}, "memhint_map.3: the name of every pages reader")
    advices = page_part(pages, "memhint_advise.3", "memhint_advice_name()")
    same(re.findall(r'"(\w+)"', advices), said["advice"] | said["remote_advice"],
         "memhint_advise.3: the name of every advice")


def page_part(pages, page_name, title):
    return next(page for page in pages if page.name == page_name).subsections()[title]


def check_rendering(everything, pages):
    if not shutil.which("scdoc") or not shutil.which("groff"):
        skip("man pages render without warnings", "there is no scdoc or no groff")
        return
    for page in everything:
        made = subprocess.run(["scdoc"], input=page.text, capture_output=True, text=True, check=False)
        ok(made.returncode == 0 and not made.stderr, f"{page.name}: scdoc takes it", made.stderr)
        shown = subprocess.run(["groff", "-ww", "-man", "-Tutf8"], input=made.stdout, capture_output=True,
                               text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
        ok(shown.returncode == 0 and not shown.stderr and page.name[:-2] in shown.stdout,
           f"{page.name}: groff renders it without a warning", shown.stderr)
        title = re.match(r"([\w-]+)\((\d)\)", page.text)
        ok(f"{title.group(1)}.{title.group(2)}" == page.name, f"{page.name}: its title is its name")
    if not os.environ["DOCS_BUILT"]:
        skip("man finds each function", "this build has no man pages (-Ddocs)")
        return
    for page in everything:
        section = page.name[-1]
        for name in page.names():
            file = documents.BUILD / "docs" / f"{name}.{section}"
            want = "" if f"{name}.{section}" == page.name else f".so man{section}/{page.name}"
            ok(file.exists() and want in file.read_text(encoding="utf-8"), f"man {name} finds {page.name}")


def main():
    exported = documents.exports()
    ok(exported == sorted(set(exported)), "the exports are in order, each once")
    pages = documents.pages(3)
    declared, commented = check_headers(exported)
    check_compilers()
    described = check_synopses(pages, declared)
    check_descriptions(described, commented)
    check_contents(pages)
    check_examples(pages, exported)
    check_names(pages)
    check_rendering(documents.pages(3) + documents.pages(1), pages)
    done()


if __name__ == "__main__":
    main()
