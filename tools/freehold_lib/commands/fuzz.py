# SPDX-License-Identifier: MIT
"""Attack the parts that read what strangers send: kernel calls, rings, packets, DHCP, ELF files, bundles,
the firmware's tables, HTTP requests. libFuzzer invents inputs under the address and undefined
behaviour sanitizers; what leads to new paths is kept in the build folder for the next time. With
clang, in a build folder of its own (build/fuzz). Machine files, which Python reads, come from a
generator with a seed (tests/fuzz/machine.py).
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

from ..build import build, claim
from ..errors import FreeholdError, UsageError
from ..prepare import prepare
from ..process import run_lines
from ..terminal import Progress
from ..workspace import ROOT
from .options import add_build, seconds

SUMMARY = "fuzz the kernel's calls, the network stack and everything that reads files"
TARGETS = {
    "calls": "kernel calls, faults, packets and time, all invariants after each step",
    "rings": "network queues whose shared words change at any moment",
    "filters": "packets and filters, against a second parser and a plain search",
    "packets": "frames into libnet and lwIP, up to the sockets",
    "dhcp": "answers to lwIP's DHCP client under libnet, and time up to the end of a lease",
    "elf": "programs, with the bounds of loader and init",
    "bundle": "the bundle that init reads",
    "firmware": "ACPI's MADT and the memory map, as the loader reads them",
    "request": "heads and bodies of requests to httpd",
    "machine": "machine files: sentences, or a bundle that init accepts",
    "planted": "a bug on purpose: does the fuzzer find it? (not among the targets by default)",
}
MACHINE = "machine"  # no libFuzzer target
DEFAULT = [name for name in TARGETS if name != "planted"]
EXAMPLES = f"""\
targets:
{chr(10).join(f"  {name:10} {what}" for name, what in TARGETS.items())}

examples:
  tools/freehold fuzz                        every target for a minute
  tools/freehold fuzz packets --seconds 600  one of them for ten
  tools/freehold fuzz rings --keep           and add to tests/fuzz/corpus what reaches new code
  tools/freehold fuzz machine --seed 7       the machine files of an earlier run once more

exit status: 0 nothing found, 1 something was found or failed
"""
STATUS = re.compile(r"#(\d+)\s+[A-Z]\w*.*? cov: (\d+) ft: \d+ corp: (\d+)/")
CULPRIT = re.compile(r"Test unit written to (\S+)")
MACHINE_NEEDS = ("apps/httpd", "apps/echo", "tests/unit/init/accept_bundle")
# What an input may take before it counts as a hang (seconds, MiB).
LIMITS = ("-timeout=20", "-rss_limit_mb=2048")


class Found(NamedTuple):
    executions: int = 0
    coverage: int = 0
    inputs: int = 0


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="what to fuzz (default: all of those below)"
    )
    parser.add_argument(
        "--seconds", type=seconds, default=60, metavar="N", help="for how long each (default: 60)"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="then add the inputs that reach code which tests/fuzz/corpus does not reach to it",
    )
    parser.add_argument("--seed", metavar="TEXT", help="what machine files are drawn by; printed if drawn, too")
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.targets if name not in TARGETS]
    if unknown:
        raise UsageError(f"There is no target {unknown[0]}; there are {', '.join(TARGETS)}.")
    prepare()
    names = arguments.targets or DEFAULT
    folder = (arguments.build / "fuzz").resolve()
    if set(names) != {MACHINE}:
        _build_fuzzers(folder)
    broken = []
    for name in names:
        if name == MACHINE:
            status = _fuzz_machines(arguments.build, folder, arguments.seconds, arguments.seed)
        else:
            status = _fuzz(folder, name, arguments.seconds)
        if status != 0:
            broken.append(name)
        elif arguments.keep and name != MACHINE:
            _keep(folder, name)
    if broken:
        raise FreeholdError(f"The fuzzer ended with a failure: {', '.join(broken)}; see above.")
    return 0


def _build_fuzzers(folder: Path) -> None:
    if not shutil.which("clang"):
        raise FreeholdError("clang is missing; run tools/freehold setup.")
    build(
        folder, ["fuzzers"], options=["-Dfuzz=true"], environment={"CC": "clang"}, title="Building fuzzers"
    )


def _corpus(name: str) -> Path:
    return ROOT / "tests/fuzz/corpus" / name


def _program(folder: Path, name: str) -> Path:
    return folder / "tests/fuzz" / f"fuzz_{name}"


def _fuzz(folder: Path, name: str, limit: float) -> int:
    """Fuzz one target; the fuzzer's status, what it found having been told."""
    new, crashes = folder / "new" / name, folder / "found" / name
    for each in (new, crashes):
        each.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    found = Found()
    said: list[str] = []
    command = [
        *(_program(folder, name), f"-max_total_time={max(1, round(limit))}", *LIMITS),
        *(f"-artifact_prefix={crashes}/", new),
        *([_corpus(name)] if _corpus(name).is_dir() else []),
    ]
    with Progress(f"Fuzzing {name}") as progress, open(log, "w", encoding="utf-8") as file:

        def on_line(line: str) -> None:
            nonlocal found
            file.write(line + "\n")
            said.append(line)
            status = STATUS.match(line)
            if status:
                found = Found(*map(int, status.groups()))
                progress.update(_figures(found))

        status = run_lines(command, on_line)
        progress.done = f"{name}: {_figures(found)}"
    if status != 0:
        print(_told(folder, name, status, said, log), flush=True)
    return status


def _fuzz_machines(beside: Path, folder: Path, limit: float, seed: str | None) -> int:
    """The same for machine files."""
    build(beside, MACHINE_NEEDS, title="Building what machine files name")
    claim(folder)
    crashes = folder / "found" / MACHINE
    crashes.mkdir(parents=True, exist_ok=True)
    seed = seed or str(time.time_ns())
    command = [sys.executable, ROOT / "tests/fuzz/machine.py", "--build", beside.resolve()]
    figures, said = "nothing tried", []
    with Progress(f"Fuzzing {MACHINE} with the seed {seed}") as progress:

        def on_line(line: str) -> None:
            nonlocal figures
            said.append(line)
            if re.match(r"\d+ files, ", line):
                figures = line
                progress.update(figures)

        status = run_lines([*command, f"--seconds={limit}", f"--seed={seed}", f"--folder={crashes}"], on_line)
        progress.done = f"{MACHINE}: {figures}, seed {seed}"
    if status != 0:
        culprit = next((found[1] for found in map(CULPRIT.search, said) if found), crashes / "current.toml")
        print("\n".join(line for line in said if line and not re.match(r"\d+ files, ", line)))
        print(f"To replay it: {shlex.join(map(str, [*command, culprit]))}", flush=True)
    return status


def _figures(found: Found) -> str:
    return f"{found.executions} executions, {found.coverage} edges covered, {found.inputs} inputs kept"


def _told(folder: Path, name: str, status: int, said: list[str], log: Path) -> str:
    """What was found, and how to see it again."""
    why = [line for line in said if re.search(r"MUST hold|panic|ERROR: |runtime error: ", line)]
    sentences = why or said[-5:]
    culprit = next((found[1] for found in map(CULPRIT.search, said) if found), None)
    if culprit:
        sentences.append(
            f"An input of {name} that does this was found. To replay it: "
            f"{_program(folder, name)} {culprit}"
        )
        sentences.append(
            f"When it is mended, copy the input to {_corpus(name).relative_to(ROOT)}; "
            "the tests replay what is there."
        )
    else:
        sentences.append(f"The fuzzer {name} failed with status {status}.")
    sentences.append(f"The whole of what it said is in {log}.")
    return "\n".join(sentences)


def _keep(folder: Path, name: str) -> None:
    """Add to the committed corpus what reaches edges that it does not reach."""
    corpus = _corpus(name)
    corpus.mkdir(parents=True, exist_ok=True)
    before = len(list(corpus.iterdir()))
    said: list[str] = []
    # Edges alone, not how often each was taken: that keeps it to what a repository should hold.
    flags = ("-set_cover_merge=1", "-use_counters=0", *LIMITS)
    command = [_program(folder, name), *flags, corpus, folder / "new" / name]
    if run_lines(command, said.append) != 0:
        raise FreeholdError("The inputs of {} cannot be merged:\n{}".format(name, "\n".join(said[-5:])))
    added = len(list(corpus.iterdir())) - before
    print(f"{name}: {added} inputs added to {corpus.relative_to(ROOT)}.")
