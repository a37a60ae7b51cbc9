# SPDX-License-Identifier: MIT
"""Two applications that hand the CPU to each other by name (tests/apps/hand.c), while others want it as well."""

import re

import pytest

TIMEOUT = 55
CHECKS = 6


@pytest.mark.parametrize("kind, others", [("qemu", 0), ("qemu", 2), ("bochs", 1)])
def test_registers_and_wakeups(boot, kind, others):
    common = {"test": "hand", "memory": "1M", "restart": "never", "rights": ["directory"]}
    apps = [
        {"name": "left", "arguments": ["right", "1", "first"], "slices": 8, **common},
        {"name": "right", "arguments": ["left", "2"], "slices": 4, **common},
        *({"name": f"spin{i}", "test": "spin", "memory": "1M", "slices": 1} for i in range(others)),
    ]
    machine = boot(apps, kind=kind, nic=None)
    for name in ("left", "right"):
        machine.wait_for(rf"^\[init\] {name} (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[\w+\] not ok.*", text, re.M)
    for name in ("left", "right"):
        assert len(re.findall(rf"^\[{name}\] ok: ", text, re.M)) == CHECKS
        assert f"[init] {name} ended with status 0" in text
