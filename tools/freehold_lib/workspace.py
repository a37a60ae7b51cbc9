# SPDX-License-Identifier: MIT
"""Where things are in a checkout, and locks that keep two of us out of each other's way."""

from __future__ import annotations

import fcntl
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


def run_folder(build: Path) -> Path:
    """What belongs to the last run of a machine: image, log, lock, gdb's socket."""
    return build / "run"


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
