# SPDX-License-Identifier: MIT
"""Two CPUs, a web server on each: what both answer together, beside what one answers alone on the same machine.

The server computes so many steps for a request, or nothing, and then answers (tests/bench/work_server.c); in the
Linux guest it is two processes, and Linux chooses their CPUs. Two figures are told, of which the first needs as many
CPUs of the host that have nothing else to do as the guest has, and one more for the client and the card:

  requests/s      as the clients count them
  of CPU time     requests by the host's CPU time that the busier of the guest's CPUs took: what would be answered
                  if each of these had one of the host's for itself. Waiting for each other is in it, as it takes
                  CPU time or leaves a CPU idle.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple, Sequence

from . import bench_wrk
from .bench_guests import TOOK_TO_BOOT, App, conditions, fetch, freehold, linux
from .bench_host import THREADS, cpu_times
from .bench_options import RUNS, SECONDS
from .bench_table import Table, spread
from .bench_wire import Door, Wires
from .emulator import Emulator
from .prepare import built
from .terminal import Progress

SUMMARY = "two CPUs, an application on each: their sum beside one alone"
OPTIONS = (RUNS, SECONDS)
SERVER, LINUX = "tests/apps/bench_work", "tests/bench/linux_work"
TARGETS = ("uefi/BOOTX64.EFI", "exo/kernel.elf", "apps/init", SERVER, LINUX)
CPUS = 2
CONNECTIONS = 8  # to each server
PROMISED = 1.7
DOORS = {"Freehold": (Door("tcp", 15, 80), Door("tcp", 16, 80)), "Linux": (Door("tcp", 15, 80), Door("tcp", 15, 81))}
READY = {"Freehold": (r"^\[one\] bench ready", r"^\[two\] bench ready"), "Linux": ("^bench ready on port 80$", "^bench ready on port 81$")}


class Load(NamedTuple):
    name: str
    what: str
    steps: int


LOADS = (Load("work", "200,000 steps a request", 200_000), Load("light", "no steps", 0))


class Run(NamedTuple):
    system: str
    load: str
    servers: int  # that are asked
    rate: float  # requests a second, of all of them
    own: float  # requests by a second of the busier CPU's time
    failed: int


def measure(build: Path, *, beside: bool, runs: int, seconds: float) -> Table:
    folder = built(build, TARGETS)
    if beside:
        fetch()
    systems = ["Freehold", "Linux"] if beside else ["Freehold"]
    with Wires() as wires, tempfile.TemporaryDirectory(prefix="freehold-") as name:
        about = {"what": f"{runs} runs of {seconds:g} s, medians, in brackets the least and the greatest"}
        about |= conditions(wires, beside=beside)
        about["emulator"] = about["emulator"].replace("one CPU", f"{CPUS} CPUs")
        links = {system: wires.link(DOORS[system]) for system in systems}
        apps = [App(name, str(folder / SERVER), door.host, cpu=cpu) for cpu, (name, door) in enumerate(zip(("one", "two"), DOORS["Freehold"]))]
        machines = {"Freehold": freehold(apps, links["Freehold"], folder, Path(name), cpus=CPUS, extra=THREADS)}
        if beside:
            machines["Linux"] = linux(folder / LINUX, links["Linux"], DOORS["Linux"][0].host, {}, Path(name), cpus=CPUS, extra=THREADS)
        with Progress("Measuring two CPUs", done="Two CPUs are measured") as progress:
            found = []
            try:
                for system, machine in machines.items():
                    machine.start()
                    for line in READY[system]:
                        machine.wait_for(line, TOOK_TO_BOOT)
                for number in range(runs):
                    for load in LOADS:
                        for servers in (1, 2):
                            for system, machine in machines.items():
                                progress.update(f"run {number + 1} of {runs}, {load.what}, {servers} of {system}")
                                places = [links[system].place(door) for door in DOORS[system][:servers]]
                                found.append(_run(machine, system, load, places, seconds))
            finally:
                for machine in machines.values():
                    machine.stop()
    return table(found, about)


def _run(machine: Emulator, system: str, load: Load, places: Sequence[tuple[str, int]], seconds: float) -> Run:
    urls = ["http://{}:{}/{}".format(*place, load.steps) for place in places]
    before, began = cpu_times(machine.pid), time.monotonic()
    with ThreadPoolExecutor(len(urls)) as clients:
        runs = list(clients.map(lambda url: bench_wrk.run(url, CONNECTIONS, seconds), urls))
    took, after = time.monotonic() - began, cpu_times(machine.pid)
    rate = sum(run.rate for run in runs)
    busier = max(after[cpu] - before[cpu] for cpu in after)
    return Run(system, load.name, len(urls), rate, rate * took / busier, sum(run.failed for run in runs))


def table(found: list[Run], about: dict[str, str]) -> Table:
    columns = ["", "one alone, requests/s", "two, requests/s", "ratio", "one, of CPU time", "two, of CPU time", "ratio", "failed"]
    rows, beyond = [], []
    for load in LOADS:
        for system in dict.fromkeys(run.system for run in found):
            one, two = ([run for run in found if (run.system, run.load, run.servers) == (system, load.name, servers)] for servers in (1, 2))
            cells, ratios = [], []
            for figure in ("rate", "own"):
                each = [[getattr(run, figure) for run in runs] for runs in (one, two)]
                ratios.append(median(each[1]) / median(each[0]))
                cells += [*map(spread, each), f"{ratios[-1]:.2f}"]
            failed = sum(run.failed for run in one + two)
            rows.append([f"{system}, {load.what}", *cells, f"{failed:,}"])
            if system != "Freehold":
                continue
            # By the clock light requests tell of the client as much, which shares the host's CPUs with both.
            judged = ratios[0] if load.steps else ratios[1]
            if judged < PROMISED:
                beyond.append(f"Two applications on two CPUs, {load.what}, answer {judged:.2f} times as much as one, not {PROMISED} times.")
            if failed:
                beyond.append(f"Two applications on two CPUs, {load.what}: {failed:,} requests failed.")
    return Table("pair", about, columns, rows, beyond, [run._asdict() for run in found])
