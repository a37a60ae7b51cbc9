# SPDX-License-Identifier: MIT
"""Applications that do what no application would, while others serve and are checked."""

import re
import time
import tomllib

from conftest import ROOT
from test_network import Demo, Ports, server

TIMEOUT = 55
CALLS = 1_000_000
SEED = 20261124
CHILDREN = 3000
# Calls that are refused, however often they are made, and why.
REFUSED = {
    "channel_read": "the serial line for commands is the first environment's alone",
    "channel_write": "the same",
    "no call": "a number outside the table becomes an upcall, which libos answers with an error",
}


def all_calls() -> list[str]:
    with open(ROOT / "exo/abi/calls.toml", "rb") as file:
        return [call["name"] for call in tomllib.load(file)["call"]]


def test_a_million_random_calls(boot):
    """By two applications, which can reach each other; what they count over all their lives is summed."""
    demo = Demo(Ports())
    attackers = [
        server(name, "", 20 + i, {}, test="random", restart="on-failure", arguments=[str(CALLS // 2), str(SEED + i)],
               memory="12M", environments=6)
        for i, name in enumerate(["random0", "random1"])
    ]
    machine = boot([*demo.apps, *attackers], forwards=demo.forwards)
    demo.wait(machine)
    deadline, answered = time.monotonic() + TIMEOUT, 0
    while time.monotonic() < deadline and len(re.findall(r"^\[random\d\] random: the end", machine.text(), re.M)) < 2:
        demo.ask(25)
        answered += 25
    demo.ask(20)
    text = machine.text()
    # A life's last report says how many calls it made at least.
    calls = 0
    for name in ("random0", "random1"):
        for life in text.split(f"[{name}] random: begins")[1:]:
            calls += max(map(int, re.findall(rf"^\[{name}\] random: (\d+) calls in this life", life, re.M)), default=0)
    assert calls >= CALLS
    assert answered
    # Not all of it was refused: of each call some were carried out.
    ends = re.findall(r"^\[random\d\] random: ([a-z_ ]+): (\d+) done, (\d+) refused", text, re.M)
    assert all(int(good) + int(bad) > 1000 for _, good, bad in ends)
    done = {name for name, good, _ in ends if int(good)}
    assert {name for name, *_ in ends} - done == set(REFUSED), ends
    assert {name for name, *_ in ends} - {"no call"} == set(all_calls())
    assert not re.search(r"PANIC|^\[init\] (www|www2|echo) (ended|was)", text, re.M)


def test_nothing_is_left_behind(boot):
    """Its first life fills all that it gets, dies with full registers, and its second looks for that."""
    app = {"name": "leftover", "test": "leftover", "memory": "40M", "restart": "on-failure"}
    machine = boot([app], nic=None, memory=96)
    machine.wait_for(r"^\[init\] leftover ended with status", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[leftover\] not ok.*", text, re.M)
    assert "[init] leftover was ended: exception 6 " in text
    planted = int(re.search(r"^\[leftover\] leftover: planted in (\d+) pages", text, re.M)[1])
    searched = int(re.search(r"^\[leftover\] leftover: searched (\d+) free frames", text, re.M)[1])
    assert planted > 9000
    assert searched > planted
    assert len(re.findall(r"^\[leftover\] ok: ", text, re.M)) == 15
    assert "[init] leftover ended with status 0" in text


def test_storms_of_kills_and_bombs_of_environments(boot):
    """One makes children that make children, ends them in any order and counts what it has then."""
    demo = Demo(Ports())
    more = {"test": "storm", "arguments": [str(CHILDREN)], "rights": ["tables"], "restart": "never"}
    storm = {"name": "storm", "memory": "4M", "slices": 24, "environments": 40, **more}
    leaver = {"name": "leaver", "memory": "4M", "slices": 8, "environments": 10, **more}
    leaver["arguments"] = ["20", "leave"]
    machine = boot([*demo.apps, storm, leaver], forwards=demo.forwards)
    demo.wait(machine)
    deadline, answered = time.monotonic() + TIMEOUT, 0
    while time.monotonic() < deadline and "[init] storm ended" not in machine.text():
        demo.ask(5)
        answered += 5
        time.sleep(0.5)  # the servers' work is not to be all that the machine does
    demo.ask(20)
    text = machine.text()
    made, spin, sleep, call, bombs = map(
        int,
        re.search(r"^\[storm\] storm: made (\d+): (\d+) spin, (\d+) sleep, (\d+) call, (\d+) bombs", text, re.M).groups(),
    )
    orphans, _, calls = map(
        int, re.search(r"storm: (\d+) orphans, (\d+) taken back, (\d+) calls answered", text).groups()
    )
    assert made >= CHILDREN and min(spin, sleep, call, bombs) > CHILDREN // 8
    assert orphans and calls and answered
    assert re.search(r"^\[storm\] storm: 0 of \d+ figures differ from the start", text, re.M)
    assert "[init] storm ended with status 0" in text
    assert "[init] leaver ended with status 0" in text
    assert re.search(r"^\[init\] \d+ environments that applications left behind are taken back", text, re.M)
    assert not re.search(r"PANIC|^\[init\] (www|www2|echo) (ended|was)", text, re.M)
