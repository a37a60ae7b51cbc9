# SPDX-License-Identifier: MIT
"""Show what the threads of a machine's applications did, and when: who ran, who waited for what, who woke
whom.

Boots a machine in QEMU, lets it run, and fetches the rings of the applications that its machine file traces
(`trace`), or of those that --app names; if there are none, of all. With --attach they come from the machine that
`tools/freehold run` started, with --device from a real one: then `[control] serial = true` must be in
its machine file. Of each ring the newest events are there, as many as it has room for.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
from pathlib import Path

from ..abi import number
from ..bundle import write_machine_image
from ..build import claim
from ..control import Control, ControlError
from ..emulator import Emulator
from ..errors import FreeholdError, UsageError
from ..machine import Machine, load, ring_most
from ..machine_table import duration_text
from ..prepare import built
from ..symbols import Symboliser
from ..trace import KERNEL, collect, collect_cpus
from ..trace_json import text
from ..trace_picture import picture
from ..trace_reader import part_of
from ..trace_tracks import Part, cpus_of
from ..workspace import Run, lock
from .ctl import app_name, control_socket
from .options import add_build, add_machine, cpus, seconds
from .run import BUSY, machine_in_qemu

SUMMARY = "show what threads did and when, as a picture and for Perfetto"
EXAMPLES = """\
examples:
  tools/freehold trace                             the demo machine for 3 s, all its applications
  tools/freehold trace --machine my.toml --app www --seconds 10
                                                   one application of another machine
  tools/freehold trace --attach --app www          of the machine that runs already
  tools/freehold trace --last 0.005                a picture of the last 5 ms alone
  tools/freehold trace --app www --last 0.05 --run 'curl http://127.0.0.1:8080/'
                                                   of a request, and what came of it

Writes trace.json, for ui.perfetto.dev or chrome://tracing, and trace.svg, which any viewer shows.

exit status: 0 both files are written; 1 something failed, for example there was nothing to show; 2 the
command line is wrong
"""
DEFAULT_SECONDS = 3.0
DEFAULT_SIZE = 65536
START = 60.0  # seconds that a machine may take until it takes commands
READY = r"^\[init\] commands are taken over the second serial port$"


def describe(parser: argparse.ArgumentParser) -> None:
    add_machine(parser)
    parser.add_argument("--app", type=app_name, action="append", default=[], metavar="NAME", help="trace this one; may be given again")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="where to write the files (default: the build folder's run/)")
    parser.add_argument(
        "--seconds", type=seconds, default=None, metavar="N",
        help=f"how long the machine runs before its trace is fetched (default: {DEFAULT_SECONDS:g})",
    )  # fmt: skip
    parser.add_argument("--last", type=seconds, metavar="N", help="show the last N seconds in the picture (default: all)")
    parser.add_argument("--cpus", type=cpus, metavar="N", help="how many CPUs the machine has (default: what the machine file says)")
    parser.add_argument("--run", metavar="COMMAND", help="run this in a shell here when that time is over, and fetch the trace right after")
    parser.add_argument("--attach", action="store_true", help="do not start a machine: one runs in the build folder")
    parser.add_argument("--device", type=Path, metavar="PATH", help="a serial device, or a socket, that leads to a machine")
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    attached = arguments.attach or arguments.device
    for option in ("seconds", "run", "cpus"):
        if attached and getattr(arguments, option):
            raise UsageError(f"--{option} is for a machine that is started here; it does not go with --attach or --device.")
    run = Run(arguments.build)
    parts = _attached(run, arguments) if attached else _started(run, arguments)
    told = [part for part in parts if any(track.steps for track in part.tracks)]
    if not told:
        raise FreeholdError("None of the applications has told anything.")
    folder = arguments.out or run.folder
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, told, arguments.last)
    return 0


def _attached(run: Run, arguments: argparse.Namespace) -> list[Part]:
    with Control(arguments.device or control_socket(run)) as control:
        names = arguments.app or [row["name"] for row in control.ask("list", START).rows]
        return _fetch(control, names, bool(arguments.app))


def _fetch(control: Control, names: list[str], all_of_them: bool) -> list[Part]:
    """Of applications that nobody named, those that are not traced are left out."""
    parts = []
    control.ask("snapshot", START)
    for name in names:
        try:
            parts.append(part_of(collect(control, name, number("EXO_TRACE_ROOM"))))
        except ControlError as error:
            if all_of_them or "is not traced" not in str(error):
                raise
    if not parts:
        raise FreeholdError("No application of this machine is traced; its machine file needs the key `trace`.")
    return [cpus_of(*collect_cpus(control, number("EXO_BOOT_CPUS"))), *parts]


def traced(machine: Machine, wanted: list[str]) -> Machine:
    """The machine with a ring for each of those that are wanted, and with commands."""
    for name in wanted:
        if name not in [app.name for app in machine.apps]:
            raise UsageError(f"The machine has no application {name}; it has {', '.join(app.name for app in machine.apps)}.")
    chosen = wanted or [app.name for app in machine.apps if app.trace] or [app.name for app in machine.apps]
    apps = tuple(
        dataclasses.replace(app, trace=(app.trace or min(DEFAULT_SIZE, ring_most(app.vcpus))) if app.name in chosen else 0)
        for app in machine.apps
    )
    return dataclasses.replace(machine, apps=apps, control=True)


def _started(run: Run, arguments: argparse.Namespace) -> list[Part]:
    load(arguments.machine, None)  # what is wrong with the file, before anything that takes long
    claim(arguments.build)
    with lock(run.lock, BUSY.format(folder=arguments.build)):
        built(arguments.build)
        machine = traced(load(arguments.machine, arguments.build), arguments.app)
        write_machine_image(machine, arguments.build, run.image)
        emulator, symboliser = machine_in_qemu(run, machine, arguments.cpus, control=run.control)
        with emulator:
            return _watch(emulator, machine, symboliser, arguments)


def _watch(emulator: Emulator, machine: Machine, symboliser: Symboliser, arguments: argparse.Namespace) -> list[Part]:
    emulator.wait_for(READY, START)
    for line in symboliser.filter(emulator.lines(arguments.seconds or DEFAULT_SECONDS)):
        print(line, flush=True)
    if arguments.run:
        run_command(arguments.run)
    with Control(emulator.control) as control:
        return _fetch(control, [app.name for app in machine.apps if app.trace], True)


def run_command(command: str) -> None:
    status = subprocess.run(command, shell=True, check=False).returncode
    if status:
        raise FreeholdError(f"The command of --run ended with status {status}: {command}")


def _write(folder: Path, parts: list[Part], last: float | None) -> None:
    times = [step.ns for part in parts for track in part.tracks for step in track.steps]
    begin, end = min(times), max(times)
    if last:
        begin = max(begin, end - round(last * 1e9))
    title = f"{', '.join(part.title for part in parts if part.title != KERNEL)}: {duration_text(end - begin)}"
    (folder / "trace.json").write_text(text(parts), encoding="utf-8")
    (folder / "trace.svg").write_text(picture(parts, begin, end, title), encoding="utf-8")
    for part in parts:
        lost = f", {part.lost} older ones were overwritten" if part.lost else ""
        name = "the CPUs" if part.title == KERNEL else part.title
        print(f"{name}: {part.told} events{lost}")
    print(f"{folder / 'trace.json'} has them for ui.perfetto.dev, {folder / 'trace.svg'} is a picture of them.")
