# SPDX-License-Identifier: MIT
"""Requests of many connections at once: how many of them get no answer.

wrk counts answers that are late or wrong, but not those that never come, so one connection may starve
unseen. Here all connections are open at the same time, each asks, and all must be answered before they
ask again. Of very many, WAVE ask at a time, or what is measured is how often packets of a burst are sent again.
"""

from __future__ import annotations

import resource
import selectors
import socket
import struct
import time

from .errors import FreeholdError

PATIENCE = 5.0  # seconds for the answers to all of them
ROUNDS = 3
WAVE = 128
MANY = 1024  # are asked all at once, as wrk does
OTHERS = 200  # files


def count(place: tuple[str, int], path: str, content: bytes, connections: int, rounds: int = ROUNDS, patience: float = 0) -> int:
    """Of that many requests on each of the connections, those that were not answered with `content`."""
    need_files(connections)
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    clients = _connected(place, connections, patience or PATIENCE)
    answered = 0
    try:
        for _ in range(rounds):
            waves = [clients] if len(clients) <= MANY else [clients[at : at + WAVE] for at in range(0, len(clients), WAVE)]
            clients = [client for wave in waves for client in _round(wave, request, content, patience or PATIENCE)]
            answered += len(clients)
    finally:
        for client in clients:
            _end(client)
    return rounds * connections - answered


def need_files(count: int) -> None:
    """Have room for so many connections, beside what else is open; what is started now has it, too."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now < count + OTHERS:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count + OTHERS, max(count + OTHERS, most)))
        except (OSError, ValueError) as error:
            raise FreeholdError(f"This host allows {most} open files, too few for {count} connections.") from error


def _connected(place: tuple[str, int], connections: int, patience: float) -> list[socket.socket]:
    """Those that were made: WAVE at a time, as what a listener's queue does not hold is tried again much later."""
    made: list[socket.socket] = []
    deadline = time.monotonic() + patience
    for first in range(0, connections, WAVE):
        waiting = selectors.DefaultSelector()
        for _ in range(min(WAVE, connections - first)):
            client = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET)
            client.setblocking(False)
            client.connect_ex(place)
            waiting.register(client, selectors.EVENT_WRITE)
        while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                waiting.unregister(key.fileobj)
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    key.fileobj.close()
                else:
                    made.append(key.fileobj)
        for key in list(waiting.get_map().values()):
            key.fileobj.close()
        waiting.close()
    return made


def _round(clients: list[socket.socket], request: bytes, content: bytes, patience: float) -> set[socket.socket]:
    """Each asks once; those that were answered. The others are closed."""
    waiting, good = selectors.DefaultSelector(), set()
    for client in clients:
        waiting.register(client, selectors.EVENT_WRITE, b"")
    deadline = time.monotonic() + patience
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
    for client in set(clients) - good:
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
