#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a flood at one application does to the latency of another.

    tests/bench/flood.py [--build DIR] [--nic virtio|e1000] [--rate N ...] [--requests N] [--rounds N]

Boots the demo's three applications on a tap in a network namespace of its own (needs root), and in
turns, with no flood and with N frames a second to `echo`, asks `www` for a small file again and again
on one connection. Prints medians over the rounds, and ratios to the quiet rounds of the same run.
Sender, client and emulator share this host's CPUs: the more of them, the better the figures.
"""

import argparse
import http.client
import multiprocessing
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/boot")]

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


def measure(wire: Wire, mac: bytes, rate: int, requests: int):
    """(frames a second that were sent, p50, p99) of one round."""
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
    return sent.value, at(times, 0.5), at(times, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--nic", choices=("virtio", "e1000"), default="virtio")
    parser.add_argument("--rate", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if os.geteuid():
        raise SystemExit("flood: a network namespace needs root; run this as root.")
    with tempfile.TemporaryDirectory() as folder, Wire(options.nic) as wire:
        image = pathlib.Path(folder) / "machine.img"
        build_machine_image(ROOT / "machines/demo.toml", options.build, image)
        with Emulator(image, nic=None, extra=wire.arguments) as machine:
            machine.wait_for(r"^\[www\] .*listening", 60)
            machine.wait_for(r"^\[echo\] .*listening", 60)
            mac = wire.mac_of(VICTIM)
            rounds: dict[int, list] = {rate: [] for rate in [0, *options.rate]}
            for _ in range(options.rounds):
                for rate, results in rounds.items():
                    results.append(measure(wire, mac, rate, options.requests))
    print(f"{options.nic}, {options.rounds} rounds of {options.requests} requests; microseconds")
    print(f"{'frames/s':>9} {'p50':>7} {'p99':>7} {'p50 ratio':>10} {'p99 ratio':>10}")
    quiet = None
    for results in rounds.values():
        sent, p50, p99 = (statistics.median(column) for column in zip(*results))
        quiet = quiet or (p50, p99)
        print(f"{sent:9.0f} {p50:7.0f} {p99:7.0f} {p50 / quiet[0]:10.2f} {p99 / quiet[1]:10.2f}")


if __name__ == "__main__":
    main()
