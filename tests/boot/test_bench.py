# SPDX-License-Identifier: MIT
"""`tools/freehold bench cpu` measures all that it tells of, on both machines. No figure is judged here."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_cpu, linux_guest  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402


def test_freehold_is_measured(build):
    figures, _ = bench_cpu.freehold(build)
    assert set(figures) >= {way.name for way in bench_cpu.WAYS}
    assert min(figures.values()) > 0


def test_linux_is_measured(build):
    try:
        linux_guest.kernel()
    except FreeholdError as error:
        pytest.skip(f"a Linux kernel is missing: {error}")
    figures = bench_cpu.linux(build, 100)
    assert set(figures) == {way.name for way in bench_cpu.WAYS if way.linux}
    # Well known to be of this order; a figure of another is a fault of the measuring.
    assert all(100 < cost < 100_000 for cost in figures.values())
