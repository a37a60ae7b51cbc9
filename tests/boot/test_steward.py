# SPDX-License-Identifier: MIT
"""apps/steward: CPUs handed out by an application, and what becomes of them without it."""

import re

import pytest

from freehold_lib.control import Control, ControlError

TIMEOUT = 100


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


def states(control) -> dict[str, str]:
    return {row["name"]: row["state"] for row in control.ask("list", TIMEOUT).rows}


def killed(machine, control) -> None:
    control.ask("kill steward", TIMEOUT)
    machine.wait_for(r"^\[init\] steward was killed$", TIMEOUT)


def test_stride_with_and_without(boot, tmp_path):
    """Time by weight under the steward; killed, it leaves its applications to init; started again, it starts them."""
    apps = [steward("stride", cpus=[1]), spinner("three", 3), spinner("one", 1)]
    machine = boot(apps, nic=None, cpus=2, control=tmp_path / "control")
    machine.wait_for(r"^\[init\] commands are taken", TIMEOUT)
    with Control(machine.control) as control:
        for name in ("three", "one"):
            machine.wait_for(rf"^\[{name}\] round 6: ", TIMEOUT)
            machine.wait_for(rf"^\[steward\] started {name} \(environment \d+, 256 pages, weight \d by stride, ", TIMEOUT)
        fair(machine, 1)
        assert states(control) == {"steward": "running", "three": "under", "one": "under"}
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
