# SPDX-License-Identifier: MIT
"""Configure (Meson) and build (ninja), with progress, whatever state the build folder is in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Sequence

from .errors import FreeholdError, UsageError
from .process import run_lines
from .terminal import Progress
from .workspace import ROOT, lock

STATUS = re.compile(r"\[(\d+)/(\d+)\] (.*)")
# In every folder that we build in: it says that it is one, and is the lock of those who build.
MARK = ".freehold-lock"
BUSY = "Process {pid} is building in this folder; waiting for it."


def build(
    folder: Path,
    targets: Sequence[str] = ("all",),
    *,
    options: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    title: str = "Building",
) -> None:
    """Bring `folder` up to date: configure it if it is not, then build (by default, everything).

    The target build.ninja alone means that it is configured, and no more.
    """
    claim(folder)
    with lock(folder / MARK, BUSY, wait=True):
        if not _configured(folder):
            _configure(folder, options, environment)
        _ninja(folder, targets, title)


def claim(folder: Path) -> None:
    """Make `folder` a build folder unless it is one; UsageError if it is something else."""
    check(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def check(folder: Path) -> None:
    """UsageError unless this may be a build folder: never write into a folder that is something else."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder; choose another with --build.")
    if folder.resolve() == ROOT:
        raise UsageError(f"{folder} holds the sources; build in a folder of its own.")
    ours = ("meson-private", "meson-logs", MARK)
    if folder.is_dir() and any(folder.iterdir()) and not any((folder / o).exists() for o in ours):
        raise UsageError(
            f"{folder} is not empty and no build folder; choose another with --build."
        )


def _configured(folder: Path) -> bool:
    return (folder / "build.ninja").is_file() and (folder / "meson-private/build.dat").is_file()


def _configure(folder: Path, options: Sequence[str], environment: dict[str, str] | None) -> None:
    # Meson calls a folder whose first set-up was interrupted configured, and refuses to go on.
    begun = (folder / "meson-private/coredata.dat").exists()
    said: list[str] = []

    with Progress("Configuring", done="Configured") as progress:

        def on_line(line: str) -> None:
            said.append(line)
            progress.update(line)

        command = ["meson", "setup", *(["--wipe"] if begun else []), *options]
        status = run_lines([*command, folder, ROOT], on_line, environment=environment)
    if status != 0:
        tail = "\n".join("  " + line for line in said[-15:])
        raise FreeholdError(
            f"Meson cannot configure {folder}; its full log is in {folder}/meson-logs/meson-log.txt. "
            f"It ended with:\n{tail}"
        )


def _ninja(folder: Path, targets: Sequence[str], title: str) -> None:
    said: list[str] = []
    steps = 0
    configuring = False
    with Progress(title, done=f"{title}: up to date") as progress:

        def on_line(line: str) -> None:
            nonlocal steps, configuring
            found = STATUS.match(line)
            if found:
                configuring = found[3].startswith("Regenerating build files")
                steps += not configuring
                progress.update(f"{found[1]} of {found[2]}: {_short(found[3])}")
                return
            said.append(line)
            if configuring and "ERROR" not in line:
                progress.update(line)
            elif not line.startswith("ninja: "):
                # A warning or an error of a compiler, which a status line has come before.
                progress.say(line)

        status = run_lines(
            ["ninja", "-C", folder, *targets],
            on_line,
            # On a pipe ninja prints whole lines only, one a step.
            environment={"NINJA_STATUS": "[%f/%t] ", "CLICOLOR_FORCE": "0"},
        )
        progress.done = f"{title}: done, {steps} steps" if steps else f"{title}: up to date"
        if status != 0:
            last = said[-1] if said else "ninja said nothing"
            raise FreeholdError(f"The build in {folder} failed ({last}); the reason stands above.")


def _short(step: str) -> str:
    """Meson's words for a step, less what is the same in most of them."""
    step = re.sub(r"^Compiling C object \S+\.p/", "", step)
    return re.sub(r"^Generating (\S+) with a custom command.*", r"\1", step)
