# SPDX-License-Identifier: MIT
"""Requests from the host to applications, and what must come back.

By the loopback address, or within a network namespace of the test's own (frames.py).
"""

from __future__ import annotations

import http.client
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

HOST = "127.0.0.1"
PATIENCE = 20  # seconds for one answer; an emulator on a busy host is slow at times


def http_requests(port: int, count: int, path: str, content: bytes, host: str = HOST) -> None:
    """`count` GETs on connections that are kept alive for 100 requests each."""
    connection = None
    for number in range(count):
        if number % 100 == 0:
            if connection:
                connection.close()
            connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (number, answer.status, body[:200])
        assert body == content, (number, len(body), len(content))
    connection.close()


def _payload(random_: random.Random, limit: int) -> bytes:
    return random_.randbytes(random_.randint(1, limit))


def tcp_echoes(port: int, count: int, host: str = HOST) -> None:
    """`count` messages of up to 3,000 bytes, 50 a connection."""
    random_ = random.Random(7)
    connection = None
    for number in range(count):
        if number % 50 == 0:
            if connection:
                connection.close()
            connection = socket.create_connection((host, port), timeout=PATIENCE)
        sent = _payload(random_, 3000)
        connection.sendall(sent)
        got = b""
        while len(got) < len(sent):
            piece = connection.recv(len(sent) - len(got))
            assert piece, (number, "the connection was closed")
            got += piece
        assert got == sent, number
    connection.close()


def udp_echoes(port: int, count: int, host: str = HOST) -> None:
    """`count` datagrams of up to 1,472 bytes, one after another; none may be lost."""
    random_ = random.Random(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(PATIENCE)
        udp.connect((host, port))
        for number in range(count):
            sent = _payload(random_, 1472)
            udp.send(sent)
            assert udp.recv(65536) == sent, number


def at_once(*jobs: tuple[Callable, ...]) -> None:
    """Run (function, argument ...) side by side; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for job in [pool.submit(*job) for job in jobs]:
            job.result()
