#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Remove or invert each check of the kernel's core in turn: some unit test must notice.

usage: tests/mutation/mutate.py [--list] [--sample N [--seed TEXT]] [--tap] [--jobs N] [FILE.c ...]

A mutant is a copy of one file of exo/core in which one `if` never holds or holds just when it did
not, one part of an `a || b` is gone, one part of an `a && b` is taken for granted, or one
`c ? -EXO_E_... : x` is always x. It is linked with the tests of tests/unit/core, which are then run
until one fails; one that takes longer than CPU_SECONDS is noticed, too. A mutant that no test notices
makes the status 1, unless explained.toml says why nothing can notice it.

`tools/freehold mutate` calls this; all of it takes an hour. A sample of them changes little when the
core does.
"""

import argparse
import concurrent.futures
import hashlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "exo/core"
TESTS = ROOT / "tests/unit/core"
INVARIANTS = ROOT / "tests/invariants"
EXPLAINED = Path(__file__).resolve().parent / "explained.toml"
ARGUMENTS = {"random": ["20240611", "150000"]}  # of test programs; the others take none
# Sanitizers cost most of the time and find little more: only what survives is tried with them.
FLAGS = ["-std=gnu11", "-O1", "-w"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CPU_SECONDS = 60  # of one test program: a mutant that loops for ever is one that was noticed
# Which test notices most mutants of a file, where it does not bear the file's name.
LIKELY = {"frame": "memory", "table": "memory", "slice": "env", "info": "env", "console": "env"}


def programs() -> list[str]:
    """The test programs of tests/unit/core, quick ones first, as meson.build there lists them."""
    listed = re.search(r"foreach name : \[([^\]]*)\]", (TESTS / "meson.build").read_text(encoding="utf-8"))
    return re.findall(r"'(\w+)'", listed[1])


def explanations() -> dict[tuple[str, str], str]:
    """(file, what is gone) -> why no test can notice."""
    table = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    return {(e["file"], e["gone"]): e["reason"] for e in table["explained"]}


def matching(text: str, at: int) -> int:
    """The index after the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    raise ValueError("unbalanced brackets")


def parts(condition: str, operator: str) -> list[str]:
    """The condition taken apart at an operator that stands in no bracket."""
    found, depth, start = [], 0, 0
    for i, c in enumerate(condition):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if depth == 0 and condition.startswith(operator, i):
            found.append(condition[start:i].strip())
            start = i + len(operator)
    return [*found, condition[start:].strip()]


def mutants(text: str):
    """(line number, what is gone, the whole mutated text) for each mutant of a file."""
    for match in re.finditer(r"\bif \(", text):
        opening = match.end() - 1
        end = matching(text, opening)
        condition = text[opening + 1 : end - 1]
        number = text.count("\n", 0, match.start()) + 1
        if re.match(r"\s*\{?\s*panic\(", text[end:]):
            continue  # checks of ourselves, which no caller can reach
        changes = {"false": f"whole: {condition}", f"!({condition})": f"inverted: {condition}"}
        alternatives = parts(condition, "||")
        if len(alternatives) > 1:
            for i, gone in enumerate(alternatives):
                rest = alternatives[:i] + alternatives[i + 1 :]
                changes[" || ".join(rest)] = f"part: {gone}"
        for i, alternative in enumerate(alternatives):
            needed = parts(alternative, "&&")
            for j, gone in enumerate(needed):
                if len(needed) > 1:
                    weaker = " && ".join(needed[:j] + needed[j + 1 :])
                    rest = [f"({weaker})" if k == i else a for k, a in enumerate(alternatives)]
                    changes[" || ".join(rest)] = f"granted: {gone}"
        for new, gone in changes.items():
            # The old condition stays, unevaluated, so that nothing is unused.
            mutated = f"((void)sizeof(!({condition})), {new})"
            yield number, " ".join(gone.split()), text[:opening] + f"({mutated})" + text[end:]
    for match in re.finditer(r"return ([^;?]*) \? (-[^;:]*EXO_E_\w+)\s*:\s*([^;]*);", text):
        number = text.count("\n", 0, match.start()) + 1
        condition = " ".join(match[1].split())
        changed = f"return {match[3]};"
        yield number, f"whole: {condition}", text[: match.start()] + changed + text[match.end() :]


def compile_flags(build: Path, more: list[str]) -> list[str]:
    return [*FLAGS, *more, *(f"-I{f}" for f in (CORE, ROOT / "exo/abi", build, TESTS, INVARIANTS))]


def run(command, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", **options)


def compile_one(source: Path, output: Path, flags: list[str]) -> None:
    done = run(["cc", *flags, "-c", str(source), "-o", str(output)])
    if done.returncode:
        raise RuntimeError(f"{source} cannot be compiled:\n{done.stderr}")


def limit_cpu() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def noticed(
    objects: dict[str, Path], folder: Path, more: list[str], likely: str = ""
) -> str | None:
    """Which test program notices, None if none does. The likely one is asked first."""
    core = [str(o) for key, o in objects.items() if not key.startswith("test:")]
    for name in sorted(programs(), key=lambda name: name != likely):
        program = folder / f"test_{name}"
        test_object = objects[f"test:{name}"]
        done = run(["cc", *FLAGS, *more, *core, str(test_object), "-o", str(program)])
        if done.returncode:
            raise RuntimeError(f"{name} cannot be linked:\n{done.stderr}")
        if run([str(program), *ARGUMENTS.get(name, [])], preexec_fn=limit_cpu).returncode:
            return name
    return None


def prepare(folder: Path, build: Path, more: list[str]) -> dict[str, Path]:
    """Objects of everything unchanged: core files by name, tests as test:NAME."""
    flags = compile_flags(build, more)
    folder.mkdir()
    objects = {}
    tests = programs()
    helpers = [source for source in TESTS.glob("*.c") if source.stem not in tests]
    for source in [*CORE.glob("*.c"), *INVARIANTS.glob("*.c"), *helpers, build / "exo_dispatch.c"]:
        objects[source.name] = folder / f"{source.name}.o"
        compile_one(source, objects[source.name], flags)
    for name in tests:
        objects[f"test:{name}"] = folder / f"test_{name}.o"
        compile_one(TESTS / f"{name}.c", objects[f"test:{name}"], flags)
    return objects


def generate(folder: Path) -> None:
    """What the build makes of calls.toml."""
    made = {"numbers": "exo_calls.h", "prototypes": "exo_handlers.h", "dispatch": "exo_dispatch.c"}
    for what, name in made.items():
        command = [sys.executable, ROOT / "exo/abi/generate.py", ROOT / "exo/abi/calls.toml", what]
        subprocess.run([*command, folder / name], check=True)


def try_mutant(source: Path, text: str, sets, build: Path) -> str | None:
    """`sets`: (flags, objects) to try one after another until a test notices."""
    with tempfile.TemporaryDirectory(prefix="freehold-mutant-") as name:
        folder = Path(name)
        mutated = folder / source.name
        mutated.write_text(text, encoding="utf-8")
        likely = LIKELY.get(source.stem, source.stem)
        for more, objects in sets:
            compile_one(mutated, folder / "mutant.o", compile_flags(build, more))
            changed = {**objects, source.name: folder / "mutant.o"}
            if by := noticed(changed, folder, more, likely):
                return by
    return None


def all_mutants(names: list[str]) -> list[tuple]:
    names = names or sorted(f.name for f in CORE.glob("*.c"))
    work = []
    for name in names:
        source = CORE / name
        work += [(source, *m) for m in mutants(source.read_text(encoding="utf-8"))]
    return work


def sample(work: list[tuple], count: int, seed: str) -> list[tuple]:
    """So many of them, by a hash of what each is: a change of the core changes few of them."""

    def rank(mutant: tuple) -> bytes:
        source, _, gone, _ = mutant
        return hashlib.sha256(f"{seed}/{source.name}/{gone}".encode()).digest()

    print(f"# {count} of {len(work)} mutants, drawn by the seed {seed!r}")
    chosen = sorted(work, key=rank)[:count]
    return [mutant for mutant in work if mutant in chosen]


class Teller:
    """Says of each mutant what became of it, in words or as TAP, and counts."""

    def __init__(self, planned: int, tap: bool):
        self.tap = tap
        self.explained = explanations()
        self.number = self.survivors = 0
        self.used: set[tuple[str, str]] = set()
        if tap:
            print(f"1..{planned}")

    def tell(self, source: Path, line: int, gone: str, by: str | None) -> None:
        key = (source.name, gone)
        what = f"{source.name}:{line}: {gone}"
        if by:
            outcome = f"noticed by {by}"
        elif key in self.explained:
            self.used.add(key)
            outcome = f"explained: {self.explained[key]}"
        else:
            self.survivors += 1
            outcome = "SURVIVES"
        self.number += 1
        if self.tap:
            bad = "not " if outcome == "SURVIVES" else ""
            print(f"{bad}ok {self.number} - {what}: {outcome}".replace("#", "no."), flush=True)
        else:
            print(f"{what}: {outcome}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--sample", type=int, metavar="N", help="try only so many, drawn at random")
    parser.add_argument("--seed", default="freehold", help="what they are drawn by")
    parser.add_argument("--tap", action="store_true", help="print each as a test case")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many at once")
    parser.add_argument("--only", metavar="FILE", help="only the mutants that an earlier run's "
                        "output, in this file, calls survivors")  # fmt: skip
    parser.add_argument("files", nargs="*", metavar="FILE.c", help="files of exo/core; all if none")
    arguments = parser.parse_args()
    work = all_mutants(arguments.files)
    names = {(source.name, gone) for source, _, gone, _ in work}
    stale = [key for key in explanations() if key not in names] if not arguments.files else []
    for file, gone in stale:
        print(f"explained.toml explains what is not in {file} any more: {gone}")
    if arguments.sample:
        work = sample(work, arguments.sample, arguments.seed)
    if arguments.only:
        before = Path(arguments.only).read_text(encoding="utf-8")
        survived = re.findall(r"^(\w+\.c):\d+: (.*): SURVIVES$", before, re.M)
        work = [m for m in work if (m[0].name, m[2]) in survived]
    if arguments.list:
        for source, number, gone, _ in work:
            print(f"{source.name}:{number}: {gone}")
        return 0
    with tempfile.TemporaryDirectory(prefix="freehold-mutation-") as name:
        folder = Path(name)
        generate(folder)
        sets = []
        for more, kind in (([], "plain"), (SANITIZE, "sanitized")):
            sets.append((more, prepare(folder / kind, folder, more)))
        if noticed(sets[0][1], folder, sets[0][0]):
            print("The tests fail without any mutant: mend that first.")
            return 1
        teller = Teller(len(work), arguments.tap)
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            results = pool.map(lambda m: try_mutant(m[0], m[3], sets, folder), work)
            for (source, number, gone, _), by in zip(work, results):
                teller.tell(source, number, gone, by)
    if not arguments.tap:
        print(f"{len(work)} mutants, {teller.survivors} survive, {len(teller.used)} explained")
    return 1 if teller.survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
