# SPDX-License-Identifier: MIT
"""Requests a second and their times, of web servers with the same files, beside a Linux guest's.

A small file is asked for again and again, by wrk, on connections that are kept alive. In the Linux guest
run a lean server on epoll (tests/bench/linux_http.c), to which the ratios are, and nginx. All servers take
turns in each run, so that what else the host does meets all of them. A request fails that is answered
wrongly or not within 2 s, or whose connection breaks; lost are those without an answer, of three on each
of so many connections that are open at once. That alone is asked of very many connections at the end,
of servers that take so many. h2load is a second client, which tells of each request what became of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple, Sequence

from . import bench_h2load, bench_lost, bench_wrk
from .bench_guests import TOOK_TO_BOOT, App, conditions, fetch, freehold, linux
from .bench_options import CONNECTIONS, OPEN, RUNS, SECONDS
from .bench_table import Table, spread
from .bench_wire import Door, Wires
from .linux_package import NGINX
from .prepare import built
from .terminal import Progress
from .workspace import ROOT

SUMMARY = "web servers: requests a second and their times"
OPTIONS = (RUNS, SECONDS, CONNECTIONS, OPEN)
LINUX = "tests/bench/linux_http"
SITE = ROOT / "apps/httpd/files"
PATH = "/icon.svg"
CONTENT = (SITE / PATH[1:]).read_bytes()
JUDGED = (16, 256)  # connections at which rates and times are promised
LATENCY = 0.25  # of the 99th percentile of REFERENCE, at most
REFERENCE = "epoll"
AT_LENGTH = 60  # seconds for the answers to very many, which this client alone takes long to ask


class Server(NamedTuple):
    name: str
    what: str
    host: int  # the last number of its address
    port: int = 80
    image: str = ""  # an application of ours, of 64 MiB; "": in the Linux guest
    promised: float = 0  # times the rate of REFERENCE
    environment: dict[str, str] = {}
    most: int = 16384  # connections that it takes
    six: bool = False  # the application at that address, by IPv6

    @property
    def door(self) -> Door:
        return Door("tcp", self.host, self.port, self.six)


# As many buffers as a virtio card's rings have, and what a thousand connections have in flight.
BUFFERS = {"FREEHOLD_NET_BUFFERS": "256/256", "FREEHOLD_NET_MEMORY": "16384"}
SERVERS = (
    Server("cheetah", "cheetah", 16, image="cheetah", promised=5, environment={**BUFFERS, "CHEETAH_CLIENTS": "16384", "CHEETAH_IDLE_S": "600"}),
    Server("httpd", "httpd", 15, image="httpd", promised=3, environment={**BUFFERS, "HTTPD_CONNECTIONS": "2048", "HTTPD_IDLE_MS": "600000"}, most=2048),
    Server("httpd6", "httpd by IPv6", 15, image="httpd", most=0, six=True),
    Server(REFERENCE, "Linux, epoll", 15),
    Server("nginx", "Linux, nginx", 15, 81),
)


class Found(NamedTuple):
    server: Server
    connections: int
    runs: list[bench_wrk.Run]
    lost: list[int]  # requests, in each run
    second: Sequence[bench_h2load.Run] = ()

    def middle(self, figure: str) -> float:
        return median(getattr(run, figure) for run in self.runs)

    @property
    def failed(self) -> int:
        return sum(run.failed for run in self.runs)

    @property
    def failed_second(self) -> int:
        return sum(run.failed for run in self.second)


def measure(build: Path, *, beside: bool, runs: int, seconds: float, connections: Sequence[int], open: int) -> Table:
    servers = [server for server in SERVERS if server.image or beside]
    images = [f"apps/{server.image}" for server in servers if server.image]
    folder = built(build, ["uefi/BOOTX64.EFI", "exo/kernel.elf", "apps/init", *images, LINUX])
    if beside:
        fetch(NGINX)
    with Wires() as wires, tempfile.TemporaryDirectory(prefix="freehold-") as name:
        about = {"what": f"`{PATH}`, {len(CONTENT)} bytes; {runs} runs of {seconds:g} s, medians, "
                 "in brackets the least and the greatest", **conditions(wires, beside=beside)}
        if beside:
            about["nginx"] = NGINX.version()
        servers = [server for server in servers if wires.six or not server.six]
        found = _measured(servers, wires, folder, Path(name), runs, seconds, connections, open)
    return table(found, about)


def _measured(
    servers: list[Server], wires: Wires, build: Path, folder: Path, runs: int, seconds: float, connections: Sequence[int], many: int
) -> list[Found]:
    found = [Found(server, count, [], [], []) for count in connections for server in servers]
    ours = [server for server in servers if server.image]
    theirs = [server for server in servers if not server.image]
    links = {bool(group[0].image): wires.link([server.door for server in group]) for group in (ours, theirs) if group}
    both = {server.host for server in ours if server.six}
    ours = [server for server in ours if not server.six]
    apps = [App(server.name, server.image, server.host, environment=server.environment, six=server.host in both) for server in ours]
    machines = [freehold(apps, links[True], build, folder)]
    if theirs:
        machines.append(linux(build / LINUX, links[False], theirs[0].host, _files(), folder))
    with Progress("Measuring web servers", done="Web servers are measured") as progress:
        try:
            progress.update("booting")
            for machine in machines:
                machine.start()
            for server in ours:
                machines[0].wait_for(rf"^\[{server.name}\] .*listening", TOOK_TO_BOOT)
            for machine in machines[1:]:
                machine.wait_for(r"^bench ready$", TOOK_TO_BOOT)
            places = {server.name: links[bool(server.image)].place(server.door) for server in servers}
            for place in places.values():  # what only the first requests meet is not measured
                bench_wrk.run(_url(place), 1, 1)
            for number in range(runs):
                for one in found:
                    progress.update(f"run {number + 1} of {runs}, {one.connections} connections to {one.server.what}")
                    place = places[one.server.name]
                    one.runs.append(bench_wrk.run(_url(place), one.connections, seconds))
                    one.second.append(bench_h2load.run(_url(place), one.connections))
                    one.lost.append(bench_lost.count(place, PATH, CONTENT, one.connections))
            for server in [server for server in servers if 0 < many <= server.most]:
                progress.update(f"{many} connections open at once, {server.what}")
                lost = bench_lost.count(places[server.name], PATH, CONTENT, many, patience=AT_LENGTH)
                found.append(Found(server, many, [], [lost]))
        finally:
            for machine in machines:
                machine.stop()
    return found


def _url(place: tuple[str, int]) -> str:
    return "http://{}:{}".format(f"[{place[0]}]" if ":" in place[0] else place[0], place[1]) + PATH


def _files() -> dict[str, Path | bytes]:
    """What is in the Linux guest beside its first program."""
    site = {f"site/{file.name}": file for file in sorted(SITE.iterdir())}
    accounts = {"etc/passwd": b"root:x:0:0::/:/bin/false\n", "etc/group": b"root:x:0:\n"}
    nginx = {**NGINX.files(), "etc/nginx.conf": ROOT / "tests/bench/nginx.conf"}
    return {**site, **accounts, **nginx, "run/": b"", "var/lib/nginx/": b"", "var/log/nginx/": b""}


# --- what it says ---------------------------------------------------------------------------------


def table(found: list[Found], about: dict[str, str]) -> Table:
    columns = ["connections, server", "requests/s", "to epoll", "p50, µs", "p99, µs", "to epoll", "failed", "lost", "h2load, requests/s", "failed"]
    references = {one.connections: one for one in found if one.server.name == REFERENCE and one.runs}
    rows, raw = [], []
    for one in found:
        reference = references.get(one.connections)
        measured = [
            spread([run.rate for run in one.runs]),
            _ratio(one, reference, "rate"),
            spread([run.p50 for run in one.runs]),
            spread([run.p99 for run in one.runs]),
            _ratio(one, reference, "p99"),
            f"{one.failed:,}",
        ] if one.runs else [""] * 6
        second = [spread([run.rate for run in one.second]), f"{one.failed_second:,}"] if one.second else [""] * 2
        rows.append([f"{one.connections}, {one.server.what}", *measured, f"{sum(one.lost):,}", *second])
        about_it = {"server": one.server.name, "connections": one.connections}
        if not one.runs:
            raw.append({**about_it, "lost": one.lost[0]})
        raw += [{**about_it, **run._asdict(), "lost": lost, **{f"h2load_{name}": figure for name, figure in second._asdict().items()}}
                for run, lost, second in zip(one.runs, one.lost, one.second)]
    beyond = [sentence for one in found if one.server.promised for sentence in _missed(one, references.get(one.connections))]
    return Table("http", about, columns, rows, beyond, raw)


def _ratio(one: Found, reference: Found | None, figure: str) -> str:
    if reference is None or reference is one or not reference.middle(figure):
        return ""
    return f"{one.middle(figure) / reference.middle(figure):.2f}"


def _missed(one: Found, reference: Found | None) -> list[str]:
    where = f"{one.server.what} at {one.connections} connections"
    sentences = []
    if reference and one.runs and one.connections in JUDGED:
        if one.middle("rate") < one.server.promised * reference.middle("rate"):
            sentences.append(f"{where} answers less than {one.server.promised:g} times as many requests as epoll on Linux.")
        if one.middle("p99") > LATENCY * reference.middle("p99"):
            sentences.append(f"{where} has a 99th percentile above a quarter of that of epoll on Linux.")
    bad = one.failed + sum(one.lost) + one.failed_second
    if bad:
        sentences.append(f"{where} did not answer {bad:,} requests as it should.")
    return sentences
