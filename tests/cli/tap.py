# SPDX-License-Identifier: GPL-2.0-or-later
"""The Test Anything Protocol for tests in Python."""
import sys

_count = 0
_failed = 0


def ok(passed, name, *details):
    """One test; the details are printed when it fails."""
    global _count, _failed
    _count += 1
    print(f"{'ok' if passed else 'not ok'} {_count} - {name}", flush=True)
    if not passed:
        _failed += 1
        for detail in details:
            for line in str(detail).splitlines():
                print(f"# {line}", flush=True)
    return passed


def same(have, want, name):
    """Whether two sets of things are the same; else says what is in just one of them."""
    have, want = set(have), set(want)
    return ok(have == want and have, name,
              *[f"has {item}, which it should not" for item in sorted(have - want, key=str)],
              *[f"lacks {item}" for item in sorted(want - have, key=str)],
              *([] if have else ["there is nothing at all"]))


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def note(text):
    print(f"# {text}", flush=True)


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failed or not _count else 0)
