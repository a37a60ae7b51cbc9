# SPDX-License-Identifier: MIT
"""One run of h2load, a second client for web servers, by HTTP/1.1: it sends so many requests and tells what became of each."""

from __future__ import annotations

import re
from typing import NamedTuple

from .bench_lost import need_files
from .errors import FreeholdError
from .process import output_of

EACH = 5  # requests of a connection, but LEAST of all of them
LEAST = 2000
GIVEN_UP = 5  # seconds after which a connection on which nothing comes has failed, with its requests
_FINISHED = re.compile(r"^finished in .*?, ([\d.]+) req/s", re.M)
_REQUESTS = re.compile(r"^requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed,", re.M)


class Run(NamedTuple):
    rate: float  # requests a second
    failed: int  # of those that were to be sent


def run(url: str, connections: int) -> Run:
    need_files(connections)
    number = max(EACH * connections, LEAST)
    command = ["h2load", "--h1", "-t1", f"-c{connections}", f"-n{number}", f"-N{GIVEN_UP}s", url]
    _, said = output_of(command)
    return read(said, number)


def read(said: str, number: int) -> Run:
    finished, requests = _FINISHED.search(said), _REQUESTS.search(said)
    if not finished or not requests or int(requests[1]) != number:
        raise FreeholdError(f"h2load measured nothing: {said.strip()[-300:]}")
    return Run(float(finished[1]), number - int(requests[2]))
