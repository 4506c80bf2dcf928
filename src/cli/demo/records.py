# SPDX-License-Identifier: GPL-2.0-or-later
"""A small program with a large memory: holds records of people and answers questions about them.

usage: records.py MEGABYTES

On standard output: "loading PERCENT" while it loads, "ready RECORDS" once; then for each line on
standard input one answer. It ends when its input ends.
"""
import gc
import hashlib
import os
import random
import sys

FIRST = "Anna Boris Carla David Elena Femi Greta Hiro Ines Jonas Karin Liam Maya Nils Olga Pavel".split()
LAST = "Keller Novak Rossi Tanaka Okafor Silva Jensen Dubois Weber Lindt Moreau Horvat Costa Meyer".split()
CITY = "Hamburg Lyon Torino Porto Gdansk Leiden Aarhus Brno Lagos Osaka Quito Bergen Graz Ghent".split()
WORD = """account active archive balance before city client contact credit delivery discount early
 export family garden invoice journey kitchen letter market morning number office order paper
 parcel payment phone quarter receipt return season service shipment signed spring station street
 summer ticket travel update village visit weekly winter yearly""".split()

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def record(rng, number):
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return {
        "name": f"{first} {last}",
        "mail": f"{first}.{last}{number}@example.org".lower(),
        "city": rng.choice(CITY),
        "since": f"{rng.randrange(1990, 2025)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
        "balance": rng.randrange(1, 1000000),
        "note": " ".join(rng.choices(WORD, k=12)),
    }


def load(wanted_bytes):
    people, rng = {}, random.Random(20201015)
    percent = -1
    while True:
        for _ in range(2000):
            number = len(people)
            people[f"user:{number:07}"] = record(rng, number)
        done = min(100, resident_bytes() * 100 // wanted_bytes)
        if done != percent:
            percent = done
            print("loading", percent, flush=True)
        if done == 100:
            return people


def ask(people):
    """The balance of a hundred people, always the same ones."""
    rng = random.Random(1)
    return sum(people[f"user:{rng.randrange(len(people)):07}"]["balance"] for _ in range(100))


def digest(people):
    sha = hashlib.sha256()
    for key, person in people.items():
        sha.update(key.encode())
        sha.update(repr(person).encode())
    return sha.hexdigest()


def main():
    gc.disable()  # nothing here is a cycle, and loading is twice as fast
    people = load(int(sys.argv[1]) << 20)
    print("ready", len(people), flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "ask":
            print("answer", ask(people), flush=True)
        elif command == "digest":
            print("digest", digest(people), flush=True)


main()
