# SPDX-License-Identifier: MIT
"""What arrives by the wire and should not: frames wrong in any layer, at machines that serve."""

import itertools
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT
from frames import Wire, malformed
from test_network import CONTENT, FILE, Demo, Ports
from traffic import at_once, http_requests, tcp_echoes, udp_echoes

FRAMES = 100_000
SEED = 20261124
WINDOW = 32  # frames between two questions that must be answered: an application keeps 64 buffers ready
TARGETS = {"www": (10, 0, 2, 15), "www2": (10, 0, 2, 16), "echo": (10, 0, 2, 17)}


@pytest.fixture
def wire(request):
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    with Wire(request.param) as wire:
        yield wire


def ip6_of(address: tuple[int, ...]) -> bytes:
    return b"\xfd" + bytes(14) + bytes([address[3]])


def ask(count: int) -> None:
    """All three applications, side by side, from within the namespace."""
    at_once(
        (http_requests, 80, count, FILE, CONTENT, "fd00::f"),
        (http_requests, 80, count, FILE, CONTENT, "10.0.2.15"),
        (http_requests, 80, count, FILE, CONTENT, "10.0.2.16"),
        (tcp_echoes, 7, count, "10.0.2.17"),
        (udp_echoes, 7, count, "10.0.2.17"),
    )


@pytest.mark.parametrize("wire", ["virtio", "e1000"], indirect=True)
def test_malformed_frames_change_nothing(boot, wire):
    """In turns: a window of bad frames at one application, then it must answer; all serve all along."""
    wire.speak_ip6()
    demo = Demo(Ports())
    for app, address in zip(demo.apps, TARGETS.values()):
        app["address6"] = f"fd00::{address[3]:x}/64"
    machine = boot(demo.apps, nic=None, extra=wire.arguments)
    demo.wait(machine)
    sources = []
    for number, address in enumerate(TARGETS.values()):
        mac = wire.mac_of(bytes(address))
        sources.append((bytes(address), malformed(SEED + number, mac, bytes(address), ip6_of(address))))
    for window in range(-(-FRAMES // WINDOW)):
        address, frames = sources[window % len(sources)]
        for frame in itertools.islice(frames, WINDOW):
            wire.send(frame)
        wire.mac_of(address)
        if window % 100 == 0:
            ask(3)
    ask(100)
    assert not re.search(r"crash|ended|killed|PANIC", machine.text())


def test_the_bench_of_a_flood_runs(build):
    """No figure is judged here: tests/bench/flood.py is for a host with nothing else to do."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    bench = [sys.executable, ROOT / "tests/bench/flood.py", "--build", build]
    done = subprocess.run(
        [*bench, "--check", "--rounds", "1", "--requests", "50", "--rate", "1000"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| [\d,]+ \| \d.* \| \d.* \| [\d.]+ .* \| [\d.]+ .* \|$", done.stdout, re.M), done.stdout
