# SPDX-License-Identifier: MIT
"""One run of wrk, a client that keeps a number of connections busy, and what it found."""

from __future__ import annotations

import re
from typing import NamedTuple

from .bench_lost import need_files
from .errors import FreeholdError
from .process import output_of
from .workspace import ROOT

SCRIPT = ROOT / "tests/bench/wrk.lua"
GIVEN_UP = 2  # seconds after which a request without an answer has failed
_LINE = re.compile(r"^bench " + " ".join(rf"{name} (?P<{name}>\d+)" for name in (
    "requests", "us", "p50", "p99", "connect", "read", "write", "status", "timeout")) + "$", re.M)


class Run(NamedTuple):
    rate: float  # requests a second
    p50: float  # microseconds
    p99: float
    failed: int  # connections and requests


def run(url: str, connections: int, seconds: float) -> Run:
    """The time is rounded to whole seconds, of which wrk takes one at least."""
    need_files(connections)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={GIVEN_UP}s"]
    _, said = output_of([*command, "-s", str(SCRIPT), url])
    return read(said)


def read(said: str) -> Run:
    found = _LINE.search(said)
    if not found:
        raise FreeholdError(f"wrk measured nothing: {said.strip()[-300:]}")
    figures = {name: int(value) for name, value in found.groupdict().items()}
    failed = sum(figures[name] for name in ("connect", "read", "write", "status", "timeout"))
    answered = max(0, figures["requests"] - figures["status"])
    return Run(answered * 1e6 / figures["us"], figures["p50"], figures["p99"], failed)
