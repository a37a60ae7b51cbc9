# SPDX-License-Identifier: MIT
"""Rings of events (exo/abi/trace_ring.h) as they come from a machine, checked before anything is made of them.

An application writes its ring itself, so nothing in it is taken for granted: what cannot be is refused
with a sentence, TraceError.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import struct
from dataclasses import dataclass

from .abi import number
from .control import Control
from .errors import FreeholdError

EVENT = struct.Struct("<QIHBB")  # struct exo_trace_event; tests/tools/test_trace.py compares it with the C
PATIENCE = 20.0
BYTES_A_SECOND = 115200 / 10 / 2 / 2  # two digits a byte; half of the speed of the line is enough


class TraceError(FreeholdError):
    """What came is no trace; the text is a sentence for the user."""


Kind = enum.IntEnum(
    "Kind",
    {
        name: number(f"EXO_TRACE_{name}")
        for name in ("CREATED", "ENQUEUED", "RUNS", "YIELDS", "BLOCKED", "ENDED", "IDLE", "AWAKE")
        + ("UPCALL", "RESUME", "BEGIN", "END", "MARK", "GIVEN", "NOBODY")
    },
)
KERNEL = "exo"  # whose rings are those of the CPUs
OF_KERNEL = (Kind.GIVEN, Kind.NOBODY)
NEW, WOKEN, PREEMPTED = (number(f"EXO_TRACE_{name}") for name in ("NEW", "WOKEN", "PREEMPTED"))
NO_CPU = number("EXO_TRACE_NO_CPU")


@dataclass(frozen=True)
class Event:
    ring: int  # whose it is: vCPU or CPU
    number: int  # there
    ticks: int  # when, by the time stamp counter, which is the same for all CPUs
    ns: int  # since boot
    kind: Kind
    thread: int  # as in the ring: the low bits of its id
    detail: int
    argument: int


@dataclass(frozen=True)
class Ring:
    """What one vCPU of an application had to tell, or the kernel of one CPU."""

    name: str
    cpu: int
    env: int  # slot of the vCPU's environment, as it says itself; 0: not known
    lost: int  # events before the first one that is here
    events: tuple[Event, ...]
    names: tuple[str, ...]  # of marks: number n is names[n - 1]
    ended_ns: int  # up to here it is known what was
    ended_ticks: int

    def mark(self, event: Event) -> str:
        return self.names[event.detail - 1] if 0 < event.detail <= len(self.names) else "unnamed"


def collect(control: Control, app: str, most: int) -> list[Ring]:
    """What the rings of `app`, of at most so many bytes together, held at the last snapshot: one a vCPU.
    ControlError: the machine refuses."""
    return read_all(app, control.ask(f"trace {app}", PATIENCE + most / BYTES_A_SECOND).rows)


def collect_cpus(control: Control, cpus: int) -> tuple[list[Ring], dict[int, str]]:
    """The kernel's rings at the last snapshot, and the names of the environments that run now, by slot."""
    patience = PATIENCE + cpus * number("EXO_TRACE_CPU") / BYTES_A_SECOND
    return read_cpus(control.ask(f"trace {KERNEL}", patience).rows)


def read_cpus(rows: list[dict[str, str]]) -> tuple[list[Ring], dict[int, str]]:
    names = {_whole(KERNEL, row, "env"): row["called"] for row in rows if "called" in row}
    return read_all(KERNEL, [row for row in rows if "called" not in row]), names


def read_all(app: str, rows: list[dict[str, str]]) -> list[Ring]:
    """One ring after the other. Names of marks come with the first."""
    heads = [index for index, row in enumerate(rows) if "cpu" in row] or [0]
    rings = [read(app, rows[at:end]) for at, end in zip(heads, [*heads[1:], len(rows)])]
    if [ring.cpu for ring in rings] != list(range(len(rings))):
        raise TraceError(f"The trace of {app} is damaged: its rings do not come in order.")
    return [dataclasses.replace(ring, names=rings[0].names) for ring in rings]


def read(app: str, rows: list[dict[str, str]]) -> Ring:
    """A ring from the rows of the machine's answer (apps/init/command.c)."""
    head = rows[0] if rows else {}
    values = {key: _whole(app, head, key) for key in ("cpu", "env", "hz", "boot", "size", "first", "end", "when")}
    if head.get("name") != app:
        raise TraceError(f"The machine was asked for the trace of {app} and sent that of {head.get('name', 'nobody')}.")
    if not values["hz"] or not 0 <= values["end"] - values["first"] <= values["size"]:
        raise TraceError(f"The trace of {app} is damaged: its head contradicts itself.")
    names = tuple(_name(_bytes(app, row["mark"])) for row in rows if "mark" in row)
    data = b"".join(_bytes(app, row["events"]) for row in rows if "events" in row)
    wanted = (values["end"] - values["first"]) * EVENT.size
    if len(data) != wanted:
        raise TraceError(f"The trace of {app} is cut short: {len(data)} bytes of events have come, not {wanted}.")

    def ns(ticks: int) -> int:
        return (ticks - values["boot"]) * 10**9 // values["hz"]

    events = []
    before = 0
    for index, (time, argument, thread, kind, detail) in enumerate(EVENT.iter_unpack(data), values["first"]):
        if kind not in Kind._value2member_map_ or (kind in OF_KERNEL) != (app == KERNEL):
            raise TraceError(f"The trace of {app} is damaged: event {index} is of no known kind ({kind}).")
        if time < max(before, values["boot"]) or time > values["when"]:
            raise TraceError(f"The trace of {app} is damaged: event {index} is not in the order of time.")
        before = time
        events.append(Event(values["cpu"], index, time, ns(time), Kind(kind), thread, detail, argument))
    alive = head.get("state") == "running"
    last = values["when"] if alive or not events else events[-1].ticks
    return Ring(app, values["cpu"], values["env"], values["first"], tuple(events), names, ns(last), last)


def _whole(app: str, head: dict[str, str], key: str) -> int:
    if not re.fullmatch("[0-9]{1,20}", head.get(key, "")):
        raise TraceError(f"The trace of {app} is damaged: its head does not say `{key}`.")
    return int(head[key])


def _bytes(app: str, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise TraceError(f"The trace of {app} is damaged: there are other characters than digits in it.") from None


def _name(raw: bytes) -> str:
    """As it can stand in a picture, whatever the application wrote."""
    text = raw.split(b"\0")[0].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text) or "unnamed"
