# SPDX-License-Identifier: GPL-2.0-or-later
"""The command as a whole: its verbs, its help, and what becomes of its output."""
import os
import re
import subprocess

from harness import (MEMHINT, complains, done, environment, equal, ok, one_sentence, run, run_on_terminal,
                     shape)

options = run("--dump-options").json()
verbs = [verb["name"] for verb in options["verbs"]]

# --- help ---------------------------------------------------------------------------------------

equal(shape(options, {
    "schema": re.compile(r"memhint\.options/1"),
    "verbs": [{
        "name": str, "arguments": (str, None), "summary": str,
        "options": [{"name": re.compile("[a-z][a-z-]*"), "letter": (re.compile("[a-zA-Z]"), None),
                     "argument": (str, None), "group": str, "help": str}],
        "columns": [{"name": str, "help": str, "by_default": bool}],
    }],
}), [], "--dump-options has its shape")
for verb in ("ps", "map", "advise", "cold", "pageout", "willneed", "collapse", "doctor", "demo"):
    ok(verb in verbs, f"there is a verb {verb}", verbs)

result = run("--help")
equal(result.status, 0, "--help")
for verb in options["verbs"]:
    ok(re.search(rf"^  {verb['name']} +{re.escape(verb['summary'])}$", result.out, re.M),
       f"--help lists {verb['name']}", result)
equal(run("-h").out, result.out, "-h is --help")
ok(re.fullmatch(r"memhint \d+\.\d+\.\d+\n", run("--version").out), "--version")
equal(run("-V").out, run("--version").out, "-V is --version")

for verb in options["verbs"]:
    name = verb["name"]
    result = run(name, "--help")
    ok(result.status == 0 and not result.err and result.out.startswith(f"memhint {name} - "),
       f"{name} --help", result)
    missing = [o["name"] for o in verb["options"] if f"--{o['name']}" not in result.out]
    equal(missing, [], f"{name} --help has every option")
    letters = [o["letter"] for o in verb["options"] if o["letter"]]
    equal(len(letters), len(set(letters)), f"{name}: no letter stands for two options")
    names = [o["name"] for o in verb["options"]]
    equal(len(names), len(set(names)), f"{name}: no name stands for two options")
    ok({"help", "version", "json", "quiet", "verbose"} <= set(names), f"{name} has the options of all", names)
    missing = [c["name"] for c in verb["columns"] if not re.search(rf"^  [* ] {c['name']} ", result.out, re.M)]
    equal(missing, [], f"{name} --help has every column")
    long = [line for line in result.out.splitlines() if len(line) > 104]
    equal(long, [], f"{name} --help fits a terminal")
    examples = re.findall(rf"^  (?:setpriv .*)?memhint {name}\b", result.out, re.M)
    ok(2 <= len(examples) <= 6, f"{name} --help has some examples", result.out)
    equal(run(name, "-h").out, result.out, f"{name} -h")
    equal(run(name, "--version").out, run("--version").out, f"{name} --version")
    for option in verb["options"]:
        if option["argument"]:
            complains(2, "needs an argument", name, f"--{option['name']}")
        else:
            complains(2, "takes no argument", name, f"--{option['name']}=x")

# Every example is taken: its options exist and its words are in the right place. Only the processes
# that it names need not be there.
for verb in options["verbs"]:
    help_text = run(verb["name"], "--help").out
    for line in re.findall(r"^  (memhint .*)$", help_text.split("\nExamples:\n")[1], re.M):
        words = line.split("|")[0].replace("$$", str(os.getpid())).replace("'", "").replace("alice", "root").split()
        if words[1] in ("ps", "doctor", "demo"):
            continue
        result = run(*[w.replace("1234", "1") if w == "1234" else w for w in words[1:]], "--pid", "0")
        ok(result.status == 2 and one_sentence(result, "no process can have this id"),
           f"the example '{line}' makes sense up to its process", result)

# --- wrong verbs --------------------------------------------------------------------------------

result = run()
ok(result.status == 2 and result.err.startswith("Usage:") and not result.out, "no verb at all", result)
complains(2, "there is no verb 'frobnicate'", "frobnicate")
complains(2, "is 'pageout' meant", "pagout")
complains(2, "there is no option '--frobnicate'", "--frobnicate")
complains(2, "there is no verb ''", "")

# --- where the output goes ----------------------------------------------------------------------


def with_stdout(redirection, *args):
    return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', MEMHINT, *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(), text=True)


for args in (["ps"], ["ps", "--json"], ["--help"], ["doctor"], ["cold", "1"]):
    closed = with_stdout(">&-", *args)
    ok(closed.returncode == 1 and "stdout is closed" in closed.stderr and closed.stderr.count("\n") == 1,
       f"{' '.join(args)} with stdout closed", closed)
for args in (["ps"], ["ps", "--json"], ["--help"], ["doctor"], ["--dump-options"]):
    full = with_stdout(">/dev/full", *args)
    ok(full.returncode == 1 and "could not be written" in full.stderr and full.stderr.count("\n") == 1,
       f"{' '.join(args)} with a full disk", full)

for args, status in ((["ps"], 0), (["--dump-options"], 0), (["ps", "--json"], 0)):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run([MEMHINT, *args], stdout=write, stderr=subprocess.PIPE, env=environment())
    os.close(write)
    ok(process.returncode == status and not process.stderr,
       f"{' '.join(args)}: a reader that went away is no error, and no reason to die", process)

result = subprocess.run(["sh", "-c", 'exec "$0" ps --json <&- 2>&-', MEMHINT], stdout=subprocess.PIPE,
                        env=environment(), text=True)
ok(result.returncode == 0 and result.stdout.startswith('{"schema":"memhint.ps/1"'),
   "with stdin and stderr closed", result)

# --- colours ------------------------------------------------------------------------------------

ok("\033[" not in run("doctor").out, "no colours in a pipe")
ok("\033[" in run_on_terminal("doctor")[1], "colours on a terminal")
ok("\033[" not in run_on_terminal("doctor", env=environment(NO_COLOR="1"))[1], "NO_COLOR is respected")
ok("\033[" in run_on_terminal("doctor", env=environment(NO_COLOR=""))[1], "an empty NO_COLOR is none")
ok("\033[" not in run_on_terminal("doctor", env=environment(TERM="dumb"))[1], "TERM=dumb has none")
ok("\033[" not in run_on_terminal("doctor", env=environment(TERM=None))[1], "no TERM has none")
ok("\033[" not in run_on_terminal("doctor", "--json")[1], "JSON never has any")
plain = run("ps", env=environment(LC_ALL="C")).out
ok(plain.isascii() and "\\xe2" not in plain, "ASCII in a locale that has no more")

done()
