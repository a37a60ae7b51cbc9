# SPDX-License-Identifier: MIT
"""Commands to a running machine, over its second serial port (apps/init/command.c).

    with Control(path) as control:
        answer = control.ask("list", timeout=10)

The port is a socket that the emulator made, or a serial device. What comes is taken apart line by
line; whatever does not bear the tag of the command that was asked is of no interest, be it left of
an earlier one or noise.
"""

from __future__ import annotations

import os
import re
import secrets
import select
import socket
import stat
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import FreeholdError

LINE = 4096  # a longer line is noise
_ANSWER = re.compile(r"#([0-9a-f]+) (app|ok|error) (.*)")


class ControlError(FreeholdError):
    """The machine cannot be asked, or refused; the text is a sentence for the user."""


@dataclass(frozen=True)
class Answer:
    rows: list[dict[str, str]]  # one for each application
    sentence: str


class Control:
    def __init__(self, path: Path):
        self.path = path
        self._fd: int | None = None
        self._socket: socket.socket | None = None
        self._rest = b""

    def __enter__(self) -> Control:
        try:
            kind = self.path.stat().st_mode
            if stat.S_ISSOCK(kind):
                self._socket = _connect(self.path)
                self._fd = self._socket.fileno()
            elif stat.S_ISCHR(kind):
                self._fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
                _raw(self._fd)
            else:
                raise ControlError(f"{self.path} is neither a socket nor a serial device.")
        except (OSError, termios.error) as error:
            self.__exit__()
            raise ControlError(f"{self.path} cannot be opened: {error.args[-1]}.") from error
        return self

    def __exit__(self, *unused) -> None:
        if self._socket:
            self._socket.close()
        elif self._fd is not None:
            os.close(self._fd)
        self._socket = self._fd = None

    def ask(self, command: str, timeout: float) -> Answer:
        """What the machine answers. ControlError: it refuses, or says nothing for `timeout` seconds."""
        tag = secrets.token_hex(4)
        deadline = time.monotonic() + timeout
        # The first newline ends what somebody may have left half said.
        self._send(f"\n#{tag} {command}\n".encode("ascii"), deadline)
        rows = []
        while True:
            match = _ANSWER.fullmatch(self._line(deadline))
            if not match or match[1] != tag:
                continue
            if match[2] == "error":
                raise ControlError(match[3])
            if match[2] == "ok":
                return Answer(rows, match[3])
            rows.append(dict(word.split("=", 1) for word in match[3].split() if "=" in word))

    def _send(self, data: bytes, deadline: float) -> None:
        while data:
            self._wait(deadline, for_room=True)
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ControlError(f"The machine is gone: {error.strerror}.") from error

    def _line(self, deadline: float) -> str:
        while b"\n" not in self._rest:
            self._wait(deadline)
            try:
                more = os.read(self._fd, LINE)
            except BlockingIOError:
                continue
            except OSError as error:
                raise ControlError(f"The machine is gone: {error.strerror}.") from error
            if not more:
                raise ControlError("The machine is gone: it ended before it had answered.")
            self._rest = (self._rest + more)[-2 * LINE :]
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("ascii", "replace").strip("\r")

    def _wait(self, deadline: float, for_room: bool = False) -> None:
        left = deadline - time.monotonic()
        readers, writers = ([], [self._fd]) if for_room else ([self._fd], [])
        if left <= 0 or not any(select.select(readers, writers, [], left)):
            raise ControlError(
                "The machine does not answer. Does its machine file have `[control] serial = true`, has it "
                "started, and is nobody else asking it at the moment?"
            )


def _connect(path: Path) -> socket.socket:
    """By way of its folder: the kernel takes socket names of at most 107 characters."""
    connected = socket.socket(socket.AF_UNIX)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connected.connect(f"/proc/self/fd/{folder}/{path.name}")
        connected.setblocking(False)
    except BaseException:
        connected.close()
        raise
    finally:
        os.close(folder)
    return connected


def _raw(fd: int) -> None:
    """115200 baud, 8 bits, no parity, no echo, nothing translated."""
    _, _, control, _, _, _, characters = termios.tcgetattr(fd)
    control &= ~(termios.CSIZE | termios.PARENB | termios.CSTOPB)
    control |= termios.CS8 | termios.CREAD | termios.CLOCAL
    speed = termios.B115200
    termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, characters])
