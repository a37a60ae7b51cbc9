# SPDX-License-Identifier: MIT
"""Instructions from the first of our loader, or of Linux's kernel file, to the first answer by HTTP.

Both are EFI programs that the same firmware starts, so what the firmware does before is in neither count. In the
machine of ours is httpd alone; the Linux guest has the lean server on epoll for its first process, and what
that takes from Debian's kernel package and no more. The client asks as soon as the server says that it listens.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Sequence

from . import bench_lost, linux_guest
from .bench_count import COUNTED, PLUGIN, Counter
from .bench_guests import App, conditions, fetch, freehold, linux
from .bench_http import CONTENT, PATH, SITE
from .bench_options import RUNS
from .bench_report import Figure, Report
from .bench_wire import Door, Link, Wires
from .emulator import Emulator
from .errors import FreeholdError
from .prepare import built
from .terminal import Progress

SUMMARY = "from the loader to the first answer by HTTP, in instructions"
OPTIONS = (RUNS,)
LINUX = "tests/bench/linux_http"
LOADER = "uefi/BOOTX64.EFI"
TARGETS = (LOADER, "exo/kernel.elf", "apps/init", "apps/httpd", LINUX, PLUGIN)
PATIENCE = 300  # seconds, on a host that has other work
SHARE = 20  # of Linux's instructions, ours may be at most one in so many
DOOR = Door("tcp", 15, 80)


def measure(build: Path, *, beside: bool, runs: int, counted: Sequence[str] = COUNTED) -> Report:
    """`counted`: under what QEMU runs; with another pace the firmware's waiting takes less."""
    folder = built(build, TARGETS)
    ours, theirs = [], []
    if beside:
        fetch()
    with Wires() as wires, Progress("Counting boots", done="Boots are counted") as progress:
        about = conditions(wires, beside=beside)
        about["emulator"] += f", `{' '.join(counted)}`"
        links = [wires.link([DOOR]) for _ in range(1 + beside)]
        for number in range(runs):
            progress.update(f"run {number + 1} of {runs}")
            ours.append(_freehold(folder, links[0], counted))
            if beside:
                theirs.append(_linux(folder, links[1], counted))
    spread = f"{min(ours):,} to {max(ours):,}" + (f", Linux {min(theirs):,} to {max(theirs):,}" if beside else "")
    about = {"unit": f"instructions, the median of {runs} runs ({spread})", **about}
    linux_count = int(median(theirs)) if beside else None
    limit = linux_count // SHARE if beside else None
    figure = Figure("boot", "loader or kernel to first answer", "instructions", int(median(ours)), limit, linux_count,
                    "the same, from the kernel's first instruction")
    return Report("boot", about, [figure])


def _freehold(build: Path, link: Link, counted: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="freehold-") as name:
        folder = Path(name)
        counter = Counter(build, build / LOADER, folder, counted)
        machine = freehold([App("httpd", "httpd", DOOR.host)], link, build, folder, extra=counter.arguments)
        return _counted(machine, r"^\[httpd\] .*listening", link, counter)


def _linux(build: Path, link: Link, counted: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="freehold-") as name:
        folder = Path(name)
        counter = Counter(build, linux_guest.kernel(), folder, counted)
        site = {f"site/{file.name}": file for file in SITE.iterdir()}
        machine = linux(build / LINUX, link, DOOR.host, site, folder, extra=counter.arguments)
        return _counted(machine, "^bench ready$", link, counter)


def _counted(machine: Emulator, up: str, link: Link, counter: Counter) -> int:
    with machine:
        machine.wait_for(up, PATIENCE)
        if bench_lost.count(link.place(DOOR), PATH, CONTENT, connections=1, rounds=1):
            raise FreeholdError(f"The server gave no answer; the machine's log ends with:\n{machine.tail()}")
        return counter.count()
