# SPDX-License-Identifier: MIT
"""Names for addresses in a log: which function and line a backtrace means.

    symboliser = Symboliser(symbol_files(machine, build))
    for line in symboliser.filter(emulator.lines()):
        print(line)

Lines that libos/crash.c, apps/init/main.c and exo/x86_64/log.c write are followed by one line for
each address. Whatever is missing or broken (the file, its symbols, addr2line) makes these lines
poorer or leaves them out, but never fails: a log must be readable just when things went wrong.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

from .abi import ROOT
from .machine import Machine

KERNEL = "exo"
INIT = "init"
# libos writes at most 26 addresses; more is not worth a look.
ADDRESSES_MAX = 64
NOWHERE = (1 << 64) - 1  # for an address of no program
REMEMBERED = 1024
TOOL_SECONDS = 20

_SYMTAB = 2  # section type SHT_SYMTAB; System V ABI, "Sections"
_KINDS = (0, 2)  # symbol types STT_NOTYPE (labels in assembler files) and STT_FUNC
_EXECINSTR = 4  # section flag SHF_EXECINSTR

# Behind a + is the distance from where the program lies, which differs at each start; without one
# it is an address outside of the program.
_BACKTRACE = re.compile(r"\[([^\]\s]+)\] backtrace:((?: \+?0x[0-9a-f]{1,16})+)")
# All are linked at 0; the log tells where the loader put kernel and init, and at each start of an
# application, where init put that.
_PLACED = (
    re.compile(r"\[exo\] The kernel lies at (?P<at>0x[0-9a-f]{1,16})\."),
    re.compile(r"\[exo\] (?P<who>init) lies at (?P<at>0x[0-9a-f]{1,16})\."),
    re.compile(r"\[init\] started (?P<who>\S+) \(.*, image at (?P<at>0x[0-9a-f]{1,16})\)"),
)
# Lines of the system about one exact address: who speaks, whose address.
_SINGLE = (
    re.compile(r"\[init\] (?P<who>\S+) was ended: exception \d+ at (?P<at>\+0x[0-9a-f]{1,16}) "),
    re.compile(r"\[(?P<who>exo)\] Exception \d+ in the kernel at (?P<at>0x[0-9a-f]{1,16}):"),
    re.compile(r"\[exo\] It was working for (?P<who>\S+), which was at (?P<at>0x[0-9a-f]{1,16})\."),
)


def symbol_files(machine: Machine, build: Path | str) -> dict[str, Path]:
    """The file with symbols of everything that writes to the machine's log, by its name there."""
    build = Path(build)
    files = {KERNEL: build / "exo" / "kernel-symbols.elf", INIT: build / "apps" / "init.elf"}
    for app in machine.apps:
        image = machine.image_path(app, build)
        # The build keeps the symbols beside the stripped program.
        beside = image.with_name(image.name + ".elf")
        files[app.name] = beside if beside.is_file() else image
    return files


def functions(elf: Path | str) -> list[tuple[int, int, str]]:
    """(start, end, name) of each, where it is linked, by address; of those at one place, one. Empty: the file tells none."""
    found = {symbol.start: symbol for symbol in sorted(_symbols(Path(elf)), key=lambda s: (s.start, s.sized, s.end))}
    return [(symbol.start, symbol.end, symbol.name) for symbol in found.values()]


def symbolise(
    elf: Path | str, addresses: list[int], *, trace: bool = True, moved: int = 0
) -> list[str]:
    """For each address a text such as "0x1234 main+0x1c apps/hello/main.c:12".

    With `trace`, all but the first are return addresses: what called lies just before. `moved` is
    how far the program runs from where it is linked.
    """
    elf = Path(elf)
    linked = [max(a - moved, 0) for a in addresses]
    looked_up = [max(a - 1, 0) if trace and i else a for i, a in enumerate(linked)]
    symbols = _symbols(elf)
    places = _places(elf, looked_up)
    texts = []
    for address, at, inside, frames in zip(addresses, linked, looked_up, places):
        text = f"0x{address:x}"
        name = _name(symbols, inside, at)
        text += f" {name}" if name else ""
        # Inlined functions, innermost first; the last frame is the function itself.
        for function, place in frames[:-1]:
            text += f" in {function} {place}," if place else f" in {function},"
        text += f" {frames[-1][1]}" if frames and frames[-1][1] else ""
        texts.append(text if name or frames else text + " (unknown)")
    return texts


class Symboliser:
    """Follows a log and adds what its addresses mean."""

    def __init__(self, files: dict[str, Path]):
        self.files = files
        self._known: dict[tuple, list[str]] = {}
        self.placed: dict[str, int] = {}  # where each lies, as far as the log has told

    def filter(self, lines: Iterable[str]) -> Iterator[str]:
        """Each line, and after it what extra() says."""
        for line in lines:
            yield line
            yield from self.extra(line)

    def extra(self, line: str) -> list[str]:
        """The lines to show after this one; mostly none."""
        self._learn(line)
        speaker, who, words = _words(line)
        file = self.files.get(who)
        # The kernel tells addresses as the CPU has them: no use before it is known what lies where.
        absolute = speaker == KERNEL
        moved = self.placed.get(who, 0 if who == KERNEL else None) if absolute else 0
        if not words or not file or moved is None:
            return []
        # The same crash again and again must not cost a process each time.
        key = (who, moved, *words)
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            addresses = [_address(word, absolute, moved) for word in words]
            texts = symbolise(file, addresses, moved=moved)
            self._known[key] = [f"{word} {text.split(' ', 1)[1]}" for word, text in zip(words, texts)]
        return [f"[{speaker}]   #{i} {text}" for i, text in enumerate(self._known[key])]

    def _learn(self, line: str) -> None:
        for expression in _PLACED:
            match = expression.match(line)
            if match:
                self.placed[match.groupdict().get("who", KERNEL)] = int(match["at"], 16)


def _address(word: str, absolute: bool, moved: int) -> int:
    """What symbolise() is asked for; an address outside of the program must not look like one in it."""
    address = int(word, 16)
    return address if (word[0] == "+") != absolute and address >= moved else NOWHERE


def _words(line: str) -> tuple[str, str, list[str]]:
    """Who writes, whose program it is about, and the addresses as written."""
    match = _BACKTRACE.match(line)
    if match:
        return match[1], match[1], match[2].split()[:ADDRESSES_MAX]
    for expression in _SINGLE:
        match = expression.match(line)
        if match:
            return line[1 : line.index("]")], match["who"], [match["at"]]
    return "", "", []


# --- functions: the file's own symbol table ---------------------------------------


class _Symbol(NamedTuple):
    sized: bool  # labels in assembler files have no size: they reach to the end of their section
    start: int
    end: int
    name: str


def _symbols(elf: Path) -> list[_Symbol]:
    try:
        return list(_read_symbols(elf.read_bytes()))
    except (OSError, struct.error, IndexError, ValueError, OverflowError, MemoryError):
        return []


def _read_symbols(data: bytes) -> Iterator[_Symbol]:
    if data[:7] != b"\x7fELF\2\1\1":
        return
    at = struct.unpack_from("<Q", data, 40)[0]
    width, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * width) for i in range(count)]
    for section in sections:
        if section[1] != _SYMTAB:
            continue
        names = sections[section[6]][4]
        for entry in struct.iter_unpack("<IBBHQQ", data[section[4] :][: section[5] // 24 * 24]):
            name, info, _, home, value, size = entry
            if info & 15 not in _KINDS or not 0 < home < count or not sections[home][2] & _EXECINSTR:
                continue
            text = data[names + name : data.index(b"\0", names + name)].decode("ascii", "replace")
            end = value + size if size else sections[home][3] + sections[home][5]
            if text:
                yield _Symbol(size > 0, value, end, text)


def _name(symbols: list[_Symbol], inside: int, address: int) -> str:
    best = max((s for s in symbols if s.start <= inside < s.end), default=None)
    return f"{best.name}+0x{address - best.start:x}" if best else ""


# --- lines: addr2line --------------------------------------------------------------


def _places(elf: Path, addresses: list[int]) -> list[list[tuple[str, str]]]:
    """For each address its frames (function, "file:line" or ""), inlined ones first."""
    nothing: list[list[tuple[str, str]]] = [[] for _ in addresses]
    tool = shutil.which("addr2line")
    if not tool or not addresses or not elf.is_file():
        return nothing
    try:
        done = subprocess.run(
            [tool, "-a", "-f", "-i", "-e", str(elf)],
            input="".join(f"0x{address:x}\n" for address in addresses),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return nothing
    found: list[list[tuple[str, str]]] = []
    lines = iter(done.stdout.splitlines())
    for line in lines:
        if re.fullmatch("0x[0-9a-f]{16}", line):
            found.append([])
        elif found:
            place = next(lines, "")
            if line != "??" or not place.startswith("??"):
                found[-1].append((line, _place(place)))
    # Fewer groups than questions: it gave up, and which is whose cannot be told.
    return found if len(found) == len(addresses) else nothing


def _place(said: str) -> str:
    """"/folder/build/../apps/x.c:12 (discriminator 2)" as "apps/x.c:12"; "" for "??:0"."""
    file, _, line = said.split(" (")[0].rpartition(":")
    if not file or file == "??":
        return ""
    file = os.path.normpath(file)
    if file.startswith(f"{ROOT}{os.sep}"):
        file = os.path.relpath(file, ROOT)
    return f"{file}:{line}" if line.isdigit() and line != "0" else file
