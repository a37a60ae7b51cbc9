# SPDX-License-Identifier: MIT
"""The kernel seen from outside: what it does to the machine that it finds."""

import re
import socket
import subprocess
import threading
import time

import pytest

from freehold_lib.abi import number
from freehold_lib.emulator import free_port
from freehold_lib.machine import load
from freehold_lib.symbols import Symboliser, symbol_files
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


def test_the_kernel_lies_elsewhere_at_each_boot(image, start_machine, build):
    places = []
    for _ in range(3):
        machine = start_machine(image, nic=None)
        places.append(int(machine.wait_for(r"^\[exo\] The kernel lies at (0x\w+)\.$", TIMEOUT)[1], 16))
        machine.stop()
    assert len(set(places)) == len({place >> 21 for place in places}) == 3, places
    for place in places:
        assert number("EXO_KERNEL_BASE") <= place < number("EXO_KERNEL_END") and place % 4096 == 0


CHANGES = {
    "CR0": "$cr0 & ~0x10000",  # WP
    "CR4": "$cr4 & ~0x100000",  # SMEP
    "MSR 0xc0000080": "$efer & ~0x1",  # EFER.SCE: without NXE no page of the kernel could be read
}


@pytest.mark.parametrize("register", CHANGES)
def test_protection_that_goes_off_is_noticed(boot, build, tmp_path, register):
    """And the log of a kernel that stopped tells which function of which application it was in."""
    gdb = tmp_path / "gdb"
    both = [{"name": name, "test": "spin", "memory": "1M"} for name in ("spin", "spin2")]
    machine = boot(both, nic=None, gdb=gdb)  # two, as a CPU that is one's alone has no tick to be checked at
    machine.wait_for(r"^\[spin\] ", TIMEOUT)
    name = {"MSR 0xc0000080": "efer"}.get(register, register.lower())
    command = ["gdb", "-q", "-batch", "-ex", "set architecture i386:x86-64", "-ex", f"target remote {gdb}"]
    command += ["-ex", f"set ${name} = {CHANGES[register]}", "-ex", "detach"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    machine.wait_for(rf"^\[exo\] {register} has become 0x\w+, at boot it was set to 0x\w+\.$", TIMEOUT)
    machine.wait_for(r"^\[exo\] It was working for spin2?, which was at 0x\w+\.\n", TIMEOUT)
    files = symbol_files(load(tmp_path / "machine.toml", build), build)
    last = list(Symboliser(files).filter(machine.text().splitlines()))[-1]
    assert re.search(r"^\[exo\]   #0 0x\w+ \w+\+0x\w+ .*\w+\.[chS]:\d+$", last), last


# What an emulated CPU says of itself: what the log must say of it.
SPECULATION = {
    "max": ("nothing", ["IBPB", "IBRS"]),
    "max,vendor=GenuineIntel": ("nothing", ["IBPB", "MD_CLEAR", "IBRS", "page table isolation"]),
}


@pytest.mark.parametrize("cpu", SPECULATION)
def test_what_is_done_against_speculation_is_told(image, start_machine, cpu):
    on, missing = SPECULATION[cpu]
    machine = start_machine(image, nic=None, cpu=cpu)
    machine.wait_for(rf"^\[exo\] Against speculation: {on}\.$", TIMEOUT)
    line = machine.wait_for(r"^\[exo\] Missing: (.*)\. docs", TIMEOUT)[1]
    assert [word for word in ("IBPB", "MD_CLEAR", "IBRS", "page table isolation") if word in line] == missing


FLOOD_SECONDS = 5


def flood(port: int, stop: threading.Event, sent: list[int]) -> None:
    """Packets for nobody, as fast as this host can."""
    packet = bytes.fromhex("0200000000ee" "020000000001" "88b5") + bytes(46)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        while not stop.is_set():
            for _ in range(64):
                wire.sendto(packet, ("127.0.0.1", port))
            sent[0] += 64


@pytest.mark.parametrize("card", ["virtio-net-pci,disable-legacy=on", "e1000"])
def test_a_flood_does_not_stop_applications(card, boot):
    here, there = free_port("udp"), free_port("udp")
    wire = (f"dgram,id=wire,local.type=inet,local.host=127.0.0.1,local.port={there},"
            f"remote.type=inet,remote.host=127.0.0.1,remote.port={here}")  # fmt: skip
    hello = {"image": "hello", "memory": "1M", "slices": 8}
    machine = boot(
        [{"name": "first", **hello}, {"name": "second", **hello}],
        nic=None,
        extra=["-netdev", wire, "-device", f"{card},netdev=wire"],
    )
    machine.wait_for(r"^\[second\] 1 s", TIMEOUT)
    stop, sent = threading.Event(), [0]
    attacker = threading.Thread(target=flood, args=(there, stop, sent))
    before = machine.mark()
    attacker.start()
    time.sleep(FLOOD_SECONDS)
    during = machine.text()[before:].splitlines()
    stop.set()
    attacker.join()
    assert sent[0] > 10000
    for name in ("first", "second"):
        ticks = sum(line.startswith(f"[{name}]") for line in during)
        assert ticks >= FLOOD_SECONDS - 2, f"{name} said {ticks} lines while {sent[0]} packets came"
    machine.wait_for(r"^\[second\] \d+ s", 5, since=machine.mark())


def test_the_clock_is_right(boot):
    """However busy this host is: a second in there is a second out here."""
    machine = boot([{"name": "clock", "image": "hello", "memory": "1M", "slices": 8}], nic=None)
    machine.wait_for(r"^\[clock\] 2 s", TIMEOUT)
    start = time.monotonic()
    machine.wait_for(r"^\[clock\] 12 s", 30)
    assert 8.5 < time.monotonic() - start < 12.5


def test_the_log_is_whole_on_a_slow_port(boot):
    """Bochs's serial port takes as long for a character as a real one."""
    machine = boot([{"name": "clock", "image": "hello", "memory": "1M", "slices": 8}],
                   kind="bochs", nic=None)  # fmt: skip
    machine.wait_for(r"^\[clock\] 3 s", 58)
    lines = machine.text().splitlines()
    log = lines[next(i for i, line in enumerate(lines) if line.startswith("[exo] Freehold")) :]
    assert all(re.match(r"\[(exo|init|clock)\] ", line) for line in log[:-1])
    assert [line for line in log if line.startswith("[clock]")][:5] == [
        "[clock] Hello from clock, with 0 arguments.",
        *(f"[clock] {second} s" for second in range(4)),
    ]
    assert not any("lost" in line for line in log)


@pytest.mark.parametrize("kind", ["qemu", "bochs"])
def test_registers_are_ones_own(boot, kind):
    """Two programs fill FPU and segment registers, each with its own, and take turns."""
    app = {"test": "registers", "memory": "1M", "slices": 8, "restart": "never"}
    machine = boot([
        {"name": "one", **app, "arguments": ["1"]},
        {"name": "two", **app, "arguments": ["2", "segments"]},
    ], kind=kind, nic=None)  # fmt: skip
    machine.wait_for(r"^\[init\] one ended", TIMEOUT)
    text = machine.text()
    assert "[one] registers: all its own after 40 rounds" in text
    assert "[two] registers: LOST" not in text
