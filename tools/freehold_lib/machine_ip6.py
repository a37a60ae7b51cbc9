# SPDX-License-Identifier: MIT
"""An application's keys of IPv6 in a machine file, `address6` and `gateway6` (docs/machine.md)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface

from .machine_table import Table, quote

PREFIX = 64  # RFC 4291, section 2.5.4; libnet takes no other
_NO_HOST = IPv6Interface("::/8").network  # the unspecified one, loopback, and those that stand for IPv4


def read_address6(table: Table) -> IPv6Interface | None:
    text = table.string("address6", None)
    if text is None:
        return None
    problem = "is no address of IPv6"
    try:
        address = IPv6Interface(text)
        problem = _unfit(address) if "/" in text else "lacks its prefix length"
    except ValueError:
        pass
    if problem:
        table.wrong("address6", f'is {quote(text)}, which {problem}; write for example "fd00::15/64"')
        return None
    if "address" not in table.values:
        table.wrong("address6", "is given without `address`")
    return address


def _unfit(address: IPv6Interface) -> str:
    """Why an application cannot have this address; empty if it can."""
    if address.network.prefixlen != PREFIX:
        return f"has a prefix length other than /{PREFIX}"
    if address.ip.is_link_local:
        return "is link-local, as the one that its MAC gives it anyway"
    if address.ip.is_multicast or address.ip in _NO_HOST or address.scope_id:
        return "no host may have"
    return ""


def read_gateway6(table: Table, address: IPv6Interface | None) -> IPv6Address | None:
    text = table.string("gateway6", None)
    if text is None:
        return None
    try:
        gateway = IPv6Address(text)
    except ValueError:
        gateway = None
    if not gateway or gateway.scope_id:
        table.wrong("gateway6", f'is {quote(text)}, which is no address of IPv6; write for example "fd00::1" or "fe80::1"')
    elif not address:
        if "address6" not in table.values:
            table.wrong("gateway6", "is given without `address6`")
    elif gateway == address.ip:
        table.wrong("gateway6", f"is {gateway}, which is the application's own address")
    elif gateway in address.network or gateway in _LINK:
        return gateway
    else:
        table.wrong("gateway6", f"is {gateway}, which is neither link-local nor in the network {address.network} of `address6`")
    return None


_LINK = IPv6Interface("fe80::/64").network
