# SPDX-License-Identifier: MIT
"""What 1, 16 and 256 applications of one machine with 1 GiB cost: each is an httpd with an address of its own.

Boot is counted in instructions (tests/bench/count.c) from the loader's first to the answers of all of them, who
are asked in turn, and so is a request: many are sent one by one, to all applications in turn, on connections that
are open already, so each finds its application asleep. What the others' timers take meanwhile is no cost of a
request: it is counted while nobody asks, told by itself, and taken off. Memory is what the kernel books: all pages
that an application has after that, of whatever kind.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, Sequence

from .bench_count import COUNTED, PLUGIN, Counter
from .bench_guests import App, conditions, freehold
from .bench_host import THREADS, cpu_times
from .bench_http import CONTENT, PATH
from .bench_lost import whole
from .bench_table import Table
from .bench_wire import Link, Wires
from .emulator import Emulator
from .errors import FreeholdError
from .prepare import built
from .terminal import Progress

SUMMARY = "1, 16 and 256 applications: memory, boot, cost of a request"
OPTIONS = ()
LOADER = "uefi/BOOTX64.EFI"
TARGETS = (LOADER, "exo/kernel.elf", "apps/init", "apps/httpd", PLUGIN)
COUNTS = (1, 16, 256)
MEMORY = 1024  # MiB
REQUESTS = 512
IDLE = 4  # seconds in which nobody asks
PATIENCE = 600  # seconds to boot, and 60 for an answer, on a host that has other work
NEVER = {"HTTPD_IDLE_MS": "3600000"}  # is an idle connection closed meanwhile
MOST = 1.1  # times what an application costs among few, it may cost among many; beyond, that is faster than linear


class Found(NamedTuple):
    applications: int
    boot: int  # instructions
    idle: int  # a second, of all
    request: int
    pages: list[int]  # of each application


class Spell:
    """Instructions from its beginning on, and how much time went by for the guest.

    That is not the host's: under -icount an instruction takes the guest as long as it is told, whatever it takes the
    host, and only while the guest's CPU waits do both times go by alike.
    """

    def __init__(self, counter: Counter, machine: Emulator, counted: Sequence[str]):
        self._counter, self._machine = counter, machine
        self._each = 1e-9 * 2 ** int(counted[1].removeprefix("shift="))  # seconds of the guest's, for an instruction
        self._from = self._now()

    def _now(self) -> tuple[int, float, float]:
        return self._counter.count(), time.monotonic(), sum(cpu_times(self._machine.pid).values())

    def end(self) -> tuple[int, float]:
        count, took, busy = (now - before for now, before in zip(self._now(), self._from))
        return count, max(0.0, took - busy) + count * self._each


def measure(build: Path, *, beside: bool, counts: tuple[int, ...] = COUNTS, counted: tuple[str, ...] = COUNTED, idle: float = IDLE) -> Table:
    """Without a Linux guest: what is asked is how it grows."""
    folder = built(build, TARGETS)
    with Wires(bits=16) as wires, Progress("Counting applications", done="Applications are counted") as progress:
        about = conditions(wires, beside=False, memory=MEMORY)
        about["emulator"] += f", `{' '.join(counted)}`"
        found = []
        for count in counts:
            progress.update(f"{count} of {counts[-1]}")
            found.append(_counted(folder, wires.link([]), count, counted, idle))
    return table(found, about)


def _counted(build: Path, link: Link, count: int, counted: tuple[str, ...], idle: float) -> Found:
    with tempfile.TemporaryDirectory(prefix="freehold-") as name:
        folder = Path(name)
        counter = Counter(build, build / LOADER, folder, counted)
        apps = [App(f"www{number}", "httpd", 256 + number, memory="2M", slices=1, environment=NEVER) for number in range(count)]
        machine = freehold(apps, link, build, folder, memory=MEMORY, extra=[*counter.arguments, *THREADS])
        with machine:
            machine.wait_for(rf"^\[www{count - 1}\] .*listening", PATIENCE)
            clients = []
            try:
                for app in apps:
                    clients.append(socket.create_connection((link.address(app.host), 80), timeout=60))
                    _ask(clients[-1])
                boot = counter.count()
                spell = Spell(counter, machine, counted)
                time.sleep(idle)
                waiting, passed = spell.end()
                spell = Spell(counter, machine, counted)
                for number in range(REQUESTS):
                    _ask(clients[number % count])
                requests, meanwhile = spell.end()
                pages = [json.loads(_get(client, "/status.json"))["pages"] for client in clients]
            finally:
                for client in clients:
                    client.close()
    rate = waiting / passed
    return Found(count, boot, round(rate), round((requests - rate * meanwhile) / REQUESTS), pages)


def _ask(client: socket.socket) -> None:
    if _get(client, PATH) != CONTENT:
        raise FreeholdError("An application sent something else than was asked for.")


def _get(client: socket.socket, path: str) -> bytes:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    answer = b""
    while not whole(answer):
        got = client.recv(65536)
        if not got:
            raise FreeholdError(f"An application closed its connection after: {answer[-200:]!r}")
        answer += got
    return answer.partition(b"\r\n\r\n")[2]


def table(found: list[Found], about: dict[str, str]) -> Table:
    columns = ["applications", "KiB of each, mean (most)", "boot, instructions", "of this, each further one", "idle, instructions/s of each", "a request, instructions"]
    rows, beyond, raw = [], [], []
    for one in found:
        mean = sum(one.pages) * 4 / one.applications
        further = _further(found[0], one)
        cells = [f"{mean:,.0f} ({max(one.pages) * 4:,})", f"{one.boot:,}", "" if further is None else f"{further:,}"]
        rows.append([str(one.applications), *cells, f"{one.idle / one.applications:,.0f}", f"{one.request:,}"])
        raw.append(one._asdict())
    few, many = next((one for one in found if one.applications > 1), found[-1]), found[-1]
    share = many.applications / few.applications
    for what, less, more in (
        ("Memory", max(few.pages), max(many.pages)),
        ("Boot", _further(found[0], few), _further(found[0], many)),
        ("Idling", few.idle * share, many.idle),
        ("A request", few.request * share, many.request),
    ):
        if less and more and more > MOST * less:
            beyond.append(f"{what} costs more than in proportion: {more / less:.2f} times, from {few.applications} to {many.applications} applications.")
    return Table("scale", about, columns, rows, beyond, raw)


def _further(first: Found, one: Found) -> int | None:
    """Instructions that each application beyond the first takes at boot."""
    more = one.applications - first.applications
    return (one.boot - first.boot) // more if more else None
