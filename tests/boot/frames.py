# SPDX-License-Identifier: MIT
"""Raw frames between the host and a machine: a wire of the test's own, and frames nobody should send."""

from __future__ import annotations

import pathlib
import random
import socket
import struct
import sys
import time
from typing import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from freehold_lib import namespace  # noqa: E402

HOST_MAC = bytes.fromhex("020000000063")
HOST_IP = bytes([10, 0, 2, 99])
HOST_IP6 = bytes.fromhex("fd000000000000000000000000000099")
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
BROADCAST = b"\xff" * 6
ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86DD, 0x8100
FRAME_MIN, FRAME_MAX = 14, 1514

# <linux/if_ether.h>, <linux/if_packet.h>
ETH_P_ALL = 3
PACKET_OUTGOING = 4


class Wire:
    """A network namespace of the test's own with a tap, on which the machine's card hangs.

    `with Wire(model) as wire:` the calling thread, and what it starts, is in there: the emulator,
    ordinary clients, and the socket that puts frames on the wire as they are.
    """

    GATEWAY, GATEWAY6 = "10.0.2.2/24", "fd00::2/64"

    def __init__(self, model: str):
        self.arguments = namespace.card("tap0", model, "52:54:00:12:34:56")
        self._inside = namespace.Namespace()

    def __enter__(self) -> Wire:
        self._inside.__enter__()
        namespace.tap("tap0", self.GATEWAY)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind(("tap0", 0))
        return self

    def speak_ip6(self) -> None:
        namespace.address6("tap0", self.GATEWAY6)

    def __exit__(self, *unused) -> None:
        self._socket.close()
        self._inside.__exit__()

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def receive(self, deadline: float) -> bytes | None:
        """The next frame that came from the machine, or None once time.monotonic() is `deadline`."""
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame, address = self._socket.recvfrom(65536)
            except TimeoutError:
                break
            if address[2] != PACKET_OUTGOING:
                return frame
        return None

    def mac_of(self, address: bytes, tries: int = 20) -> bytes:
        """The machine's answer to an ARP request: it has taken everything sent before from its card."""
        for _ in range(tries):
            self.send(ethernet(BROADCAST, ARP, arp(1, HOST_MAC, HOST_IP, bytes(6), address)))
            deadline = time.monotonic() + 1
            while (frame := self.receive(deadline)) is not None:
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and frame[28:32] == address:
                    return frame[22:28]
        raise AssertionError(f"nobody answers for {'.'.join(map(str, address))}")


# --- frames as they should be (RFC 826, 791, 792, 768, 9293, 8200, 4443) ------------------------


def ethernet(to: bytes, kind: int, payload: bytes, source: bytes = HOST_MAC) -> bytes:
    return to + source + struct.pack(">H", kind) + payload


def arp(operation: int, mac: bytes, ip: bytes, to_mac: bytes, to_ip: bytes) -> bytes:
    return struct.pack(">HHBBH", 1, IPV4, 6, 4, operation) + mac + ip + to_mac + to_ip


def checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(to: bytes, protocol: int, payload: bytes, *, fragment: int = 0, options: bytes = b"") -> bytes:
    head = struct.pack(
        ">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 7, fragment, 64, protocol, 0
    )
    head += HOST_IP + to + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def _with_checksum(to: bytes, protocol: int, segment: bytes, at: int) -> bytes:
    pseudo = HOST_IP + to + struct.pack(">BBH", 0, protocol, len(segment))
    return segment[:at] + struct.pack(">H", checksum(pseudo + segment)) + segment[at + 2 :]


def udp(to: bytes, port: int, payload: bytes, source: int = 5353) -> bytes:
    return _with_checksum(to, 17, struct.pack(">HHHH", source, port, 8 + len(payload), 0) + payload, 6)


def tcp(to: bytes, port: int, flags: int, payload: bytes = b"", options: bytes = b"", *, source=4000, seq=1, ack=0):
    head = struct.pack(
        ">HHIIBBHHH", source, port, seq, ack, (5 + len(options) // 4) << 4, flags, 8192, 0, 0
    )
    return _with_checksum(to, 6, head + options + payload, 16)


def ipv6(to: bytes, protocol: int, payload: bytes, sum_at: int | None = None, *, source: bytes = HOST_IP6) -> bytes:
    """With the sum of a message that has it at `sum_at` (RFC 8200, section 8.1)."""
    if sum_at is not None:
        pseudo = source + to + struct.pack(">II", len(payload), protocol)
        payload = payload[:sum_at] + bytes(2) + payload[sum_at + 2 :]
        payload = payload[:sum_at] + struct.pack(">H", checksum(pseudo + payload)) + payload[sum_at + 2 :]
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 255) + source + to + payload


def neighbour(kind: int, target: bytes, option: bytes = b"\x01\x01" + HOST_MAC) -> bytes:
    """A solicitation (135) or advertisement (136) of RFC 4861, its sum still to be made."""
    return struct.pack(">BBHI", kind, 0, 0, 0x60000000 if kind == 136 else 0) + target + option


# --- frames as nobody should send them ---------------------------------------------------------


def _good6(random_: random.Random, mac: bytes, ip6: bytes) -> bytes:
    """One of IPv6 that is right, but for what no application should believe."""
    data = random_.randbytes(random_.choice((0, 1, 8, 64, 500, 1300)))
    port, target = random_.choice((7, 80, random_.randrange(65536))), random_.choice((ip6, HOST_IP6))
    option = bytes([random_.randrange(6), random_.randrange(3)]) + random_.randbytes(random_.choice((0, 4, 6, 14)))
    kind, protocol = random_.choice((1, 2, 3, 130, 133, 134, 137, 143)), random_.choice((0, 43, 44, 50, 60, 135))
    flags, rest = random_.randrange(64), random_.randbytes(8)
    message, at = random_.choice(
        (
            (struct.pack(">BBHHH", 128, 0, 0, 1, 1) + data, 2),
            (neighbour(135, target, option), 2),
            (neighbour(136, target, option), 2),
            (bytes([kind, 0, 0, 0]) + rest + data, 2),
            (struct.pack(">HHHH", 5353, port, 8 + len(data), 0) + data, 6),
            (struct.pack(">HH", 4000, port) + rest + bytes([80, flags]) + bytes(6) + data, 16),
            (bytes([random_.choice((6, 17, 58)), random_.randrange(3)]) + rest + data, None),
        )
    )
    protocol = {2: 58, 6: 17, 16: 6}.get(at, protocol)
    return ethernet(mac, IPV6, ipv6(random_.choice((ip6, ip6, ALL_NODES)), protocol, message, at))


def _good(random_: random.Random, mac: bytes, ip: bytes, ip6: bytes | None) -> bytes:
    """A frame that is right, of any layer, to one application."""
    if ip6 and random_.random() < 0.4:
        return _good6(random_, mac, ip6)
    data = random_.randbytes(random_.choice((0, 1, 8, 64, 500, 1400)))
    port = random_.choice((7, 80, 53, 67, 68, random_.randrange(65536)))
    options = random_.choice((b"", b"\x02\x04\x05\xb4", b"\x01\x01\x08\x0a" + bytes(8), b"\x03\x03\x07\x00"))
    return random_.choice(
        (
            lambda: ethernet(BROADCAST, ARP, arp(random_.choice((1, 2)), HOST_MAC, HOST_IP, bytes(6), ip)),
            lambda: ethernet(mac, IPV4, ipv4(ip, 1, _echo(data))),
            lambda: ethernet(mac, IPV4, ipv4(ip, 2, struct.pack(">BBH4s", 0x11, 1, 0, ip))),
            lambda: ethernet(mac, IPV4, ipv4(ip, 17, udp(ip, port, data))),
            lambda: ethernet(
                mac,
                IPV4,
                ipv4(ip, 6, tcp(ip, port, random_.randrange(64), data, options, source=random_.randrange(65536),
                                seq=random_.getrandbits(32), ack=random_.getrandbits(32))),
            ),
            lambda: ethernet(
                mac, IPV4, ipv4(ip, 17, data, fragment=random_.choice((0x2000, 0x20FF, 0x1FFF, 1, 0x8000)))
            ),
            lambda: ethernet(mac, IPV4, ipv4(ip, 17, udp(ip, port, data), options=b"\x07\x08\x04" + bytes(5))),
            lambda: ethernet(mac, IPV6, struct.pack(">IHBB", 6 << 28, len(data), random_.choice((0, 6, 17, 43, 44, 58)),
                                                    255) + random_.randbytes(32) + data),
            lambda: ethernet(mac, VLAN, struct.pack(">HH", random_.randrange(4096), IPV4) + ipv4(ip, 17, data)),
        )
    )()


def _echo(data: bytes) -> bytes:
    head = struct.pack(">BBHHH", 8, 0, 0, 1, 1) + data
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:]


def _mend(frame: bytearray, ip: bytes) -> None:
    """Make the checksum of an IPv4 header right again, so that the layers above see the damage."""
    if frame[12:14] == b"\x08\x00" and len(frame) >= 34:
        length = 14 + 4 * (frame[14] & 15)
        if 34 <= length <= len(frame):
            frame[24:26] = bytes(2)
            frame[24:26] = struct.pack(">H", checksum(bytes(frame[14:length])))


def _mend6(frame: bytearray) -> None:
    """The same for the sum of a message over IPv6, of which that is all there is."""
    at = {58: 2, 17: 6, 6: 16}.get(frame[20] if len(frame) > 54 and frame[12:14] == b"\x86\xdd" else None)
    end = 54 + int.from_bytes(frame[18:20], "big") if at else 0
    if at and 54 + at + 2 <= end <= len(frame):
        frame[54 + at : 56 + at] = bytes(2)
        pseudo = frame[22:54] + struct.pack(">II", end - 54, frame[20])
        frame[54 + at : 56 + at] = struct.pack(">H", checksum(bytes(pseudo + frame[54:end])))


def malformed(seed: int, mac: bytes, ip: bytes, ip6: bytes | None = None) -> Iterator[bytes]:
    """Endless frames to one application, each wrong in one to four places. The same for one seed."""
    random_ = random.Random(seed)
    while True:
        frame = bytearray(_good(random_, mac, ip, ip6))
        for _ in range(random_.randint(1, 4)):
            how, at = random_.randrange(6), random_.randrange(12, max(13, min(len(frame), 80)))
            if how == 0:  # cut short, possibly inside a header
                del frame[max(14, random_.randrange(len(frame) + 1)) :]
            elif how == 1:
                frame[at % len(frame)] ^= 1 << random_.randrange(8)
            elif how == 2:  # extremes in a field of two bytes
                frame[at : at + 2] = random_.choice((b"\0\0", b"\xff\xff", b"\x7f\xff", b"\x80\x00", b"\0\1"))
            elif how == 3:
                frame[at : at + 4] = random_.randbytes(4)
            elif how == 4:  # longer than its headers say
                frame += random_.randbytes(random_.randrange(64))
            else:  # nothing but a beginning
                frame[at:] = random_.randbytes(random_.randrange(200))
        if random_.random() < 0.7:
            _mend(frame, ip)
            _mend6(frame)
        if random_.random() < 0.8:
            frame[:6] = random_.choice((mac, mac, mac, BROADCAST, b"\x01\x00\x5e\x00\x00\x01", b"\x33\x33\0\0\0\1"))
        yield bytes(frame[:FRAME_MAX]).ljust(FRAME_MIN, b"\0")
