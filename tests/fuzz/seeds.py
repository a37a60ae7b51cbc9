#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Inputs of which a fuzzer would guess too little by itself: each is made of parts with names.

    tests/fuzz/seeds.py      writes them to tests/fuzz/corpus

DMARs for the target `firmware`, as Intel's "Virtualization Technology for Directed I/O", chapter 8, has
them: structures in structures, each with its length in it; and MADTs, as the ACPI specification 6.5,
5.2.12.2 and 5.2.12.12, has them. Dialogues for the target `dhcp`, in the steps of which dhcp.c makes
messages: the right answers in the right order, and time between them.
"""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
ENDPOINT, BRIDGE, IO_APIC, HPET = 1, 2, 3, 4
FLAG_ALL = 1  # of a unit: it has the devices that no other names


def scope(kind: int, bus: int, *path: tuple[int, int]) -> bytes:
    steps = b"".join(struct.pack("<BB", *step) for step in path)
    return struct.pack("<BBHBB", kind, 6 + len(steps), 0, 0, bus) + steps


def structure(kind: int, body: bytes, *scopes: bytes) -> bytes:
    body += b"".join(scopes)
    return struct.pack("<HH", kind, 4 + len(body)) + body


def unit(registers: int, *scopes: bytes, flags: int = 0, segment: int = 0) -> bytes:
    return structure(0, struct.pack("<BBHQ", flags, 0, segment, registers), *scopes)


def reserved(first: int, last: int, *scopes: bytes, segment: int = 0) -> bytes:
    return structure(1, struct.pack("<HHQQ", 0, segment, first, last), *scopes)


DISPLAY = scope(ENDPOINT, 0, (2, 0))
USB = scope(ENDPOINT, 0, (0x14, 0))
ALL = unit(0xFED91000, scope(IO_APIC, 0xF0, (0x1F, 0)), scope(HPET, 0, (0x1F, 0)), flags=FLAG_ALL)

DMARS = {
    "emulator": unit(0xFED90000, scope(IO_APIC, 0xFF, (0, 0)), flags=FLAG_ALL),
    "laptop": unit(0xFED90000, DISPLAY) + ALL + reserved(0x8B800000, 0x8FFFFFFF, DISPLAY),
    "bridges": unit(0xFED90000, scope(BRIDGE, 0, (0x1C, 0)), scope(ENDPOINT, 0, (0x1C, 4), (0, 1), (3, 2))),
    "shared": ALL + reserved(0x7A000000, 0x7A0FFFFF, USB, scope(ENDPOINT, 0, (0x1A, 0)), DISPLAY),
    "segments": unit(0xC0000000, segment=1, flags=FLAG_ALL) + ALL + reserved(0x1000, 0x1FFF, USB, segment=1),
    "others": ALL + structure(2, bytes(4), DISPLAY) + structure(3, bytes(16)) + structure(9, b""),
    "many units": b"".join(unit(0xFED00000 + (i << 12), DISPLAY) for i in range(20)),
    "many devices": unit(0xFED90000, *[scope(BRIDGE, i, (i % 32, i % 8)) for i in range(40)]),
    "many reserved": ALL + reserved(0x1000, 0x1FFF, *[scope(ENDPOINT, 0, (i % 32, 0)) for i in range(40)]),
    # Each of these breaks one rule.
    "no units": reserved(0x1000, 0x1FFF, USB),
    "registers": unit(0xFED90800, DISPLAY),
    "range": ALL + reserved(0x1000, 0x1FFE, USB),
    "backwards": ALL + reserved(0x3000, 0x1FFF, USB),
    "path": unit(0xFED90000, scope(ENDPOINT, 0, (32, 0))),
    "odd path": unit(0xFED90000, DISPLAY[:-1]),
    "no path": unit(0xFED90000, scope(ENDPOINT, 0)),
    "short unit": structure(0, bytes(8)),
    "short range": structure(1, bytes(12)),
    "no length": ALL + bytes(4),
    "half": ALL + ALL[:3],
}


def apic(ident: int, flags: int) -> bytes:
    return struct.pack("<BBBBI", 0, 8, ident & 15, ident, flags)


def x2apic(ident: int, flags: int) -> bytes:
    return struct.pack("<BBHIII", 9, 16, 0, ident, flags, ident & 15)


ENABLED, ONLINE_CAPABLE = 1, 2
IO_APIC_ENTRY = struct.pack("<BBBBII", 1, 12, 0, 0, 0xFEC00000, 0)
MADTS = {
    "emulator": apic(0, ENABLED) + apic(1, ENABLED) + IO_APIC_ENTRY,
    "wide": apic(0, ENABLED) + x2apic(0x100, ENABLED) + x2apic(0x1FF, ENABLED),
    "twice": b"".join(apic(i, ENABLED) + x2apic(i, ENABLED) for i in (0, 2, 4)),
    "sockets": apic(0, ENABLED) + apic(1, ONLINE_CAPABLE) + x2apic(300, ONLINE_CAPABLE) + apic(2, 0),
    "everybody": apic(0, ENABLED) + apic(0xFF, ENABLED) + x2apic(0xFFFFFFFF, ENABLED),
    "many": b"".join(apic(i, ENABLED) for i in range(80)),
    # Each of these breaks one rule.
    "short apic": apic(0, ENABLED) + struct.pack("<BBBB", 0, 4, 1, 1),
    "no length": apic(0, ENABLED) + bytes((9, 0)) + x2apic(1, ENABLED),
    "half": apic(0, ENABLED) + x2apic(1, ENABLED)[:-3],
}


# As in dhcp.c: steps, what a message may be, and the place of an option in its table.
OFFER, YES, NO = 0, 1, 2
FRAGMENTS, TWICE, NAMES, NO_END, TO_CLIENT = 16, 4096, 8, 2048, 128
NETMASK, ROUTER, LEASE, OVERLOAD, T1, T2 = 0, 1, 10, 11, 15, 16


def option(which: int, value: int, length: int = 4) -> bytes:
    return bytes([which]) + value.to_bytes(length, "big")


def say(what: int, *options: bytes, how: int = 0, names: bytes = b"", piece: bytes = b"") -> bytes:
    fields = bytes([len(names)]) + names if how & NAMES else b""
    return struct.pack(">BH", what, how) + fields + bytes([len(options)]) + b"".join(options) + piece


def half_seconds(count: int) -> bytes:
    return bytes([6 | (count - 1) << 3])


def minutes(count: int) -> bytes:
    return bytes([7, count - 1])


def dialogues() -> dict[str, bytes]:
    lan = option(NETMASK, 0xFFFFFF00), option(ROUTER, 0x0A000202)
    half = (*lan, option(LEASE, 1800))
    lease = say(OFFER, *half) + say(YES, *half)
    own = (*lan, option(LEASE, 600), option(T1, 120), option(T2, 300))
    names = bytes([51, 4, 0, 0, 2, 88, 255]).ljust(64, b"\0") + bytes([3, 4, 10, 0, 2, 2, 255])
    overload = {"how": NAMES, "names": names}
    return {
        "lease": lease,
        "renewed": lease + minutes(16) + say(YES, *half, how=TO_CLIENT) + minutes(17),
        "rebound": say(OFFER, *own) + say(YES, *own) + minutes(6) + say(YES, *own) + minutes(9),
        "lost": lease + minutes(32),
        "refused": say(OFFER, *half) + say(NO) + half_seconds(20) + lease,
        "taken back": lease + minutes(16) + say(NO) + half_seconds(20),
        "unheard": half_seconds(30) * 8 + lease,
        "no answer": say(OFFER, *half) + half_seconds(30) * 8 + say(YES, *half),
        "for ever": say(OFFER, option(LEASE, 0xFFFFFFFF)) + say(YES, option(LEASE, 0xFFFFFFFF)) + minutes(32),
        "no time": say(OFFER, option(LEASE, 0)) + say(YES, option(LEASE, 0), option(T1, 0), option(T2, 0)) + minutes(9),
        "pieces": say(OFFER, *half, how=FRAGMENTS, piece=b"\x1f") + say(YES, *half, how=FRAGMENTS, piece=b"\x9e"),
        "overload": say(OFFER, option(OVERLOAD, 3, 1), **overload) + say(YES, option(OVERLOAD, 3, 1), **overload),
        "twice": say(OFFER, *half, how=TWICE) + say(YES, *half, how=TWICE),
        "no end": say(OFFER, *half) + say(YES, *half, how=NO_END),
    }


def seeds() -> dict[str, bytes]:
    """By path within the corpus. A DMAR has 8 bytes between what the target makes and its structures, a
    MADT 28."""
    dmars = {f"firmware/dmar-{name}": b"\xc0" + bytes(8) + dmar for name, dmar in DMARS.items()}
    madts = {f"firmware/madt-{name}": b"\x01" + bytes(28) + madt for name, madt in MADTS.items()}
    made = dmars | madts | {f"dhcp/{name}": steps for name, steps in dialogues().items()}
    return {name.replace(" ", "-"): data for name, data in made.items()}


if __name__ == "__main__":
    for place, data in seeds().items():
        (CORPUS / place).parent.mkdir(exist_ok=True)
        (CORPUS / place).write_bytes(data)
