# SPDX-License-Identifier: MIT
"""Traces of the machine: what tests/apps/traced.c does is what its ring tells, and nothing else."""

import pathlib
import re

import pytest

from freehold_lib.control import Control, ControlError
from freehold_lib.trace import NEW, PREEMPTED, WOKEN, Kind, collect
from freehold_lib.trace_tracks import part_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 40
RING = 65536


def told(ring):
    """(what, thread, more) of each logical event: pages that are touched first, and slices that come and
    go, are not the script's."""
    more = {Kind.ENQUEUED: lambda e: (e.detail, e.argument), Kind.MARK: lambda e: (ring.mark(e), e.argument)}
    more |= dict.fromkeys((Kind.BEGIN, Kind.END), lambda e: (ring.mark(e),))
    left_out = (Kind.UPCALL, Kind.RESUME, Kind.IDLE, Kind.AWAKE)
    return [
        (event.kind.name, event.thread, *more.get(event.kind, lambda e: ())(event))
        for event in ring.events
        if event.kind not in left_out
    ]


SCRIPT = [
    ("CREATED", 1), ("ENQUEUED", 1, NEW, 0), ("RUNS", 1), ("BEGIN", 1, "script"),
    ("CREATED", 2), ("ENQUEUED", 2, NEW, 1),
    ("YIELDS", 1), ("RUNS", 2), ("MARK", 2, "hello", 7),
    ("BLOCKED", 2), ("RUNS", 1),
    ("ENQUEUED", 2, WOKEN, 1), ("YIELDS", 1), ("RUNS", 2),
    ("BEGIN", 2, "work"), ("END", 2, "work"), ("ENDED", 2),
    ("RUNS", 1), ("BLOCKED", 1), ("ENQUEUED", 1, WOKEN, 0), ("RUNS", 1), ("END", 1, "script"),
]  # fmt: skip


@pytest.fixture
def machine(boot, tmp_path):
    common = {"test": "traced", "memory": "1M", "sched": "fifo", "restart": "never"}
    apps = [
        {"name": "script", "trace": "64K", **common},
        {"name": "over", "trace": "16K", "arguments": ["script", "end"], **common},
        {"name": "busy", "trace": "64K", **common, "arguments": ["busy"], "sched": "round_robin", "quantum": "1ms"},
        {"name": "small", "trace": "4K", **common, "arguments": ["busy"], "sched": "round_robin", "quantum": "5us"},
        {"name": "not", **common},
    ]
    log = boot(apps, nic=None, control=tmp_path / "control")
    for name in ("script", "over", "busy", "small", "not"):
        log.wait_for(rf"^\[{name}\] done", TIMEOUT)
    log.wait_for(r"^\[init\] over ended with status 0$", TIMEOUT)
    return log


def test_a_trace_tells_what_was(machine):
    with Control(machine.control) as control:
        for name in ("script", "over"):
            ring = collect(control, name, RING)
            script = SCRIPT + [("BLOCKED", 1)] * (name == "script")
            assert told(ring) == script and not ring.lost
        busy = collect(control, "busy", RING)
        small = collect(control, "small", RING)
        with pytest.raises(ControlError, match="^not is not traced; its table in the machine file needs the key `trace`.$"):
            collect(control, "not", RING)
        with pytest.raises(ControlError, match='^There is no application "none" on this machine.$'):
            collect(control, "none", RING)
    # Two that spin take turns by their quantum of 1 ms, each until it had the CPU for 20 ms.
    spinners = [entry for entry in told(busy) if entry[1] in (2, 3)]
    preempted = [entry for entry in spinners if entry[:3:2] == ("ENQUEUED", PREEMPTED)]
    assert len(preempted) >= 30 and spinners.count(("RUNS", 2)) >= 15 and spinners.count(("RUNS", 3)) >= 15
    held = (part_of(busy), part_of(small))
    assert all(part.tracks[0].steps for part in held)
    assert small.lost > 0 and len(small.events) == 4096 // 16 - 1


def test_what_it_costs(boot):
    """Counted in instructions: no more than docs/design/trace.md says."""
    apps = [
        {"name": name, "test": "traced", "arguments": ["cost", "end"], "sched": "fifo", "restart": "never", **more}
        for name, more in (("on", {"trace": "4K"}), ("off", {}))
    ]
    machine = boot(apps, nic=None, extra=["-icount", "shift=0,sleep=off"])
    cost = {}
    for name in ("on", "off"):
        found = machine.wait_for(rf"^\[{name}\] yield (\d+) mark (\d+)$", 2 * TIMEOUT)
        cost[name] = [int(number) for number in found.groups()]
    said = (ROOT / "docs/design/trace.md").read_text(encoding="utf-8")
    yields, marks = (int(re.search(pattern, said)[1]) for pattern in (r"an event costs at most (\d+) instructions", r"a mark costs at most (\d+) instructions"))
    print(cost)
    assert 0 < cost["on"][0] - cost["off"][0] <= 2 * yields
    assert 20 < cost["on"][1] <= marks and cost["off"][1] <= 10
