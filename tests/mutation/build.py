# SPDX-License-Identifier: MIT
"""The test programs of tests/unit/core with all mutants of exo/core in them, and how to run them."""

from __future__ import annotations

import concurrent.futures
import math
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import conditions

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORE = ROOT / "exo/core"
TESTS = ROOT / "tests/unit/core"
INVARIANTS = ROOT / "tests/invariants"
# Sanitizers cost most of the time and find little more: only what survives is tried with them.
PLAIN = ["-std=gnu11", "-O1", "-w"]
SANITIZED = [*PLAIN, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ARGUMENTS = {"random": ["20240611", "150000"]}  # of test programs; the others take none
PATIENCE = 3  # times what a program takes without a mutant, and a second


class Mutant(NamedTuple):
    number: int
    site: int  # the number of the first mutant of the same condition
    file: str
    line: int
    function: str
    gone: str

    @property
    def name(self) -> tuple[str, str, str]:
        return self.file, self.function, self.gone


def programs() -> list[str]:
    """The test programs of tests/unit/core, as meson.build there lists them."""
    listed = re.search(r"foreach name : \[([^\]]*)\]", (TESTS / "meson.build").read_text(encoding="utf-8"))
    return re.findall(r"'(\w+)'", listed[1])


def mutate_core(folder: Path) -> list[Mutant]:
    """Copy exo/core, with every mutant in it, into the folder; which there are."""
    found = []
    number = 1  # 0 is none
    for source in sorted(CORE.glob("*.[ch]")):
        text = source.read_text(encoding="utf-8")
        sites = conditions.sites(text)
        (folder / source.name).write_text(conditions.schemata(text, sites, number), encoding="utf-8")
        for site in sites:
            first = number
            for gone in site.changes:
                found.append(Mutant(number, first, source.name, site.line, site.function, gone))
                number += 1
    return found


def generate(folder: Path) -> None:
    """What the build makes of calls.toml."""
    made = {"numbers": "exo_calls.h", "prototypes": "exo_handlers.h", "dispatch": "exo_dispatch.c"}
    for what, name in made.items():
        command = [sys.executable, ROOT / "exo/abi/generate.py", ROOT / "exo/abi/calls.toml", what]
        subprocess.run([*command, folder / name], check=True)


class Build:
    """The programs, built in one way. `sources`: what mutate_core and generate made."""

    def __init__(self, folder: Path, sources: Path, flags: list[str], mutants: int, jobs: int):
        self.folder = folder
        folders = [sources, ROOT / "exo/abi", INVARIANTS, TESTS, HERE]
        self.flags = [*flags, *(f"-I{place}" for place in folders)]
        self.flags += ["-include", str(HERE / "mutant.h"), f"-DMUTANTS={mutants + 1}"]
        self.seconds: dict[str, int] = {}
        self.reached: dict[str, set[int]] = {}
        folder.mkdir()
        names = programs()
        core = [*sources.glob("*.c"), *INVARIANTS.glob("*.c"), *TESTS.glob("*.c"), HERE / "mutant.c"]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            objects = list(pool.map(self._compile, core))
            common = [o for o, source in zip(objects, core) if source.parent != TESTS or source.stem not in names]
            list(pool.map(lambda name: self._link(name, common), names))

    def _compile(self, source: Path) -> str:
        output = self.folder / f"{source.parent.name}_{source.stem}.o"
        self._cc(["-c", str(source), "-o", str(output)])
        return str(output)

    def _link(self, name: str, common: list[str]) -> None:
        self._cc([*common, str(self.folder / f"{TESTS.name}_{name}.o"), "-o", str(self.folder / name)])

    def _cc(self, arguments: list[str]) -> None:
        done = subprocess.run(["cc", *self.flags, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"cc {arguments[0]} {arguments[1]} ... says:\n{done.stderr[:2000]}")

    def measure(self) -> str | None:
        """Run each program without a mutant: what it takes and where it comes. Which one fails."""
        for name in programs():
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            told = self.folder / f"{name}.reached"
            if not self._passes(name, {"MUTANT_REACHED": str(told)}):
                return name
            self.reached[name] = {int(line) for line in told.read_text().split()}
            took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            self.seconds[name] = math.ceil(1 + PATIENCE * took)
        return None

    def notices(self, name: str, mutant: Mutant) -> bool:
        if mutant.site not in self.reached[name]:
            return False
        limit = {"MUTANT": str(mutant.number), "MUTANT_SECONDS": str(self.seconds[name])}
        return not self._passes(name, limit)

    def _passes(self, name: str, variables: dict[str, str]) -> bool:
        command = [str(self.folder / name), *ARGUMENTS.get(name, [])]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.run(command, env={**os.environ, **variables}, **quiet).returncode == 0
