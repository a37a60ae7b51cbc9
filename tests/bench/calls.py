#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What each call costs in instructions, in its longest case known, with few and with many environments.

    tests/bench/calls.py [--build DIR] [--check]

Boots tests/apps/worst in place of init in QEMU, whose time stamp counter then counts guest
instructions, and writes the table into docs/performance.md; with --check it writes nothing. Ends with
status 1 if a call is missing, was refused, or grows with the number of environments.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import socket
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools")]

from freehold_lib import section  # noqa: E402
from freehold_lib.emulator import Emulator  # noqa: E402
from freehold_lib.image import build_image  # noqa: E402

MEMORY = 512  # MiB: enough for the largest tables
TIMEOUT = 200
CHANNEL_BYTES = 100

# What a call may cost more with many than with few: it may find a list empty, or a neighbour in it.
TOLERANCE = 8
# Cases that may cost so much more, and why. docs/performance.md says so.
MORE: dict[tuple[str, str], tuple[int, str]] = {
    ("batch", "free-64-blocks"): (
        2000,
        "it takes so long that an interrupt of a device may fall into each; growth by one step for each"
        " environment would be 30 times that",
    ),
    ("batch", "64-root-tables"): (64 * TOLERANCE, "each of the 64 may find neighbours"),
    ("queue_kick", "32-packets-to-the-wire"): (
        32 * 500,
        "the card may report up to 32 packets as sent before the call is over",
    ),
}
# Calls without a line of their own, and why.
UNMEASURED: dict[str, str] = {}


def run(build: pathlib.Path) -> str:
    """The log of a machine that measured all calls."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = pathlib.Path(folder) / "bundle.bin"
        bundle.write_bytes(b"none")
        image = build_image(
            pathlib.Path(folder) / "worst.img",
            {
                "EFI/BOOT/BOOTX64.EFI": build / "uefi/BOOTX64.EFI",
                "freehold/kernel.elf": build / "exo/kernel.elf",
                "freehold/init.elf": build / "tests/apps/worst",
                "freehold/bundle.bin": bundle,
            },
        )
        counted = ["-icount", "shift=0,sleep=off"]
        channel = pathlib.Path(folder) / "channel"
        with Emulator(image, memory=MEMORY, nic="virtio", control=channel, extra=counted) as machine:
            machine.wait_for(r"^\[init\] few: ", TIMEOUT)
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(machine.control))
                line.sendall(bytes(CHANNEL_BYTES))
                machine.wait_for(r"^\[init\] measured$|^\[exo\] init ended", TIMEOUT)
            return machine.text()


def read(log: str) -> dict[tuple[str, str], tuple[int, int]]:
    """{(call, case): (instructions with few, with many)}; what was refused is an error."""
    refused = re.findall(r"^\[init\] refused (.*)$", log, re.M)
    if refused:
        raise SystemExit("calls: refused: " + "; ".join(refused))
    lines = re.findall(r"^\[init\] cost (\S+) (\S+) few (\d+) many (\d+)$", log, re.M)
    return {(call, case): (int(few), int(many)) for call, case, few, many in lines}


def wrong(costs: dict) -> list[str]:
    """What is missing or grows."""
    calls = tomllib.loads((ROOT / "exo/abi/calls.toml").read_text())["call"]
    names = {call["name"] for call in calls}
    measured = {call for call, _ in costs}
    found = [f"{name} was not measured" for name in sorted(names - measured - set(UNMEASURED))]
    found += [f"{name} is not in calls.toml" for name in sorted(measured - names)]
    for (call, case), (few, many) in costs.items():
        allowed, _ = MORE.get((call, case), (TOLERANCE, ""))
        if many - few > allowed:
            found.append(f"{call} ({case}) grows from {few} to {many}")
    return found


def in_use(log: str, when: str) -> dict[str, int]:
    """What there was of everything, "few" or "many"."""
    line = re.search(rf"^\[init\] {when}: (.*)$", log, re.M)[1]
    return {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", line)}


def table(costs: dict, log: str) -> str:
    """What stands between the marks in docs/performance.md."""
    few, many = re.findall(r"^\[init\] (?:few|many): (.*)$", log, re.M)
    lines = [
        f"QEMU, `-icount shift=0,sleep=off`, one CPU, {MEMORY} MiB, a virtio card. In use with few: {few};",
        f"with many: {many}. One more environment comes with measuring, and for a moment 64 children of it.",
        "",
        "| call | case | instructions with few | with many |",
        "|---|---|---:|---:|",
    ]
    for (call, case), (a, b) in sorted(costs.items()):
        lines.append(f"| `{call}` | {case.replace('-', ' ')} | {a:,} | {b:,} |")
    lines += [""] if UNMEASURED else []
    lines += [f"Not measured: `{call}`, {why}." for call, why in UNMEASURED.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    log = run(options.build)
    costs = read(log)
    if not options.check:
        section.write("calls", table(costs, log))
    for (call, case), (few, many) in costs.items():
        print(f"{call:14} {case:28} {few:9} {many:9}")
    if faults := wrong(costs):
        raise SystemExit("calls: " + "; ".join(faults))


if __name__ == "__main__":
    main()
