# SPDX-License-Identifier: MIT
"""tools/freehold bench pair: what is told of two servers beside one, and the CPU time of an emulator's CPUs."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_host, bench_pair  # noqa: E402
from freehold_lib.bench_pair import Run  # noqa: E402


def runs(system="Freehold", work=(100, 180), light=(1000, 1500), own=(2000, 3600), failed=0):
    """Three runs of each, whose median is what is given."""
    found = []
    for factor in (1, 0.5, 2):
        for servers in (1, 2):
            found.append(Run(system, "work", servers, work[servers - 1] * factor, 1.5 * work[servers - 1], failed))
            found.append(Run(system, "light", servers, light[servers - 1], own[servers - 1] * factor, 0))
    return found


def test_ratios_are_of_medians():
    report = bench_pair.table(runs() + runs("Linux", work=(100, 150)), {})
    assert report.rows[0] == [
        *("Freehold, 200,000 steps a request", "100 (50-200)", "180 (90-360)", "1.80"),
        *("150 (150-150)", "270 (270-270)", "1.80", "0"),
    ]
    assert [row[0] for row in report.rows] == [f"{system}, {load.what}" for load in bench_pair.LOADS for system in ("Freehold", "Linux")]
    # By the clock light requests are fewer than promised, and Linux's are: neither is judged.
    assert report.rows[2][3] == "1.50" and report.rows[1][3] == "1.50" and not report.beyond


@pytest.mark.parametrize(
    "figures, told",
    [
        (dict(work=(100, 169)), "200,000 steps a request, answer 1.69 times as much as one, not 1.7"),
        (dict(own=(2000, 3380)), "no steps, answer 1.69 times as much as one, not 1.7"),
        (dict(failed=1), "200,000 steps a request: 6 requests failed"),
    ],
)
def test_what_was_promised_and_is_not_so_is_told(figures, told):
    (sentence,) = bench_pair.table(runs(**figures), {}).beyond
    assert told in sentence


def test_the_cpus_of_an_emulator_are_known_by_their_names(tmp_path):
    ticks = os.sysconf("SC_CLK_TCK")
    for number, name in enumerate(["qemu-system-x86", "CPU 0/TCG", "CPU 1/TCG", "call_rcu"]):
        folder = tmp_path / "7/task" / str(number)
        folder.mkdir(parents=True)
        (folder / "comm").write_text(name + "\n")
        fields = ["S", *"1" * 10, str(number * ticks), str(3 * ticks), *"99"]
        (folder / "stat").write_text(f"{number} ({name}) {' '.join(fields)}\n")
    assert bench_host.cpu_times(7, tmp_path) == {"CPU 0/TCG": 4.0, "CPU 1/TCG": 5.0}
