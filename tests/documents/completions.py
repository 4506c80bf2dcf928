#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The completions of bash, zsh and fish offer what the command's table of options has, and nothing else.

Each completion is run by its shell, not read.
"""
import os
import re
import shutil
import subprocess

import documents
from documents import same
from harness import Target, done, ok, skip

COMPLETIONS = documents.ROOT / "data/completions"
ADVICES = {"cold", "pageout", "willneed", "collapse"}


def shell(name, *arguments, script):
    """Runs a script, whose output may be empty; an error message is a failure of the test."""
    result = subprocess.run([name, *arguments, "-c", script], capture_output=True, encoding="utf-8",
                            errors="replace", check=False, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"})
    if result.stderr:
        ok(False, f"{name}: completes without a complaint", script, result.stderr)
    return result.stdout


class Bash:
    name = "bash"
    has_letters = False

    def complete(self, *words):
        quoted = " ".join(f"'{word}'" for word in words)
        return shell("bash", "--norc", script=f"""
            source {COMPLETIONS}/memhint
            COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
            _memhint
            printf '%s\\n' "${{COMPREPLY[@]}}" """).split()

    def options(self, verb):
        return {(None, word[2:]) for word in self.complete("memhint", verb, "--")}


class Fish:
    name = "fish"
    has_letters = True

    def complete(self, *words):
        out = shell("fish", "-N", script=f"source {COMPLETIONS}/memhint.fish; complete -C '{' '.join(words)}'")
        return [line.split("\t")[0] for line in out.splitlines()]

    def options(self, verb):
        """fish says letters and names apart, the description joins them."""
        out = shell("fish", "-N", script=f"source {COMPLETIONS}/memhint.fish; complete -C 'memhint {verb} -'")
        letters, names = {}, {}
        for line in out.splitlines():
            word, _, description = line.partition("\t")
            (names if word.startswith("--") else letters)[description] = word.lstrip("-")
        return {(letters.get(description), name) for description, name in names.items()}


class Zsh:
    """The functions of the completion system say what they are called with."""
    name = "zsh"
    has_letters = True
    STUBS = r"""
        _arguments() { local word; for word in "$@"; do print -r -- "argument $word"; done }
        compadd() { [[ $1 == -J ]] && shift 2; [[ $1 == -- ]] && shift; [[ $1 == -a ]] && set -- ${(P)2}; print -rl -- "$@" }
        _describe() { print -rl -- ${${(P)4}%%:*} }
        _values() { shift 3; print -rl -- "$@" }
        compset() { return 1 }
        _files() { : }
        _path_files() { : }
    """

    def run(self, *words, function=""):
        quoted = " ".join(f"'{word}'" for word in words)
        return shell("zsh", "-f", script=f"""{self.STUBS}
            words=({quoted}) CURRENT={len(words)}
            source {COMPLETIONS}/_memhint {'>/dev/null' if function else ''}
            {function}""")

    def specifications(self, verb):
        return [line[len("argument "):] for line in self.run("memhint", verb, "").splitlines()
                if line.startswith("argument ")]

    def options(self, verb):
        groups = {}
        for line in self.specifications(verb):
            match = re.match(r"(?:\(([^)]*)\))?\*?(-\w|--[\w-]+)=?(?:\[([^\]]*)\])", line)
            if match:
                _, word, description = match.groups()
                groups.setdefault(description, set()).add(word)
        found = set()
        for words in groups.values():
            letters = [word[1:] for word in words if not word.startswith("--")]
            names = [word[2:] for word in words if word.startswith("--")]
            found |= {(letters[0] if letters else None, name) for name in names}
        return found

    def takes_argument(self, verb):
        return {match.group(1) for line in self.specifications(verb)
                for match in [re.match(r".*?--([\w-]+)=\[[^\]]*\]:", line)] if match}

    def complete(self, *words):
        """The value of an option, or an argument: what the function named for it gives."""
        if len(words) == 2:
            return self.run(*words).split()
        verb, before = words[1], words[-2]
        for line in self.specifications(verb):
            match = re.match(r".*?(--[\w-]+)=\[[^\]]*\]:[^:]*:(.*)$", line) or re.match(r"(\*?):[^:]*:(.*)$", line)
            if match and match.group(1) == (before if before.startswith("--") else
                                            "" if verb == "advise" and before == "advise" else "*"):
                function, _, more = match.group(2).partition(" ")
                # As _arguments does it: options for compadd first, unless a blank leads the way.
                function = f"{function} -J group {more}" if function else more
                return self.run("memhint", verb, "", function=function).split()
        return []


def check(completion, table, said):
    name = completion.name
    verbs = [word for word in completion.complete("memhint", "") if not word.startswith("-")]
    same(verbs, table, f"{name}: the verbs")
    for verb, entry in table.items():
        wanted = {(option["letter"] if completion.has_letters else None, option["name"])
                  for option in entry["options"]}
        same(completion.options(verb), wanted, f"{name}: the options of {verb}")
        options = {option["name"] for option in entry["options"]}
        if entry["columns"]:
            columns = {column["name"] for column in entry["columns"]}
            for option in ("sort", "columns"):
                have = {word.lstrip("-") for word in completion.complete("memhint", verb, f"--{option}", "")}
                same(have, columns, f"{name}: the columns for --{option} of {verb}")
        if "only" in options:
            same(completion.complete("memhint", verb, "--only", ""),
                 said["kind"] - (set() if verb == "map" else {"special"}), f"{name}: the kinds for --only of {verb}")
        if "pace" in options:
            ok({"auto", "none"} <= set(completion.complete("memhint", verb, "--pace", "")),
               f"{name}: --pace of {verb}")
        if "swap" in options:
            names = re.search(r'names\[\] = \{ ("auto".*?) \}', documents.read("src/cli/cmd-demo.c")).group(1)
            same(completion.complete("memhint", verb, "--swap", ""), re.findall(r'"(\w+)"', names),
                 f"{name}: --swap of {verb}")
        for option, wanted in (("guard", said["guard"]), ("via", said["via"]),
                               ("way", said["freeze_way"] - {"already"})):
            if option in options:
                same(completion.complete("memhint", verb, f"--{option}", ""), wanted, f"{name}: --{option} of {verb}")
    same(completion.complete("memhint", "advise", ""), said["advice"] | said["remote_advice"], f"{name}: the advices")


def main():
    table = documents.table()
    said = {}
    for line in subprocess.run([os.environ["PRINT_NAMES"]], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        noun, word = line.split()
        said.setdefault(noun, set()).add(word)
    for completion in (Bash(), Zsh(), Fish()):
        if not shutil.which(completion.name):
            skip(f"{completion.name}: completions", f"{completion.name} is not installed")
            continue
        check(completion, table, said)
        with Target("anon=64K", "comm=completed") as target:
            if completion.name != "zsh":
                ok(str(target.pid) in completion.complete("memhint", "cold", ""), f"{completion.name}: processes")
                ok("completed" in completion.complete("memhint", "cold", "--comm", ""), f"{completion.name}: names")
    bash = Bash()
    same(bash.complete("memhint", "map", "--only", "=", "hea"), ["heap"], "bash: --only=hea")
    same(bash.complete("memhint", "map", "-O", "hea"), ["heap"], "bash: -O hea")
    same(bash.complete("memhint", "map", "--only", "anon,hea"), ["anon,heap"], "bash: --only anon,hea")
    same(bash.complete("memhint", "ps", "--columns", "+ppi"), ["+ppid"], "bash: --columns +ppi")
    if shutil.which("zsh"):
        zsh = Zsh()
        for verb, entry in table.items():
            wanted = {option["name"] for option in entry["options"] if option["argument"]}
            ok(zsh.takes_argument(verb) == wanted, f"zsh: which options of {verb} take an argument",
               zsh.takes_argument(verb) ^ wanted)
    done()


if __name__ == "__main__":
    main()
