# SPDX-License-Identifier: MIT
"""The loader: what it hands over, and what it says when it cannot.

No kernel of ours runs here: tests/boot/probe holds one that checks the loader's promises itself.
"""

import re
import socket
import struct
import time

import pytest

LOADER = "EFI/BOOT/BOOTX64.EFI"
KERNEL = "freehold/kernel.elf"
INIT = "freehold/init.elf"
BUNDLE = "freehold/bundle.bin"
BUNDLE_BYTES = bytes(range(256)) * 33
MIB = 1 << 20

# The firmware alone takes 4 to 6 s of an idle host.
TIMEOUT = 50


@pytest.fixture
def files(build):
    """What belongs into a good image, for a test to spoil."""
    return {
        LOADER: build / "uefi/BOOTX64.EFI",
        KERNEL: (build / "tests/boot/probe/probe.elf").read_bytes(),
        INIT: (build / "tests/boot/probe/probe-init.elf").read_bytes(),
        BUNDLE: BUNDLE_BYTES,
    }


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


# --- what is handed over ---


def probe(machine, timeout=TIMEOUT):
    """Wait for the probe's end; its lines as {name: [values]}."""
    machine.wait_for(r"^probe: done|was not started", timeout)
    text = machine.text()
    assert "FAULT" not in text
    found = {}
    for name, value in re.findall(r"^probe: ([a-z, ]+) 0x([0-9a-f]+)$", text, re.M):
        found.setdefault(name, []).append(int(value, 16))
    assert found["done, faults"] == [0]
    return found


def check_common(found, memory_mib):
    assert found["max frame"][0] >= memory_mib * MIB // 4096 * 0.9
    assert found["bundle size"] == [len(BUNDLE_BYTES)]
    assert found["bundle word"] == [int.from_bytes(BUNDLE_BYTES[:8], "little")]
    assert found["init word"] == [0x9090CCCC]
    assert found["init perm"] == [0, 2, 0, 1]
    # Of eight words the loader has taken two, for its own draws.
    assert len(set(found["seed"][:6])) == 6 and found["seed"][6:] == [0, 0]
    # The clock of an emulated machine may be off by an hour (Bochs's is), not by a day.
    assert abs(found["wall clock"][0] - time.time()) < 86400


def test_promises_hold(files, make_image, start_machine):
    machine = start_machine(make_image(files), memory=256)
    found = probe(machine)
    check_common(found, 256)
    assert found["cpus"] == [1] and found["low first"] == [0]
    assert found["rsdp"] != [0]
    assert found["width"][0] >= 640 and found["height"][0] >= 400
    # The firmware and what the loader keeps take less than 8 MiB of it.
    assert found["usable frames"][0] >= (256 - 8) * MIB // 4096
    assert abs(found["wall clock"][0] - time.time()) < 120


def test_promises_hold_in_little_memory(files, make_image, start_machine):
    found = probe(start_machine(make_image(files), memory=48))
    check_common(found, 48)


def test_promises_hold_in_much_memory_with_three_cpus(files, make_image, start_machine):
    """With RAM above 4 GiB, in pages of 1 GiB where that is possible."""
    machine = start_machine(make_image(files), memory=3072, cpus=3)
    found = probe(machine)
    check_common(found, 3072)
    assert found["max frame"][0] > 1 << 20
    assert found["cpus"] == [3] and found["low first"] != [0]
    assert found["boot cpu"] == [0]


def test_promises_hold_without_a_screen(files, make_image, start_machine):
    machine = start_machine(make_image(files), extra=["-vga", "none"])
    found = probe(machine)
    assert found["width"] == [0]
    assert "No screen that Freehold can draw on." in machine.text()


def test_promises_hold_with_two_screens(files, make_image, start_machine):
    """The firmware's console then is on both, through a handle without memory of its own."""
    found = probe(start_machine(make_image(files), extra=["-device", "bochs-display"]))
    assert found["width"][0] >= 640 and found["height"][0] >= 400


def test_boots_from_a_usb_stick(files, make_image, start_machine):
    check_common(probe(start_machine(make_image(files), disk="usb")), 256)


def test_random_seed_of_the_firmware(files, make_image, start_machine):
    """With a random number device, EFI_RNG_PROTOCOL gives all 512 bits."""
    found = probe(start_machine(make_image(files), extra=["-device", "virtio-rng-pci"]))
    assert found["seed bits"] == [512]


def test_promises_hold_on_bochs(files, make_image, start_machine):
    """There is no ACPI there: the CPUs come from EFI_MP_SERVICES_PROTOCOL."""
    machine = start_machine(make_image(files), kind="bochs", nic=None, cpus=2)
    found = probe(machine)
    check_common(found, 256)
    assert found["rsdp"] == [0]
    assert found["cpus"] == [2] and found["low first"] != [0]


# --- what it says when it cannot ---


def expect_sentence(machine, sentence):
    """The sentence comes as a line of the loader's, and stays: the firmware does not go on."""
    machine.wait_for(r"^\[uefi\] Freehold was not started\. Press a key", TIMEOUT)
    lines = machine.text().splitlines()
    assert f"[uefi] {sentence}" in lines
    assert "probe: started" not in lines
    end = machine.mark()
    time.sleep(1)
    assert machine.running
    assert machine.text()[end:].strip() == ""


def test_a_key_leads_back_to_the_firmware(files, make_image, start_machine, tmp_path):
    del files[KERNEL]
    monitor = tmp_path / "monitor"
    machine = start_machine(
        make_image(files), nic=None, extra=["-monitor", f"unix:{monitor},server,nowait"]
    )
    machine.wait_for(r"^\[uefi\] Freehold was not started\. Press a key", TIMEOUT)
    with socket.socket(socket.AF_UNIX) as keyboard:
        keyboard.connect(str(monitor))
        keyboard.sendall(b"sendkey spc\n")
        machine.wait_for(r"^BdsDxe: failed to start .*: Load Error", 20)


def elf_field(name):
    return {"class": 4, "machine": 18}[name]


def with_class_32(kernel):
    return patched(kernel, elf_field("class"), b"\x01")


def with_machine_arm(kernel):
    return patched(kernel, elf_field("machine"), struct.pack("<H", 183))


def truncated(kernel):
    return kernel[: len(kernel) // 2]


def with_version_99(kernel):
    note = kernel.index(b"Freehold\0\0\0\0")
    return patched(kernel, note + 12, struct.pack("<I", 99))


def without_note(kernel):
    return patched(kernel, kernel.index(b"Freehold\0\0\0\0"), b"Borehole")


SPOILED_KERNELS = {
    truncated: "is truncated: it ends before its section headers do.",
    with_class_32: "is not a 64-bit ELF file.",
    with_machine_arm: "is an ELF file for another kind of processor, not for x86-64.",
    without_note: "is not a Freehold kernel: it carries no boot note.",
}


@pytest.mark.parametrize("spoil", SPOILED_KERNELS, ids=lambda spoil: spoil.__name__)
def test_spoiled_kernel(spoil, files, make_image, start_machine):
    files[KERNEL] = spoil(files[KERNEL])
    expect_sentence(
        start_machine(make_image(files), nic=None),
        f"\\freehold\\kernel.elf {SPOILED_KERNELS[spoil]}",
    )


def test_kernel_of_another_version(files, make_image, start_machine):
    files[KERNEL] = with_version_99(files[KERNEL])
    machine = start_machine(make_image(files), nic=None)
    machine.wait_for(
        r"^\[uefi\] \\freehold\\kernel\.elf expects version 99 of the boot information "
        r"\(\d+ bytes\), this loader gives version \d+ \(\d+ bytes\); both must come from one build",
        TIMEOUT,
    )
    machine.wait_for("^\\[uefi\\] Freehold was not started", 5)


@pytest.mark.parametrize("name", [KERNEL, INIT, BUNDLE])
def test_missing_file(name, files, make_image, start_machine):
    del files[name]
    shown = "\\" + name.replace("/", "\\")
    expect_sentence(
        start_machine(make_image(files), nic=None),
        f"{shown} is missing on the volume that this loader was started from.",
    )


def test_empty_bundle(files, make_image, start_machine):
    files[BUNDLE] = b""
    expect_sentence(start_machine(make_image(files), nic=None), "\\freehold\\bundle.bin is empty.")


def test_init_is_no_program(files, make_image, start_machine):
    files[INIT] = b"#!/bin/sh\n" * 100
    expect_sentence(
        start_machine(make_image(files), nic=None), "\\freehold\\init.elf is not an ELF file."
    )


def test_cpu_lacks_a_feature(files, make_image, start_machine):
    expect_sentence(
        start_machine(make_image(files), nic=None, cpu="max,-fsgsbase"),
        "This CPU lacks FSGSBASE, which Freehold needs.",
    )


def test_too_little_memory_for_a_file(files, make_image, start_machine):
    files[BUNDLE] = bytes(60 * MIB)
    expect_sentence(
        start_machine(make_image(files), nic=None, memory=64),
        "There is too little memory for \\freehold\\bundle.bin: 61440 KiB in one piece are needed.",
    )


def init_that_takes(mib: int) -> bytes:
    """A program with one page of text and a zero-filled segment of the given size."""
    text = 0x1000
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0,
    )  # fmt: skip
    header += struct.pack("<IIQQQQQQ", 1, 5, text, 0, 0, 4, 4, 0x1000)
    header += struct.pack("<IIQQQQQQ", 1, 6, text, 0x200000, 0, 0, mib * MIB, 0x1000)
    return header.ljust(text, b"\0") + b"\xcc\xcc\x90\x90"


def test_too_little_memory_for_a_program(files, make_image, start_machine):
    """A small file may ask for a lot of zeroes."""
    files[INIT] = init_that_takes(60)
    expect_sentence(
        start_machine(make_image(files), nic=None, memory=64),
        "There is too little memory for \\freehold\\init.elf: 61440 KiB in one piece are needed.",
    )
