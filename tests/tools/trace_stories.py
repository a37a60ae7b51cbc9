# SPDX-License-Identifier: MIT
"""For tests of traces: what machines answer, stories that they could tell, and what is made of them held against
the events."""

import json

from freehold_lib.abi import number
from freehold_lib.trace import EVENT, NEW, NO_CPU, PREEMPTED, WOKEN, Kind, read_all
from freehold_lib.trace_json import text

HZ, BOOT = 2_000_000_000, 1000
MARK = number("EXO_TRACE_NAME_MAX")


def rows(events, *, first=0, names=(), state="running", when=None, **head):
    """The machine's answer; an event is (ns, kind, thread, detail, argument)."""
    data = b"".join(
        EVENT.pack(BOOT + 2 * ns, argument, thread, kind, detail) for ns, kind, thread, detail, argument in events
    )
    last = max([event[0] for event in events], default=0)
    when = BOOT + 2 * (last + 100) if when is None else when
    head = {"name": "app", "state": state, "cpu": 0, "env": 0, "hz": HZ, "boot": BOOT, "size": 4096, "first": first,
            "end": first + len(events), "when": when} | head  # fmt: skip
    made = [{key: str(value) for key, value in head.items() if value is not None}]
    made += [{"mark": name.ljust(MARK, b"\0").hex()} for name in names]
    made += [{"events": data[at : at + 1024].hex()} for at in range(0, len(data), 1024)]
    return made


def e(ns, kind, thread=0, detail=0, argument=0):
    return (ns, kind, thread, detail, argument)


def spans(track):
    """(begin, end, name) of a track, in the order in which they end, and the points in it."""
    open_since, found, points = [], [], []
    for step in track.steps:
        if step.what == "B":
            open_since.append(step)
        elif step.what == "E":
            begun = open_since.pop()
            assert begun.name == step.name and begun.ns <= step.ns
            found.append((begun.ns, step.ns, step.name))
        else:
            points.append((step.ns, step.name, step.more))
    assert not open_since
    return found, points


def held_against(part, *rings):
    """The JSON of a part, parsed: strictly nested, in order, and every event of the rings is in it at its time."""
    loaded = json.loads(text([part]))
    assert loaded["otherData"] == {"lost": {part.title: part.lost}}
    stacks, last, seen = {}, {}, {}
    for event in loaded["traceEvents"]:
        if event["ph"] == "M":
            continue
        track = event["pid"], event["tid"]
        assert event["ts"] >= last.get(track, 0)
        last[track] = event["ts"]
        stack = stacks.setdefault(track, [])
        if event["ph"] == "B":
            stack.append(event["name"])
        elif event["ph"] == "E":
            assert stack.pop() == event["name"]
        else:
            assert event["ph"] == "i"
        told = tuple(event.get("args", {}).get(key) for key in ("ring", "event"))
        if told != (None, None):
            assert seen.setdefault(told, event["ts"]) == event["ts"]
    assert not any(stacks.values())
    since = max((ring.events[0].ticks for ring in rings if ring.lost), default=0)
    events = [event for ring in rings for event in ring.events if event.ticks >= since]
    assert seen == {(event.ring, event.number): event.ns / 1000 for event in events} and len(seen) == part.told
    assert part.told + part.lost == sum(ring.lost + len(ring.events) for ring in rings)
    return loaded


def machine_events(rng, count, vcpus=1):
    """What a machine of up to ten threads could tell, drawn at random: pairs of a vCPU and its event."""
    now, told, state, fresh, before = 0, [], {}, 1, 0
    running, upcall, idle = [None] * vcpus, [False] * vcpus, [False] * vcpus
    begun = {}

    def add(kind, thread=0, detail=0, argument=0):
        nonlocal now, before
        now += rng.choice((0, 1, 1, 50, 1000) if cpu == before else (1, 1, 50, 1000))
        before = cpu
        told.append((cpu, e(now, kind, thread & 0xFFFF, detail, argument)))

    while len(told) < count:
        cpu = rng.randrange(vcpus)
        me = running[cpu]
        ready = [t for t, s in state.items() if s == "ready"]
        blocked = [t for t, s in state.items() if s == "blocked"]
        if idle[cpu]:
            add(Kind.AWAKE, 0, 0, 64)
            idle[cpu] = False
            for thread in blocked[:1]:
                add(Kind.ENQUEUED, thread, WOKEN, 0)
                state[thread] = "ready"
        elif len(state) < 10 and fresh & 0xFFFF not in {thread & 0xFFFF for thread in state} and rng.random() < 0.1:
            add(Kind.CREATED, fresh, 0, fresh)
            add(Kind.ENQUEUED, fresh, NEW, me or 0)
            state[fresh], begun[fresh] = "ready", []
            fresh += rng.choice((1, 1, 0x8000))
        elif fresh & 0xFFFF in {thread & 0xFFFF for thread in state}:
            fresh += 1
        elif me is None:
            if ready and rng.random() < 0.9:
                running[cpu] = rng.choice(ready)
                state[running[cpu]] = "runs"
                add(Kind.RUNS, running[cpu], 0, len(ready) - 1)
            else:
                add(Kind.IDLE, 0, NO_CPU if ready else 0)
                idle[cpu] = True
        else:
            what = rng.choice(["yield", "block", "end", "preempt", "wake", "upcall", "begin", "end mark", "mark", "wild end"])
            if upcall[cpu] and what not in ("preempt", "wake"):
                add(Kind.RESUME, me)
                upcall[cpu] = False
            elif what == "wake" and blocked:
                thread = rng.choice(blocked)
                add(Kind.ENQUEUED, thread, WOKEN, me)
                state[thread] = "ready"
            elif what == "upcall":
                add(Kind.UPCALL, me, 0, rng.choice((1, 8, 2, 0)))
                upcall[cpu] = True
            elif what == "begin":
                begun[me].append(rng.randint(0, 4))
                add(Kind.BEGIN, me, begun[me][-1])
            elif what == "end mark" and begun[me]:
                add(Kind.END, me, begun[me].pop())
            elif what == "wild end":
                add(Kind.END, me, rng.randint(0, 255))
            elif what == "mark":
                add(Kind.MARK, me, rng.randint(0, 255), rng.getrandbits(32))
            elif what in ("yield", "preempt", "block", "end"):
                if what == "yield":
                    add(Kind.YIELDS, me)
                elif what == "preempt":
                    add(Kind.ENQUEUED, me, PREEMPTED, me & 0xFFFFFFFF)
                elif what == "block":
                    add(Kind.BLOCKED, me, 0, rng.getrandbits(32))
                else:
                    add(Kind.ENDED, me)
                    state.pop(me)
                if what != "end":
                    state[me] = "blocked" if what == "block" else "ready"
                running[cpu], upcall[cpu] = None, False
    return told[:count]


def rings_of(story, vcpus, lost=None):
    """As they would be read from a machine, of each ring so many events lost."""
    lost = lost or [0] * vcpus
    when = BOOT + 2 * (story[-1][1][0] + 100)
    answer = []
    for cpu, first in enumerate(lost):
        events = [event for where, event in story if where == cpu]
        answer += rows(events[first:], first=first, cpu=cpu, when=when)
    return read_all("app", answer)
