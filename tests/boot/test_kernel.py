# SPDX-License-Identifier: MIT
"""The kernel seen from outside: what it does to the machine that it finds."""

import pytest

from monitor import Monitor

TIMEOUT = 50
MASTER, NO_INTX = 1 << 2, 1 << 10
DISPLAY, BRIDGE = 3, 6


@pytest.fixture
def image(build, make_image):
    """A machine without applications: init says so and ends."""
    return make_image({
        "EFI/BOOT/BOOTX64.EFI": build / "uefi/BOOTX64.EFI",
        "freehold/kernel.elf": build / "exo/kernel.elf",
        "freehold/init.elf": build / "apps/init",
        "freehold/bundle.bin": b"not a bundle",
    })  # fmt: skip


def test_no_device_that_nobody_drives_reaches_memory(image, start_machine, tmp_path):
    """The firmware boots from the SATA disk and the USB controller runs: both stay bus masters."""
    monitor = Monitor(tmp_path / "monitor")
    devices = ["-device", "qemu-xhci", "-device", "e1000,netdev=other", "-netdev", "user,id=other"]
    machine = start_machine(image, extra=[*monitor.options, *devices])
    machine.wait_for(r"^\[exo\] init ended", TIMEOUT)
    driven = machine.text().count("[exo] Network card")
    assert driven == 2
    masters, silenced = 0, 0
    for slot in range(32):
        for function in range(8):
            if monitor.pci_config(0, slot, function, 0) & 0xFFFF == 0xFFFF:
                if function == 0:
                    break
                continue
            command = monitor.pci_config(0, slot, function, 4)
            kind = monitor.pci_config(0, slot, function, 8) >> 24
            if kind in (DISPLAY, BRIDGE):
                continue
            masters += bool(command & MASTER)
            silenced += bool(command & NO_INTX)
            assert not (command & MASTER and command & NO_INTX)
            if not monitor.pci_config(0, slot, function, 0x0C) >> 23 & 1:
                break
    assert masters == driven
    assert silenced >= 2  # the disk's controller and the USB controller
