# SPDX-License-Identifier: MIT
"""Each bench measures all that it tells of, on both machines, once and for a short time. No figure is judged here."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_boot, bench_cpu, bench_http, bench_net, bench_pair, bench_scale, bench_size, linux_guest, linux_package  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402

# Eight nanoseconds an instruction: the firmware, which waits by the clock, is done sooner than at the benches' own pace.
PACE = "shift=3"


def test_freehold_is_measured(build):
    figures, _ = bench_cpu.freehold(build, ("-icount", f"{PACE},sleep=off"))
    assert set(figures) >= {way.name for way in bench_cpu.WAYS}
    assert min(figures.values()) > 0


@pytest.fixture(scope="session")
def linux():
    """What the Linux guests of all benches consist of."""
    try:
        linux_guest.kernel()
        for package in linux_package.PACKAGES:
            package.files()
    except FreeholdError as error:
        pytest.skip(f"a Linux guest is missing: {error}")


def test_linux_is_measured(build, linux):
    figures = bench_cpu.linux(build, 100, ("-icount", f"{PACE},sleep=off"))
    assert set(figures) == {way.name for way in bench_cpu.WAYS if way.linux}
    # Well known to be of this order, eight ticks an instruction; another is a fault of the measuring.
    assert all(800 < cost < 800_000 for cost in figures.values())


def test_web_servers_are_measured(build, linux):
    report = bench_http.measure(build, beside=True, runs=1, seconds=1, connections=(16,), open=100)
    servers = [server.name for server in bench_http.SERVERS if os.geteuid() == 0 or not server.six]
    asked = [server.name for server in bench_http.SERVERS if server.most]
    assert [run["server"] for run in report.raw] == servers + asked
    # Each of them answers, and nothing is lost by so few connections.
    assert all(run["lost"] == 0 and (run["connections"] == 100 or (min(run["rate"], run["h2load_rate"]) > 100 and run["failed"] == run["h2load_failed"] == 0)) for run in report.raw), report.as_text()


def test_boots_are_counted(build, linux):
    (figure,) = bench_boot.measure(build, beside=True, runs=1, counted=("-icount", PACE)).figures
    # Neither system can do with less; more would be a fault of the counting.
    assert 1_000_000 < figure.freehold < 1_000_000_000
    assert 100_000_000 < figure.linux < 10_000_000_000


def test_sizes_are_measured(build, linux):
    figures = {figure.name: figure for figure in bench_size.measure(build, beside=True).figures}
    kernel = (build / "exo/kernel.elf").stat().st_size
    assert 0 < figures["kernel"].freehold < kernel < figures["image"].freehold
    assert all(figure.linux > 1_000_000 for figure in figures.values())


def test_the_network_is_measured(build, linux):
    report = bench_net.measure(build, beside=True, runs=1, seconds=0.5)
    for run in report.raw:
        # Each figure is there, and packets, bytes and connections came through.
        figures = {way.name for way in bench_net.WAYS} & run.keys() - {"lost"}
        assert figures and all(run[name] > 0 for name in figures), run
    assert len(report.raw) == 2 * 7


def test_applications_are_counted(build):
    one, few = bench_scale.measure(build, beside=False, counts=(1, 4), counted=("-icount", PACE), idle=0.5).raw
    assert (len(one["pages"]), len(few["pages"])) == (1, 4) and min(few["pages"]) > 50
    assert 0 < one["request"] < one["boot"] < few["boot"]


def test_two_cpus_are_measured(build, linux):
    report = bench_pair.measure(build, beside=True, runs=1, seconds=1)
    assert len(report.raw) == 2 * 2 * len(bench_pair.LOADS)
    assert all(run["rate"] > 50 and run["own"] > 50 and run["failed"] == 0 for run in report.raw), report.as_text()
