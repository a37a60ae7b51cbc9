# SPDX-License-Identifier: MIT
"""QEMU's monitor, for tests that look at a machine from outside."""

import re
import socket
import time
from pathlib import Path

PROMPT = b"(qemu) "


class Monitor:
    """start_machine(image, extra=monitor.options), then monitor.ask("info registers")."""

    def __init__(self, path: Path):
        self.path = path
        self.options = ["-monitor", f"unix:{path},server,nowait"]

    def ask(self, command: str, seconds: float = 20) -> str:
        """The answer to one command."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(str(self.path))
            self._until_prompt(connection, seconds)
            connection.sendall(command.encode() + b"\n")
            answer = self._until_prompt(connection, seconds).decode(errors="replace")
        # The monitor echoes what is typed, with cursor movements; the answer begins a line later.
        return answer.partition("\n")[2].removesuffix(PROMPT.decode())

    @staticmethod
    def _until_prompt(connection: socket.socket, seconds: float) -> bytes:
        heard, end = b"", time.monotonic() + seconds
        while not heard.endswith(PROMPT):
            assert time.monotonic() < end, f"QEMU's monitor said no more than {heard!r}"
            piece = connection.recv(65536)
            assert piece, f"QEMU's monitor hung up after {heard!r}"
            heard += piece
        return heard

    def pci_config(self, bus: int, slot: int, function: int, offset: int) -> int:
        """A word of PCI configuration space, by the ports that every machine has."""
        address = 1 << 31 | bus << 16 | slot << 11 | function << 8 | offset
        self.ask(f"o/w 0xcf8 {address:#x}")
        return int(re.search(r"= (0x[0-9a-f]+)", self.ask("i/w 0xcfc"))[1], 16)
