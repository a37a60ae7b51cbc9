# SPDX-License-Identifier: MIT
"""A network namespace of one's own, with taps on which the cards of emulated machines hang.

The namespace has no name: it is gone with the last who is in it, however that one ends. Needs root and
`ip` (package iproute2).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000  # <linux/sched.h>

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """`with Namespace():` the calling thread, and what it starts, is in there."""

    def __enter__(self) -> Namespace:
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _call("unshare", CLONE_NEWNET)
        _ip("link set lo up")
        return self

    def __exit__(self, *unused) -> None:
        _call("setns", self._outside, CLONE_NEWNET)
        os.close(self._outside)


def tap(name: str, address: str) -> None:
    """Make a tap with this address, as in 10.0.2.2/24, in the calling thread's namespace."""
    _ip(f"tuntap add {name} mode tap")
    _ip(f"address add {address} dev {name}")
    _ip(f"link set {name} up")


def keep_neighbours(name: str) -> None:
    """Ask for nobody's MAC again for an hour: of more than 128 neighbours Linux forgets those that are quiet for a minute."""
    for setting, value in (("base_reachable_time_ms", 3_600_000), ("gc_stale_time", 3_600)):
        Path(f"/proc/sys/net/ipv4/neigh/{name}/{setting}").write_text(f"{value}\n", encoding="ascii")


def address6(name: str, address: str) -> None:
    """One of IPv6 for a tap that is there; at once, since nobody else can have it."""
    _ip(f"-6 address add {address} dev {name} nodad")


def card(name: str, model: str, mac: str) -> list[str]:
    """What QEMU is told so that a card hangs on the tap."""
    device = "virtio-net-pci,disable-legacy=on" if model == "virtio" else model
    return [
        *("-netdev", f"tap,id={name},ifname={name},script=no,downscript=no"),
        *("-device", f"{device},netdev={name},mac={mac},romfile="),
    ]


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, timeout=20)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
