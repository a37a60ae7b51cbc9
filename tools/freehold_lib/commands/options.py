# SPDX-License-Identifier: MIT
"""Options that several subcommands share, and how their values are read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..abi import number
from ..workspace import DEFAULT_BUILD, MACHINES

DEMO = MACHINES / "demo.toml"


def add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--build",
        type=Path,
        default=DEFAULT_BUILD,
        metavar="DIR",
        help="the build folder (default: build, beside this checkout's sources)",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--machine",
        type=Path,
        default=DEMO,
        metavar="FILE",
        help="the machine description in TOML (default: machines/demo.toml)",
    )


def mebibytes(text: str) -> int:
    """128, 128M or 1G: how much memory, in MiB."""
    found = re.fullmatch(r"(\d{1,7})([MmGg]?)i?[Bb]?", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no amount of memory; write 128M or 1G")
    return int(found[1]) * (1024 if found[2] in "Gg" and found[2] else 1)


def cpus(text: str) -> int:
    most = number("EXO_BOOT_CPUS")
    if not re.fullmatch(r"\d{1,3}", text) or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of CPUs from 1 to {most}")
    return int(text)


def seconds(text: str) -> float:
    return _above_zero(text, 1e7, "number of seconds")


def rate(text: str) -> float:
    """So often a second."""
    return _above_zero(text, 1e5, "rate")


def _above_zero(text: str, end: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < end:
        raise argparse.ArgumentTypeError(f"'{text}' is no {what} above 0")
    return value


def port_offset(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 0 to 65535")
    return int(text)
