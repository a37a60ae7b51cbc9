# SPDX-License-Identifier: MIT
"""Three applications that call one another through gates (tests/apps/gate.c)."""

import re

import pytest

TIMEOUT = 55
CHECKS = 19


@pytest.mark.parametrize(
    "kind, policy", [("qemu", "fifo"), ("qemu", "round_robin"), ("bochs", "round_robin")]
)
def test_calls_through_gates(boot, kind, policy):
    common = {"test": "gate", "sched": policy, "memory": "2M", "rights": ["directory"]}
    apps = [
        {"name": "client", "arguments": ["client"], "slices": 16, "restart": "never", **common},
        {"name": "server", "arguments": ["server"], "slices": 1, "restart": "always", **common},
        {"name": "third", "arguments": ["third"], "slices": 1, "restart": "never", **common},
    ]
    machine = boot(apps, kind=kind, nic=None)
    machine.wait_for(r"^\[init\] client (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[\w+\] not ok.*", text, re.M)
    assert len(re.findall(r"^\[client\] ok: ", text, re.M)) == CHECKS
    assert "[init] server ended with status 7" in text
    assert "[init] client ended with status 0" in text
