# SPDX-License-Identifier: MIT
"""tools/freehold bench net: what the client says is read, and told with its ratios, in the direction that is better."""

import json
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_iperf, bench_net  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402


def runs(system, **figures):
    jobs = {job: [way.name for way in bench_net.WAYS if way.job is job] for job in dict.fromkeys(w.job for w in bench_net.WAYS)}
    return [{"system": system, "job": job.name, **{name: figures[name] for name in names}} for job, names in jobs.items()]


MANY = {"send-many": 1, "receive-many": 1}
OURS = dict(MANY, send=20_000_000, receive=15_000_000, p50=100_000, p99=300_000, lost=0, packets=30_000, meet=2_000)
LINUX = dict(MANY, send=10_000_000, receive=10_000_000, p50=250_000, p99=300_000, lost=1, packets=10_000, meet=500)


def test_more_is_better_of_rates_and_less_of_times():
    report = bench_net.table(runs("Freehold", **OURS) + runs("Linux", **LINUX), {})
    rows = {row[0]: row[1:] for row in report.rows}
    assert rows["TCP to the guest, MB/s"] == ["20.0 (20.0-20.0)", "10.0 (10.0-10.0)", "2.00", "1.5"]
    assert rows["UDP there and back, p50, µs"] == ["100 (100-100)", "250 (250-250)", "2.50", "2"]
    assert rows["UDP there and back, p99, µs"][2:] == ["1.00", ""]
    assert not report.beyond


@pytest.mark.parametrize(
    "name, figure, told", [("send", 14_000_000, "MB/s: 1.40"), ("p50", 200_000, "p50, µs: 1.25"), ("meet", 999, "1/s: 2.00")]
)
def test_what_was_promised_and_is_not_so_is_told(name, figure, told):
    (sentence,) = bench_net.table(runs("Freehold", **(OURS | {name: figure})) + runs("Linux", **LINUX), {}).beyond
    assert told in sentence


def test_without_linux_there_are_no_ratios():
    report = bench_net.table(runs("Freehold", **OURS), {})
    assert all(row[2:4] == ["", ""] for row in report.rows) and not report.beyond


def client(folder, text):
    file = folder / "client"
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return file


def test_what_the_client_says_is_read(tmp_path):
    said = client(tmp_path, 'echo "bench p50 12"; echo "bench p99 34"; echo "bench lost 0"; test "$3" = 1500 && test "$4" = ping\n')
    assert bench_net.ask(said, ("10.0.2.15", 7), bench_net.PING, 1.5) == {"p50": 12, "p99": 34, "lost": 0}


@pytest.mark.parametrize("text", ["echo bench meet 5; echo net_client: no byte; exit 1\n", "echo bench p50 5\n", "true\n"])
def test_a_client_that_fails_is_told(tmp_path, text):
    with pytest.raises(FreeholdError, match="meet could not be measured"):
        bench_net.ask(client(tmp_path, text), ("10.0.2.15", 7), bench_net.MEET, 1)


def test_what_iperf3_says_is_read(tmp_path, monkeypatch):
    said = json.dumps({"end": {"sum_received": {"bits_per_second": 80e6}, "sum_sent": {"bits_per_second": 88e6}}})
    iperf3 = client(tmp_path, f'test "$*" = "-c 10.0.2.16 -p 5201 -t 2 -J -R" && echo \'{said}\'\n')
    iperf3.rename(tmp_path / "iperf3")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert bench_net.ask(tmp_path, ("10.0.2.16", 5201), bench_net.RECEIVE, 1.6) == {"receive": 10_000_000}


@pytest.mark.parametrize("said, told", [('{"end": {}, "error": "the server is busy"}', "the server is busy"), ("{", "{"), ('{"end": 1}', "end"), ("", "no answer")])
def test_iperf3_that_fails_is_told(said, told):
    with pytest.raises(FreeholdError, match=f"iperf3 measured nothing: .*{told}"):
        bench_iperf.read(said)


def test_a_missing_iperf3_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FreeholdError, match="run tools/freehold setup"):
        bench_iperf.run(("10.0.2.16", 5201), (), 1)


def test_ours_has_an_address_for_each_application():
    assert bench_net.SEND.door("Freehold").host != bench_net.SEND.door("Linux").host == bench_net.PING.door("Freehold").host
