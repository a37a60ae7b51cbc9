# SPDX-License-Identifier: MIT
"""Show the log of the machine that runs, or ran last: all of it, or the lines of one application.
Backtraces are followed by the functions and lines that they mean.
"""

from __future__ import annotations

import argparse
import time
from typing import Iterator

from ..emulator import clean
from ..errors import FreeholdError, UsageError
from ..symbols import Symboliser
from ..workspace import Run
from .options import add_build

SUMMARY = "show the log of the machine that runs, or ran last"
EXAMPLES = """\
examples:
  tools/freehold logs           everything
  tools/freehold logs www       the lines of the application "www"
  tools/freehold logs exo       those of the kernel
  tools/freehold logs -f www    go on until the machine ends or Ctrl-C
"""


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "app", nargs="?", metavar="APP", help="show the lines of this application only"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on while the machine runs")
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    run = Run(arguments.build)
    _, files = run.recall()
    names = sorted({*files, "uefi"})
    if arguments.app and arguments.app not in names:
        raise UsageError(
            f"Nothing in that machine is named {arguments.app}; there are {', '.join(names)}."
        )
    begin = f"[{arguments.app}]" if arguments.app else ""
    try:
        for line in Symboliser(files).filter(_lines(run, arguments.follow)):
            if line.startswith(begin):
                print(line, flush=True)
    except KeyboardInterrupt:
        pass  # the way to end -f
    return 0


def _lines(run: Run, follow: bool) -> Iterator[str]:
    try:
        log = open(run.log, "rb")
    except OSError as error:
        raise FreeholdError(f"The log {run.log} cannot be read: {error.strerror}.") from error
    with log:
        rest = b""
        while True:
            # In this order, or what is written between the two looks would be lost.
            over = not follow or run.process is None
            *complete, rest = (rest + log.read()).split(b"\n")
            yield from map(clean, complete)
            if over:
                break
            time.sleep(0.1)
        if rest:
            yield clean(rest)
