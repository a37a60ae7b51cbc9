# SPDX-License-Identifier: MIT
"""Options that several benches share: how often, how long, with how much."""

from __future__ import annotations

import argparse
import re
from typing import Any, Callable, NamedTuple

from .commands.options import seconds


class Option(NamedTuple):
    name: str
    type: Callable[[str], Any]
    default: Any
    metavar: str
    help: str

    def add(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            f"--{self.name}", type=self.type, default=self.default, metavar=self.metavar, help=self.help
        )


def _runs(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of runs from 1 to 999")
    return int(text)


def _open(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 20000:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of connections from 0 to 20000")
    return int(text)


def _connections(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", text) or 0 in map(int, text.split(",")):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers of connections; write for example 16,256")
    return tuple(map(int, text.split(",")))


RUNS = Option("runs", _runs, 5, "N", "how often each figure is taken (default: 5)")
SECONDS = Option("seconds", seconds, 5.0, "S", "how long each time (default: 5)")
OPEN = Option("open", _open, 10000, "N", "connections open at once that are asked without measuring; 0: none (default: 10000)")
CONNECTIONS = Option("connections", _connections, (1, 16, 64, 256, 1024), "N,N", "at once (default: 1,16,64,256,1024)")
