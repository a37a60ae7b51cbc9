# SPDX-License-Identifier: MIT
"""No call costs more because there are many environments, pages, queues, filters, grants or gates.

One boot counts the instructions of each call (tests/bench/calls.py); it takes a minute and a half.
"""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))

import calls  # noqa: E402


@pytest.fixture(scope="module")
def log(build):
    return calls.run(build)


def test_no_call_grows(log):
    assert not calls.wrong(calls.read(log))


def test_the_machine_was_full(log):
    """What is called many is many: else the test above says nothing."""
    few, many = (calls.in_use(log, when) for when in ("few", "many"))
    assert few["environments"] < 4
    assert many["environments"] > 900
    assert many["pages"] > few["pages"] + 30000
    assert many["queues"] > 950 and many["filters"] > 2800
    assert many["grants"] > 4000 and many["gates"] > 180


def test_what_grows_is_noticed():
    """A call that costs more, or lacks, is told."""
    costs = {("info", "any"): (400, 400 + calls.TOLERANCE + 1)}
    told = calls.wrong(costs)
    assert any(line.startswith("info (any) grows") for line in told)
    assert "page_alloc was not measured" in told
    assert not any("grows" in line for line in calls.wrong({("info", "any"): (400, 400)}))


def test_a_refused_call_is_no_measurement():
    with pytest.raises(SystemExit, match="refused"):
        calls.read("[init] refused notify any: No such environment\n")
