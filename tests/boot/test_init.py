# SPDX-License-Identifier: MIT
"""init refuses what the machine cannot give, by name and amount, and keeps the rest going."""

import dataclasses
import re

import pytest

from freehold_lib.bundle import build_bundle
from freehold_lib.elf import pages_to_start
from freehold_lib.machine import load
from freehold_lib.symbols import Symboliser, symbol_files

TIMEOUT = 40
MACHINE = '[machine]\nname = "test"\nmemory = "64M"\n[[app]]\nname = "a"\nimage = "crash"\nrestart = "never"\n'


@pytest.fixture
def machine(build, tmp_path):
    """One application that ends with status 3."""
    (tmp_path / "m.toml").write_text(MACHINE)
    machine = load(tmp_path / "m.toml", build)
    return dataclasses.replace(
        machine, apps=(dataclasses.replace(machine.apps[0], arguments=("status",)),)
    )


@pytest.fixture
def boot_bundle(build, make_image, start_machine):
    """boot_bundle(bundle's bytes) -> a started Emulator"""

    def boot(bundle: bytes, **options):
        image = make_image(
            {
                "EFI/BOOT/BOOTX64.EFI": build / "uefi/BOOTX64.EFI",
                "freehold/kernel.elf": build / "exo/kernel.elf",
                "freehold/init.elf": build / "apps/init",
                "freehold/bundle.bin": bundle,
            }
        )
        return start_machine(image, memory=64, nic=None, **options)

    return boot


def test_refusals(machine, build, tmp_path, boot_bundle):
    """What the builder would not let through: init must not need it."""

    def app(name, **fields):
        return dataclasses.replace(machine.apps[0], name=name, **fields)

    least = pages_to_start(machine.image_path(machine.apps[0], build))
    apps = (
        app("slices", slices=1024),
        app("most", slices=1),
        app("more", slices=1024),
        app("pages", slices=1, pages=1 << 20),
        app("less", slices=1, pages=least - 1),
        app("least", slices=1, pages=least),
        # All that is left but a little: init must still be able to start it again.
        app("greedy", slices=1, pages=13000, restart="always"),
        app("after", slices=1, pages=13000),
    )
    bundle = build_bundle(dataclasses.replace(machine, apps=apps), build, tmp_path / "b").read_bytes()
    log = boot_bundle(bundle)
    log.wait_for(r"^\[init\] greedy is restarted in 2 s", TIMEOUT)
    text = log.text()
    there = int(re.search(r"Room for .*, (\d+) slices: ", text)[1])
    assert f"[init] slices is not started: it wants 1024 slices, {there - 1} are left.\n" in text
    assert "[init] started most " in text and "[init] most ended with status 3\n" in text
    assert f"[init] more is not started: it wants 1024 slices, {there - 2} are left.\n" in text
    assert re.search(r"^\[init\] pages is not started: it wants 1048576 pages, \d+ are left\.$", text, re.M)
    assert (
        f"[init] less is not started: its quota is {least - 1} pages, to start it takes {least}; "
        "raise `memory` in the machine file.\n"
    ) in text
    assert f"[init] started least (environment 3, {least} pages, 1 slices of CPU 0, image at 0x" in text
    assert "[least] too little memory to start: raise `memory` in the machine file\n" in text
    left = re.search(r"^\[init\] after is not started: it wants 13000 pages, (\d+) are left\.$", text, re.M)
    assert left and int(left[1]) < 13000


def test_a_damaged_bundle(machine, build, tmp_path, boot_bundle):
    bundle = bytearray(build_bundle(machine, build, tmp_path / "b").read_bytes())
    bundle[-1] ^= 1
    log = boot_bundle(bytes(bundle))
    log.wait_for(r"^\[init\] The bundle is damaged: its checksum differs\.$", TIMEOUT)
    log.wait_for(r"^\[init\] No application is started\. Build the image again with tools/freehold\.$", 5)


def test_an_image_that_is_no_program(machine, build, tmp_path, boot_bundle):
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    app = dataclasses.replace(machine.apps[0], image=str(broken))
    bundle = build_bundle(dataclasses.replace(machine, apps=(app,)), build, tmp_path / "b").read_bytes()
    log = boot_bundle(bundle)
    log.wait_for(r"^\[init\] a is not started: its image is truncated: it ends within its ELF header\.$", TIMEOUT)
    log.wait_for(r"^\[init\] No application runs, and none is to be started again\.$", 5)


def test_a_crash_is_symbolised_in_the_log(machine, build, tmp_path, boot_bundle):
    ways = [dataclasses.replace(machine.apps[0], name=way, arguments=(way,)) for way in ("null", "critical")]
    machine = dataclasses.replace(machine, apps=tuple(ways))
    log = boot_bundle(build_bundle(machine, build, tmp_path / "b").read_bytes())
    log.wait_for(r"^\[init\] No application runs", TIMEOUT)
    lines = list(Symboliser(symbol_files(machine, build)).filter(log.text().splitlines()))
    text = "\n".join(lines)
    # libos tells of the first itself, init of the second: upcalls were off.
    assert re.search(r"^\[null\] backtrace: .*\n\[null\]   #0 \+0x\w+ null\+0x\w+ .*tests/apps/crash\.c:\d+\n"
                     r"\[null\]   #1 \+0x\w+ main\+0x", text, re.M), text
    assert re.search(r"^\[init\] critical was ended: .*\n\[init\]   #0 \+0x\w+ critical\+0x\w+ .*crash\.c:\d+$",
                     text, re.M), text
