# SPDX-License-Identifier: MIT
"""Where things are in a checkout, and locks that keep two of us out of each other's way."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from .errors import FreeholdError

ROOT = Path(__file__).resolve().parents[2]
SUBPROJECTS = ROOT / "subprojects"
MACHINES = ROOT / "machines"
DEFAULT_BUILD = ROOT / "build"


class Run:
    """What belongs to the machine that runs, or ran last, in a build folder."""

    def __init__(self, build: Path):
        self.build = build
        self.folder = build / "run"
        self.image = self.folder / "disk.img"
        self.log = self.folder / "serial.log"
        self.lock = self.folder / "lock"
        self.gdb = self.folder / "gdb"  # the socket of QEMU's gdb server
        self.control = self.folder / "control"  # the socket of its second serial port
        self._notes = self.folder / "run.json"
        if build.is_dir():
            self.folder.mkdir(exist_ok=True)

    def remember(self, emulator: str, files: dict[str, Path], outside: dict | None = None) -> None:
        """Leave for `gdb` and `logs` what runs: the file with symbols of each name in the log; and for `ctl`
        what the machine itself cannot tell (Machine.outside)."""
        named = {name: str(file.resolve()) for name, file in files.items()}
        notes = {"emulator": emulator, "symbols": named, "outside": outside}
        self._notes.write_text(json.dumps(notes, indent=1))

    def recall(self) -> tuple[str, dict[str, Path]]:
        """What remember() left."""
        try:
            notes = json.loads(self._notes.read_text())
            return notes["emulator"], {name: Path(file) for name, file in notes["symbols"].items()}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise FreeholdError(
                f"No machine has run in {self.build} yet; start one: tools/freehold run"
            ) from error

    @property
    def outside(self) -> dict | None:
        """What remember() was told of it; None: nothing."""
        try:
            return json.loads(self._notes.read_text())["outside"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def process(self) -> str | None:
        """The process of the `tools/freehold run` whose machine runs now."""
        return holder(self.lock)


@contextmanager
def lock(file: Path, busy: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock `file` as long as the block runs; its holder's death frees it, too.

    When another holds it: FreeholdError with the sentence `busy`, where {pid} stands for the other;
    with `wait` the sentence is printed and we wait.
    """
    with open(file, "a+", encoding="ascii") as opened:
        told = False
        while True:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                sentence = busy.format(pid=_holder(file))
                if not wait:
                    raise FreeholdError(sentence) from None
                if not told:
                    print(sentence, flush=True)
                    told = True
                time.sleep(0.2)
        opened.truncate(0)
        opened.write(f"{os.getpid()}\n")
        opened.flush()
        try:
            yield
        finally:
            opened.truncate(0)


@contextmanager
def unpacking(subprojects: Path = SUBPROJECTS) -> Iterator[None]:
    """While the block runs nobody else fetches or unpacks there. Look again, then, whether it is still to be done."""
    subprojects.mkdir(exist_ok=True)
    with lock(subprojects / ".lock", "Process {pid} is unpacking sources here; waiting for it.", wait=True):
        yield


def holder(file: Path) -> str | None:
    """The process that holds the lock, None if nobody does."""
    try:
        with open(file, "r+", encoding="ascii") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _holder(file)
    except OSError:
        pass
    return None


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip() or "unknown"
    except OSError:
        return "unknown"
