# SPDX-License-Identifier: MIT
"""All CPUs: they come up, answer, keep time, forget what they shall; and the machine does without one."""

import re
import subprocess

import pytest

from freehold_lib.abi import number

TIMEOUT = 55
ROUNDS_LEAST = 20  # exo/x86_64/smp_test.c
ABSENT = 77  # an APIC id that no CPU of these machines has


@pytest.fixture
def files(build):
    """A machine without applications: init says so and ends."""
    return {
        "EFI/BOOT/BOOTX64.EFI": build / "uefi/BOOTX64.EFI",
        "freehold/kernel.elf": build / "exo/kernel.elf",
        "freehold/init.elf": build / "apps/init",
        "freehold/bundle.bin": b"not a bundle",
    }


def up(machine) -> tuple[int, int]:
    """How many CPUs are, of how many, on a machine that has come as far as its first environment."""
    machine.wait_for(r"^\[exo\] init ended", TIMEOUT)
    found = re.search(r"^\[exo\] (\d+) of (\d+) CPUs are up\.$", machine.text(), re.M)
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("kind, cpus", [("qemu", 1), ("qemu", 2), ("qemu", 4), ("bochs", 2)])
def test_all_come_up(files, make_image, start_machine, kind, cpus):
    """xAPIC and a one-shot timer in QEMU, x2APIC and TSC deadline in Bochs."""
    machine = start_machine(make_image(files), kind=kind, nic=None, cpus=cpus)
    assert up(machine) == (cpus, cpus)
    text = machine.text()
    mode = "xAPIC timer one-shot" if kind == "qemu" else "x2APIC timer with TSC deadline"
    assert re.search(rf"^\[exo\] Time stamp counter \d+ kHz, {mode}\.$", text, re.M)
    answered = re.findall(r"^\[exo\] CPU (\d+) \(APIC id \d+\): (\d+) messages acknowledged, ", text, re.M)
    assert [int(cpu) for cpu, _ in answered] == list(range(1, cpus))
    assert all(int(count) >= ROUNDS_LEAST for _, count in answered)
    forgotten = re.findall(r"^\[exo\] Forgetting a page on all CPUs: (\d+) times", text, re.M)
    assert len(forgotten) == (cpus > 1) and all(int(count) >= ROUNDS_LEAST for count in forgotten)
    assert "left out" not in text and "reserved, for it" not in text


def debugged(build, files, make_image, start_machine, tmp_path, *commands: str):
    """Two CPUs, and what a debugger does to the kernel before it starts the second."""
    image = make_image(files | {"freehold/fixed": b"for a debugger"})
    gdb = tmp_path / "gdb"
    machine = start_machine(image, nic=None, cpus=2, gdb=gdb, gdb_wait=True)
    script = [
        "set architecture i386:x86-64",
        f"target remote {gdb}",
        f"add-symbol-file {build}/exo/kernel-symbols.elf -o {number('EXO_KERNEL_BASE'):#x}",
        "hbreak smp_start",
        "continue",
        "delete",
        *commands,
        "detach",
    ]
    words = ["gdb", "-q", "-batch"] + [word for line in script for word in ("-ex", line)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return machine


def test_one_that_does_not_come_is_left_out(build, files, make_image, start_machine, tmp_path):
    machine = debugged(build, files, make_image, start_machine, tmp_path, f"set var boot.cpus[1] = {ABSENT}")
    assert up(machine) == (1, 2)
    text = machine.text()
    assert f"[exo] CPU 1 (APIC id {ABSENT}) did not start within 1 s: it is left out." in text
    assert re.search(r"^\[exo\] The 20 KiB at 0x\w+ stay reserved, for it could still come\.$", text, re.M)


def test_one_that_does_not_forget_is_left_out(build, files, make_image, start_machine, tmp_path):
    """INVLPG, where a CPU forgets an address of the kernel's half, becomes three NOPs."""
    code = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "--disassemble=do_forget", build / "exo/kernel-symbols.elf"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    at = [int(place, 16) for place in re.findall(r"^ *(\w+):\tinvlpg", code, re.M)]
    assert len(at) == 1
    where = number("EXO_KERNEL_BASE") + at[0]
    commands = [f"set var *(unsigned char *)({where + i:#x}) = 0x90" for i in range(3)]
    machine = debugged(build, files, make_image, start_machine, tmp_path, *commands)
    assert up(machine) == (1, 2)
    assert "[exo] CPU 1 (APIC id 1) used a translation that it had been told to forget: it is left out." in machine.text()
