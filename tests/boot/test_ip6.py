# SPDX-License-Identifier: MIT
"""IPv6 on the wire: the same web server by both families, ping, and whose packets are whose."""

import os
import re
import socket
import struct

import pytest

from frames import Wire
from test_network import CONTENT, FILE, server
from traffic import at_once, http_requests

TIMEOUT = 50
WWW, OTHER = "fd00::15", "fd00::16"
WWW_MAC, WWW_LINK = "52:54:00:00:00:15", "fe80::5054:ff:fe00:15%tap0"
ECHO, ECHO_ANSWER = 128, 129  # RFC 4443, section 4


@pytest.fixture
def wire(request):
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    with Wire(request.param) as wire:
        wire.speak_ip6()
        yield wire


def ping(address: str, data: bytes, seconds: float) -> bool:
    """Is it answered, and with the same data?"""
    request = struct.pack(">BBHHH", ECHO, 0, 0, 5, 1) + data
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.settimeout(seconds)
        raw.sendto(request, socket.getaddrinfo(address, 0, socket.AF_INET6)[0][4])
        try:
            while True:
                answer, _ = raw.recvfrom(65536)
                if answer[0] == ECHO_ANSWER:
                    return answer[4:] == request[4:]
        except TimeoutError:
            return False


@pytest.mark.parametrize("wire", ["virtio", "e1000"], indirect=True)
def test_a_server_answers_by_both_families(boot, wire):
    apps = [
        server("www", "httpd", 15, {}, mac=WWW_MAC, address6=f"{WWW}/64", gateway6="fd00::2"),
        server("other", "cheetah", 16, {}, address6=f"{OTHER}/64", ports=["tcp/80"]),
        server("four", "httpd", 17, {}),
    ]
    machine = boot(apps, nic=None, extra=wire.arguments)
    for name in ("www", "other", "four"):
        machine.wait_for(rf"^\[{name}\] \w+: listening on port", TIMEOUT)
    assert "IPv6 address fd00::15, gateway fd00::2, link-local fe80::5054:ff:fe00:15" in machine.text()
    at_once(
        *((http_requests, 80, 200, FILE, CONTENT, host) for host in (WWW, OTHER)),
        *((http_requests, 80, 200, FILE, CONTENT, f"10.0.2.{host}") for host in (15, 16, 17)),
    )
    assert ping(WWW, bytes(1000), 20) and ping(OTHER, b"hello", 20)
    assert ping(WWW_LINK, b"by the link", 20)
    assert not re.search(r"crash|ended|killed|PANIC", machine.text())
