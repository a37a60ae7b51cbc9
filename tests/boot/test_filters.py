# SPDX-License-Identifier: MIT
"""Filters on the wire: a packet goes to whose it is, and nobody sends in another's name."""

import os
import re
import time

import pytest

from frames import ARP, BROADCAST, HOST_IP, HOST_MAC, IPV4, VLAN, Wire, arp, ethernet, ipv4, tcp, udp
from test_network import server

TIMEOUT = 50
ECHO, HOSTILE, NOBODY = (bytes([10, 0, 2, host]) for host in (17, 18, 77))
ECHO_MAC, HOSTILE_MAC = (bytes([0x52, 0x54, 0, 0, 0, host]) for host in (17, 18))
SYN = 2


@pytest.fixture
def wire():
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    with Wire("virtio") as wire:
        yield wire


def listen(wire: Wire, over) -> list[bytes]:
    """All frames until `over(frame)`; who asks for the host's MAC gets it."""
    frames, deadline = [], time.monotonic() + TIMEOUT
    while (frame := wire.receive(deadline)) is not None:
        frames.append(frame)
        if frame[12:14] == ARP.to_bytes(2, "big") and frame[20:22] == b"\0\1" and frame[38:42] == HOST_IP:
            wire.send(ethernet(frame[6:12], ARP, arp(2, HOST_MAC, HOST_IP, frame[6:12], frame[28:32])))
        if over(frame):
            return frames
    raise AssertionError(f"what was waited for did not come; {len(frames)} other frames did")


def source(frame: bytes) -> bytes | None:
    """The IPv4 address that a frame says it comes from, by IPv4 or ARP."""
    at = {IPV4: 26, ARP: 28}.get(int.from_bytes(frame[12:14], "big"))
    return frame[at : at + 4] if at else None


def mac(address: bytes) -> str:
    return address.hex(":")


def test_a_packet_goes_to_whose_it_is(boot, wire):
    """The one that is answered comes last: had another been taken, its answer would come before."""
    echo = server("echo", "echo", 17, {}, mac=mac(ECHO_MAC), ports=["udp/7"])
    machine = boot([echo], nic=None, extra=wire.arguments)
    machine.wait_for(r"^\[echo\] echo: listening", TIMEOUT)

    def datagram(to: bytes, port: int, payload: bytes, **more) -> bytes:
        return ethernet(ECHO_MAC, IPV4, ipv4(to, 17, udp(to, port, payload), **more))

    tag = (5).to_bytes(2, "big") + IPV4.to_bytes(2, "big")
    for frame in (
        datagram(NOBODY, 7, b"another's address"),
        datagram(ECHO, 8, b"a port that is not allowed"),
        ethernet(ECHO_MAC, IPV4, ipv4(ECHO, 6, tcp(ECHO, 7, SYN))),
        ethernet(ECHO_MAC, VLAN, tag + ipv4(ECHO, 17, udp(ECHO, 7, b"a tag"))),
        datagram(ECHO, 7, b"a later fragment", fragment=1),
        ethernet(BROADCAST, ARP, arp(1, HOST_MAC, HOST_IP, bytes(6), NOBODY)),
        datagram(ECHO, 7, b"hello"),
    ):
        wire.send(frame)
    frames = listen(wire, lambda frame: frame.endswith(b"hello") or frame.rstrip(b"\0").endswith(b"hello"))
    answers = [frame for frame in frames if frame[12:14] == IPV4.to_bytes(2, "big")]
    assert len(answers) == 1 and answers[0][23] == 17, "one answer, and neither ICMP nor a reset"
    assert not [frame for frame in frames if source(frame) not in (ECHO, None)]
    assert wire.mac_of(ECHO) == ECHO_MAC


def test_nobody_sends_in_anothers_name(boot, wire):
    """One that may send from its address alone tries everything beside one whose address it would like."""
    apps = [
        server("echo", "echo", 17, {}, mac=mac(ECHO_MAC)),
        server("hostile", "hostile", 18, {}, mac=mac(HOSTILE_MAC), restart="never"),
    ]
    machine = boot(apps, memory=64, nic=None, extra=wire.arguments)
    frames = []
    while not re.search(r"^\[init\] hostile (ended|was)", machine.text(), re.M):
        if frame := wire.receive(time.monotonic() + 0.2):
            frames.append(frame)
    text = machine.text()
    assert re.search(r"^\[hostile\] hostile: claim a neighbour's address by .*: refused and counted", text, re.M)
    assert not re.search(r"^\[hostile\] hostile: SUCCEEDED", text, re.M)
    by_hostile = [frame for frame in frames if frame[6:12] == HOSTILE_MAC]
    assert by_hostile, "what it may send does come through"
    assert {source(frame) for frame in by_hostile} == {HOSTILE}
    assert {frame[6:12] for frame in frames if source(frame) == ECHO} <= {ECHO_MAC}
    assert wire.mac_of(ECHO) == ECHO_MAC
