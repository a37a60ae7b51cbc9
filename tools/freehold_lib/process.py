# SPDX-License-Identifier: MIT
"""Run other programs: none outlives us, and what they print is at hand when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Callable, Mapping, Sequence

from .errors import FreeholdError

PATIENCE = 10.0


def run_lines(
    command: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    own_group: bool = True,
) -> int:
    """Run `command`, hand each line that it prints (both streams) to `on_line`, return its status.

    Whatever interrupts us also ends the program and all its children. With own_group=False it stays
    in our process group, as what asks for a password on the terminal must.
    """
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if environment is None else {**os.environ, **environment},
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0 if own_group else None,
        )
    except FileNotFoundError as error:
        raise FreeholdError(
            f"The command {command[0]} is missing; run tools/freehold setup."
        ) from error
    try:
        for line in process.stdout:
            on_line(line.rstrip("\n"))
        return process.wait()
    finally:
        process.stdout.close()
        if process.poll() is None:
            end_group(process) if own_group else _end(process)


def output_of(command: Sequence[str | Path], *, cwd: Path | None = None) -> tuple[int, str]:
    """Status and both streams' text of a program."""
    lines: list[str] = []
    status = run_lines(command, lines.append, cwd=cwd)
    return status, "\n".join(lines)


def end_group(process: subprocess.Popen) -> None:
    """End a process that leads a group, and whatever is left of the group."""
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
