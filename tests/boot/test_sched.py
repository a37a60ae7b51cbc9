# SPDX-License-Identifier: MIT
"""Scheduling policies on the machine: each of them under the same application, and broken ones.

What policies do to latencies and shares is measured in the simulator (tests/sched); here is what
needs a machine: timers, upcalls, mutexes of musl, and that each is linked and chosen.
"""

import re

import pytest

from freehold_lib.abi import policies

TIMEOUT = 55
# Beside what holds for each: see tests/apps/policies.c.
OF_ITS_OWN = {"fifo": -1, "stride": 1, "eevdf": 1, "priority": 2, "edf": 4}
COMMON = 15


@pytest.mark.parametrize("policy", policies())
def test_policy(boot, policy):
    app = {"name": "app", "test": "policies", "arguments": [policy], "sched": policy, "memory": "2M", "restart": "never"}
    machine = boot([app], nic=None)
    machine.wait_for(r"^\[init\] app (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[app\] (?:not ok|sched: ).*", text, re.M)
    assert "[init] app ended with status 0" in text
    assert len(re.findall(r"^\[app\] ok: ", text, re.M)) == COMMON + OF_ITS_OWN.get(policy, 0)


def test_broken_policies_are_replaced(boot):
    common = {"test": "broken", "memory": "2M", "restart": "never"}
    apps = [{"name": name, "arguments": [name], "sched": name, **common} for name in ("losing", "selfish")]
    machine = boot(apps, nic=None)
    for name, what in (("losing", "has lost 1 thread,"), ("selfish", r"starves \d threads?,")):
        machine.wait_for(rf"^\[init\] {name} (ended|was)", TIMEOUT)
        text = machine.text()
        assert re.search(rf"^\[{name}\] sched: the policy {name} {what} first (main|thread \d+); fifo takes over\. It knows of:$", text, re.M)
        assert f"[{name}] sched:   what broken.c has to say" in text
        assert re.search(rf"^\[{name}\] ok: ", text, re.M) and f"[init] {name} ended with status 0" in text
