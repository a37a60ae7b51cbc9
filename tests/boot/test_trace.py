# SPDX-License-Identifier: MIT
"""Traces of the machine: what tests/apps/traced.c does is what its ring tells, and nothing else."""

import pathlib
import re

import pytest

from freehold_lib.control import Control, ControlError
from freehold_lib.trace import NEW, PREEMPTED, WOKEN, Kind, collect, collect_cpus
from freehold_lib.trace_tracks import cpus_of, part_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 55
RING = 65536
COUNTED = ["-icount", "shift=0,sleep=off"]  # time is that of the instructions: a busy host delays no timer


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
    log = boot(apps, nic=None, control=tmp_path / "control", extra=COUNTED)
    for name in ("script", "over", "busy", "small", "not"):
        log.wait_for(rf"^\[{name}\] done", TIMEOUT)
    log.wait_for(r"^\[init\] over ended with status 0$", TIMEOUT)
    return log


def test_a_trace_tells_what_was(machine):
    with Control(machine.control) as control:
        with pytest.raises(ControlError, match="^There is no copy of the rings yet; ask for a snapshot first.$"):
            collect(control, "script", RING)
        with pytest.raises(ControlError, match="^There is no copy of the rings yet; ask for a snapshot first.$"):
            collect_cpus(control, 1)
        control.ask("snapshot", TIMEOUT)
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


def cpu_of(part, name, ns):
    """The CPU whose track says at this time that it ran `name`; None: none does. False: it is not known."""
    known = True
    for number, track in enumerate(part.tracks):
        begun = None
        known &= bool(track.steps) and track.steps[0].ns <= ns
        for step in track.steps:
            if step.what == "B":
                begun = step
            elif begun.name == name and begun.ns <= ns <= step.ns:
                return number
    return None if known else False


def test_kernel_and_applications_tell_the_same(boot, tmp_path):
    """What an application says that it did falls into the time in which the kernel says that it had a CPU."""
    common = {"test": "traced", "memory": "1M", "restart": "never", "trace": "64K", "arguments": ["busy"]}
    apps = [
        {"name": "one", "cpu": 0, "sched": "round_robin", "quantum": "1ms", **common},
        {"name": "two", "cpu": 0, "sched": "fifo", **common},
        {"name": "three", "cpu": 1, "sched": "fifo", **common},
    ]
    machine = boot(apps, nic=None, cpus=2, control=tmp_path / "control")
    for app in apps:
        machine.wait_for(rf"^\[{app['name']}\] done", TIMEOUT)
    with Control(machine.control) as control:
        control.ask("snapshot", TIMEOUT)
        rings = {app["name"]: collect(control, app["name"], RING) for app in apps}
        cpus = cpus_of(*collect_cpus(control, 2))
    assert [track.title for track in cpus.tracks] == ["CPU 0", "CPU 1"]
    for app in apps:
        on = [cpu_of(cpus, app["name"], event.ns) for event in rings[app["name"]].events]
        assert set(on) <= {app["cpu"], False} and on.count(app["cpu"]) > 20, (app["name"], on)
    # Two that spin share CPU 0; the other shares its CPU with init, which has what slices are left.
    taken = [step.name for step in cpus.tracks[0].steps if step.more == "its slice was over"]
    assert {"one", "two"} <= set(taken)
    on_one = {step.name for step in cpus.tracks[1].steps}
    assert "three" in on_one and on_one <= {"three", "init", "idle"}


def says(pattern):
    """A number in the chapter on tracing."""
    return int(re.search(pattern, (ROOT / "docs/design/trace.md").read_text(encoding="utf-8"))[1])


def test_what_it_costs(boot):
    """Counted in instructions: no more than docs/design/trace.md says."""
    apps = [
        {"name": name, "test": "traced", "arguments": ["cost", "end"], "sched": "fifo", "restart": "never", **more}
        for name, more in (("on", {"trace": "4K"}), ("off", {}))
    ]
    machine = boot(apps, nic=None, extra=COUNTED)
    cost = {}
    for name in ("on", "off"):
        found = machine.wait_for(rf"^\[{name}\] event (\d+) mark (\d+)$", TIMEOUT)
        cost[name] = [int(number) for number in found.groups()]
    assert 10 < cost["on"][0] <= says(r"an event costs at most (\d+) instructions") and cost["off"][0] <= 3, cost
    assert 20 < cost["on"][1] <= says(r"a mark costs at most (\d+) instructions") and cost["off"][1] <= 10, cost


def test_what_the_kernels_rings_cost(boot):
    """From one application to another and back, with the rings of the CPUs read and not."""
    hops = []
    for more in ({}, {"trace": "4K"}):
        whats = {"a": "hop", "b": "partner"}
        apps = [{"name": name, "test": "traced", "arguments": [what], "restart": "never"} for name, what in whats.items()]
        apps.append({"name": "c", "test": "traced", "restart": "never", **more})
        machine = boot(apps, nic=None, extra=COUNTED)
        hops.append(int(machine.wait_for(r"^\[a\] hop (\d+)$", TIMEOUT)[1]))
        machine.stop()
    assert 0 < hops[1] - hops[0] <= 2 * says(r"traced,\s+at most (\d+) instructions"), hops
