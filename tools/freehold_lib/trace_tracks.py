# SPDX-License-Identifier: MIT
"""What rings of events mean: tracks of spans, strictly nested, and of points.

A track is one vCPU, one thread, or what a thread says of itself. Each event of a ring begins or ends a
span or is a point; which one it was is kept, so that a trace can be held against its events. A ring that
tells of something impossible, as of two threads that run at a time, is refused: TraceError.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .abi import bits, number
from .trace import KERNEL, NEW, PREEMPTED, Event, Kind, Ring, TraceError

@dataclass
class Step:
    """`what` is B (a span begins), E (the innermost one ends) or i (a point)."""

    what: str
    ns: int
    name: str
    kind: str  # runs, ready, blocked, idle, upcall, own, point
    event: int | None  # number in its ring; None: the ring begins or ends in the middle
    thread: int = 0  # whom it is about, for colours
    more: str = ""


@dataclass
class Track:
    title: str
    kind: str  # cpu, vcpu, thread, own
    steps: list[Step] = field(default_factory=list)
    open: list[Step] = field(default_factory=list)

    def begin(self, ns: int, name: str, kind: str, event: int | None, thread: int = 0, more: str = "") -> None:
        step = Step("B", ns, name, kind, event, thread, more)
        self.steps.append(step)
        self.open.append(step)

    def end(self, ns: int, event: int | None, more: str = "") -> None:
        begun = self.open.pop()
        self.steps.append(Step("E", ns, begun.name, begun.kind, event, begun.thread, more))

    def end_all(self, ns: int, event: int | None) -> None:
        while self.open:
            self.end(ns, event)

    def point(self, ns: int, name: str, event: int, more: str = "") -> None:
        self.steps.append(Step("i", ns, name, "point", event, 0, more))


@dataclass
class Part:
    """All that an application's ring tells, or those of the CPUs."""

    title: str
    tracks: list[Track]
    told: int  # events
    lost: int  # older ones that were overwritten


def part_of(ring: Ring) -> Part:
    reader = _Reader(ring)
    for event in ring.events:
        reader.take(event)
    return Part(ring.name, reader.finish(), len(ring.events), ring.lost)


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
    for ring in rings:
        track = Track(f"CPU {ring.cpu}", "cpu")
        for event in ring.events:
            while track.open:
                track.end(event.ns, event.number, LOST.get(event.detail, ""))
            if event.kind == Kind.NOBODY:
                track.begin(event.ns, "idle", "idle", event.number)
            else:
                name = names.get(event.thread, f"environment {event.thread}")
                track.begin(event.ns, name, "runs", event.number, event.thread)
        track.end_all(ring.ended_ns, None)
        tracks.append(track)
    return Part(KERNEL, tracks, sum(len(ring.events) for ring in rings), sum(ring.lost for ring in rings))


# What a thread is in, for a sentence that begins with "it".
STATES = {
    "new": "has not been made ready", "ready": "can run already", "runs": "runs already", "blocked": "waits",
    "ended": "has ended",
}  # fmt: skip


class _Thread:
    def __init__(self, number: int):
        self.number = number
        self.title = "main" if number == 1 else f"thread {number}"
        self.state = ""  # "": not known, as when the ring begins in the middle
        self.track = Track(self.title, "thread")
        self.own = Track(f"{self.title}, of itself", "own")


class _Reader:
    def __init__(self, ring: Ring):
        self.ring = ring
        self.start = ring.events[0].ns if ring.events else 0
        self.cpu = Track(f"vCPU {ring.cpu}", "vcpu")
        self.threads: dict[int, _Thread] = {}  # by the low bits of their ids
        self.gone: list[_Thread] = []
        self.running: _Thread | None = None
        self.unsure = ring.lost > 0  # nobody knows yet who runs

    def take(self, event: Event) -> None:
        getattr(self, f"_{event.kind.name.lower()}")(event)

    def finish(self) -> list[Track]:
        threads = sorted([*self.gone, *self.threads.values()], key=lambda thread: thread.number)
        tracks = [self.cpu]
        for thread in threads:
            tracks += [thread.track] + [thread.own] * bool(thread.own.steps)
        for track in tracks:
            track.end_all(self.ring.ended_ns, None)
        return tracks

    # --- what a thread can do, and when ---------------------------------------------------

    def _thread(self, event: Event) -> _Thread:
        found = self.threads.get(event.thread)
        if not found:
            if not self.ring.lost:
                raise self._impossible(event, "was never made")
            found = self.threads[event.thread] = _Thread(event.thread)
        return found

    def _impossible(self, event: Event, why: str) -> TraceError:
        what = {Kind.RUNS: "runs", Kind.ENQUEUED: "can run", Kind.BLOCKED: "waits", Kind.YIELDS: "gives way"}
        said = what.get(event.kind, event.kind.name.lower())
        return TraceError(
            f"The trace of {self.ring.name} is damaged: by event {event.number} thread {event.thread} {said}, but it {why}."
        )

    def _ran_before(self, thread: _Thread) -> None:
        """Before the first event that says who ran, this one did."""
        thread.state = "runs"
        thread.track.begin(self.start, "runs", "runs", None, thread.number)
        self.cpu.begin(self.start, thread.title, "runs", None, thread.number)
        self.running, self.unsure = thread, False

    def _stop(self, event: Event) -> _Thread:
        """The thread of the event ceases to run."""
        thread = self._thread(event)
        if thread.state not in ("runs", "") or not (self.running is thread or self.unsure):
            raise self._impossible(event, "does not run")
        if not thread.state:
            self._ran_before(thread)
        self.cpu.end_all(event.ns, event.number)
        thread.track.end_all(event.ns, event.number)
        self.running, self.unsure = None, False
        return thread

    def _created(self, event: Event) -> None:
        old = self.threads.pop(event.thread, None)
        if old and old.state != "ended":
            raise self._impossible(event, "is there already")
        if old:
            self.gone.append(old)
        thread = self.threads[event.thread] = _Thread(event.argument)
        thread.state = "new"
        thread.track.point(event.ns, "made", event.number)

    def _enqueued(self, event: Event) -> None:
        if event.detail == PREEMPTED:
            thread = self._stop(event)
            why = "preempted"
        else:
            thread = self._thread(event)
            if thread.state not in ("new" if event.detail == NEW else "blocked", ""):
                raise self._impossible(event, STATES[thread.state])
            if not thread.state and event.detail != NEW:
                thread.track.begin(self.start, "blocked", "blocked", None, thread.number)
            why = "new" if event.detail == NEW else "woken"
            why += f" by {self._title(event.argument)}" if event.argument else ""
        thread.track.end_all(event.ns, event.number)
        thread.track.begin(event.ns, "ready", "ready", event.number, thread.number, why)
        thread.state = "ready"

    def _title(self, number: int) -> str:
        found = self.threads.get(number & 0xFFFF)
        return found.title if found else f"thread {number}"

    def _runs(self, event: Event) -> None:
        thread = self._thread(event)
        if thread.state not in ("ready", ""):
            raise self._impossible(event, STATES[thread.state])
        if self._is_between():
            self.cpu.end(event.ns, event.number)
        if self.running or self.cpu.open:
            raise self._impossible(event, "cannot: the CPU is not free")
        if not thread.state:
            thread.track.begin(self.start, "ready", "ready", None, thread.number)
        thread.track.end_all(event.ns, event.number)
        others = f"{event.argument} more could run" if event.argument else ""
        thread.track.begin(event.ns, "runs", "runs", event.number, thread.number, others)
        self.cpu.begin(event.ns, thread.title, "runs", event.number, thread.number, others)
        thread.state = "runs"
        self.running, self.unsure = thread, False

    def _yields(self, event: Event) -> None:
        thread = self._stop(event)
        thread.track.begin(event.ns, "ready", "ready", event.number, thread.number, "gave way")
        thread.state = "ready"

    def _blocked(self, event: Event) -> None:
        thread = self._stop(event)
        what = f"waits at ..{event.argument:08x}" if event.argument else "sleeps"
        thread.track.begin(event.ns, "blocked", "blocked", event.number, thread.number, what)
        thread.state = "blocked"

    def _ended(self, event: Event) -> None:
        thread = self._stop(event)
        thread.own.end_all(event.ns, event.number)
        thread.state = "ended"

    # --- the vCPU ---------------------------------------------------------------------------

    def _idle(self, event: Event) -> None:
        if self._is_between():
            self.cpu.end(event.ns, event.number)
        if self.running or self.cpu.open:
            raise self._impossible(event, "runs")
        self.cpu.begin(event.ns, "idle", "idle", event.number)
        self.unsure = False

    def _awake(self, event: Event) -> None:
        if self.unsure:
            self.cpu.begin(self.start, "idle", "idle", None)
        if not self.cpu.open or self.cpu.open[-1].kind != "idle":
            raise self._impossible(event, "was not idle")
        self.cpu.end(event.ns, event.number)
        self.cpu.begin(event.ns, reasons(event.argument), "upcall", event.number)
        self.unsure = False

    def _is_between(self) -> bool:
        """The CPU is back, and no thread has it yet: libos looks what there is to do."""
        return not self.running and len(self.cpu.open) == 1 and self.cpu.open[0].kind == "upcall"

    def _upcall(self, event: Event) -> None:
        if self.unsure:
            self._ran_before(self._thread(event))
        if not self.running or self.running is not self.threads.get(event.thread) or len(self.cpu.open) != 1:
            raise self._impossible(event, "cannot be interrupted now")
        self.cpu.begin(event.ns, reasons(event.argument), "upcall", event.number)

    def _resume(self, event: Event) -> None:
        if self.unsure:
            self._ran_before(self._thread(event))
            self.cpu.begin(self.start, "upcall", "upcall", None)
        if len(self.cpu.open) != 2:
            raise self._impossible(event, "was not interrupted")
        self.cpu.end(event.ns, event.number)

    # --- what a thread says of itself -----------------------------------------------------------

    def _begin(self, event: Event) -> None:
        self._thread(event).own.begin(event.ns, self.ring.mark(event), "own", event.number, event.thread)

    def _end(self, event: Event) -> None:
        """What an application ends out of turn is its mistake, not the ring's."""
        own, name = self._thread(event).own, self.ring.mark(event)
        if not any(step.name == name for step in own.open):
            if self.ring.lost and not own.open and not own.steps:
                own.begin(self.start, name, "own", None, event.thread)
            else:
                own.point(event.ns, f"end of {name}, which was not begun", event.number)
                return
        while own.open[-1].name != name:
            own.end(event.ns, None)
        own.end(event.ns, event.number)

    def _mark(self, event: Event) -> None:
        self._thread(event).own.point(event.ns, self.ring.mark(event), event.number, str(event.argument))


def reasons(mask: int) -> str:
    """EXO_UP_... in words."""
    return ", ".join(word for bit, word in bits("EXO_UP").items() if mask >> bit & 1) or "upcall"
