# SPDX-License-Identifier: MIT
"""tools/freehold bench scale: what is told of few and many applications, and what grows faster than their number."""

import pathlib
import sys
from types import SimpleNamespace

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_scale  # noqa: E402
from freehold_lib.bench_scale import Found, table  # noqa: E402
from freehold_lib.bench_wire import Wires  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402

ONE = Found(1, 50_000_000, 20_000, 30_000, [250])
FEW = Found(16, 80_000_000, 320_000, 32_000, [250] * 15 + [260])


def many(boot=560_000_000, idle=5_120_000, request=33_000, pages=260):
    return Found(256, boot, idle, request, [250] * 255 + [pages])


def test_what_is_told():
    report = table([ONE, FEW, many()], {})
    assert report.rows == [
        ["1", "1,000 (1,000)", "50,000,000", "", "20,000", "30,000"],
        ["16", "1,002 (1,040)", "80,000,000", "2,000,000", "20,000", "32,000"],
        ["256", "1,000 (1,040)", "560,000,000", "2,000,000", "20,000", "33,000"],
    ]
    assert not report.beyond


@pytest.mark.parametrize(
    "figures, told",
    [
        ({"boot": 660_000_000}, "Boot costs more than in proportion: 1.20 times, from 16 to 256"),
        ({"idle": 320_000 * 20}, "Idling costs more than in proportion: 1.25 times"),
        ({"request": 32_000 * 32}, "A request costs more than in proportion: 2.00 times"),
        ({"pages": 520}, "Memory costs more than in proportion: 2.00 times"),
    ],
)
def test_what_grows_faster_than_their_number_is_told(figures, told):
    (sentence,) = table([ONE, FEW, many(**figures)], {}).beyond
    assert told in sentence


def test_one_alone_grows_nowhere():
    assert not table([ONE], {}).beyond


def test_many_addresses_take_root():
    with pytest.raises(FreeholdError, match="take root"):
        Wires(user=True, bits=16)
    assert Wires(user=True).link([]).address(15) == "10.0.2.15"


def test_time_goes_by_for_the_guest_as_it_executes_and_as_it_waits(monkeypatch):
    now = {"count": 1000, "time": 50.0, "cpu": 3.0}
    counter, machine = SimpleNamespace(count=lambda: now["count"]), SimpleNamespace(pid=7)
    monkeypatch.setattr(bench_scale, "cpu_times", lambda pid: {"CPU 0/TCG": now["cpu"]})
    monkeypatch.setattr(bench_scale.time, "monotonic", lambda: now["time"])
    spell = bench_scale.Spell(counter, machine, ("-icount", "shift=3"))
    now.update(count=1000 + 10_000_000, time=54.0, cpu=4.5)
    # It waited 2.5 of the 4 seconds, and executed for 80 ms of its own time.
    assert spell.end() == (10_000_000, pytest.approx(2.58))
