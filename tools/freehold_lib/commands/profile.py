# SPDX-License-Identifier: MIT
"""Show where the time of a machine goes: which functions of which application, and of the kernel.

Boots a machine in QEMU, and then looks at its CPUs a few hundred times a second, as long as the command of
--run takes, or for some seconds. What was seen becomes a flame graph (SVG), a file of stacks that other
tools read, and a table of the functions that were at work most often.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

from ..build import claim
from ..bundle import build_machine_image
from ..emulator import Emulator
from ..errors import FreeholdError
from ..flame_picture import picture
from ..machine import Machine, load
from ..prepare import built
from ..profile import IDLE, Profiler, by_function, folded
from ..symbols import Symboliser
from ..workspace import Run, lock
from .options import add_build, add_machine, cpus, rate, seconds
from .run import BUSY, machine_in_qemu

SUMMARY = "show where the time goes, as a flame graph"
EXAMPLES = """\
examples:
  tools/freehold profile                           the demo machine for 5 s
  tools/freehold profile --run 'wrk -d 5 http://127.0.0.1:8080/'
                                                   while a client asks for pages
  tools/freehold profile --machine my.toml --after 2 --seconds 10
                                                   another machine, from 2 s after its start

Writes profile.svg, which any viewer shows, and profile.txt, a line a stack.

exit status: 0 both files are written; 1 something failed, for example nothing was seen; 2 the command line is
wrong
"""
DEFAULT_SECONDS, DEFAULT_AFTER, DEFAULT_RATE = 5.0, 1.0, 200.0
START = 60.0  # seconds that a machine may take until its applications start
STARTED = r"^\[init\] started "
SHOWN = 15  # functions in the table


def describe(parser: argparse.ArgumentParser) -> None:
    add_machine(parser)
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="where to write the files (default: the build folder's run/)")
    parser.add_argument(
        "--seconds", type=seconds, default=None, metavar="N",
        help=f"how long to look (default: {DEFAULT_SECONDS:g}, or as long as the command of --run takes)",
    )  # fmt: skip
    parser.add_argument(
        "--after", type=seconds, default=DEFAULT_AFTER, metavar="N",
        help=f"begin so many seconds after the applications have started (default: {DEFAULT_AFTER:g})",
    )  # fmt: skip
    parser.add_argument("--rate", type=rate, default=DEFAULT_RATE, metavar="N", help=f"looks a second (default: {DEFAULT_RATE:g})")
    parser.add_argument("--cpus", type=cpus, metavar="N", help="how many CPUs the machine has (default: what the machine file says)")
    parser.add_argument("--run", metavar="COMMAND", help="run this in a shell here, and look until it ends")
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    load(arguments.machine, None)  # what is wrong with the file, before anything that takes long
    claim(arguments.build)
    run = Run(arguments.build)
    with lock(run.lock, BUSY.format(folder=arguments.build)):
        built(arguments.build)
        machine = build_machine_image(arguments.machine, arguments.build, run.image)
        emulator, symboliser = machine_in_qemu(run, machine, arguments.cpus, gdb=run.gdb)
        with emulator:
            profiler = _watch(emulator, symboliser, arguments)
    _write(arguments.out or run.folder, machine, profiler)
    return 0


def _watch(emulator: Emulator, symboliser: Symboliser, arguments: argparse.Namespace) -> Profiler:
    emulator.wait_for(STARTED, START)
    for line in symboliser.filter(emulator.lines(arguments.after)):
        print(line, flush=True)
    profiler = Profiler(emulator, symboliser)
    command = subprocess.Popen(arguments.run, shell=True) if arguments.run else None
    wanted = arguments.seconds or (None if command else DEFAULT_SECONDS)
    end = time.monotonic() + wanted if wanted else None
    try:
        profiler.run(arguments.rate, lambda: _goes_on(emulator, command, end))
    finally:
        if command and command.poll() is None:
            command.terminate()
            command.wait()
    if command and command.returncode > 0:
        raise FreeholdError(f"The command of --run ended with status {command.returncode}: {arguments.run}")
    return profiler


def _goes_on(emulator: Emulator, command: subprocess.Popen | None, end: float | None) -> bool:
    if not emulator.running:
        raise FreeholdError("The machine ended while it was looked at.")
    return (end is None or time.monotonic() < end) and (command is None or command.poll() is None)


def _write(folder: Path, machine: Machine, profiler: Profiler) -> None:
    samples = profiler.samples
    total = samples.total()
    if not total:
        raise FreeholdError("Nothing was seen: the time was too short for a single look.")
    folder.mkdir(parents=True, exist_ok=True)
    idle = samples[IDLE,]
    title = f"{machine.name}: {profiler.looks} looks, {100 * idle / total:.0f} % idle"
    (folder / "profile.svg").write_text(picture(samples, title), encoding="utf-8")
    (folder / "profile.txt").write_text(folded(samples), encoding="utf-8")
    print(f"\n{title}. At work, of {total - idle} looks that found any:\n")
    for who, function, count in by_function(samples)[:SHOWN]:
        print(f"  {100 * count / max(total - idle, 1):5.1f} %  {who:15} {function}")
    print(f"\n{folder / 'profile.svg'} is a flame graph, {folder / 'profile.txt'} has the stacks.")
