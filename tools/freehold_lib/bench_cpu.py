# SPDX-License-Identifier: MIT
"""What the ways between threads, applications and the kernel cost, in instructions, beside Linux.

Both machines are QEMU's with `-icount shift=0,sleep=off`, where the time stamp counter goes up by one an
instruction: figures repeat to the digit as long as compiler and Linux kernel stay the same. What is
counted is in tests/apps/bench_cpu.c and tests/bench/linux_cpu.c.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple, Sequence

from . import linux_guest
from .bench_report import Figure, Report
from .bundle import build_machine_image
from .emulator import Emulator
from .errors import FreeholdError
from .prepare import built
from .workspace import ROOT

SUMMARY = "calls, upcalls, switches and wake-ups, in instructions"
OPTIONS = ()
MACHINE = ROOT / "tests/bench/cpu.toml"
LINUX = "tests/bench/linux_cpu"
TARGETS = ("uefi/BOOTX64.EFI", "exo/kernel.elf", "apps/init", "tests/apps/bench_cpu", LINUX)
COUNTED = ["-icount", "shift=0,sleep=off"]
MEMORY = 256  # MiB
PATIENCE = 300  # seconds; it takes one of them a minute on a host that has other work


class Way(NamedTuple):
    name: str
    what: str
    limit: int | None
    linux: str  # what is done there; "": nothing like it


WAYS = (
    Way("null-call", "null call (`poll`)", 60, "`getppid`"),
    Way("info", "call with three arguments (`info`)", None, ""),
    Way("thread-switch", "thread switch, fifo (`sched_yield`)", 60, "`sched_yield` to a thread"),
    Way("thread-switch-turns", "thread switch, round_robin", 60, ""),
    Way("fault", "fault, upcall, resume", 150, "SIGILL, its handler, return"),
    Way("protect", "protect a page, fault, unprotect", None, "the same by `mprotect` and SIGSEGV"),
    Way("gate", "gate call and reply", 250, "pipe round trip"),
    Way("yield", "yield to another application", 200, "`sched_yield` to a process"),
    Way("yield-next", "yield to whoever is next", None, ""),
    Way("yield-upcall", "yield, and SLICE_BEGIN upcall there", None, ""),
    Way("wake", "notify until the other's wait returns", 400, "futex wake until the other's wait returns"),
    Way("wake-thread", "notify until the other's thread runs", None, ""),
)


def measure(build: Path, *, beside: bool = True) -> Report:
    folder = built(build, TARGETS)
    ours, rounds = freehold(folder)
    conditions = {"unit": "instructions, the median of " + f"{rounds} rounds", "emulator": _emulator()}
    theirs = {}
    if beside:
        theirs = linux(folder, rounds)
        conditions["Linux"] = linux_guest.version(linux_guest.kernel())
    figures = []
    for way in WAYS:
        if way.name not in ours or (beside and way.linux and way.name not in theirs):
            raise FreeholdError(f"{way.name} was not measured.")
        found = Figure(way.name, way.what, "instructions", ours[way.name], way.limit, theirs.get(way.name), way.linux)
        figures.append(found)
    return Report("cpu", conditions, figures)


def freehold(build: Path, counted: Sequence[str] = COUNTED) -> tuple[dict[str, int], int]:
    """{what: instructions}, and in how many rounds the machine file wants them.

    `counted`: under what QEMU runs; with another pace firmware is done sooner, but it is not instructions.
    """
    with tempfile.TemporaryDirectory(prefix="freehold-") as name:
        image = Path(name) / "bench.img"
        machine = build_machine_image(MACHINE, build, image)
        with Emulator(image, memory=MEMORY, nic=None, extra=counted) as emulator:
            emulator.wait_for(r"^\[init\] measure (ended|was) ", PATIENCE)
            log = emulator.text()
    main = next(app for app in machine.apps if app.name == "measure")
    turns = {f"{what}-turns": cost for what, cost in read(log, "turns").items()}
    return read(log, "measure") | turns, int(main.arguments[1])


def linux(build: Path, rounds: int, counted: Sequence[str] = COUNTED) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="freehold-") as name:
        machine = linux_guest.boot(
            build / LINUX, Path(name), arguments=[str(rounds)], memory=MEMORY, extra=counted
        )
        with machine as emulator:
            emulator.wait_for(r"^bench ended$", PATIENCE)
            return read(emulator.text())


def read(log: str, app: str = "") -> dict[str, int]:
    """{what: instructions} of the lines that measure.h prints, those of one application of ours."""
    mark = re.escape(f"[{app}] ") if app else ""
    found = re.findall(rf"^{mark}bench (\S+) (\d+) least \d+ most \d+ of \d+$", log, re.M)
    return {what: int(cost) for what, cost in found}


def _emulator() -> str:
    said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"version ([0-9.]+)", said)
    return f"QEMU {number[1] if number else '?'}, `{' '.join(COUNTED)}`, one CPU"
