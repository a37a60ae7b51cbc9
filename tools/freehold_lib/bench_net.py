# SPDX-License-Identifier: MIT
"""The network by itself: bulk, round trips, small packets and connections, beside a Linux guest.

On both systems runs the same server on the same sockets (tests/bench/net_server.c), and the same client
(tests/bench/net_client.c) asks it from this host. The systems take turns in each run.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .bench_guests import TOOK_TO_BOOT, App, conditions, freehold, linux
from .bench_http import BUFFERS
from .bench_options import RUNS, SECONDS
from .bench_table import Table, spread
from .bench_wire import Door, Wires
from .errors import FreeholdError
from .prepare import built
from .process import output_of
from .terminal import Progress

SUMMARY = "bulk, round trips, small packets, connections"
OPTIONS = (RUNS, SECONDS)
SERVER, LINUX, CLIENT = "tests/apps/bench_net", "tests/bench/linux_server", "tests/bench/net_client"
TARGETS = ("uefi/BOOTX64.EFI", "exo/kernel.elf", "apps/init", SERVER, LINUX, CLIENT)
HOST = 15


class Job(NamedTuple):
    name: str  # as the client has it
    door: Door


class Way(NamedTuple):
    """A figure of one of the client's jobs."""

    name: str  # as the client prints it
    job: Job
    what: str
    by: float  # what the number is multiplied with
    digits: int
    promised: float | None  # so many times better than Linux
    less: bool = False  # is better


SEND = Job("send", Door("tcp", HOST, 5001))
RECEIVE = Job("receive", Door("tcp", HOST, 5002))
PING = Job("ping", Door("udp", HOST, 5004))
PACKETS = Job("packets", Door("udp", HOST, 5004))
MEET = Job("meet", Door("tcp", HOST, 5003))
WAYS = (
    Way("send", SEND, "TCP to the guest, MB/s", 1e-6, 1, 1.5),
    Way("receive", RECEIVE, "TCP from the guest, MB/s", 1e-6, 1, 1.5),
    Way("p50", PING, "UDP there and back, p50, µs", 1e-3, 0, 2, less=True),
    Way("p99", PING, "UDP there and back, p99, µs", 1e-3, 0, None, less=True),
    Way("lost", PING, "UDP lost of these", 1, 0, None, less=True),
    Way("packets", PACKETS, "small datagrams there and back, 64 on their way, 1/s", 1, 0, 3),
    Way("meet", MEET, "TCP connections one after another, 1/s", 1, 0, 2),
)


def measure(build: Path, *, beside: bool, runs: int, seconds: float) -> Table:
    folder = built(build, TARGETS)
    systems = ["Freehold", "Linux"] if beside else ["Freehold"]
    raw: list[dict] = []
    with Wires() as wires, tempfile.TemporaryDirectory(prefix="freehold-") as name:
        about = {"what": f"{runs} runs of {seconds:g} s, medians, in brackets the least and the greatest"}
        about |= conditions(wires, beside=beside)
        doors = sorted({way.job.door for way in WAYS})
        links = {system: wires.link(doors) for system in systems}
        machines = [freehold([App("server", str(folder / SERVER), HOST, environment=BUFFERS)], links["Freehold"], folder, Path(name))]
        if beside:
            machines.append(linux(folder / LINUX, links["Linux"], HOST, {}, Path(name)))
        with Progress("Measuring the network", done="The network is measured") as progress:
            try:
                for machine in machines:
                    machine.start()
                for machine in machines:
                    machine.wait_for(r"^(\[server\] )?bench ready$", TOOK_TO_BOOT)
                for number in range(runs):
                    for job in dict.fromkeys(way.job for way in WAYS):
                        for system, link in links.items():
                            progress.update(f"run {number + 1} of {runs}, {job.name}, {system}")
                            found = ask(folder / CLIENT, link.place(job.door), job, seconds)
                            raw.append({"system": system, "job": job.name, **found})
            finally:
                for machine in machines:
                    machine.stop()
    return table(raw, about)


def ask(client: Path, place: tuple[str, int], job: Job, seconds: float) -> dict[str, int]:
    status, said = output_of([client, place[0], str(place[1]), str(int(seconds * 1000)), job.name])
    found = {what: int(number) for what, number in re.findall(r"^bench (\S+) (\d+)$", said, re.M)}
    if status or set(found) != {way.name for way in WAYS if way.job is job}:
        raise FreeholdError(f"{job.name} could not be measured: {said.strip()[-300:]}")
    return found


def table(raw: list[dict], about: dict[str, str]) -> Table:
    def of(way: Way, system: str) -> list[float]:
        return [run[way.name] * way.by for run in raw if run["system"] == system and run["job"] == way.job.name]

    rows, beyond = [], []
    for way in WAYS:
        ours, theirs = of(way, "Freehold"), of(way, "Linux")
        better = None
        if theirs and median(ours) and median(theirs):
            better = median(theirs) / median(ours) if way.less else median(ours) / median(theirs)
        promised = "" if way.promised is None else f"{way.promised:g}"
        cells = [spread(figures, way.digits) if figures else "" for figures in (ours, theirs)]
        rows.append([way.what, *cells, "" if better is None else f"{better:.2f}", promised])
        if better is not None and way.promised and better < way.promised:
            beyond.append(f"{way.what}: {better:.2f} times as good as Linux, not {way.promised:g} times.")
    return Table("net", about, ["", "Freehold", "Linux", "times better", "promised"], rows, beyond, raw)
