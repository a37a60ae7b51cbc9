# SPDX-License-Identifier: MIT
"""Applications on several CPUs at once: each runs where its slices are, and none is hurt by the others."""

import re

import pytest

TIMEOUT = 100


def spinner(name: str, cpu: int, slices: int = 4) -> dict:
    return {"name": name, "test": "spin", "memory": "1M", "cpu": cpu, "slices": slices}


def share(machine, name: str) -> float:
    """
    Of the time in a round, how much the application had a CPU: in its best one, for a host that has
    fewer CPUs than the machine stops one while init is on it, and init pays for that.
    """
    rounds = re.findall(rf"^\[{name}\] round \d+: (\d+) us of (\d+)$", machine.text(), re.M)
    return max(int(had) / int(of) for had, of in rounds)


@pytest.mark.parametrize("kind, cpus", [("qemu", 2), ("qemu", 4), ("bochs", 2)])
def test_each_cpu_runs_its_own(boot, kind, cpus):
    """As many that always have work as there are CPUs: each has one for itself."""
    apps = [spinner(f"spin{cpu}", cpu) for cpu in range(cpus)]
    machine = boot(apps, kind=kind, nic=None, cpus=cpus)
    for app in apps:
        machine.wait_for(rf"^\[{app['name']}\] round 4: ", TIMEOUT)
    shares = {app["name"]: share(machine, app["name"]) for app in apps}
    assert min(shares.values()) > 0.97, shares
    for cpu, app in enumerate(apps):
        assert re.search(rf"^\[init\] started {app['name']} .* slices of CPU {cpu}, ", machine.text(), re.M)


def reusing(rounds: int, readers: int) -> list[dict]:
    rights = {"test": "reuse", "memory": "1M", "rights": ["directory"], "restart": "never"}
    names = [f"reader{i}" for i in range(readers)]
    apps = [{"name": "owner", "cpu": 0, "arguments": ["owner", str(rounds), *names], **rights}]
    for i, name in enumerate(names):
        apps.append({"name": name, "cpu": i + 1, "arguments": ["reader", str(rounds), str(1 << i)], **rights})
    return apps


@pytest.mark.parametrize("kind, cpus, rounds", [("qemu", 2, 200), ("qemu", 4, 20), ("bochs", 2, 20)])
def test_what_is_used_again_is_forgotten_everywhere(boot, kind, cpus, rounds):
    """While programs on other CPUs read a page it is taken back, freed, and filled by its next owner."""
    apps = reusing(rounds, cpus - 1)
    machine = boot(apps, kind=kind, nic=None, cpus=cpus)
    for app in apps:
        machine.wait_for(rf"^\[init\] {app['name']} ended with status 0", TIMEOUT)
    text = machine.text()
    for app in apps[1:]:
        reads, of, wrong = re.search(rf"^\[{app['name']}\] (\d+) reads in (\d+) rounds, (\d+) of", text, re.M).groups()
        assert int(reads) > rounds and (int(of), int(wrong)) == (rounds, 0)
