# SPDX-License-Identifier: MIT
"""Traces: rings are read or refused with a sentence, every event is found again in the JSON, spans nest."""

import dataclasses
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/tools")]

from freehold_lib import cli  # noqa: E402
from freehold_lib.abi import number  # noqa: E402
from freehold_lib.commands.trace import run_command, traced  # noqa: E402
from freehold_lib.errors import FreeholdError, UsageError  # noqa: E402
from freehold_lib.machine import load  # noqa: E402
from freehold_lib.trace import EVENT, NEW, PREEMPTED, WOKEN, Kind, TraceError, read, read_all, read_cpus  # noqa: E402
from freehold_lib.trace_json import text  # noqa: E402
from freehold_lib.trace_picture import picture, without_cpu  # noqa: E402
from freehold_lib.trace_reader import part_of  # noqa: E402
from freehold_lib.trace_tracks import cpus_of  # noqa: E402
from test_ctl import Machine  # noqa: E402
from trace_stories import BOOT, HZ, e, held_against, machine_events, rings_of, rows, spans  # noqa: E402

# Two threads: what each line does is said by the tracks that are expected below.
SCRIPT = [
    e(10, Kind.CREATED, 1, 0, 1), e(11, Kind.ENQUEUED, 1, NEW, 0), e(20, Kind.RUNS, 1),
    e(25, Kind.CREATED, 2, 0, 2), e(26, Kind.ENQUEUED, 2, NEW, 1), e(30, Kind.YIELDS, 1),
    e(31, Kind.RUNS, 2, 0, 1), e(35, Kind.BEGIN, 2, 1), e(40, Kind.UPCALL, 2, 0, 8),
    e(45, Kind.ENQUEUED, 2, PREEMPTED, 2), e(46, Kind.RUNS, 1, 0, 1), e(50, Kind.BLOCKED, 1, 0, 0x1234),
    e(51, Kind.RUNS, 2), e(55, Kind.UPCALL, 2, 0, 1), e(56, Kind.RESUME, 2), e(57, Kind.MARK, 2, 2, 9),
    e(58, Kind.END, 2, 1), e(59, Kind.BLOCKED, 2), e(60, Kind.IDLE), e(70, Kind.AWAKE, 0, 0, 64),
    e(71, Kind.ENQUEUED, 1, WOKEN, 0), e(72, Kind.RUNS, 1), e(75, Kind.ENQUEUED, 2, WOKEN, 1), e(80, Kind.ENDED, 1),
    e(81, Kind.RUNS, 2),
]  # fmt: skip
NAMES = (b"work", b"here")


def test_tracks_tell_what_was():
    part = part_of(read_all("app", rows(SCRIPT, names=NAMES)))
    tracks = {track.title: spans(track) for track in part.tracks}
    assert list(tracks) == ["vCPU 0", "main", "thread 2", "thread 2, of itself"]
    assert tracks["vCPU 0"] == ([
        (20, 30, "main"), (40, 45, "timer"), (31, 45, "thread 2"), (46, 50, "main"), (55, 56, "fault"),
        (51, 59, "thread 2"), (60, 70, "idle"), (70, 72, "deadline"), (72, 80, "main"), (81, 181, "thread 2"),
    ], [])  # fmt: skip
    assert tracks["main"] == ([
        (11, 20, "ready"), (20, 30, "runs"), (30, 46, "ready"), (46, 50, "runs"), (50, 71, "blocked"),
        (71, 72, "ready"), (72, 80, "runs"),
    ], [(10, "made", "")])  # fmt: skip
    assert tracks["thread 2"] == ([
        (26, 31, "ready"), (31, 45, "runs"), (45, 51, "ready"), (51, 59, "runs"), (59, 75, "blocked"), (75, 81, "ready"),
        (81, 181, "runs"),
    ], [(25, "made", "")])  # fmt: skip
    assert tracks["thread 2, of itself"] == ([(35, 58, "work")], [(57, "here", "9")])


def test_json_has_every_event_and_nests():
    ring = read("app", rows(SCRIPT, names=NAMES))
    loaded = held_against(part_of([ring]), ring)
    assert {e["args"]["name"] for e in loaded["traceEvents"] if e["name"] == "thread_name"} >= {"main", "thread 2"}
    woken = [e for e in loaded["traceEvents"] if e.get("args", {}).get("what") == "woken by main"]
    assert len(woken) == 1 and woken[0]["ts"] == 0.075


@pytest.mark.parametrize("seed", range(8))
def test_any_story_nests_wherever_the_ring_begins(seed):
    """The ring has gone round: it begins in the middle of everything."""
    rng = random.Random(seed)
    story = machine_events(rng, 3000)
    rings = rings_of(story, 1)
    held_against(part_of(rings), *rings)
    for first in [1, 2, 3, *rng.sample(range(4, 2990), 20)]:
        rings = rings_of(story, 1, [first])
        held_against(part_of(rings), *rings)


def test_a_ring_without_events_and_one_that_ended():
    part = part_of(read_all("app", rows([])))
    assert [track.title for track in part.tracks] == ["vCPU 0"] and not part.tracks[0].steps
    part = part_of(read_all("app", rows(SCRIPT[:3], state="stopped")))
    assert spans(part.tracks[0])[0] == [(20, 20, "main")], "after its last event nothing is known of it"


TAKEN, WAITS = number("EXO_TRACE_TAKEN"), number("EXO_TRACE_WAITS")
OF_CPUS = (
    [e(5, Kind.GIVEN, 1), e(10, Kind.GIVEN, 2, TAKEN), e(20, Kind.NOBODY, 0, WAITS), e(30, Kind.GIVEN, 9)],
    [e(7, Kind.NOBODY), e(8, Kind.GIVEN, 2)],
)


def rows_of_cpus():
    names = [{"env": "1", "called": "init"}, {"env": "2", "called": "www"}]
    return names + [row for cpu, events in enumerate(OF_CPUS) for row in rows(events, name="exo", cpu=cpu, first=cpu)]


def test_tracks_of_cpus_tell_whom_they_ran():
    rings, names = read_cpus(rows_of_cpus())
    part = cpus_of(rings, names)
    tracks = {track.title: spans(track)[0] for track in part.tracks}
    assert tracks == {
        "CPU 0": [(5, 10, "init"), (10, 20, "www"), (20, 30, "idle"), (30, 130, "environment 9")],
        "CPU 1": [(7, 8, "idle"), (8, 108, "www")],
    }
    assert (part.told, part.lost) == (6, 1)
    assert [step.more for step in part.tracks[0].steps if step.what == "E"] == ["its slice was over", "it waits", "", ""]
    seen = {}
    for event in json.loads(text([part]))["traceEvents"]:
        if event["ph"] != "M" and "event" in event.get("args", {}):
            assert event["args"]["ring"] == event["tid"] - 1
            seen.setdefault((event["tid"] - 1, event["args"]["event"]), event["ts"])
    assert seen == {(ring.cpu, event.number): event.ns / 1000 for ring in rings for event in ring.events}
    root = ElementTree.fromstring(picture([part], 5, 130, "t"))
    assert {"The CPUs, 1 older events were overwritten", "CPU 1"} <= {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}


def test_what_an_application_seems_to_do_without_a_cpu():
    rings, names = read_cpus(rows_of_cpus())
    part = part_of(read_all("app", rows(SCRIPT, env=2)))
    part.title = "www"
    assert without_cpu([part]) == {}
    assert without_cpu([cpus_of(rings, names), part])["www", 0] == [(7, 8), (108, 130)]
    rings[1] = dataclasses.replace(rings[1], events=())
    assert without_cpu([cpus_of(rings, names), part]) == {}, "nobody knows whom the other CPU ran"


def test_rings_of_cpus_are_the_kernels_and_in_order():
    with pytest.raises(TraceError, match="do not come in order"):
        read_cpus(rows(OF_CPUS[1], name="exo", cpu=1))
    with pytest.raises(TraceError, match=r"event 1 is of no known kind \(3\)"):
        read_cpus(rows([OF_CPUS[0][0], e(9, Kind.RUNS, 1)], name="exo"))
    with pytest.raises(TraceError, match=r"event 0 is of no known kind \(32\)"):
        read("app", rows(OF_CPUS[0]))


DAMAGED = {
    "no head": ([], "its head does not say `cpu`"),
    "another's": (rows(SCRIPT, name="other"), "asked for the trace of app and sent that of other"),
    "no rate": (rows(SCRIPT, hz=0), "its head contradicts itself"),
    "rate missing": (rows(SCRIPT, hz=None), "its head does not say `hz`"),
    "negative": (rows(SCRIPT, first=-1), "its head does not say `first`"),
    "end before first": (rows(SCRIPT, first=50, end=49), "its head contradicts itself"),
    "more than fit": (rows(SCRIPT, size=4), "its head contradicts itself"),
    "cut short": (rows(SCRIPT)[:-1], r"is cut short: 0 bytes of events have come, not 400\."),
    "too much": (rows(SCRIPT) + rows(SCRIPT)[-1:], r"is cut short: 800 bytes"),
    "half a digit": (rows(SCRIPT)[:-1] + [{"events": "abc"}], "other characters than digits"),
    "not a digit": (rows(SCRIPT)[:-1] + [{"events": "zz"}], "other characters than digits"),
    "kind 0": (rows([e(1, 0)]), r"event 0 is of no known kind \(0\)"),
    "kind": (rows([*SCRIPT, e(99, 77)]), r"event 25 is of no known kind \(77\)"),
    "time goes back": (rows([*SCRIPT, e(3, Kind.IDLE)]), "event 25 is not in the order of time"),
    "before the boot": (rows([e(-1, Kind.IDLE)]), "event 0 is not in the order of time"),
    "from the future": (rows(SCRIPT, when=BOOT + 160), "event 24 is not in the order of time"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_rings_are_refused(case):
    answer, sentence = DAMAGED[case]
    with pytest.raises(TraceError, match=sentence) as told:
        read("app", answer)
    assert re.fullmatch(r"[A-Z][^\n]*\.", str(told.value))


IMPOSSIBLE = {
    "nobody": ([e(1, Kind.RUNS, 1)], "thread 1 runs, but it was never made"),
    "two at a time": ([*SCRIPT[:5], e(90, Kind.RUNS, 2)], "thread 2 runs, but it cannot: the CPU is not free"),
    "runs twice": ([*SCRIPT[:5], e(90, Kind.RUNS, 1)], "thread 1 runs, but it runs already"),
    "twice made": ([*SCRIPT[:2], e(90, Kind.CREATED, 1, 0, 1)], "but it is there already"),
    "woken awake": ([*SCRIPT[:5], e(90, Kind.ENQUEUED, 2, WOKEN)], "thread 2 can run, but it can run already"),
    "blocks unseen": ([*SCRIPT[:5], e(90, Kind.BLOCKED, 2)], "thread 2 waits, but it does not run"),
    "idle and runs": ([*SCRIPT[:3], e(90, Kind.IDLE)], "but it runs"),
    "awake": ([e(1, Kind.AWAKE)], "but it was not idle"),
    "resume": ([*SCRIPT[:3], e(90, Kind.RESUME, 1)], "but it was not interrupted"),
    "upcall in upcall": ([*SCRIPT[:3], e(90, Kind.UPCALL, 1), e(91, Kind.UPCALL, 1)], "cannot be interrupted now"),
    "runs after its end": ([*SCRIPT[:3], e(90, Kind.ENDED, 1), e(91, Kind.RUNS, 1)], "but it has ended"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_be_is_refused(case):
    events, sentence = IMPOSSIBLE[case]
    with pytest.raises(TraceError, match=sentence) as told:
        part_of(read_all("app", rows(events)))
    assert re.fullmatch(r"The trace of app is damaged: [^\n]*\.", str(told.value))


def test_noise_is_refused_or_read():
    """Whatever an application writes into its ring: a trace, or a sentence."""
    rng = random.Random(4)
    refused = 0
    for _ in range(3000):
        events = list(SCRIPT)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(events))
            ns, kind, thread, detail, argument = events[at]
            events[at] = rng.choice([
                (ns, rng.randrange(16), thread, detail, argument), (ns, kind, rng.randrange(4), detail, argument),
                (ns, kind, thread, rng.randrange(256), argument), (ns, kind, thread, detail, rng.getrandbits(32)),
                (rng.randrange(100), kind, thread, detail, argument),
            ])  # fmt: skip
        try:
            ring = read("app", rows(events, first=rng.choice((0, 0, 7)), names=NAMES))
            held_against(part_of([ring]), ring)
        except TraceError:
            refused += 1
    assert 300 < refused < 2900


def test_names_of_marks_are_shown_as_far_as_they_can_be():
    events = [*SCRIPT[:3], e(90, Kind.MARK, 1, 1), e(91, Kind.MARK, 1, 2), e(92, Kind.MARK, 1, 9)]
    part = part_of(read_all("app", rows(events, names=(b"<a&b>\"\n", b"\xff\xfe\x01"))))
    (track,) = [track for track in part.tracks if track.kind == "own"]
    assert [step.name for step in track.steps] == ['<a&b>"?', "\ufffd\ufffd?", "unnamed"]
    json.loads(text([part]))
    ElementTree.fromstring(picture([part], 0, 200, "<t>"))


def test_the_picture_shows_what_was():
    part = part_of(read_all("app", rows(SCRIPT, names=NAMES)))
    root = ElementTree.fromstring(picture([part], 10, 181, "a title"))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a title", "app", "vCPU 0", "main", "thread 2", "thread 2, of itself"} <= set(texts)
    bars = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if each.find("{http://www.w3.org/2000/svg}title") is not None]
    runs = [each for each in bars if each[0].text == "thread 2"]
    left, width = float(runs[0].get("x")), float(runs[0].get("width"))
    scale = (1000 - 150 - 20) / 171
    assert abs(left - (150 + 21 * scale)) < 0.1 and abs(width - 14 * scale) < 0.1
    assert {"work", "timer", "fault", "here 9"} <= {each.text for each in root.iter("{http://www.w3.org/2000/svg}title")}


def test_what_has_no_cpu_is_paled():
    rings, names = read_cpus(rows_of_cpus())
    part = part_of(read_all("app", rows([e(1, Kind.CREATED, 1, 0, 1), e(2, Kind.ENQUEUED, 1), e(6, Kind.RUNS, 1)], when=BOOT + 260, env=2)))
    part.title = "www"
    root = ElementTree.fromstring(picture([cpus_of(rings, names), part], 0, 130, "t"))
    pale = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if each.get("fill") == "#fff" and each.get("fill-opacity")]
    scale = (1000 - 150 - 20) / 130
    drawn = sorted((float(each.get("x")), float(each.get("width"))) for each in pale)
    wanted = sorted(2 * [(150 + 7 * scale, scale), (150 + 108 * scale, 22 * scale)])
    assert [pytest.approx(pair, abs=0.02) for pair in wanted] == drawn, "once for the vCPU and once for the thread"


def test_a_long_trace_stays_a_small_picture():
    events = SCRIPT[:3] + [
        step
        for at in range(100, 40_000, 20)
        for step in (e(at, Kind.YIELDS, 1), e(at + 1, Kind.RUNS, 1))
    ]
    part = part_of(read_all("app", rows(events)))
    assert sum(len(track.steps) for track in part.tracks) > 8000
    drawn = picture([part], 0, 40_200, "long")
    assert len(drawn) < 200_000 and drawn.count("<rect") > 1000, "no bar for each, and not one for all"


def test_the_layout_is_that_of_the_header(tmp_path):
    """The struct of Python and the C agree."""
    program = tmp_path / "layout.c"
    program.write_text(
        '#include <stddef.h>\n#include <stdio.h>\n#include "trace_ring.h"\n#define AT(f) offsetof(struct exo_trace_event, f)\n'
        'int main(void) { printf("%zu %zu %zu %zu %zu %zu", sizeof(struct exo_trace_event), AT(time), AT(argument),'
        " AT(thread), AT(kind), AT(detail)); }\n"
    )
    subprocess.run(["cc", f"-I{ROOT / 'exo/abi'}", "-o", tmp_path / "layout", program], check=True)
    said = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    one = EVENT.pack(1, 2, 3, 4, 5)
    assert said == f"{len(one)} {one.index(1)} {one.index(2)} {one.index(3)} {one.index(4)} {one.index(5)}"


def test_the_command_of_run_must_succeed(tmp_path):
    run_command(f"echo done > {tmp_path}/file")
    assert (tmp_path / "file").read_text() == "done\n"
    with pytest.raises(FreeholdError, match="^The command of --run ended with status 3: exit 3$"):
        run_command("exit 3")


def test_which_applications_are_traced():
    machine = load(ROOT / "machines/demo.toml", None)
    names = [app.name for app in machine.apps]
    assert {app.name for app in traced(machine, []).apps if app.trace} == set(names) and traced(machine, []).control
    assert [app.name for app in traced(machine, names[:1]).apps if app.trace] == names[:1]
    with pytest.raises(UsageError, match=f"no application nobody; it has {', '.join(names)}"):
        traced(machine, ["nobody"])


def answer(made, sentence=b"it is traced."):
    """What the machine would say: rows, and how it ends."""
    said = b"".join(b"#TAG app " + " ".join(f"{k}={v}" for k, v in row.items()).encode() + b"\n" for row in made)
    return said + b"#TAG ok " + sentence + b"\n"


ANSWERS = {
    "snapshot": b"#TAG ok All rings of events are copied.\n",
    "list": answer([{"name": "app", "state": "running"}, {"name": "quiet", "state": "running"}]),
    "trace app": answer(rows(SCRIPT, names=NAMES, first=7)),
    "trace quiet": b"#TAG error quiet is not traced; its table in the machine file needs the key `trace`.\n",
    "trace exo": answer(rows_of_cpus()),
}


def test_the_command_writes_both_files(tmp_path, capsys):
    running = Machine(tmp_path / "control", ANSWERS)
    status = cli.main(["trace", "--device", str(running.path), "--out", str(tmp_path / "new"), "--build", str(tmp_path)])
    said = capsys.readouterr()
    assert status == 0, said.err
    assert running.asked == ["list", "snapshot", "trace app", "trace quiet", "trace exo"]
    assert "the CPUs: 6 events, 1 older ones were overwritten\napp: 25 events, 7 older ones were overwritten\n" in said.out
    loaded = json.loads((tmp_path / "new/trace.json").read_text())
    assert {e["args"]["name"] for e in loaded["traceEvents"] if e["name"] == "process_name"} == {"exo", "app"}
    ElementTree.parse(tmp_path / "new/trace.svg")


FAILING = {
    "refused": ({"trace app": b"#TAG error There is no application \"app\" on this machine.\n"}, "There is no application \"app\" on this machine."),
    "damaged": ({"trace app": answer(rows([*SCRIPT, e(99, 77)]))}, "The trace of app is damaged: event 25 is of no known kind (77)."),
    "silent": ({"trace app": answer(rows([])), "trace exo": answer(rows([], name="exo"))}, "None of the applications has told anything."),
    "gone": ({"trace app": None}, "The machine is gone: it ended before it had answered."),
}


@pytest.mark.parametrize("case", FAILING)
def test_the_command_fails_with_a_sentence(case, tmp_path, capsys):
    answers, sentence = FAILING[case]
    running = Machine(tmp_path / "control", ANSWERS | answers)
    status = cli.main(["trace", "--device", str(running.path), "--app", "app", "--out", str(tmp_path / "new"), "--build", str(tmp_path)])
    assert status == 1 and capsys.readouterr().err == f"tools/freehold: {sentence}\n"
    assert not (tmp_path / "new").exists()


def test_what_does_not_go_together(tmp_path, capsys):
    for option, value in (("--seconds", "3"), ("--run", "true"), ("--cpus", "2")):
        assert cli.main(["trace", "--attach", option, value, "--build", str(tmp_path)]) == 2
        assert f"{option} is for a machine that is started here" in capsys.readouterr().err
    assert cli.main(["trace", "--attach", "--build", str(tmp_path)]) == 1
    assert "No machine runs in" in capsys.readouterr().err
