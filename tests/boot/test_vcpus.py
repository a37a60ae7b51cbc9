# SPDX-License-Identifier: MIT
"""One application on several CPUs: its threads run at once, and nothing that they share breaks."""

import re

import pytest

TIMEOUT = 100
# One CPU after the other, to its next timer each: with a thread of the host for each, who waits for a lock
# takes the host's time from who has it.
COUNTED = ["-icount", "shift=2,sleep=off"]
PARTS = ("pass", "add", "turns", "yield", "map", "fault", "make", "allocate", "sleep")


def app(cpus: int, rounds: int, *, lose: bool = False, **more) -> dict:
    return {
        "name": "many",
        "test": "vcpus",
        "memory": "8M",
        "vcpus": cpus,
        "environments": 1,
        "arguments": [str(cpus), str(rounds), *(["lose"] if lose else [])],
        "restart": "never",
    } | more


def check(text: str, cpus: int, rounds: int, lose: bool = False) -> None:
    assert re.search(rf"^\[many\] CPUs: {cpus}$", text, re.M)
    for part in PARTS + ("lose",) * lose:
        assert re.search(rf"^\[many\] {part}: 0 wrong$", text, re.M), part
    assert re.search(rf"^\[many\] sum: {800 * rounds} of {800 * rounds}$", text, re.M)


@pytest.mark.parametrize("sched", ["round_robin", "steal", "central"])
def test_threads_on_two(boot, sched):
    lose = sched == "round_robin"
    machine = boot([app(2, 200, lose=lose, sched=sched)], nic=None, cpus=2, extra=COUNTED)
    machine.wait_for(r"^\[init\] many ended with status 0", TIMEOUT)
    check(machine.text(), 2, 200, lose)


@pytest.mark.parametrize("kind, cpus, rounds", [("qemu", 2, 20), ("bochs", 2, 20), ("bochs", 4, 10)])
def test_threads(boot, kind, cpus, rounds):
    machine = boot([app(cpus, rounds, lose=cpus == 2)], kind=kind, nic=None, cpus=cpus)
    machine.wait_for(r"^\[init\] many ended with status 0", TIMEOUT)
    check(machine.text(), cpus, rounds, lose=cpus == 2)
