# SPDX-License-Identifier: MIT
"""apps/steward: CPUs handed out by an application, and what becomes of them without it."""

import re

import pytest

from freehold_lib.control import Control, ControlError

TIMEOUT = 100


# Virtual time, so many nanoseconds an instruction: the host has fewer CPUs than these machines, and others to serve.
COUNTED = ["-icount", "shift=2,sleep=off"]


def steward(*arguments: str, cpus: list[int], memory: str = "2M") -> dict:
    return {"name": "steward", "image": "steward", "arguments": list(arguments), "cpus": cpus, "memory": memory}


def spinner(name: str, weight: int) -> dict:
    return {"name": name, "test": "spin", "memory": "1M", "under": "steward", "slices": weight}


def shares(machine, name: str) -> list[float]:
    """Of the time in each of its rounds, how much the application had a CPU."""
    rounds = re.findall(rf"^\[{name}\] round \d+: (\d+) us of (\d+)$", machine.text(), re.M)
    return [int(had) / int(of) for had, of in rounds]


def fair(machine, after: int) -> None:
    """By weight of what both had: what emulator and host take is neither's."""
    had = {name: sum(shares(machine, name)[after : after + 5]) for name in ("three", "one")}
    for name, due in (("three", 0.75), ("one", 0.25)):
        assert abs(had[name] / sum(had.values()) / due - 1) < 0.02, had
    assert sum(had.values()) > 5 * 0.9


def listed(control, key: str) -> dict[str, str]:
    return {row["name"]: row.get(key, "") for row in control.ask("list", TIMEOUT).rows}


def states(control) -> dict[str, str]:
    """Without the one that ends and starts all the time."""
    return {name: state for name, state in listed(control, "state").items() if name != "brief"}


def killed(machine, control) -> None:
    control.ask("kill steward", TIMEOUT)
    machine.wait_for(r"^\[init\] steward was killed$", TIMEOUT)


def test_stride_with_and_without(boot, tmp_path):
    """Time by weight under the steward; killed, it leaves its applications to init; started again, it starts them."""
    brief = {"name": "brief", "test": "crash", "arguments": ["abort"], "memory": "1M", "under": "steward"}
    apps = [steward("stride", cpus=[1]), spinner("three", 3), spinner("one", 1), brief]
    machine = boot(apps, nic=None, cpus=2, control=tmp_path / "control", extra=COUNTED)
    machine.wait_for(r"^\[init\] commands are taken", TIMEOUT)
    with Control(machine.control) as control:
        machine.wait_for(r"^\[steward\] brief is restarted now$", TIMEOUT)
        for name in ("three", "one"):
            machine.wait_for(rf"^\[{name}\] round 6: ", TIMEOUT)
            machine.wait_for(rf"^\[steward\] started {name} \(environment \d+, 256 pages, weight \d by stride, ", TIMEOUT)
        fair(machine, 1)
        assert states(control) == {"steward": "running", "three": "under", "one": "under"}
        had = {name: int(ms) for name, ms in listed(control, "cpu_ms").items() if ms}
        assert had["three"] > 2 * had["one"] > 2000 and had["steward"] > 0
        with pytest.raises(ControlError, match="^one is under steward, which starts and ends it.$"):
            control.ask("kill one", TIMEOUT)

        killed(machine, control)
        for name, weight in (("three", 3), ("one", 1)):
            machine.wait_for(rf"^\[init\] {name} goes on without steward \(environment \d+, {weight} slices of CPU 1\)$", TIMEOUT)
        assert states(control) == {"steward": "stopped", "three": "running", "one": "running"}
        lived = len(shares(machine, "one"))
        assert lived >= 6 and not re.search(r"^\[one\] round 1: .*^\[one\] round 1: ", machine.text(), re.M | re.S)
        for name in ("three", "one"):
            machine.wait_for(rf"^\[{name}\] round {lived + 7}: ", TIMEOUT)
        fair(machine, lived + 2)  # the kernel's slices have the same shares, as their owners are always there

        before = len(machine.text())
        assert control.ask("restart steward", TIMEOUT).sentence.startswith("steward is started anew (environment ")
        for name in ("three", "one"):
            machine.wait_for(rf"^\[init\] {name} was killed$", TIMEOUT, since=before)
            machine.wait_for(rf"^\[steward\] started {name} ", TIMEOUT, since=before)
        assert states(control) == {"steward": "running", "three": "under", "one": "under"}


def test_stride_on_two_cpus(boot):
    """Who is due half of two CPUs has one all the time; the others share what is left by weight."""
    weights = {"four": 4, "three": 3, "one": 1}
    apps = [steward("stride", cpus=[1, 2])] + [spinner(name, weight) for name, weight in weights.items()]
    machine = boot(apps, nic=None, cpus=3, extra=COUNTED)
    for name in weights:
        machine.wait_for(rf"^\[{name}\] round 1: ", TIMEOUT)
    had = {name: shares(machine, name)[0] for name in weights}
    assert all(abs(had[name] / sum(had.values()) / (weight / 8) - 1) < 0.02 for name, weight in weights.items()), had


def test_cores_go_where_they_are_needed(boot):
    """Of two CPUs the steward keeps one. The other is the server's whenever that has work, else the batch's.

    In Bochs, where a CPU reaches another within some instructions: QEMU lets one run to its next timer when it
    counts them, and else as the host likes.
    """
    server = {"name": "server", "test": "late", "memory": "1M", "under": "steward"}
    apps = [steward("cores", "server", cpus=[1, 2]), server, spinner("a", 2), spinner("b", 2)]
    machine = boot(apps, kind="bochs", nic=None, cpus=3)
    for name in ("server", "a", "b"):
        machine.wait_for(rf"^\[{name}\] round 2: ", TIMEOUT)
    late = re.findall(r"^\[server\] round \d+: 200 jobs, late by .* p99 (\d+) us, most \d+ us$", machine.text(), re.M)
    assert all(int(p99) < 500 for p99 in late), late  # a slice of the batch's is 2,000
    batch = [shares(machine, name)[1] for name in ("a", "b")]
    assert sum(batch) > 0.6 and min(batch) > 0.25, batch  # the server works for a sixth of the time
