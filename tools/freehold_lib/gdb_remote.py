# SPDX-License-Identifier: MIT
"""QEMU's gdb server, as far as looking at a machine that runs takes it: stop, registers, memory, go on.

The protocol is gdb's (GDB manual, appendix "Remote Serial Protocol"); the order of registers is that of QEMU's
target description for x86-64.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import NamedTuple

from .errors import FreeholdError

PATIENCE = 20.0  # seconds; the server answers at once unless the host has other work
# In the answer to `g`: sixteen general registers of 8 bytes, rbp the seventh and rsp the eighth, then rip.
_RBP, _RSP, _RIP, _GENERAL = 6, 7, 16, 17


class Registers(NamedTuple):
    rip: int
    rbp: int
    rsp: int


class GdbRemote:
    """One debugger at a time can be connected; the machine stands still from the connection on until go()."""

    def __init__(self, path: Path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._input = b""
        try:
            self._socket.connect(str(path))
            self.threads = self._threads()
        except OSError as error:
            self._socket.close()
            raise FreeholdError(f"QEMU's gdb server at {path} cannot be reached: {error}.") from error

    def __enter__(self) -> GdbRemote:
        return self

    def __exit__(self, *unused) -> None:
        try:
            self._send("D")  # detach: the machine goes on
        except OSError:
            pass
        self._socket.close()

    def go(self) -> None:
        self._send("c")

    def stop(self) -> None:
        self._socket.sendall(b"\x03")
        while not _is_stop(self._packet()):
            pass

    def registers(self, thread: str) -> Registers:
        """Of one CPU, which from now on is also the one whose tables memory() goes by."""
        self.ask(f"Hg{thread}")
        data = bytes.fromhex(self.ask("g")[: 16 * _GENERAL])
        words = struct.unpack(f"<{_GENERAL}Q", data)
        return Registers(words[_RIP], words[_RBP], words[_RSP])

    def memory(self, address: int, length: int) -> bytes:
        """Empty: nothing is mapped there."""
        answer = self.ask(f"m{address:x},{length:x}")
        return b"" if answer.startswith("E") else bytes.fromhex(answer)

    def ask(self, command: str) -> str:
        """The answer. That the machine stands still is told when one connects as well, at some time."""
        self._send(command)
        while _is_stop(answer := self._packet()):
            pass
        return answer

    def _threads(self) -> list[str]:
        names, answer = [], self.ask("qfThreadInfo")
        while answer.startswith("m"):
            names += answer[1:].split(",")
            answer = self.ask("qsThreadInfo")
        return names

    def _send(self, command: str) -> None:
        data = command.encode("ascii")
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 255))

    def _packet(self) -> str:
        """The next packet, which is confirmed; confirmations of what was sent are passed over."""
        while True:
            begin = self._input.find(b"$")
            end = self._input.find(b"#", begin + 1)
            if 0 <= begin < end and len(self._input) >= end + 3:
                packet, self._input = self._input[begin + 1 : end], self._input[end + 3 :]
                self._socket.sendall(b"+")
                return packet.decode("ascii", "replace")
            more = self._socket.recv(65536)
            if not more:
                raise FreeholdError("QEMU's gdb server has closed the connection: the machine has ended.")
            self._input += more


def _is_stop(packet: str) -> bool:
    return packet.startswith("T")
