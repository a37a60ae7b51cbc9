# SPDX-License-Identifier: MIT
"""A switch costs as much among many as among few: 1,000 threads of one application, 200 applications of one
machine. Counted in instructions; what is judged is how they grow.
"""

import os
import re

import pytest

from freehold_lib import bench_guests, bench_lost
from freehold_lib.bench_cpu import read
from freehold_lib.bench_http import CONTENT, PATH
from freehold_lib.bench_wire import Wires
from freehold_lib.bundle import build_machine_image
from freehold_lib.control import Control
from freehold_lib.emulator import Emulator
from freehold_lib.sched_machine import COUNTED

PATIENCE = 300
POLICIES = ("fifo", "round_robin", "eevdf")
# Under eevdf who had its share waits for 999 others to have theirs, and giving way is charged to nobody.
YIELDING = ("fifo", "round_robin")


@pytest.fixture(scope="module")
def threads(build, tmp_path_factory):
    """{policy: {what and how many: instructions}}"""
    folder = tmp_path_factory.mktemp("threads")
    lines = ["[machine]", 'name = "many"', 'memory = "256M"']
    for policy in POLICIES:
        lines += ["[[app]]", f'name = "{policy.replace("_", "-")}"', 'image = "many_threads"', 'memory = "24M"']
        lines += [f'sched = "{policy}"', 'restart = "never"', f'arguments = ["{"yield" if policy in YIELDING else "wake"}"]']
    (folder / "machine.toml").write_text("\n".join(lines) + "\n")
    build_machine_image(folder / "machine.toml", build, folder / "machine.img")
    log = counted(folder / "machine.img", r"^\[init\] {} (ended|was)", [policy.replace("_", "-") for policy in POLICIES])
    return {policy: read(log, policy.replace("_", "-")) for policy in POLICIES}


def counted(image, pattern, names):
    """The log of a machine on which nothing else runs than what is waited for."""
    with Emulator(image, memory=256, nic=None, extra=COUNTED) as machine:
        for name in names:
            machine.wait_for(pattern.format(name), PATIENCE)
        return machine.text()


@pytest.mark.parametrize("policy", YIELDING)
def test_a_switch_among_many_threads(threads, policy):
    assert 0 < threads[policy]["yield-1000"] <= threads[policy]["yield-2"] + 10, threads[policy]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_switch_beside_many_that_wait(threads, policy):
    """With times a heap of 1,000 is ten levels deep, and one of two is one."""
    costs = threads[policy]
    assert 0 < costs["wake-1000"] < 1.1 * costs["wake-2"] and 0 < costs["timed-1000"] < 1.5 * costs["timed-2"], costs


def test_a_switch_among_many_applications(build, make_image):
    files = {"EFI/BOOT/BOOTX64.EFI": build / "uefi/BOOTX64.EFI", "freehold/kernel.elf": build / "exo/kernel.elf"}
    files |= {"freehold/init.elf": build / "tests/apps/crowd", "freehold/bundle.bin": b"none"}
    image = make_image(files)
    log = counted(image, r"^\[init\] {}", ["measured$|^\\[exo\\] init ended"])
    assert not re.search(r"^\[init\] error: ", log, re.M)
    # Each round was one turn of ours: all others had theirs in between.
    assert re.findall(r"^\[init\] turns (\d+) of 20$", log, re.M) == ["20"] * 3
    costs = read(log, "init")
    assert costs["applications-200"] < 1.1 * costs["applications-2"], costs
    assert costs["applications-20"] < 1.1 * costs["applications-2"], costs


def test_256_applications_answer(build, tmp_path):
    """Each on its own address; and init tells of all of them."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    apps = [bench_guests.App(f"www{number}", "httpd", 256 + number, memory="2M", slices=1) for number in range(256)]
    with Wires(bits=16) as wires:
        link = wires.link([])
        file = bench_guests.machine_file(apps, link, tmp_path, memory=1024)
        file.write_text(file.read_text() + "[control]\nserial = true\n")
        build_machine_image(file, build, tmp_path / "many.img")
        with Emulator(tmp_path / "many.img", memory=1024, control=tmp_path / "control", **link.card) as machine:
            for app in apps:
                machine.wait_for(rf"^\[{app.name}\] .*listening", PATIENCE)
            lost = [app.name for app in apps if bench_lost.count((link.address(app.host), 80), PATH, CONTENT, 1, rounds=1)]
            assert not lost
            with Control(tmp_path / "control") as control:
                rows = control.ask("list", PATIENCE).rows
    assert [(row["name"], row["state"], row["restarts"]) for row in rows] == [(app.name, "running", "0") for app in apps]
