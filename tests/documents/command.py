#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual and the help of the command say what its table of options says, and nothing else."""
import os
import re
import shlex
import subprocess

import documents
from documents import same
from harness import Target, done, ok, run

SOURCES = [path for path in documents.files(".c", ".h") if path.parts[:2] in (("src", "cli"), ("src", "shared"))]
ADVICES = ("cold", "pageout", "willneed", "collapse")
SHARED_PAGE = {verb: "advise" for verb in ADVICES}
# The options of every page read so; the page itself is what --help prints.
FREE_TEXT = {"help", "version"}


def plain_words(text):
    """What a text says, without line ends and capitals."""
    return re.sub(r"\s+", " ", text).strip().casefold()


def words(text):
    """What a text of a page says, without markup too."""
    return plain_words(re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)\*", "", text)))


def page_of(verb):
    return documents.Page(documents.ROOT / f"docs/man/memhint-{SHARED_PAGE.get(verb, verb)}.1.scd")


def entries(text):
    """Term -> text of a list of terms."""
    return dict(re.findall(r"^(\*-\S.*|\*\S.*)\n((?:\t.*\n)+)", text, re.M))


def check_verbs(table):
    main = documents.Page(documents.ROOT / "docs/man/memhint.1.scd")
    help_text = run("--help").out
    same(re.findall(r"^  (\w+) +\S", help_text.partition("Verbs:")[2].partition("Options:")[0], re.M), table,
         "memhint --help lists just the verbs that there are")
    listed = entries(main.sections["VERBS"])
    same([term.strip("*") for term in listed], table, "memhint.1 lists just the verbs that there are")
    for verb, entry in table.items():
        page = f"memhint-{SHARED_PAGE.get(verb, verb)}"
        text = words(listed.get(f"*{verb}*", ""))
        ok(text == f"{plain_words(entry['summary'])}: {page}(1).", f"memhint.1: {verb} has its summary and its page", text)
        ok(f"{verb:<10} {entry['summary']}" in help_text, f"--help: {verb} has its summary")
    same([page.name for page in documents.pages(1)],
         {"memhint.1"} | {f"memhint-{SHARED_PAGE.get(verb, verb)}.1" for verb in table}, "a page for each verb")
    names = [name for page in documents.pages(1) for name in page.names()]
    same(names, {"memhint"} | {f"memhint-{verb}" for verb in table}, "man memhint-VERB finds each verb")


def synopsis_line(verb, entry):
    arguments = re.sub(r"(PID\[:INODE\]|ADVICE)", r"_\1_", entry["arguments"] or "")
    return f"*memhint {verb}* [_OPTION_]..." + (f" {arguments}" if arguments else "")


def check_page(verb, entry):
    page = page_of(verb)
    ok(synopsis_line(verb, entry) in page.sections["SYNOPSIS"].replace("++", "").splitlines(),
       f"{page.name}: the synopsis of {verb}", synopsis_line(verb, entry))
    if verb not in SHARED_PAGE and verb != "advise":
        ok(page.sections["NAME"].partition(" - ")[2].strip() == entry["summary"], f"{page.name}: its summary")
    options = entry["options"]
    have = entries(page.sections["OPTIONS"])
    same(have, [documents.option_line(option) for option in options], f"{page.name}: the options of {verb}")
    same(page.subsections("OPTIONS"), {option["group"] for option in options} - {None},
         f"{page.name}: the groups of options of {verb}")
    for option in options:
        text, wanted = words(have.get(documents.option_line(option), "")), plain_words(option["help"])
        if option["name"] not in FREE_TEXT:
            ok(text.startswith(wanted), f"{page.name}: --{option['name']} of {verb} begins with what --help says",
               text, wanted)
    if entry["columns"]:
        columns = entries(page.sections["COLUMNS"])
        same(columns, [f"*{column['name']}*" + (" (shown when none are chosen)" if column["by_default"] else "")
                       for column in entry["columns"]], f"{page.name}: the columns of {verb}")
        for column in entry["columns"]:
            text = " ".join(text for term, text in columns.items() if term.startswith(f"*{column['name']}*"))
            ok(words(text).startswith(plain_words(column["help"])), f"{page.name}: column {column['name']} as in --help")
    else:
        ok("COLUMNS" not in page.sections, f"{page.name}: has no columns, as {verb} has none")


def check_help(verb, entry):
    shown = run(verb, "--help")
    ok(shown.status == 0 and not shown.err, f"{verb} --help works", shown)
    head = shown.out.partition("Columns (")[0].partition("Examples:")[0]
    options = [(letter or None, name, argument or None) for letter, name, argument in
               re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?(?:$| )", head, re.M)]
    same(options, [(option["letter"], option["name"], option["argument"]) for option in entry["options"]],
         f"{verb} --help lists just the options that there are")
    ok("Examples:" in shown.out and f"memhint {verb}" in shown.out.partition("Examples:")[2],
       f"{verb} --help has an example of its own")
    return shown.out


def check_targets(table):
    """memhint.1 explains the options that all share."""
    page = documents.Page(documents.ROOT / "docs/man/memhint.1.scd")
    shared = [option for option in table["ps"]["options"] if option["group"] in ("Which processes", "Everywhere")]
    for section, group in (("TARGETS", "Which processes"), ("OPTIONS", "Everywhere")):
        have = {term: text for term, text in entries(page.sections[section]).items() if term.startswith("*-")}
        wanted = [option for option in shared if option["group"] == group]
        same(have, [documents.option_line(option) for option in wanted], f"memhint.1: the options {group.lower()}")
        for option in wanted:
            if option["name"] not in FREE_TEXT:
                ok(words(have.get(documents.option_line(option), "")).startswith(plain_words(option["help"])),
                   f"memhint.1: --{option['name']} begins with what --help says")


def check_exit_status(helps):
    enum = re.search(r"enum exit_status \{(.*?)\};", documents.without_comments(documents.read("src/cli/verb.h")),
                     re.S).group(1)
    wanted = {"0", "1"} | set(re.findall(r"=\s*(\d+)", enum))
    page = documents.Page(documents.ROOT / "docs/man/memhint.1.scd")
    stated = {term.strip("*"): words(text) for term, text in entries(page.sections["EXIT STATUS"]).items()}
    same(stated, wanted, "memhint.1: every exit status")
    for verb, text in helps.items():
        part = text.partition("Exit status:")[2]
        ok(all(re.search(rf"\b{status} \w", part) for status in wanted), f"{verb} --help: every exit status")
        extra = re.sub(r".*?124 timed out\n", "", part, flags=re.S).strip()
        named = set(re.findall(r"\b(\d+)\b", extra))
        said = set(re.findall(r"\b(\d+)\b", page_of(verb).sections["EXIT STATUS"]))
        ok(named <= said, f"{verb}: its page explains what is particular to its exit statuses", named - said)
    for page in documents.pages(1):
        ok("EXIT STATUS" in page.sections and "EXAMPLES" in page.sections, f"{page.name}: exit statuses and examples")


def json_terms(page):
    return set(re.findall(r"\*([a-z][a-z_0-9]*)\*(?!\()", page.sections["JSON"]))


def source_keys(*names):
    """The keys that functions of json.h are called with in a source."""
    found = set()
    for path in SOURCES:
        if path.name in names:
            found |= set(re.findall(r'\bjson_\w+\(&?\w+, "([\w]+)"', documents.read(path)))
            found |= set(re.findall(r'\bjson_usage\(json, "(\w+)"', documents.read(path)))
    return found


def check_json(table, said):
    """Keys in the manual, in the source, and in what is printed."""
    sources = {"ps": ["cmd-ps.c"], "map": ["cmd-map.c"], "advise": ["hint-report.c"], "cookie": ["cmd-cookie.c"],
               "freeze": ["cmd-freeze.c"], "thaw": ["cmd-thaw.c"], "doctor": ["cmd-doctor.c"],
               "demo": ["demo-report.c"]}
    for verb, names in sources.items():
        page = page_of(verb)
        same(json_terms(page), source_keys(*names), f"{page.name}: the keys of its JSON")
        schema = f"memhint.{verb}/1"
        ok(schema in page.sections["JSON"] and schema in documents.read("docs/man/memhint.1.scd"),
           f"{page.name}, memhint.1: the schema {schema}")
    others = [str(path) for path in SOURCES if re.search(r'\bjson_\w+\(&\w+, "schema"', documents.read(path))
              and path.name not in [name for names in sources.values() for name in names] + ["options.c"]]
    ok(not others, "every source that prints a schema has a page", others)
    with Target("anon=1M") as target:
        columns = ",".join(column["name"] for column in table["ps"]["columns"])
        for verb, more in (("ps", ["--columns", columns]), ("map", []), ("cold", ["--dry-run"]), ("cookie", []),
                           ("doctor", [])):
            shown = run(verb, "--json", *more, *([] if verb == "doctor" else [target.pid]))
            value = shown.json()
            known = json_terms(page_of(verb)) | (said["skip"] if verb == "cold" else said["kind"])
            ok(documents.keys(value) <= known, f"{verb} --json prints only keys of its page",
               documents.keys(value) - known)
            ok(value["schema"] == f"memhint.{SHARED_PAGE.get(verb, verb)}/1", f"{verb} --json: its schema")
            if verb == "doctor":
                check_doctor(value, said)


def check_doctor(value, said):
    page = page_of("doctor")
    names = {name for term in entries(page.sections["CHECKS"]) for name in re.findall(r"\*(\w+)\*", term)}
    printed = {check["name"] for check in value["checks"]}
    ok(printed <= names, "memhint-doctor.1: every check that is printed", printed - names)
    source = documents.read("src/cli/cmd-doctor.c")
    ok(all(f'"{name}"' in source or name in said["feature"] for name in names),
       "memhint-doctor.1: no check that there is not",
       [name for name in names if f'"{name}"' not in source and name not in said["feature"]])
    states = re.search(r"state_names\[\] = \{(.*?)\}", source).group(1)
    same([term.strip("*") for term in entries(page.sections["DESCRIPTION"])], re.findall(r'"(\w+)"', states),
         "memhint-doctor.1: every state")


def check_words(said):
    """Skip reasons, kinds, readers and flags of mappings."""
    same([term.strip("*") for term in entries(page_of("advise").sections["SKIPPED"])], said["skip"],
         "memhint-advise.1: every reason to skip")
    same([term.strip("*") for term in entries(page_of("advise").sections["DESCRIPTION"])], said["remote_advice"],
         "memhint-advise.1: every advice for other processes")
    same(ADVICES, said["remote_advice"], "every advice for other processes is a verb")
    same([name for term in entries(page_of("advise").sections["OTHER ADVICE"]) for name in re.findall(r"\*(\w+)\*", term)],
         said["advice"], "memhint-advise.1: every other advice")
    same(re.findall(r"\w+", documents.read("src/cli/cmd-advise.c").partition("#define ADVICE_NAMES")[2]
                    .partition("\n\n")[0]), said["advice"] | said["remote_advice"], "every advice a slip may have meant")
    ok(said["advice"] <= set(re.findall(r"\w+", run("advise", "--help").out)), "advise --help: every advice")
    same([term.strip("*") for term in entries(page_of("advise").sections["GUARDS"])], said["guard"],
         "memhint-advise.1: every guard")
    same([term.strip("*") for term in entries(page_of("cookie").sections["DESCRIPTION"])], said["cookie_kind"] - {"invalid"},
         "memhint-cookie.1: every kind of cookie")
    same([term.strip("*") for term in entries(page_of("thaw").sections["LIST"])],
         re.findall(r'return "([\w ]+)"', documents.read("src/cli/frozen.c")),
         "memhint-thaw.1: every state")
    page = page_of("map")
    same([term.strip("*") for term in entries(page.sections["DESCRIPTION"])], said["kind"],
         "memhint-map.1: every kind")
    part = entries(page.sections["JSON"])
    same(re.findall(r'"([\w-]+)"', part["*reader*"]), said["reader"] - {"auto"}, "memhint-map.1: every reader")
    same(re.findall(r'"([\w-]+)"', part["*pages_reader*"]), said["pages_reader"], "memhint-map.1: every pages reader")
    flags = re.findall(r'\{ MEMHINT_VMA_\w+, "(\w+)" \}', documents.read("src/cli/kinds.c"))
    same([name for term in entries(page.sections["FLAGS"]) for name in re.findall(r"\*(\w+)\*", term)], flags,
         "memhint-map.1: every flag of a mapping")


def check_environment():
    used = set()
    for path in SOURCES:
        used |= set(re.findall(r'getenv\("(\w+)"\)', documents.read(path)))
    page = documents.Page(documents.ROOT / "docs/man/memhint.1.scd")
    same([term.strip("*") for term in entries(page.sections["ENVIRONMENT"])], used,
         "memhint.1: every variable of the environment")


def commands(text):
    """The memhint commands in a text of shell lines, as words after "memhint"."""
    for line in text.splitlines():
        line = re.sub(r"^[\s$#>]*(sudo )?", "", line) if not line.lstrip().startswith("# ") else ""
        for part in re.split(r"\s*(?:\||&&|;)\s*(?![^']*'(?:[^']*'[^']*')*[^']*$)", line):
            # "memhint demo: ..." is what it prints.
            match = re.match(r"(?:.*\s)?memhint((?: (?![a-z]+: )[^\s].*)?)$", part)
            if match and not re.search(r"(setcap|apt|make|cc|pkg-config) ", part.partition("memhint")[0]):
                try:
                    yield part, shlex.split(match.group(1), comments=True)
                except ValueError:
                    yield part, ["?"]


def command_is_valid(arguments, table):
    """Whether there is such a verb with such options."""
    if not arguments or arguments[0] in ("--help", "--version", "VERB"):
        return True
    if arguments[0] not in table:
        return False
    options = table[arguments[0]]["options"]
    names = {option["name"] for option in options}
    letters = {option["letter"] for option in options}
    for word in arguments[1:]:
        if word.startswith("--"):
            if word[2:].partition("=")[0] not in names:
                return False
        elif re.match(r"-[A-Za-z]$", word) and word[1] not in letters:
            return False
    return True


def check_examples(table, helps):
    texts = {f"{verb} --help": text.partition("Examples:")[2].partition("Exit status:")[0]
             for verb, text in helps.items()}
    texts["--help"] = run("--help").out.partition("Examples:")[2]
    for page in documents.pages(1):
        texts[page.name] = "\n".join(page.literals())
    for path in documents.files(".md"):
        text = documents.read(path)
        blocks = re.findall(r"^```(?:sh|console|shell|text|)\n(.*?)^```", text, re.S | re.M)
        texts[str(path)] = "\n".join(blocks + re.findall(r"`(memhint [a-z][^`]*)`", text))
    for name, text in texts.items():
        wrong = [line for line, arguments in commands(text) if not command_is_valid(arguments, table)]
        ok(not wrong, f"{name}: every command in it could be given", *wrong)
    for page in documents.pages(1):
        ok(list(commands("\n".join(page.literals("EXAMPLES")))), f"{page.name}: an example is a command")


def main():
    table = documents.table()
    said = {}
    for line in subprocess.run([os.environ["PRINT_NAMES"]], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        noun, word = line.split()
        said.setdefault(noun, set()).add(word)
    check_verbs(table)
    helps = {}
    for verb, entry in table.items():
        check_page(verb, entry)
        helps[verb] = check_help(verb, entry)
    check_targets(table)
    check_exit_status(helps)
    check_words(said)
    check_json(table, said)
    check_environment()
    check_examples(table, helps)
    done()


if __name__ == "__main__":
    main()
