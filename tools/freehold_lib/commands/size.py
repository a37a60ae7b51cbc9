# SPDX-License-Identifier: MIT
"""Build, and show how large kernel, loader and applications are, beside the limits that are promised.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import NamedTuple

from ..errors import FreeholdError
from ..prepare import built
from .options import add_build

SUMMARY = "show how large everything is, and whether it is within its limits"
EXAMPLES = """\
Columns: the file as it is booted; what of it is loaded (text, read-only data, data); zeroed memory
beside that (bss). A limit counts what is loaded for the kernel and the whole file for applications.

exit status: 0 within all limits, 1 beyond one
"""
KIB = 1024


class Limit(NamedTuple):
    bytes: int
    of_file: bool  # of the whole file, else of what is loaded


LIMITS = {
    "exo/kernel.elf": Limit(112 * KIB, of_file=False),
    "apps/hello": Limit(256 * KIB, of_file=True),
    "apps/httpd": Limit(512 * KIB, of_file=True),
}


class Size(NamedTuple):
    name: str
    file: int
    loaded: int | None  # None: not an ELF file
    zeroed: int | None

    @property
    def limit(self) -> int | None:
        limit = LIMITS.get(self.name)
        return limit.bytes if limit else None

    @property
    def within(self) -> bool:
        limit = LIMITS.get(self.name)
        return not limit or (self.file if limit.of_file else self.loaded) <= limit.bytes


def describe(parser: argparse.ArgumentParser) -> None:
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    sizes = measure(built(arguments.build))
    print("\n".join(table(sizes)))
    beyond = [size.name for size in sizes if not size.within]
    if beyond:
        print(f"Beyond its limit: {', '.join(beyond)}")
    return 1 if beyond else 0


def measure(build: Path) -> list[Size]:
    """Everything that can be in a boot image."""
    apps = sorted(
        file for file in (build / "apps").iterdir() if file.is_file() and not file.suffix
    )
    return [size_of(file, build) for file in [build / "uefi/BOOTX64.EFI", build / "exo/kernel.elf", *apps]]


def size_of(file: Path, build: Path) -> Size:
    name = str(file.relative_to(build))
    try:
        data = file.read_bytes()
        return Size(name, len(data), *_loaded(data))
    except (OSError, struct.error) as error:
        raise FreeholdError(f"{file} cannot be measured: {error}") from error


def _loaded(data: bytes) -> tuple[int | None, int | None]:
    """Bytes of loadable segments in the file, and beyond (System V ABI, "Program Header")."""
    if data[:4] != b"\x7fELF":
        return None, None
    at = struct.unpack_from("<Q", data, 32)[0]
    width, count = struct.unpack_from("<HH", data, 54)
    loaded = zeroed = 0
    for index in range(count):
        kind, _, _, _, _, in_file, in_memory = struct.unpack_from("<IIQQQQQ", data, at + index * width)
        if kind == 1:
            loaded += in_file
            zeroed += in_memory - in_file
    return loaded, zeroed


def table(sizes: list[Size]) -> list[str]:
    lines = [f"{'':20} {'file':>9} {'loaded':>9} {'zeroed':>9} {'limit':>9}"]
    for size in sizes:
        numbers = (size.file, size.loaded, size.zeroed, size.limit)
        text = " ".join(f"{'' if n is None else n:>9}" for n in numbers)
        lines.append(f"{size.name:20} {text}{'' if size.within else '  BEYOND'}".rstrip())
    return lines
