# SPDX-License-Identifier: MIT
"""What an application may bind and send, as the kernel's filters have it (exo/abi/filter.h).

    allowances(mac, address, ports, address6) -> the structs exo_filter that init hands to the kernel

Of a fixed address: IPv4 and ARP from and to that address alone, without a VLAN tag. With ports: ARP,
ICMP, and those ports of TCP and UDP alone. Otherwise, as for DHCP, whatever bears the MAC.

Of an address of IPv6 beside it: TCP, UDP and ICMPv6, or ICMPv6 and those ports; and ICMPv6 of the
link-local address that the MAC leads to, which neighbour discovery speaks from. Each protocol is named, so
that nothing hides behind an extension header.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

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


def allowances(
    mac: int | None, address: IPv4Address | None, ports: tuple[Ports, ...], address6: IPv6Address | None = None
) -> list[bytes]:
    if not mac:
        return []
    if not address:
        return [_filter(mac)]
    return _of_ip4(mac, address, ports) + (_of_ip6(mac, address6, ports) if address6 else [])


def _of_ip4(mac: int, address: IPv4Address, ports: tuple[Ports, ...]) -> list[bytes]:
    here = {"vlan": (0, number("EXO_VLAN_ALL")), "family": (4, 0xFF)}
    here["local"] = (address.packed.ljust(16, b"\0"), b"\xff\xff\xff\xff".ljust(16, b"\0"))
    if not ports:
        return [_filter(mac, **here)]
    # Disjoint, as the kernel wants them: by EtherType, protocol and port.
    whole = [_filter(mac, **here, ethertype=(number("EXO_ETHERTYPE_ARP"), 0xFFFF))]
    here["ethertype"] = (number("EXO_ETHERTYPE_IP4"), 0xFFFF)
    whole.append(_filter(mac, **here, protocol=(PROTOCOL_ICMP, 0xFF)))
    return whole + [_filter(mac, **here, **_of_block(block)) for block in ports]


def _of_ip6(mac: int, address: IPv6Address, ports: tuple[Ports, ...]) -> list[bytes]:
    def here(of: IPv6Address) -> dict:
        return {"vlan": (0, number("EXO_VLAN_ALL")), "family": (6, 0xFF), "local": (of.packed, b"\xff" * 16)}

    icmp = {"protocol": (number("EXO_PROTOCOL_ICMP6"), 0xFF)}
    rest = [_of_block(block) for block in ports]
    rest = rest or [{"protocol": (number(f"EXO_PROTOCOL_{name}"), 0xFF)} for name in ("TCP", "UDP")]
    whole = [_filter(mac, **here(of), **icmp) for of in (link_local(mac), address)]
    return whole + [_filter(mac, **here(address), **asked) for asked in rest]


def _of_block(block: Ports) -> dict:
    protocol = number(f"EXO_PROTOCOL_{block.protocol.upper()}")
    return {"protocol": (protocol, 0xFF), "local_port": (block.first, block.mask), "ports": (1, 1)}


def link_local(mac: int) -> IPv6Address:
    """RFC 4291, appendix A: the MAC with two octets in its middle, and its universal/local bit turned."""
    octets = mac.to_bytes(6, "big")
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:])


def most_ports(ip6: bool = False) -> int:
    """How many blocks of ports one application can have: ARP and ICMP are filters, too, and with IPv6 each
    block is one of either family, and ICMPv6 two."""
    return (number("EXO_ALLOWANCES") - 4) // 2 if ip6 else number("EXO_ALLOWANCES") - 2


def _filter(mac: int, **asked: tuple) -> bytes:
    """struct exo_filter: for each field that is asked for, value and mask."""
    asked["mac"] = (mac, number("EXO_MAC_ALL"))
    nothing = {"local": bytes(16), "remote": bytes(16)}
    halves = [[asked.get(field, (nothing.get(field, 0),) * 2)[half] for field in FIELDS] for half in (0, 1)]
    return b"".join(TUPLE.pack(*half) for half in halves)
