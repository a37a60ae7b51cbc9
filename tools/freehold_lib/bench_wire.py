# SPDX-License-Identifier: MIT
"""The wires between the guests of a bench and their clients on this host.

As root: taps in a network namespace of the bench's own. Otherwise: QEMU's user networking, where the
emulator itself ends each connection and opens another, so that what is measured is the emulator as well.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple, Sequence

from . import namespace
from .emulator import DEFAULT_MAC, free_port
from .errors import FreeholdError


class Door(NamedTuple):
    """A port of a guest that clients come to."""

    protocol: str  # "tcp" or "udp"
    host: int  # the number of the guest's address in the network
    port: int
    six: bool = False  # by IPv6, where Wires have that


class Wires:
    """`with Wires() as wires:` what is started within can reach what hangs on its links."""

    def __init__(self, user: bool | None = None, bits: int = 24):
        """`bits`: how long the prefix of a link's addresses is; of 16, hosts may have numbers above 255."""
        self.user = os.geteuid() != 0 if user is None else user
        if self.user and bits != 24:
            raise FreeholdError("So many addresses take taps, and these take root; run this as root.")
        self.bits = bits
        self._links = 0
        self._inside = None if self.user else namespace.Namespace()

    def __enter__(self) -> Wires:
        if self._inside:
            self._inside.__enter__()
        return self

    def __exit__(self, *unused) -> None:
        if self._inside:
            self._inside.__exit__()

    @property
    def six(self) -> bool:
        """Is there IPv6?"""
        return not self.user and Path("/proc/net/if_inet6").exists()

    @property
    def what(self) -> str:
        return "user networking of the emulator" if self.user else "taps in a private network namespace"

    def link(self, doors: Sequence[Door]) -> Link:
        """A network with one guest, who has this host for a gateway."""
        number = self._links
        self._links += 1
        if self.user:
            ports = {door: free_port(door.protocol) for door in doors}
            # Each guest has a user network for itself; all of them look alike.
            forwards = [(door.protocol, port, f"10.0.2.{door.host}", door.port) for door, port in ports.items()]
            return Link("10.0.2.0", {"nic": "virtio", "forwards": forwards}, ports)
        prefix6 = f"fd00:{2 + number}::"
        prefix = f"10.0.{2 + number}.0" if self.bits == 24 else f"10.{number}.0.0"
        link = Link(prefix, {"nic": None, "extra": namespace.card(f"tap{number}", "virtio", DEFAULT_MAC)}, {}, self.bits, prefix6)
        namespace.tap(f"tap{number}", f"{link.gateway}/{self.bits}")
        if any(door.six for door in doors):
            namespace.address6(f"tap{number}", f"{link.address6(2)}/64")
        if self.bits != 24:
            namespace.keep_neighbours(f"tap{number}")
        return link


class Link(NamedTuple):
    prefix: str  # "10.0.2.0"
    card: dict  # for Emulator
    ports: dict[Door, int]  # of this host, in user networking
    bits: int = 24
    prefix6: str = ""  # "fd00:2::"; none in user networking

    def address6(self, host: int) -> str:
        return f"{self.prefix6}{host:x}"

    def address(self, host: int) -> str:
        return str(IPv4Address(self.prefix) + host)

    @property
    def gateway(self) -> str:
        return self.address(2)

    def place(self, door: Door) -> tuple[str, int]:
        """Where clients find it."""
        if door.six:
            return self.address6(door.host), door.port
        return ("127.0.0.1", self.ports[door]) if self.ports else (self.address(door.host), door.port)
