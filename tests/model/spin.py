#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every interleaving of a model of several CPUs, by SPIN; then the same with each of its faults.

usage: spin.py MODEL.pml COMPILER ...

The model is right when SPIN has tried all and found nothing. Each FAULT that the model's head names must
be found, or the model would not notice it. Results come in the Test Anything Protocol; where spin is
not installed the test is skipped.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DEPTH = 1_000_000


def explore(model: Path, fault: int, compiler: list[str]) -> tuple[int, int, bool, str]:
    """Errors, states, whether all was tried, and what SPIN said."""
    with tempfile.TemporaryDirectory(prefix="freehold-spin-") as folder:

        def run(*words: object) -> str:
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"spin.py: {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
            return done.stdout

        run("spin", "-a", f"-DFAULT={fault}", model.resolve())
        # Safety: assertions and ends; nothing is claimed that needs cycles.
        run(*compiler, "-O1", "-w", "-DSAFETY", "-DNOFAIR", "-o", "pan", "pan.c")
        said = run("./pan", f"-m{DEPTH}")
    errors = int(re.search(r"errors: (\d+)", said)[1])
    states = int(re.search(r"(\d+) states, stored", said)[1])
    whole = "Search not completed" not in said and "max search depth too small" not in said
    return errors, states, whole, said


def main() -> int:
    model, compiler = Path(sys.argv[1]), sys.argv[2:]
    if not shutil.which("spin"):
        print("1..0 # SKIP spin is not installed")
        return 0
    faults = re.findall(r"^ \* FAULT (\d+): (.*)$", model.read_text(), re.M)
    results = []
    errors, states, whole, said = explore(model, 0, compiler)
    results.append((errors == 0 and whole, f"{model.stem}: every interleaving, {states} states", said))
    # A line that nothing reaches shows nothing. The end of an endless loop is none.
    dead = [line for line in re.findall(r"^\t\S+:\d+, state \d+, \"(.*)\"$", said, re.M) if line != "-end-"]
    results.append((not dead, f"{model.stem}: every line is reached", said))
    for number, what in faults:
        errors, _, _, said = explore(model, int(number), compiler)
        results.append((errors > 0, f"{model.stem}: a fault is found: {what}", said))
    results.append((len(faults) > 0, f"{model.stem}: {len(faults)} faults were planted", ""))
    for place, (held, what, said) in enumerate(results, 1):
        if not held:
            sys.stdout.write("".join(f"# {line}\n" for line in said.splitlines()))
        print(f"{'ok' if held else 'not ok'} {place} - {what}")
    print(f"1..{len(results)}")
    return not all(held for held, *_ in results)


if __name__ == "__main__":
    sys.exit(main())
