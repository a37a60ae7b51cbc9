# SPDX-License-Identifier: MIT
"""Traces of an application on several vCPUs: its rings are one story, in which threads move."""

import pathlib
import random
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/tools")]

from freehold_lib.trace import NEW, NO_CPU, PREEMPTED, Kind, TraceError, read_all  # noqa: E402
from freehold_lib.trace_picture import without_cpu  # noqa: E402
from freehold_lib.trace_reader import part_of  # noqa: E402
from freehold_lib.trace_tracks import cpus_of  # noqa: E402
from trace_stories import e, held_against, machine_events, rings_of, rows, spans  # noqa: E402

STOPS = (Kind.YIELDS, Kind.BLOCKED, Kind.ENDED)


def turns(story):
    """Who ran where from when to when."""
    runs, found = {}, []
    for cpu, (ns, kind, thread, detail, _argument) in story:
        if kind == Kind.RUNS:
            runs[thread] = ns, cpu
        elif kind in STOPS or (kind == Kind.ENQUEUED and detail == PREEMPTED):
            since, where = runs.pop(thread)
            assert where == cpu
            found.append((since, ns, cpu, thread))
    return sorted(found + [(since, story[-1][1][0] + 100, cpu, thread) for thread, (since, cpu) in runs.items()])


def turns_told(part, kind):
    """The same by the tracks of threads, or of vCPUs."""
    found = []
    for track in part.tracks:
        begun = [step for step in track.steps if step.what == "B" and step.kind == "runs"]
        ended = [step for step in track.steps if step.what == "E" and step.kind == "runs"]
        if track.kind == kind:
            found += [(b.ns, e.ns, b.vcpu, b.thread & 0xFFFF) for b, e in zip(begun, ended)]
    return sorted(found)


@pytest.mark.parametrize("seed", range(6))
def test_a_thread_that_moves_is_one_track(seed):
    rng = random.Random(seed)
    story = machine_events(rng, 3000, 3)
    rings = rings_of(story, 3)
    part = part_of(rings)
    held_against(part, *rings)
    assert [track.title for track in part.tracks if track.kind == "vcpu"] == ["vCPU 0", "vCPU 1", "vCPU 2"]
    wanted = turns(story)
    assert turns_told(part, "thread") == turns_told(part, "vcpu") == wanted
    titles = [track.title for track in part.tracks if track.kind == "thread"]
    assert len(titles) == len(set(titles))
    moved = [track for track in part.tracks if track.kind == "thread" and len({s.vcpu for s in track.steps if s.kind == "runs"}) > 1]
    assert len(moved) > 5 and {s.name for s in moved[0].steps if s.kind == "runs"} <= {f"runs on vCPU {n}" for n in range(3)}


def steps_from(track, since):
    """What it tells from then on."""
    return [(step.what, step.kind, step.event) for step in track.steps if step.event and step.event.ticks >= since]


@pytest.mark.parametrize("seed", range(6))
def test_a_story_begins_where_all_rings_are_there(seed):
    """One has gone round more often than the others: older events of these tell what their vCPUs were doing."""
    rng = random.Random(seed)
    story = machine_events(rng, 3000, 3)
    whole = part_of(rings_of(story, 3))
    for _ in range(20):
        lost = [rng.randrange(1, 900), *rng.choice(([0, 0], [0, 0], [rng.randrange(900), 0]))]
        rings = rings_of(story, 3, lost)
        part = part_of(rings)
        held_against(part, *rings)
        since = max(ring.events[0].ticks for ring in rings if ring.lost)
        for cpu, ring in enumerate(rings):
            if ring.events[0].ticks < since and (not ring.lost or ring.events[0].kind not in (Kind.CREATED, Kind.ENQUEUED)):
                assert steps_from(part.tracks[cpu], since) == steps_from(whole.tracks[cpu], since)


TWO = [(0, e(1, Kind.CREATED, 1, 0, 1)), (0, e(2, Kind.ENQUEUED, 1, NEW)), (0, e(3, Kind.RUNS, 1)), (1, e(4, Kind.IDLE))]
IMPOSSIBLE_ON_TWO = {
    "runs on both": ([*TWO, (1, e(9, Kind.AWAKE)), (1, e(10, Kind.RUNS, 1))], "by event 2 of vCPU 1 thread 1 runs, but it runs already"),
    "stops elsewhere": ([*TWO, (1, e(9, Kind.AWAKE)), (1, e(10, Kind.BLOCKED, 1))], "thread 1 waits, but it does not run"),
    "interrupted elsewhere": ([*TWO, (1, e(9, Kind.UPCALL, 1))], "of vCPU 1 thread 1 upcall, but it cannot be interrupted now"),
    "awake elsewhere": ([*TWO, (0, e(9, Kind.AWAKE))], "by event 3 of vCPU 0 thread 0 awake, but it was not idle"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE_ON_TWO)
def test_what_cannot_be_on_two_vcpus_is_refused(case):
    story, sentence = IMPOSSIBLE_ON_TWO[case]
    with pytest.raises(TraceError, match=sentence):
        part_of(rings_of(story, 2))


def test_rings_come_in_order():
    for cpus in ((0, 2), (1, 0), (0, 0)):
        with pytest.raises(TraceError, match="The trace of app is damaged: its rings do not come in order."):
            read_all("app", [row for cpu in cpus for row in rows([], cpu=cpu)])


def test_a_vcpu_that_lost_its_cpu_says_so():
    story = [*TWO, (1, e(9, Kind.AWAKE)), (1, e(10, Kind.IDLE, 0, NO_CPU)), (1, e(30, Kind.AWAKE)), (1, e(31, Kind.IDLE))]
    assert spans(part_of(rings_of(story, 2)).tracks[1])[0] == [
        (4, 9, "idle"), (9, 10, "upcall"), (10, 30, "lost its CPU"), (30, 31, "upcall"), (31, 131, "idle"),
    ]  # fmt: skip


def test_noise_on_two_vcpus_is_refused_or_read():
    rng = random.Random(7)
    refused = 0
    for _ in range(300):
        story = machine_events(rng, 60, 2)
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(story))
            cpu, (ns, kind, thread, detail, argument) = story[at]
            story[at] = rng.choice([
                (cpu, (ns, Kind(rng.randrange(1, 14)), thread, detail, argument)), (cpu, (ns, kind, rng.randrange(4), detail, argument)),
                (1 - cpu, (ns, kind, thread, detail, argument)),
            ])  # fmt: skip
        try:
            rings = rings_of(story, 2, [rng.choice((0, 0, 5)), rng.choice((0, 0, 3))])
            held_against(part_of(rings), *rings)
        except TraceError:
            refused += 1
    assert 50 < refused < 290


def test_each_vcpu_has_its_own_cpu():
    """Another environment that is called the same, as the kernel says, is another vCPU."""
    rings = read_all("exo", rows([e(1, Kind.GIVEN, 2), e(10, Kind.NOBODY)], name="exo") + rows([e(2, Kind.GIVEN, 9), e(8, Kind.GIVEN, 3)], name="exo", cpu=1))
    cpus = cpus_of(rings, {2: "app", 9: "app", 3: "other"})
    part = part_of(read_all("app", rows([e(1, Kind.IDLE)], env=2) + rows([e(2, Kind.IDLE)], env=9, cpu=1)))
    assert without_cpu([cpus, part]) == {("app", 0): [(10, 110)], ("app", 1): [(8, 110)]}
    colours = {step.name: step.thread for track in cpus.tracks for step in track.steps}
    assert colours == {"app": 2, "idle": 0, "other": 3}, "and has the colour of its application"
