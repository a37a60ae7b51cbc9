# SPDX-License-Identifier: MIT
"""Build, and write a disk image that boots a machine: a GUID partition table with an EFI system
partition, as UEFI firmware expects it on a USB stick. Takes no root.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..bundle import build_machine_image
from ..errors import UsageError
from ..machine import load
from ..prepare import built
from .options import add_build, add_machine

SUMMARY = "write a disk image for a USB stick"
EXAMPLES = """\
examples:
  tools/freehold image --output usb.img
  tools/freehold image --output my.img --machine machines/my.toml

The image appears under its name whole or not at all. An existing image is replaced; what is not an
ordinary file (a device, say) is refused.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the image file to write"
    )
    add_machine(parser)
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    # build_image() checks this, too; here it is told before the build rather than after it.
    if output.exists() and not output.is_file():
        raise UsageError(f"{output} is not an ordinary file; write the image into one, then use dd.")
    if not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} for the image does not exist.")
    load(arguments.machine, None)
    built(arguments.build)
    machine = build_machine_image(arguments.machine, arguments.build, output)
    size = output.stat().st_size >> 20
    print(f'{output} ({size} MiB) boots the machine "{machine.name}" on UEFI firmware.')
    print(
        "To write it to a USB stick, find the stick's name with lsblk (everything on it will be\n"
        f"overwritten; be sure that it is the stick), then, with that name for sdX:\n"
        f"  sudo dd if={output} of=/dev/sdX bs=4M conv=fsync status=progress\n"
        "Turn Secure Boot off in the firmware's settings: the loader is not signed."
    )
    return 0
