#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Remove or invert each check of the kernel's core in turn: some unit test must notice.

usage: tests/mutation/mutate.py [--list] [--sample N [--seed TEXT]] [--tap] [--jobs N] [FILE ...]

A mutant is exo/core with one change. A condition of an `if` or before a `?` never holds, or holds
just when it did not; one that a function returns, or a `bool` begins with, never holds or always;
one part of an `a || b` is gone, one part of an `a && b` is taken for granted (those of loops, too).
Checks of ourselves, which end in a panic, stay.

All mutants are in one set of the test programs of tests/unit/core (build.py); MUTANT in the
environment says which one a run is of. A run without any records the conditions that each program
comes to; those that come to the mutant's are tried until one fails. What no test notices is tried
under the sanitizers, too; if that is in vain, the status is 1, unless explained.toml says why
nothing can notice it. `tools/freehold mutate` calls this.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import hashlib
import math
import os
import re
import sys
import tempfile
import threading
import tomllib
from collections import Counter
from pathlib import Path

import build

EXPLAINED = build.HERE / "explained.toml"
SECURITY = build.ROOT / "docs/security.md"
CLEAR_LINE = "\r\x1b[K"
BEGIN, END = "<!-- mutation: begin -->\n", "<!-- mutation: end -->\n"


def explanations() -> dict[tuple[str, str, str], str]:
    """(file, function, what is gone) -> why no test can notice."""
    table = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    return {(e["file"], e["in"], e["gone"]): e["reason"] for e in table["explained"]}


def sample(work: list[build.Mutant], count: int, seed: str) -> list[build.Mutant]:
    """So many of them, by a hash of what each is: a change of the core changes few of them."""

    def rank(mutant: build.Mutant) -> bytes:
        return hashlib.sha256("/".join([seed, *mutant.name]).encode()).digest()

    print(f"# {count} of {len(work)} mutants, drawn by the seed {seed!r}")
    chosen = set(sorted(work, key=rank)[:count])
    return [mutant for mutant in work if mutant in chosen]


class Judge:
    """Finds out who notices a mutant."""

    def __init__(self, folder: Path, sources: Path, mutants: int, jobs: int):
        self.place = folder, sources, mutants, jobs
        self.plain = self._build("plain", build.PLAIN)
        self._sanitized: build.Build | None = None
        self._lock = threading.Lock()
        self.explained = explanations()
        self._noticed: Counter = Counter()  # by file and program: who is asked first

    def _build(self, name: str, flags: list[str]) -> build.Build:
        folder, sources, mutants, jobs = self.place
        built = build.Build(folder / name, sources, flags, mutants, jobs)
        if failing := built.measure():
            raise SystemExit(f"The test {failing} ({name}) fails without any mutant: mend that first.")
        return built

    def _under_sanitizers(self) -> build.Build:
        with self._lock:
            if not self._sanitized:
                self._sanitized = self._build("sanitized", build.SANITIZED)
        return self._sanitized

    def noticed_by(self, mutant: build.Mutant) -> str | None:
        if not any(mutant.site in reached for reached in self.plain.reached.values()):
            return None
        ways = [lambda: self.plain]
        if mutant.name not in self.explained:
            ways.append(self._under_sanitizers)
        for get in ways:
            built = get()
            quick_first = lambda name: (built.seconds[name], -self._noticed[mutant.file, name])
            for name in sorted(built.seconds, key=quick_first):
                if built.notices(name, mutant):
                    self._noticed[mutant.file, name] += 1
                    return name
        return None


class Teller:
    """Says of each mutant what became of it, in words or as TAP, and counts."""

    def __init__(self, planned: int, tap: bool):
        self.planned, self.tap = planned, tap
        self.live = sys.stdout.isatty() and not tap
        self.explained = explanations()
        self.counts: Counter = Counter()
        if tap:
            print(f"1..{planned}")

    def tell(self, mutant: build.Mutant, by: str | None) -> None:
        reason = self.explained.get(mutant.name)
        what = f"{mutant.file}:{mutant.line}: {mutant.function}: {mutant.gone}"
        kind = "noticed" if by else "explained" if reason else "survivors"
        self.counts[kind] += 1
        outcome = {"noticed": f"noticed by {by}", "explained": f"explained: {reason}"}.get(kind, "SURVIVES")
        number = self.counts.total()
        if self.tap:
            bad = "not " if kind == "survivors" else ""
            print(f"{bad}ok {number} - {what}: {outcome}".replace("#", "no."), flush=True)
        elif self.live:
            now = f"{number} of {self.planned} mutants, {self.counts['survivors']} survive"
            line = f"{what}: {outcome}\n" if kind != "noticed" else ""
            print(f"{CLEAR_LINE}{line}{now}", end="", flush=True)
        else:
            print(f"{what}: {outcome}", flush=True)

    def summary(self) -> str:
        told = ", ".join(f"{self.counts[kind]} {kind}" for kind in ("noticed", "explained", "survivors"))
        return f"{self.planned} mutants: {told}"


def write(summary: str, minutes: float) -> None:
    """Put the figures of a full run into docs/security.md."""
    today = datetime.date.today().isoformat()
    told = f"The full run of {today} took {math.ceil(minutes)} minutes of CPU time. {summary}.\n"
    text = SECURITY.read_text(encoding="utf-8")
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    SECURITY.write_text(f"{text[:before]}\n{told}\n{text[after:]}", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--sample", type=int, metavar="N", help="try only so many, drawn at random")
    parser.add_argument("--seed", default="freehold", help="what they are drawn by")
    parser.add_argument("--tap", action="store_true", help="print each as a test case")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many at once")
    parser.add_argument("--only", metavar="FILE", help="only the mutants that an earlier run's "
                        "output, in this file, calls survivors")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="put the figures into docs/security.md")
    parser.add_argument("files", nargs="*", metavar="FILE", help="files of exo/core; all if none")
    arguments = parser.parse_args()
    if arguments.write and (arguments.files or arguments.sample or arguments.only):
        parser.error("--write tells of a run of all mutants")
    return arguments


def chosen(mutants: list[build.Mutant], arguments: argparse.Namespace) -> list[build.Mutant]:
    work = [m for m in mutants if not arguments.files or m.file in arguments.files]
    if arguments.only:
        before = Path(arguments.only).read_text(encoding="utf-8")
        survived = set(re.findall(r"^([\w.]+):\d+: (\w+): (.*): SURVIVES$", before, re.M))
        work = [m for m in work if m.name in survived]
    if arguments.sample:
        work = sample(work, arguments.sample, arguments.seed)
    return work


def run(arguments: argparse.Namespace, folder: Path) -> int:
    sources = folder / "mutants"
    sources.mkdir()
    mutants = build.mutate_core(sources)
    stale = explanations().keys() - {m.name for m in mutants}
    for name in sorted(stale):
        print(f"# explained.toml explains what is not there any more: {': '.join(name)}")
    work = chosen(mutants, arguments)
    if arguments.list:
        for m in work:
            print(f"{m.file}:{m.line}: {m.function}: {m.gone}")
        return 0
    build.generate(sources)
    judge = Judge(folder, sources, len(mutants), arguments.jobs)
    teller = Teller(len(work), arguments.tap)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for mutant, by in zip(work, pool.map(judge.noticed_by, work)):
            teller.tell(mutant, by)
    times = os.times()
    minutes = (times.user + times.system + times.children_user + times.children_system) / 60
    if not arguments.tap:
        print(f"{CLEAR_LINE if teller.live else ''}{teller.summary()} ({minutes:.1f} minutes of CPU time)")
    if arguments.write:
        write(teller.summary(), minutes)
    return 1 if teller.counts["survivors"] or stale else 0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="freehold-mutation-") as name:
        return run(parse(), Path(name))


if __name__ == "__main__":
    sys.exit(main())
