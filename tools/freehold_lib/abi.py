# SPDX-License-Identifier: MIT
"""Numbers of the contract, read from the C headers in exo/abi, so that each stands in one place."""

from __future__ import annotations

import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "exo" / "abi"
POLICIES = ROOT / "libos" / "sched"

_DEFINE = re.compile(r"^#define\s+([A-Z][A-Z0-9_]*)\s+(0x[0-9a-fA-F]+|[0-9]+)(?:u|ull)?\s*(?:/\*|$)", re.M)
_ENUMERATOR = re.compile(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+) = ([0-9]+)\b")


@functools.cache
def _numbers() -> dict[str, int]:
    numbers = {}
    for header in sorted(HEADERS.glob("*.h")):
        text = header.read_text(encoding="utf-8")
        for name, value in _DEFINE.findall(text):
            numbers[name] = int(value, 0)
        for name, value in _ENUMERATOR.findall(text):
            numbers[name] = int(value)
    return numbers


def number(name: str) -> int:
    """The value of a #define or enumerator of exo/abi, for example number("EXO_PAGE_SIZE")."""
    return _numbers()[name]


@functools.cache
def bits(prefix: str) -> dict[int, str]:
    """{number of the bit: what it means} of flags of exo/abi that are written `(1u << n)`."""
    found = {}
    for header in sorted(HEADERS.glob("*.h")):
        flags = re.findall(rf"^#define\s+{prefix}_([A-Z_]+)\s+\(1u << ([0-9]+)\)", header.read_text(encoding="utf-8"), re.M)
        found |= {int(bit): name.lower().replace("_", " ") for name, bit in flags}
    return found


@functools.cache
def policies() -> tuple[str, ...]:
    """The schedulers that libos brings along: one file each."""
    return tuple(sorted(file.stem for file in POLICIES.glob("*.c")))
