# SPDX-License-Identifier: MIT
"""What a program's ELF file asks of a machine: whether it can be an application, and its pages.

The rules are those of uefi/elf.c, which init applies again; the arithmetic of pages is that of
apps/init/child.c. Layout: System V ABI, "Object Files".
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from .abi import number

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_EXECUTABLE, _SHARED = 2, 3
_X86_64 = 62
_LOAD, _INTERPRETER = 1, 3
_X, _W = 1, 2
_POLICY = re.compile(rb"freehold policy ([a-z][a-z0-9_]{0,23})\0")
# The largest image that is read at all; init keeps all of them in memory.
IMAGE_MAX = 256 << 20


class ElfError(Exception):
    """Not a program for Freehold; the text is the rest of a sentence that begins with the file."""


def pages_to_start(image: Path) -> int:
    """The frames that init needs to start this program: image, stack, control page and tables.

    Memory that the program asks for when it runs comes on top.
    """
    return _count_pages(_segments(_read(image)))


def policies(image: Path) -> tuple[str, ...]:
    """The scheduling policies that it is linked with, by what SCHED_NAME (libos/policy.h) leaves in it."""
    try:
        return tuple(sorted({name.decode() for name in _POLICY.findall(_read(image))}))
    except ElfError:
        return ()


def _read(image: Path) -> bytes:
    try:
        if image.stat().st_size > IMAGE_MAX:
            raise ElfError(f"is larger than {IMAGE_MAX >> 20} MiB")
        return image.read_bytes()
    except OSError as error:
        raise ElfError(f"cannot be read: {error.strerror}") from error


def _segments(data: bytes) -> list[tuple[int, int]]:
    """(first page, one past the last) of each loadable segment, as linked."""
    end = number("EXO_IMAGE_SIZE")
    page = number("EXO_PAGE_SIZE")
    ranges = []
    entry, headers = _program_headers(data)
    in_text = False
    for kind, flags, offset, address, _, in_file, size, _ in headers:
        if kind == _INTERPRETER:
            raise ElfError("is dynamically linked; a static program is needed")
        if kind != _LOAD or size == 0:
            continue
        if offset + in_file > len(data):
            raise ElfError("is truncated: it ends within a segment")
        if in_file > size:
            raise ElfError("has a segment with more bytes in the file than in memory")
        if address + size > end:
            raise ElfError(f"has a segment beyond 0x{end:x}; link it as the programs in apps/ are")
        if flags & _W and flags & _X:
            raise ElfError("has a segment that is both writable and executable")
        first, last = address // page, -(-(address + size) // page)
        if any(first < other_last and other_first < last for other_first, other_last in ranges):
            raise ElfError("has two segments that share a page")
        ranges.append((first, last))
        in_text |= bool(flags & _X) and address <= entry < address + in_file
    if not ranges:
        raise ElfError("has nothing to load")
    if len(ranges) > number("EXO_BOOT_SEGMENTS"):
        raise ElfError(f"has more than {number('EXO_BOOT_SEGMENTS')} loadable segments")
    if not in_text:
        raise ElfError("does not start in its own text")
    return ranges


def _program_headers(data: bytes) -> tuple[int, list[tuple]]:
    if not data:
        raise ElfError("is empty")
    if not data.startswith(b"\x7fELF"):
        raise ElfError("is not an ELF file")
    if len(data) < _HEADER.size:
        raise ElfError("is truncated: it ends within its ELF header")
    (ident, kind, machine, version, entry, offset, section_offset, _, _, size, count) = (
        _HEADER.unpack_from(data)[:11]
    )
    section_size, section_count = struct.unpack_from("<HH", data, 58)
    if ident[4] != 2 or ident[5] != 1 or machine != _X86_64:
        raise ElfError("is an ELF file for another kind of machine, not for x86-64")
    if ident[6] != 1 or version != 1:
        raise ElfError("has an unknown ELF version")
    if kind == _EXECUTABLE:
        raise ElfError("is linked for a fixed address; a position-independent program is needed")
    if kind != _SHARED:
        raise ElfError("is not an executable ELF file; link it first")
    if size != _PROGRAM.size or count == 0:
        raise ElfError("has no program headers of the usual size")
    if offset + count * size > len(data):
        raise ElfError("is truncated: it ends before its program headers do")
    if section_count and section_offset + section_count * section_size > len(data):
        raise ElfError("is truncated: it ends before its section headers do")
    return entry, [_PROGRAM.unpack_from(data, offset + i * size) for i in range(count)]


def _count_pages(ranges: list[tuple[int, int]]) -> int:
    page = number("EXO_PAGE_SIZE")
    stack = number("EXO_STACK_PAGES")
    control = number("EXO_CONTROL_ADDRESS") // page
    start = number("EXO_START_ADDRESS") // page
    stack_top = number("EXO_STACK_TOP") // page
    fixed = [(control, control + 1), (start, start + 1), (stack_top - stack, stack_top)]
    # One table of each level for each range that the pages touch; the root is always there.
    tables = 1
    for shift in (9, 18, 27):
        tables += len({part for first, last in fixed for part in range(first >> shift, (last - 1 >> shift) + 1)})
    # The image is put where it needs as few as it can: at most these, and gaps may save some.
    tables += -(-max(last for _, last in ranges) // 512) + 2
    return tables + sum(last - first for first, last in fixed + ranges)
