# SPDX-License-Identifier: MIT
"""Applications on several CPUs at once: each runs where its slices are, and none is hurt by the others."""

import re

import pytest

TIMEOUT = 100


def spinner(name: str, cpu: int, slices: int = 4) -> dict:
    return {"name": name, "test": "spin", "memory": "1M", "cpu": cpu, "slices": slices}


def share(machine, name: str) -> float:
    """Of the time in its last round, how much the application had a CPU."""
    had, of = re.findall(rf"^\[{name}\] round \d+: (\d+) us of (\d+)$", machine.text(), re.M)[-1]
    return int(had) / int(of)


@pytest.mark.parametrize("kind, cpus", [("qemu", 2), ("qemu", 4), ("bochs", 2)])
def test_each_cpu_runs_its_own(boot, kind, cpus):
    """As many that always have work as there are CPUs: each has one for itself."""
    apps = [spinner(f"spin{cpu}", cpu) for cpu in range(cpus)]
    machine = boot(apps, kind=kind, nic=None, cpus=cpus)
    for app in apps:
        machine.wait_for(rf"^\[{app['name']}\] round 3: ", TIMEOUT)
    assert all(share(machine, app["name"]) > 0.97 for app in apps)
    for cpu, app in enumerate(apps):
        assert re.search(rf"^\[init\] started {app['name']} .* slices of CPU {cpu}, ", machine.text(), re.M)
