# SPDX-License-Identifier: MIT
"""Tracks of spans, strictly nested, and of points: what is drawn, and written as JSON, of rings of events.

A track is one CPU, one vCPU, one thread, or what a thread says of itself. Each event of a ring begins or ends a
span or is a point; which one it was is kept, so that a trace can be held against its events. trace_reader.py
makes them of an application's rings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .abi import number
from .trace import KERNEL, Event, Kind, Ring

@dataclass
class Step:
    """`what` is B (a span begins), E (the innermost one ends) or i (a point)."""

    what: str
    ns: int
    name: str
    kind: str  # runs, ready, blocked, idle, upcall, own, point
    event: Event | None  # None: the ring begins or ends in the middle
    thread: int = 0  # whom it is about, for colours
    more: str = ""
    vcpu: int = 0  # where it was


@dataclass
class Track:
    title: str
    kind: str  # cpu, vcpu, thread, own
    steps: list[Step] = field(default_factory=list)
    open: list[Step] = field(default_factory=list)

    def begin(
        self, ns: int, name: str, kind: str, event: Event | None, thread: int = 0, more: str = "", vcpu: int = 0
    ) -> None:
        step = Step("B", ns, name, kind, event, thread, more, vcpu)
        self.steps.append(step)
        self.open.append(step)

    def end(self, ns: int, event: Event | None, more: str = "") -> None:
        begun = self.open.pop()
        self.steps.append(Step("E", ns, begun.name, begun.kind, event, begun.thread, more, begun.vcpu))

    def end_all(self, ns: int, event: Event | None) -> None:
        while self.open:
            self.end(ns, event)

    def point(self, event: Event, name: str, more: str = "") -> None:
        self.steps.append(Step("i", event.ns, name, "point", event, 0, more, event.ring))


@dataclass
class Part:
    """All that an application's rings tell, or those of the CPUs."""

    title: str
    tracks: list[Track]
    told: int  # events
    lost: int  # older ones that were overwritten, or from before others were
    envs: tuple[int, ...] = ()  # slots of the vCPUs' environments; 0: not known


LOST = {
    number("EXO_TRACE_TAKEN"): "its slice was over",
    number("EXO_TRACE_GAVE"): "it gave up the rest of its slice",
    number("EXO_TRACE_WAITS"): "it waits",
    number("EXO_TRACE_CALLS"): "it waits for an answer",
    number("EXO_TRACE_OVER"): "it ended",
}


def cpus_of(rings: list[Ring], names: dict[int, str]) -> Part:
    """Whom each CPU ran. `names`: of environments, by slot."""
    tracks = []
    colours = {name: slot for slot, name in sorted(names.items(), reverse=True)}  # one for all vCPUs of an application
    for ring in rings:
        track = Track(f"CPU {ring.cpu}", "cpu")
        for event in ring.events:
            while track.open:
                track.end(event.ns, event, LOST.get(event.detail, ""))
            if event.kind == Kind.NOBODY:
                track.begin(event.ns, "idle", "idle", event)
            else:
                name = names.get(event.thread, f"environment {event.thread}")
                track.begin(event.ns, name, "runs", event, colours.get(name, event.thread))
        track.end_all(ring.ended_ns, None)
        tracks.append(track)
    return Part(KERNEL, tracks, sum(len(ring.events) for ring in rings), sum(ring.lost for ring in rings))
