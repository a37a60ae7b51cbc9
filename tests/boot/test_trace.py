# SPDX-License-Identifier: MIT
"""Traces of the machine: what tests/apps/traced.c does is what its rings tell, and nothing else."""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from freehold_lib.control import Control, ControlError
from freehold_lib.trace import NEW, PREEMPTED, WOKEN, Kind, collect, collect_cpus
from freehold_lib.trace_picture import picture
from freehold_lib.trace_reader import part_of
from freehold_lib.trace_tracks import cpus_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/tools"))

from trace_stories import held_against  # noqa: E402

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
            (ring,) = collect(control, name, RING)
            script = SCRIPT + [("BLOCKED", 1)] * (name == "script")
            assert told(ring) == script and not ring.lost
        (busy,) = collect(control, "busy", RING)
        (small,) = collect(control, "small", RING)
        with pytest.raises(ControlError, match="^not is not traced; its table in the machine file needs the key `trace`.$"):
            collect(control, "not", RING)
        with pytest.raises(ControlError, match='^There is no application "none" on this machine.$'):
            collect(control, "none", RING)
    # Two that spin take turns by their quantum of 1 ms, each until it had the CPU for 20 ms.
    spinners = [entry for entry in told(busy) if entry[1] in (2, 3)]
    preempted = [entry for entry in spinners if entry[:3:2] == ("ENQUEUED", PREEMPTED)]
    assert len(preempted) >= 30 and spinners.count(("RUNS", 2)) >= 15 and spinners.count(("RUNS", 3)) >= 15
    held = (part_of([busy]), part_of([small]))
    assert all(part.tracks[0].steps for part in held)
    assert small.lost > 0 and len(small.events) == 4096 // 16 - 1


def cpu_of(part, name, ns, env=None):
    """The CPU whose track says at this time that it ran `name`, or this environment of that name; None: none
    does. False: it is not known."""
    known = True
    for number, track in enumerate(part.tracks):
        begun = None
        known &= bool(track.steps) and track.steps[0].ns <= ns
        for step in track.steps:
            if step.what == "B":
                begun = step
            elif begun.name == name and begun.ns <= ns <= step.ns and env in (None, begun.event.thread):
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
        rings = {app["name"]: collect(control, app["name"], RING)[0] for app in apps}
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


SVG = "{http://www.w3.org/2000/svg}"
ONE_BY_ONE = ["-icount", "shift=2,sleep=off"]  # as in test_vcpus.py


def test_threads_move_between_rings(boot, tmp_path):
    """Each vCPU has its ring; a thread that moves is one track, and was where the program saw itself be."""
    apps = [{
        "name": "move", "test": "traced", "arguments": ["move"], "memory": "1M", "vcpus": 2, "trace": "256K",
        "sched": "round_robin", "quantum": "1ms", "restart": "never",
    }]  # fmt: skip
    machine = boot(apps, nic=None, cpus=2, control=tmp_path / "control", extra=ONE_BY_ONE)
    machine.wait_for(r"^\[move\] done", TIMEOUT)
    with Control(machine.control) as control:
        control.ask("snapshot", TIMEOUT)
        rings = collect(control, "move", 2 * RING)
        cpus = cpus_of(*collect_cpus(control, 2))
    part = part_of(rings)
    held_against(part, *rings)
    assert len(rings) == 2 and not part.lost
    tracks = {track.title: track for track in part.tracks}
    for number in (2, 3, 4):
        runs = [step.vcpu for step in tracks[f"thread {number}"].steps if step.what == "B" and step.kind == "runs"]
        told = sum(a != b for a, b in zip(runs, runs[1:]))
        own = tracks[f"thread {number}, of itself"].steps
        seen = max(int(step.more) for step in own if step.name == "moved")
        assert set(runs) == {0, 1} and told >= seen >= 20, (number, runs, seen)
        assert len([step for step in own if step.what == "B" and step.name == "work"]) == 1, "it ended where it had not begun"
    # Each vCPU told of itself alone: then the kernel says that it had a CPU, each another one.
    for ring in rings:
        on = [cpu_of(cpus, "move", event.ns, ring.env) for event in ring.events]
        assert set(on) <= {ring.cpu, False} and on.count(ring.cpu) > 20, (ring.cpu, on)
        assert "idle" in {step.name for step in tracks[f"vCPU {ring.cpu}"].steps}
    begin, end = own[0].ns, own[-1].ns
    drawn = ElementTree.fromstring(picture([cpus, part], begin, end, "moves"))
    assert {"CPU 0", "CPU 1", "vCPU 0", "vCPU 1", "main", "thread 4"} <= {each.text for each in drawn.iter(f"{SVG}text")}
    assert {f"runs on vCPU {n}" for n in (0, 1)} <= {each.text for each in drawn.iter(f"{SVG}title")}


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
