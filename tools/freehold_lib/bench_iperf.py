# SPDX-License-Identifier: MIT
"""One run of iperf3, a client that fills TCP connections, and what it found."""

from __future__ import annotations

import json
import shutil
from typing import Sequence

from .errors import FreeholdError
from .process import output_of

PATIENCE = 30  # seconds beyond those of the run, after which the server is taken for dead


def run(place: tuple[str, int], words: Sequence[str], seconds: float) -> float:
    """Bytes a second that the receiving side got. The time is rounded to whole seconds, of which iperf3 takes one at least."""
    if not shutil.which("iperf3"):
        raise FreeholdError("The command iperf3 is missing; run tools/freehold setup.")
    whole = max(1, round(seconds))
    command = ["iperf3", "-c", place[0], "-p", str(place[1]), "-t", str(whole), "-J", *words]
    _, said = output_of(["timeout", str(whole + PATIENCE), *command])
    return read(said)


def read(said: str) -> float:
    try:
        told = json.loads(said)
        if "error" in told:
            raise FreeholdError(f"iperf3 measured nothing: {told['error']}.")
        return told["end"]["sum_received"]["bits_per_second"] / 8
    except (ValueError, KeyError, TypeError) as error:
        raise FreeholdError(f"iperf3 measured nothing: {said.strip()[-300:] or 'it had no answer'}") from error
