# SPDX-License-Identifier: MIT
"""Requests of many connections at once: how many of them get no answer.

wrk counts answers that are late or wrong, but not those that never come, so one connection may starve
unseen. Here all connections are open at the same time, each asks, and all must be answered before they
ask again.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time

PATIENCE = 5.0  # seconds for the answers to all of them
ROUNDS = 3


def count(place: tuple[str, int], path: str, content: bytes, connections: int, rounds: int = ROUNDS) -> int:
    """Of that many requests on each of the connections, those that were not answered with `content`."""
    request = f"GET {path} HTTP/1.1\r\nHost: {place[0]}\r\n\r\n".encode()
    clients = {_connecting(place) for _ in range(connections)}
    answered = 0
    try:
        for _ in range(rounds):
            clients = _round(clients, request, content)
            answered += len(clients)
    finally:
        for client in clients:
            _end(client)
    return rounds * connections - answered


def _connecting(place: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(place)
    return client


def _round(clients: set[socket.socket], request: bytes, content: bytes) -> set[socket.socket]:
    """Each asks once; those that were answered. The others are closed."""
    waiting, good = selectors.DefaultSelector(), set()
    for client in clients:
        waiting.register(client, selectors.EVENT_WRITE, b"")
    deadline = time.monotonic() + PATIENCE
    while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, events in waiting.select(left):
            try:
                if events & selectors.EVENT_WRITE:
                    key.fileobj.send(request)
                    waiting.modify(key.fileobj, selectors.EVENT_READ, b"")
                    continue
                got = key.fileobj.recv(65536)
            except OSError:
                got = b""
            so_far = key.data + got
            if got and not whole(so_far):
                waiting.modify(key.fileobj, selectors.EVENT_READ, so_far)
                continue
            waiting.unregister(key.fileobj)
            if got and so_far.startswith(b"HTTP/1.1 200 ") and so_far.endswith(b"\r\n\r\n" + content):
                good.add(key.fileobj)
    waiting.close()
    for client in clients - good:
        _end(client)
    return good


def _end(client: socket.socket) -> None:
    """By a reset: what this host would send again and again to a machine that has been turned off keeps it
    from finding the next one at this address."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(separator) and (not lengths or len(body) >= int(lengths[0].split(b":")[1]))
