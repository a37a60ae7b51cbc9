#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Remove each check of the kernel's core in turn: some unit test must notice.

usage: tests/mutation/mutate.py [--list] [--jobs N] [FILE.c ...]

A mutant is a copy of one file of exo/core in which one `if` never holds, one part of an `a || b`
is gone, one part of an `a && b` is taken for granted, or one `c ? -EXO_E_... : x` is always x. It
is linked with the tests of tests/unit/core, which are then run until one fails. A mutant that no
test notices makes the status 1, unless EXPLAINED says why nothing can notice it.

Run by hand, after changes to the core; it takes some minutes.
"""

import argparse
import concurrent.futures
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "exo/core"
TESTS = ROOT / "tests/unit/core"
PROGRAMS = {"queue": [], "gate": [], "revoke": [], "channel": [], "batch": [], "notify": [], "env": [], "grant": [], "memory": [], "cpu": [], "random": ["20240611", "150000"]}
# Sanitizers cost most of the time and find little more: only what survives is tried with them.
FLAGS = ["-std=gnu11", "-O1", "-w"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CPU_SECONDS = 20  # of one test program: a mutant that loops for ever is one that was noticed
LIKELY = {"frame": "memory", "grant": "grant", "table": "memory", "slice": "env", "info": "env", "console": "env", "batch": "batch",
          "notify": "notify", "gate": "gate", "revoke": "revoke", "channel": "channel"}
NOT_MUTATED = "invariants"  # how the names of files begin that are tests themselves

# (file, the line of the mutant, what is gone) -> why no test can notice.
NOBODY = "slot 0 stands for nobody: it is never alive, never the caller, never a descendant"
EXPLAINED = {
    ("cpu.c", "granted: env->waiting"): "a deadline is there only while it waits",
    ("cpu.c", "whole: env->ready != ready"): "only saves work",
    ("env.c", "part: envs[slot].state == EXO_ENV_FREE"): "a free slot has name 0, which is asked "
    "for nobody",
    ("env.c", "granted: envs[slot].state != EXO_ENV_FREE"): "changes the parent of a free slot, "
    "which nobody looks at",
    ("env.c", "whole: frames[env->frame_head].pinned"): "nothing pins a frame once queues, root and "
    "control page are given back: there for what may pin one day",
    ("frame.c", "part: !f->owner"): NOBODY,
    ("gate.c", "part: now == before"): "only saves work",
    ("gate.c", "whole: due == !!(env->pending & EXO_UP_CALL)"): "only saves work",
    ("info.c", "part: !f->owner"): NOBODY,
    ("queue.c", "granted: q"): "`from` is a queue only if there is one for the address",
    ("queue.c", "granted: !group"): "no filter is for a group; saves a look into the hash",
    ("queue.c", "part: !queues[queue.n].owner"): NOBODY,
    ("queue.c", "part: !q->owner"): NOBODY,
    ("queue.c", "granted: queues[i].owner"): NOBODY,
}


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
        changes = {"false": f"whole: {condition}"}
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
    return [*FLAGS, *more, f"-I{CORE}", f"-I{ROOT / 'exo/abi'}", f"-I{build / 'exo/abi'}", f"-I{TESTS}"]


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
    for name, arguments in sorted(PROGRAMS.items(), key=lambda item: item[0] != likely):
        program = folder / f"test_{name}"
        test_object = objects[f"test:{name}"]
        done = run(["cc", *FLAGS, *more, *core, str(test_object), "-o", str(program)])
        if done.returncode:
            raise RuntimeError(f"{name} cannot be linked:\n{done.stderr}")
        if run([str(program), *arguments], preexec_fn=limit_cpu).returncode:
            return name
    return None


def prepare(folder: Path, build: Path, more: list[str]) -> dict[str, Path]:
    """Objects of everything unchanged: core files by name, tests as test:NAME."""
    flags = compile_flags(build, more)
    folder.mkdir()
    objects = {}
    for source in [*CORE.glob("*.c"), TESTS / "mock.c", *TESTS.glob("steps*.c"), build / "exo/abi/exo_dispatch.c"]:
        objects[source.name] = folder / f"{source.name}.o"
        compile_one(source, objects[source.name], flags)
    for name in PROGRAMS:
        objects[f"test:{name}"] = folder / f"test_{name}.o"
        compile_one(TESTS / f"{name}.c", objects[f"test:{name}"], flags)
    return objects


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    parser.add_argument("--only", metavar="FILE", help="only the mutants that an earlier run's "
                        "output, in this file, calls survivors")  # fmt: skip
    parser.add_argument("files", nargs="*", metavar="FILE.c", help="files of exo/core; all if none")
    arguments = parser.parse_args()
    build = Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
    names = arguments.files or sorted(f.name for f in CORE.glob("*.c") if not f.name.startswith(NOT_MUTATED))
    work = []
    for name in names:
        source = CORE / name
        work += [(source, *m) for m in mutants(source.read_text(encoding="utf-8"))]
    if arguments.only:
        before = Path(arguments.only).read_text(encoding="utf-8")
        survived = re.findall(r"^(\w+\.c):\d+: (.*): SURVIVES$", before, re.M)
        work = [m for m in work if (m[0].name, m[2]) in survived]
    if arguments.list:
        for source, number, gone, _ in work:
            print(f"{source.name}:{number}: {gone}")
        return 0
    survivors = explained = 0
    with tempfile.TemporaryDirectory(prefix="freehold-mutation-") as folder:
        sets = []
        for more, name in (([], "plain"), (SANITIZE, "sanitized")):
            sets.append((more, prepare(Path(folder) / name, build, more)))
            if noticed(sets[-1][1], Path(folder), more):
                print("The tests fail without any mutant: mend that first.")
                return 1
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            results = pool.map(lambda m: try_mutant(m[0], m[3], sets, build), work)
            for (source, number, gone, _), by in zip(work, results):
                reason = EXPLAINED.get((source.name, gone))
                if by:
                    print(f"{source.name}:{number}: {gone}: noticed by {by}", flush=True)
                elif reason:
                    explained += 1
                    print(f"{source.name}:{number}: {gone}: explained: {reason}", flush=True)
                else:
                    survivors += 1
                    print(f"{source.name}:{number}: {gone}: SURVIVES", flush=True)
    print(f"{len(work)} mutants, {survivors} survive, {explained} explained")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
