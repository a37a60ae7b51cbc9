# SPDX-License-Identifier: MIT
"""What an application may bind and send, as the kernel's filters have it (exo/abi/filter.h).

    allowances(mac, address, ports) -> the structs exo_filter that init hands to the kernel

Of a fixed address: IPv4 and ARP from and to that address alone, without a VLAN tag. With ports: ARP,
ICMP, and those ports of TCP and UDP alone. Otherwise, as for DHCP, whatever bears the MAC.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from .abi import number

# struct exo_tuple; tests/tools/test_bundle.py compares it with the C.
TUPLE = struct.Struct("<QHHBBBBHHI16s16s")
FIELDS = ("mac", "vlan", "ethertype", "family", "protocol", "ports", "zero", "local_port", "remote_port")
FIELDS += ("zero_too", "local", "remote")
PROTOCOL_ICMP = 1  # RFC 792

_PORTS = re.compile(r"(tcp|udp)/([0-9]{1,5})(?:-([0-9]{1,5}))?")


@dataclass(frozen=True)
class Ports:
    """A block of ports that one mask describes: its size is a power of two, and divides its first."""

    protocol: str  # "tcp" or "udp"
    first: int
    last: int

    @property
    def mask(self) -> int:
        return 0xFFFF & ~(self.last - self.first)

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def overlaps(self, other: Ports) -> bool:
        return self.protocol == other.protocol and self.first <= other.last and other.first <= self.last


def read_ports(text: str) -> Ports | str:
    """ "tcp/80" or "udp/49152-65535"; else what is wrong, as the end of a sentence."""
    match = _PORTS.fullmatch(text)
    if not match:
        return 'write "tcp/80" or "tcp/49152-65535": tcp or udp, a port or a block of ports'
    first = int(match[2])
    last = int(match[3] or first)
    if not 1 <= first <= last <= 65535:
        return "ports are 1 to 65535, the first of a block before its last"
    size = last - first + 1
    if size & (size - 1) or first % size:
        return "a block has 2, 4, 8, ... ports and begins at a multiple of its size, as 49152-65535 does"
    return Ports(match[1], first, last)


def allowances(mac: int | None, address: IPv4Address | None, ports: tuple[Ports, ...]) -> list[bytes]:
    if not mac:
        return []
    if not address:
        return [_filter(mac)]
    here = {"vlan": (0, number("EXO_VLAN_ALL")), "family": (4, 0xFF)}
    here["local"] = (address.packed.ljust(16, b"\0"), b"\xff\xff\xff\xff".ljust(16, b"\0"))
    if not ports:
        return [_filter(mac, **here)]
    # Disjoint, as the kernel wants them: by EtherType, protocol and port.
    whole = [_filter(mac, **here, ethertype=(number("EXO_ETHERTYPE_ARP"), 0xFFFF))]
    here["ethertype"] = (number("EXO_ETHERTYPE_IP4"), 0xFFFF)
    whole.append(_filter(mac, **here, protocol=(PROTOCOL_ICMP, 0xFF)))
    for block in ports:
        protocol = number(f"EXO_PROTOCOL_{block.protocol.upper()}")
        port = {"local_port": (block.first, block.mask), "ports": (1, 1)}
        whole.append(_filter(mac, **here, protocol=(protocol, 0xFF), **port))
    return whole


def most_ports() -> int:
    """How many blocks of ports one application can have: ARP and ICMP are filters, too."""
    return number("EXO_ALLOWANCES") - 2


def _filter(mac: int, **asked: tuple) -> bytes:
    """struct exo_filter: for each field that is asked for, value and mask."""
    asked["mac"] = (mac, number("EXO_MAC_ALL"))
    nothing = {"local": bytes(16), "remote": bytes(16)}
    halves = [[asked.get(field, (nothing.get(field, 0),) * 2)[half] for field in FIELDS] for half in (0, 1)]
    return b"".join(TUPLE.pack(*half) for half in halves)
