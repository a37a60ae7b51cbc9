# SPDX-License-Identifier: MIT
"""Where a machine's time goes: its CPUs are looked at again and again, and each look is a stack of functions.

QEMU's gdb server stops the machine for a moment. An application's stack is found by its frame pointers; a
function that has no frame, or none yet, by the call that its return address lies behind. The kernel has none, so of it the innermost function alone is known, and on whose behalf it worked by the page
tables' owner as it was last seen in user mode.
"""

from __future__ import annotations

import bisect
import re
import struct
import time
from collections import Counter
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from .emulator import Emulator
from .gdb_remote import GdbRemote, Registers
from .symbols import KERNEL, Symboliser, functions

DEPTH_MAX = 64  # frames that are followed
IDLE = "idle"
HALTED = ("cpu_idle", "stand_by")  # kernel functions in which a CPU without work stands
USER_END = 1 << 47
CALL, CALL_LENGTH = 0xE8, 5  # call rel32; Intel SDM volume 2, CALL
Stack = tuple[str, ...]  # from the outermost inwards


class Program(NamedTuple):
    name: str
    starts: list[int]  # of functions, where they are linked
    names: list[str]
    end: int

    def name_at(self, address: int) -> str:
        found = bisect.bisect_right(self.starts, address) - 1
        return self.names[found] if found >= 0 else f"0x{address:x}"

    def start_of(self, address: int) -> int:
        """Of the function in which it lies; -1: in none."""
        found = bisect.bisect_right(self.starts, address) - 1
        return self.starts[found] if found >= 0 else -1


def program(name: str, file: Path) -> Program:
    known = functions(file)
    return Program(name, [start for start, _, _ in known], [text for _, _, text in known], max((end for _, end, _ in known), default=0))


class Profiler:
    """Takes samples of a machine whose gdb server nobody else uses."""

    def __init__(self, emulator: Emulator, symboliser: Symboliser):
        self.emulator = emulator
        self.symboliser = symboliser
        self.samples: Counter[Stack] = Counter()
        self.looks = 0
        self._programs = {name: program(name, file) for name, file in symboliser.files.items()}
        self._worked_for = ""

    def run(self, rate: float, goes_on: Callable[[], bool]) -> None:
        """Look `rate` times a second, or as often as it can be done, while goes_on()."""
        with GdbRemote(self.emulator.gdb) as remote:
            remote.go()
            due = time.monotonic()
            while goes_on():
                due = max(due + 1 / rate, time.monotonic())
                time.sleep(max(due - time.monotonic(), 0))
                remote.stop()
                for thread in remote.threads:
                    self.samples[self._stack(remote, remote.registers(thread))] += 1
                self.looks += 1
                remote.go()
            remote.stop()

    def _stack(self, remote: GdbRemote, registers: Registers) -> Stack:
        placed = self.symboliser.placed
        if registers.rip >= USER_END:
            inner = self._programs[KERNEL].name_at(registers.rip - placed.get(KERNEL, 0))
            if inner in HALTED:
                return (IDLE,)
            return (self._worked_for, KERNEL, inner) if self._worked_for else (KERNEL, inner)
        owner = self._owner(registers.rip)
        if not owner:
            return ("firmware",)
        self._worked_for = owner
        base = placed[owner]
        frames = [self._programs[owner].name_at(at - base) for at in self._addresses(remote, registers, owner, base)]
        return (owner, *reversed(frames))

    def _owner(self, address: int) -> str:
        placed = self.symboliser.placed
        return next((name for name, known in self._programs.items() if name in placed and 0 <= address - placed[name] < known.end), "")

    def _addresses(self, remote: GdbRemote, registers: Registers, owner: str, base: int) -> Iterator[int]:
        """Where it is, and just before where each caller goes on: within the application's image."""
        yield registers.rip
        if caller := self._caller_without_frame(remote, registers, self._programs[owner], base):
            yield caller
        frame = registers.rbp
        for _ in range(DEPTH_MAX):
            words = remote.memory(frame, 16) if frame % 8 == 0 and 0 < frame < USER_END else b""
            if len(words) != 16:
                return
            outer, back = struct.unpack("<QQ", words)
            if not 0 < back - base <= self._programs[owner].end:
                return
            yield back - 1
            if outer <= frame:
                return
            frame = outer

    @staticmethod
    def _caller_without_frame(remote: GdbRemote, registers: Registers, known: Program, base: int) -> int:
        """Where a function was called that has not put up its frame, or has taken it down: 0 if it has one.

        Its return address is the first word of the stack, or the second when rbp was saved just now.
        """
        words = remote.memory(registers.rsp, 16)
        start = known.start_of(registers.rip - base)
        for at, back in zip((registers.rsp, registers.rsp + 8), struct.iter_unpack("<Q", words)):
            call = back[0] - CALL_LENGTH
            if at == registers.rbp + 8 or not 0 <= call - base <= known.end:
                continue
            code = remote.memory(call, CALL_LENGTH)
            if len(code) == CALL_LENGTH and code[0] == CALL and back[0] + struct.unpack_from("<i", code, 1)[0] == base + start:
                return call
        return 0


def folded(samples: Counter[Stack]) -> str:
    """A line a stack, functions from the outermost inwards, as flame graph tools take it."""
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(samples.items()))


_FOLDED = re.compile(r"(.+) (\d+)")


def unfolded(text: str) -> Counter[Stack]:
    return Counter({tuple(found[1].split(";")): int(found[2]) for found in map(_FOLDED.fullmatch, text.splitlines()) if found})


def by_function(samples: Counter[Stack]) -> list[tuple[str, str, int]]:
    """(program, function, looks at which it was the innermost), the most first; without those at which none was."""
    own: Counter[tuple[str, str]] = Counter()
    for stack, count in samples.items():
        if stack == (IDLE,):
            continue
        who = KERNEL if KERNEL in stack else stack[0]
        own[who, stack[-1]] += count
    return [(who, function, count) for (who, function), count in own.most_common()]
