# SPDX-License-Identifier: MIT
"""What an application's rings of events mean: a track for each vCPU, for each thread, and for what threads say
of themselves.

The rings, one a vCPU, are one story by their times. It begins where all of them are there: of a ring that
goes back further, what is older is left out, but for what its vCPU was doing then. A story that tells of
something impossible, as of a thread that runs on two vCPUs at a time, is refused: TraceError.
"""

from __future__ import annotations

from .abi import bits
from .trace import NEW, NO_CPU, PREEMPTED, Event, Kind, Ring, TraceError
from .trace_tracks import Part, Track


def part_of(rings: list[Ring]) -> Part:
    """Of all rings of one application."""
    since = max((ring.events[0].ticks if ring.events else ring.ended_ticks for ring in rings if ring.lost), default=0)
    story = sorted((event for ring in rings for event in ring.events if event.ticks >= since), key=lambda event: event.ticks)
    reader = _Reader(rings, story, since)
    for event in story:
        reader.take(event)
    lost = sum(ring.lost + len(ring.events) for ring in rings) - len(story)
    return Part(rings[0].name, reader.finish(), len(story), lost, tuple(ring.env for ring in rings))


# What a thread is in, for a sentence that begins with "it".
STATES = {
    "new": "has not been made ready", "ready": "can run already", "runs": "runs already", "blocked": "waits",
    "ended": "has ended",
}  # fmt: skip

# What tells who has a vCPU from then on: its thread, or nobody; those of the first row not within an upcall.
_RUNS = (Kind.RUNS, Kind.RESUME, Kind.BEGIN, Kind.END, Kind.MARK)
_STOPS = (Kind.YIELDS, Kind.BLOCKED, Kind.ENDED)


class _VCpu:
    def __init__(self, number: int):
        self.number = number
        self.track = Track(f"vCPU {number}", "vcpu")
        self.running: _Thread | None = None
        self.unsure = False  # nobody knows yet who runs

    def begin(self, ns: int, name: str, kind: str, event: Event | None, thread: int = 0, more: str = "") -> None:
        self.track.begin(ns, name, kind, event, thread, more, self.number)

    def is_between(self) -> bool:
        """The CPU is back, and no thread has it yet: libos looks what there is to do."""
        return not self.running and len(self.track.open) == 1 and self.track.open[0].kind == "upcall"


class _Thread:
    def __init__(self, number: int):
        self.number = number
        self.title = "main" if number == 1 else f"thread {number}"
        self.state = ""  # "": not known, as when the ring begins in the middle
        self.track = Track(self.title, "thread")
        self.own = Track(f"{self.title}, of itself", "own")


class _Reader:
    def __init__(self, rings: list[Ring], story: list[Event], since: int):
        self.rings = rings
        self.start = story[0].ns if story else 0
        self.lost = any(ring.lost for ring in rings)
        self.vcpus = [_VCpu(ring.cpu) for ring in rings]
        self.threads: dict[int, _Thread] = {}  # by the low bits of their ids
        self.gone: list[_Thread] = []
        for vcpu, ring in zip(self.vcpus, rings):
            before = [event for event in ring.events if event.ticks < since]
            if story and (before or ring.lost):
                self._was(vcpu, before)

    def _was(self, vcpu: _VCpu, before: list[Event]) -> None:
        """What a vCPU does when the story begins is what its older events say last."""
        for event in reversed(before):
            if event.kind in (*_RUNS, Kind.UPCALL):
                self._ran_before(event, vcpu)
                if event.kind == Kind.UPCALL:
                    vcpu.begin(self.start, reasons(event.argument), "upcall", None)
                return
            if event.kind == Kind.IDLE:
                vcpu.begin(self.start, _idle_name(event), "idle", None)
                return
            if event.kind == Kind.AWAKE:
                vcpu.begin(self.start, reasons(event.argument), "upcall", None)
                return
            if event.kind in _STOPS or (event.kind == Kind.ENQUEUED and event.detail == PREEMPTED):
                return
        vcpu.unsure = bool(self.rings[vcpu.number].lost)

    def take(self, event: Event) -> None:
        getattr(self, f"_{event.kind.name.lower()}")(event, self.vcpus[event.ring])

    def finish(self) -> list[Track]:
        threads = sorted([*self.gone, *self.threads.values()], key=lambda thread: thread.number)
        tracks = [vcpu.track for vcpu in self.vcpus]
        for thread in threads:
            tracks += [thread.track] + [thread.own] * bool(thread.own.steps)
        end = max(ring.ended_ns for ring in self.rings)
        for track in tracks:
            track.end_all(end, None)
        return tracks

    # --- what a thread can do, and when ---------------------------------------------------

    def _thread(self, event: Event) -> _Thread:
        found = self.threads.get(event.thread)
        if not found:
            if not self.lost:
                raise self._impossible(event, "was never made")
            found = self.threads[event.thread] = _Thread(event.thread)
        return found

    def _impossible(self, event: Event, why: str) -> TraceError:
        what = {Kind.RUNS: "runs", Kind.ENQUEUED: "can run", Kind.BLOCKED: "waits", Kind.YIELDS: "gives way"}
        said = what.get(event.kind, event.kind.name.lower())
        where = f" of vCPU {event.ring}" if len(self.vcpus) > 1 else ""
        return TraceError(
            f"The trace of {self.rings[0].name} is damaged: by event {event.number}{where} thread {event.thread} {said}, but it {why}."
        )

    def _has(self, vcpu: _VCpu, thread: _Thread, ns: int, event: Event | None, more: str = "") -> None:
        """The thread runs on the vCPU, since then."""
        name = f"runs on vCPU {vcpu.number}" if len(self.vcpus) > 1 else "runs"
        thread.track.begin(ns, name, "runs", event, thread.number, more, vcpu.number)
        vcpu.begin(ns, thread.title, "runs", event, thread.number, more)
        thread.state = "runs"
        vcpu.running, vcpu.unsure = thread, False

    def _ran_before(self, event: Event, vcpu: _VCpu) -> None:
        """Before this one, the first event that says who ran there, its thread did."""
        thread = self._thread(event)
        if thread.state:
            raise self._impossible(event, STATES[thread.state])
        self._has(vcpu, thread, self.start, None)

    def _stop(self, event: Event, vcpu: _VCpu) -> _Thread:
        """The thread of the event ceases to run."""
        thread = self._thread(event)
        if vcpu.unsure and not thread.state:
            self._ran_before(event, vcpu)
        if vcpu.running is not thread:
            raise self._impossible(event, "does not run")
        vcpu.track.end_all(event.ns, event)
        thread.track.end_all(event.ns, event)
        vcpu.running, vcpu.unsure = None, False
        return thread

    def _created(self, event: Event, vcpu: _VCpu) -> None:
        old = self.threads.pop(event.thread, None)
        if old and old.state != "ended":
            raise self._impossible(event, "is there already")
        if old:
            self.gone.append(old)
        thread = self.threads[event.thread] = _Thread(event.argument)
        thread.state = "new"
        thread.track.point(event, "made")

    def _enqueued(self, event: Event, vcpu: _VCpu) -> None:
        if event.detail == PREEMPTED:
            thread = self._stop(event, vcpu)
            why = "preempted"
        else:
            thread = self._thread(event)
            if thread.state not in ("new" if event.detail == NEW else "blocked", ""):
                raise self._impossible(event, STATES[thread.state])
            if not thread.state and event.detail != NEW:
                thread.track.begin(self.start, "blocked", "blocked", None, thread.number)
            why = "new" if event.detail == NEW else "woken"
            why += f" by {self._title(event.argument)}" if event.argument else ""
        thread.track.end_all(event.ns, event)
        thread.track.begin(event.ns, "ready", "ready", event, thread.number, why)
        thread.state = "ready"

    def _title(self, number: int) -> str:
        found = self.threads.get(number & 0xFFFF)
        return found.title if found else f"thread {number}"

    def _runs(self, event: Event, vcpu: _VCpu) -> None:
        thread = self._thread(event)
        if thread.state not in ("ready", ""):
            raise self._impossible(event, STATES[thread.state])
        if vcpu.is_between():
            vcpu.track.end(event.ns, event)
        if vcpu.running or vcpu.track.open:
            raise self._impossible(event, "cannot: the CPU is not free")
        if not thread.state:
            thread.track.begin(self.start, "ready", "ready", None, thread.number)
        thread.track.end_all(event.ns, event)
        others = f"{event.argument} more could run" if event.argument else ""
        self._has(vcpu, thread, event.ns, event, others)

    def _yields(self, event: Event, vcpu: _VCpu) -> None:
        thread = self._stop(event, vcpu)
        thread.track.begin(event.ns, "ready", "ready", event, thread.number, "gave way")
        thread.state = "ready"

    def _blocked(self, event: Event, vcpu: _VCpu) -> None:
        thread = self._stop(event, vcpu)
        what = f"waits at ..{event.argument:08x}" if event.argument else "sleeps"
        thread.track.begin(event.ns, "blocked", "blocked", event, thread.number, what)
        thread.state = "blocked"

    def _ended(self, event: Event, vcpu: _VCpu) -> None:
        thread = self._stop(event, vcpu)
        thread.own.end_all(event.ns, event)
        thread.state = "ended"

    # --- the vCPU ---------------------------------------------------------------------------

    def _idle(self, event: Event, vcpu: _VCpu) -> None:
        if vcpu.is_between():
            vcpu.track.end(event.ns, event)
        if vcpu.running or vcpu.track.open:
            raise self._impossible(event, "runs")
        vcpu.begin(event.ns, _idle_name(event), "idle", event)
        vcpu.unsure = False

    def _awake(self, event: Event, vcpu: _VCpu) -> None:
        if vcpu.unsure:
            vcpu.begin(self.start, "idle", "idle", None)
        if not vcpu.track.open or vcpu.track.open[-1].kind != "idle":
            raise self._impossible(event, "was not idle")
        vcpu.track.end(event.ns, event)
        vcpu.begin(event.ns, reasons(event.argument), "upcall", event)
        vcpu.unsure = False

    def _upcall(self, event: Event, vcpu: _VCpu) -> None:
        if vcpu.unsure:
            self._ran_before(event, vcpu)
        if not vcpu.running or vcpu.running is not self.threads.get(event.thread) or len(vcpu.track.open) != 1:
            raise self._impossible(event, "cannot be interrupted now")
        vcpu.begin(event.ns, reasons(event.argument), "upcall", event)

    def _resume(self, event: Event, vcpu: _VCpu) -> None:
        if vcpu.unsure:
            self._ran_before(event, vcpu)
            vcpu.begin(self.start, "upcall", "upcall", None)
        if len(vcpu.track.open) != 2:
            raise self._impossible(event, "was not interrupted")
        vcpu.track.end(event.ns, event)

    # --- what a thread says of itself -----------------------------------------------------------

    def _mark_name(self, event: Event) -> str:
        return self.rings[0].mark(event)

    def _begin(self, event: Event, vcpu: _VCpu) -> None:
        self._thread(event).own.begin(event.ns, self._mark_name(event), "own", event, event.thread)

    def _end(self, event: Event, vcpu: _VCpu) -> None:
        """What an application ends out of turn is its mistake, not the ring's."""
        own, name = self._thread(event).own, self._mark_name(event)
        if not any(step.name == name for step in own.open):
            if self.lost and not own.open and not own.steps:
                own.begin(self.start, name, "own", None, event.thread)
            else:
                own.point(event, f"end of {name}, which was not begun")
                return
        while own.open[-1].name != name:
            own.end(event.ns, None)
        own.end(event.ns, event)

    def _mark(self, event: Event, vcpu: _VCpu) -> None:
        self._thread(event).own.point(event, self._mark_name(event), str(event.argument))


def _idle_name(event: Event) -> str:
    return "lost its CPU" if event.detail == NO_CPU else "idle"


def reasons(mask: int) -> str:
    """EXO_UP_... in words."""
    return ", ".join(word for bit, word in bits("EXO_UP").items() if mask >> bit & 1) or "upcall"
