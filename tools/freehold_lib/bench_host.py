# SPDX-License-Identifier: MIT
"""The host's CPU time that the CPUs of an emulator take."""

from __future__ import annotations

import os
from pathlib import Path

THREADS = ("-name", "bench,debug-threads=on")  # QEMU's threads then tell by their names which are CPUs


def cpu_times(pid: int, proc: Path = Path("/proc")) -> dict[str, float]:
    """Seconds that each of the CPUs took so far."""
    found = {}
    for thread in (proc / str(pid) / "task").iterdir():
        name, fields = (thread / "comm").read_text().strip(), (thread / "stat").read_text().rpartition(") ")[2].split()
        if name.startswith("CPU "):
            # utime and stime (proc(5): 14th and 15th), in ticks
            found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
