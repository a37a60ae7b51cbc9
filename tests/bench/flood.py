#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a flood at one application does to the latency of another.

    tests/bench/flood.py [--build DIR] [--nic virtio|e1000] [--rate N ...] [--requests N] [--rounds N] [--check]

Boots the demo's three applications on a tap in a network namespace of its own (needs root), and in
turns, with no flood and with N frames a second to `echo`, asks `www` for a small file again and again
on one connection. Writes medians over the rounds, and ratios to the quiet part of the same round, into
docs/performance.md; with --check it only prints them. Ends with status 1 if the
99th percentile doubles in 5 rounds or more.
Sender, client and emulator share this host's CPUs: the more of them, the better the figures.
"""

import argparse
import http.client
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/boot")]

from freehold_lib import section  # noqa: E402
from frames import IPV4, Wire, ethernet, ipv4, udp  # noqa: E402
from freehold_lib.bundle import build_machine_image  # noqa: E402
from freehold_lib.emulator import Emulator  # noqa: E402

VICTIM = bytes([10, 0, 2, 17])
NEIGHBOUR = "10.0.2.15"
CLOSED_PORT = 9  # nobody listens: the victim's network stack takes each frame and throws it away


def flood(wire: Wire, frame: bytes, rate: int, stop, sent) -> None:
    """Send until told to stop; every millisecond what is due by then."""
    begin, count = time.monotonic(), 0
    while not stop.is_set():
        due = int((time.monotonic() - begin) * rate)
        for _ in range(min(due - count, 256)):
            wire.send(frame)
            count += 1
        time.sleep(0.001)
    sent.value = int(count / (time.monotonic() - begin))


def latencies(requests: int) -> list[float]:
    connection = http.client.HTTPConnection(NEIGHBOUR, 80, timeout=20)
    times = []
    for number in range(requests):
        if number % 100 == 0:
            connection.close()
        begin = time.perf_counter()
        connection.request("GET", "/icon.svg")
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - begin)
        if answer.status != 200:
            raise SystemExit(f"flood: www answered {answer.status}")
    connection.close()
    return sorted(times)


def at(times: list[float], share: float) -> float:
    """A percentile in microseconds."""
    return 1e6 * times[min(len(times) - 1, int(share * len(times)))]


class Round(NamedTuple):
    sent: float  # frames a second
    p50: float  # microseconds
    p99: float


def measure(wire: Wire, mac: bytes, rate: int, requests: int) -> Round:
    stop, sent = multiprocessing.Event(), multiprocessing.Value("i", 0)
    frame = ethernet(mac, IPV4, ipv4(VICTIM, 17, udp(VICTIM, CLOSED_PORT, bytes(18))))
    sender = multiprocessing.Process(target=flood, args=(wire, frame, rate, stop, sent), daemon=True)
    if rate:
        sender.start()
    try:
        times = latencies(requests)
    finally:
        stop.set()
        if rate:
            sender.join(20)
    return Round(sent.value, at(times, 0.5), at(times, 0.99))


def spread(figures: list[float], digits: int) -> str:
    """Their median, and the least and the greatest."""
    low, middle, high = (f"{f(figures):,.{digits}f}" for f in (min, statistics.median, max))
    return f"{middle} ({low}-{high})"


def table(rounds: dict[int, list[Round]], conditions: str) -> str:
    """What stands between the marks in docs/performance.md. Ratios are to the quiet part of the same round."""
    lines = [conditions, "", "| frames/s | p50, µs | p99, µs | p50 ratio | p99 ratio |", "|---:|---:|---:|---:|---:|"]
    for results in rounds.values():
        ratios = [(r.p50 / q.p50, r.p99 / q.p99) for r, q in zip(results, rounds[0])]
        cells = [spread([r.p50 for r in results], 0), spread([r.p99 for r in results], 0)]
        cells += [spread(list(column), 2) for column in zip(*ratios)] if results is not rounds[0] else ["", ""]
        lines.append(f"| {statistics.median(r.sent for r in results):,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def too_slow(rounds: dict[int, list[Round]]) -> list[int]:
    """Rates at which the neighbour's p99 grew by a factor of two or more, in the median."""
    return [
        rate
        for rate, results in rounds.items()
        if statistics.median(r.p99 / q.p99 for r, q in zip(results, rounds[0])) >= 2
    ]


def run(options: argparse.Namespace) -> dict[int, list[Round]]:
    """All rounds: in each of them no flood, then each rate."""
    with tempfile.TemporaryDirectory() as folder, Wire(options.nic) as wire:
        image = pathlib.Path(folder) / "machine.img"
        build_machine_image(ROOT / "machines/demo.toml", options.build, image)
        with Emulator(image, nic=None, extra=wire.arguments) as machine:
            machine.wait_for(r"^\[www\] .*listening", 60)
            machine.wait_for(r"^\[echo\] .*listening", 60)
            mac = wire.mac_of(VICTIM)
            rounds: dict[int, list[Round]] = {rate: [] for rate in [0, *options.rate]}
            for _ in range(options.rounds):
                for rate, results in rounds.items():
                    results.append(measure(wire, mac, rate, options.requests))
    return rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--nic", choices=("virtio", "e1000"), default="virtio")
    parser.add_argument("--rate", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    if os.geteuid():
        raise SystemExit("flood: a network namespace needs root; run this as root.")
    if options.rounds < 5 and not options.check:
        raise SystemExit("flood: figures of fewer than 5 rounds are not written; add --check.")
    load = [os.getloadavg()[0]]
    rounds = run(options)
    load.append(os.getloadavg()[0])
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    text = table(
        rounds,
        f"QEMU {re.search(r'version ([0-9.]+)', qemu)[1]} without hardware virtualisation, one CPU, a {options.nic} card on a tap; "
        f"{options.rounds} rounds\nof {options.requests:,} requests for each rate, in turn; a host of {os.cpu_count()} CPUs "
        f"whose load average was {load[0]:.1f} before and {load[1]:.1f} after. Medians, and\nin brackets the least and the "
        "greatest of the rounds; ratios are to the quiet part of the same round.",
    )
    print(text)
    if not options.check:
        section.write("flood", text)
    # Of fewer rounds it would be chance.
    if options.rounds >= 5 and (slow := too_slow(rounds)):
        raise SystemExit(f"flood: p99 grew by a factor of two or more at {slow} frames a second")


if __name__ == "__main__":
    main()
