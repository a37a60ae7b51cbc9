# SPDX-License-Identifier: MIT
"""Intel VT-d: what devices try that nobody lets them."""

import re
import time

from monitor import Monitor

TIMEOUT = 50
COMMAND, BAR4, IO, MASTER = 0x04, 0x20, 1 << 0, 1 << 2
# Intel, "Universal Host Controller Interface (UHCI) Design Guide" 1.1, 2.1: once a millisecond a
# controller that runs reads one word of the list at FRAMES.
USB_COMMAND, RUN, FRAME_BASE = 0x00, 1, 0x08
FRAMES = 0x12345000
SLOT = 0x10


class Controller:
    """A USB controller that starts to run behind the kernel's back, by ports that we write."""

    def __init__(self, monitor: Monitor):
        self.monitor = monitor
        self.ports = monitor.pci_config(0, SLOT, 0, BAR4) & ~3

    def out(self, size: str, port: int, value: int) -> None:
        self.monitor.ask(f"o/{size} {port:#x} {value:#x}")

    def run(self, on: bool) -> None:
        command = self.monitor.pci_config(0, SLOT, 0, COMMAND)
        self.out("w", 0xCFC, command | IO | MASTER)
        self.out("w", self.ports + FRAME_BASE, FRAMES)
        self.out("h", self.ports + USB_COMMAND, RUN if on else 0)


def test_a_fault_is_told_by_name_and_a_flood_of_them_in_part(boot, tmp_path):
    monitor = Monitor(tmp_path / "monitor")
    device = ["-device", f"piix3-usb-uhci,addr={SLOT:#x}"]
    hello = {"name": "hello", "image": "hello", "memory": "1M"}
    machine = boot([hello], iommu=True, extra=[*monitor.options, *device])
    machine.wait_for(r"^\[hello\] Hello", TIMEOUT)
    controller = Controller(monitor)
    assert controller.ports
    assert "DMA fault" not in machine.text()
    since, begun = machine.mark(), time.monotonic()
    controller.run(True)
    machine.wait_for(
        rf"^\[exo\] DMA fault: the device at 00:{SLOT:02x}\.0 was kept from reading {FRAMES:#x}: "
        r"no driver here serves it \(reason 2\)\.$",
        TIMEOUT,
        since=since,
    )
    machine.wait_for(r"^\[exo\] DMA fault: what more there is", TIMEOUT, since=since)
    machine.wait_for(r"^\[hello\] 3 s", TIMEOUT, since=since)  # others run meanwhile
    controller.run(False)
    told = len(re.findall(r"^\[exo\] DMA fault: the device", machine.text()[since:], re.M))
    assert 8 <= told <= 8 * (1 + (time.monotonic() - begun) / 10)
