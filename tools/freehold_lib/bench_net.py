# SPDX-License-Identifier: MIT
"""The network by itself: bulk, round trips, small packets and connections, beside a Linux guest.

Bulk is what Debian's iperf3 measures on this host, with apps/iperf here and with iperf3 there. For all else runs
on both systems the same server on the same sockets (tests/bench/net_server.c), and the same client
(tests/bench/net_client.c) asks it from this host. The systems take turns in each run.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from . import bench_iperf
from .bench_guests import TOOK_TO_BOOT, App, conditions, fetch, freehold, linux
from .bench_http import BUFFERS
from .bench_options import RUNS, SECONDS
from .bench_table import Table, spread
from .bench_wire import Door, Wires
from .errors import FreeholdError
from .linux_package import IPERF
from .prepare import built
from .process import output_of
from .terminal import Progress

SUMMARY = "bulk, round trips, small packets, connections"
OPTIONS = (RUNS, SECONDS)
SERVER, LINUX, CLIENT = "tests/apps/bench_net", "tests/bench/linux_server", "tests/bench/net_client"
TARGETS = ("uefi/BOOTX64.EFI", "exo/kernel.elf", "apps/init", "apps/iperf", SERVER, LINUX, CLIENT)
HOST, IPERF_HOST = 15, 16  # of ours, an application has an address to itself
IPERF_PORT = 5201
READY = (r"^\[server\] bench ready$", r"^\[iperf\] iperf: listening")
LINUX_READY = ("^bench ready$", "^Server listening on 5201")


class Job(NamedTuple):
    name: str  # as our client has it
    port: int
    protocol: str = "tcp"
    iperf: tuple[str, ...] | None = None  # what iperf3 is told; None: our client asks

    def door(self, system: str) -> Door:
        return Door(self.protocol, IPERF_HOST if self.iperf is not None and system == "Freehold" else HOST, self.port)


class Way(NamedTuple):
    """A figure of one of the client's jobs."""

    name: str  # as our client prints it
    job: Job
    what: str
    by: float  # what the number is multiplied with
    digits: int
    promised: float | None  # so many times better than Linux
    less: bool = False  # is better


SEND = Job("send", IPERF_PORT, iperf=())
RECEIVE = Job("receive", IPERF_PORT, iperf=("-R",))
SEND_MANY = Job("send-many", IPERF_PORT, iperf=("-P", "8"))
RECEIVE_MANY = Job("receive-many", IPERF_PORT, iperf=("-P", "8", "-R"))
PING = Job("ping", 5004, "udp")
PACKETS = Job("packets", 5004, "udp")
MEET = Job("meet", 5003)
WAYS = (
    Way("send", SEND, "TCP to the guest, MB/s", 1e-6, 1, 1.5),
    Way("receive", RECEIVE, "TCP from the guest, MB/s", 1e-6, 1, 1.5),
    Way("send-many", SEND_MANY, "8 TCP connections to the guest, MB/s", 1e-6, 1, None),
    Way("receive-many", RECEIVE_MANY, "8 TCP connections from the guest, MB/s", 1e-6, 1, None),
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
    if beside:
        fetch(IPERF)
    with Wires() as wires, tempfile.TemporaryDirectory(prefix="freehold-") as name:
        about = {"what": f"{runs} runs of {seconds:g} s, medians, in brackets the least and the greatest"}
        about |= conditions(wires, beside=beside)
        links = {system: wires.link(sorted({way.job.door(system) for way in WAYS})) for system in systems}
        apps = [App("server", str(folder / SERVER), HOST, environment=BUFFERS), App("iperf", "iperf", IPERF_HOST, environment=BUFFERS)]
        machines = [freehold(apps, links["Freehold"], folder, Path(name))]
        ready = [READY]
        if beside:
            about["iperf3 there"] = IPERF.version()
            machines.append(linux(folder / LINUX, links["Linux"], HOST, {**IPERF.files(), "tmp/": b""}, Path(name)))
            ready.append(LINUX_READY)
        with Progress("Measuring the network", done="The network is measured") as progress:
            try:
                for machine in machines:
                    machine.start()
                for machine, lines in zip(machines, ready):
                    for line in lines:
                        machine.wait_for(line, TOOK_TO_BOOT)
                for number in range(runs):
                    for job in dict.fromkeys(way.job for way in WAYS):
                        for system, link in links.items():
                            progress.update(f"run {number + 1} of {runs}, {job.name}, {system}")
                            try:
                                found = ask(folder / CLIENT, link.place(job.door(system)), job, seconds)
                            except FreeholdError as error:
                                raise FreeholdError(f"From {system}: {error}") from error
                            raw.append({"system": system, "job": job.name, **found})
            finally:
                for machine in machines:
                    machine.stop()
    return table(raw, about)


def ask(client: Path, place: tuple[str, int], job: Job, seconds: float) -> dict[str, int]:
    if job.iperf is not None:
        return {job.name: round(bench_iperf.run(place, job.iperf, seconds))}
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
