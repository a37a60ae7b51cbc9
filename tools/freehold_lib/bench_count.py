# SPDX-License-Identifier: MIT
"""Instructions that a guest executes, from the first of an EFI program on (tests/bench/count.c).

QEMU counts each instruction that is executed, and none while the CPU waits for an interrupt. Under
`-icount` its time follows them, so the guest's timers fire after so many instructions, not after so long.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Sequence

from .errors import FreeholdError

PLUGIN = "tests/bench/count.so"
COUNTED = ("-icount", "shift=0")
MARK = 48  # bytes by which the first instructions are known again


class Counter:
    """For one start of one machine: `arguments` for QEMU, then count()."""

    def __init__(self, build: Path, program: Path, folder: Path, counted: Sequence[str] = COUNTED):
        self._file = folder / "counts"
        self._file.write_bytes(bytes(8))
        code, offset = entry(program)
        options = f"counts={self._file},mark={code.hex()},offset={offset}"
        self.arguments = [*counted, "-plugin", f"{build / PLUGIN},{options}"]
        self._program = program

    def count(self) -> int:
        """Instructions since the program's first, less some ten at its beginning."""
        count = int.from_bytes(self._file.read_bytes(), "little")
        if not count:
            raise FreeholdError(f"The machine never came to the first instruction of {self._program}.")
        return count


def entry(program: Path) -> tuple[bytes, int]:
    """The first instructions of an EFI program, and where in a page they lie (Microsoft, "PE Format")."""
    data = program.read_bytes()
    try:
        at = struct.unpack_from("<I", data, 0x3C)[0]
        if data[at : at + 4] != b"PE\0\0":
            raise FreeholdError(f"{program} is no EFI program.")
        sections, optional = struct.unpack_from("<H", data, at + 6)[0], struct.unpack_from("<H", data, at + 20)[0]
        address = struct.unpack_from("<I", data, at + 24 + 16)[0]
        for number in range(sections):
            size, begin, _, in_file = struct.unpack_from("<IIII", data, at + 24 + optional + 40 * number + 8)
            if begin <= address < begin + size:
                place = address - begin + in_file
                return data[place : place + MARK], address % 4096
    except struct.error:
        pass
    raise FreeholdError(f"{program} is no EFI program.")
