# SPDX-License-Identifier: MIT
"""The bundle builder: what it writes is what exo/abi/bundle.h describes."""

import ipaddress
import os
import pathlib
import re
import struct
import subprocess
import sys
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bundle, filters  # noqa: E402
from freehold_lib.bundle import BundleError, build_bundle, build_machine_image, main  # noqa: E402
from freehold_lib.machine import MachineError, load  # noqa: E402

MACHINE = """\
[machine]
name = "demo"
[[app]]
name = "www"
image = "httpd"
arguments = ["-v", "\u00e4"]
environment = { LANG = "C" }
memory = "1M"
slices = 9
address = "10.0.2.15/24"
mac = "52:54:00:00:00:01"
restart = "always"
[[app]]
name = "www2"
image = "httpd"
restart = "never"
[[app]]
name = "other"
image = "./other.elf"
"""


def program(tail: bytes) -> bytes:
    """The smallest ELF file that can be an application."""
    header = (b"\x7fELF\2\1\1".ljust(16, b"\0"), 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = (1, 5, 0, 0, 0, 64, 0x2000, 4096)
    return struct.pack("<16sHHIQQQIHHHHHH", *header) + struct.pack("<IIQQQQQQ", *segment) + tail


HTTPD = program(b"httpd" * 1000)
OTHER = program(b"other")


@pytest.fixture
def build(tmp_path):
    folder = tmp_path / "build"
    for name, content in {"apps/httpd": HTTPD, "apps/init": OTHER, "exo/kernel.elf": OTHER, "uefi/BOOTX64.EFI": OTHER}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (tmp_path / "other.elf").write_bytes(OTHER)
    (tmp_path / "m.toml").write_text(MACHINE)
    return folder


@pytest.fixture
def made(build, tmp_path):
    return build_bundle(load(tmp_path / "m.toml", build), build, tmp_path / "bundle.bin").read_bytes()


def entries(data: bytes) -> list[dict]:
    names = "name image_offset image_size strings_offset strings_size argc envc pages slices cpu queues restart environments mac allow_offset allowances cpus under unused"
    count = struct.unpack_from("<I", data, 12)[0]
    return [
        dict(zip(names.split(), bundle.APP.unpack_from(data, bundle.HEADER.size + i * bundle.APP.size)))
        for i in range(count)
    ]


def test_header(made):
    magic, version, apps, size, crc, flags, name = bundle.HEADER.unpack_from(made)
    assert made[:8] == b"frebund1" and magic == int.from_bytes(b"frebund1", "little")
    assert (version, apps, size, flags, name) == (6, 3, len(made), 0, b"demo".ljust(32, b"\0"))
    assert crc == zlib.crc32(made[:24] + bytes(4) + made[28:])


def test_flags(build, tmp_path):
    (tmp_path / "m.toml").write_text("[control]\nserial = true\n" + MACHINE)
    made = build_bundle(load(tmp_path / "m.toml", build), build, tmp_path / "bundle.bin").read_bytes()
    assert bundle.HEADER.unpack_from(made)[5] == 1


def test_applications(made):
    www, www2, other = entries(made)
    assert www["name"] == b"www".ljust(16, b"\0")
    assert (www["pages"], www["slices"], www["queues"], www["restart"]) == (256, 9, 1, 2)
    assert www["mac"] == 0x525400000001
    assert (www2["queues"], www2["restart"], www2["mac"]) == (0, 0, 0)
    assert other["restart"] == 1
    texts = made[www["strings_offset"] :][: www["strings_size"]].decode().split("\0")
    assert texts == ["www", "-v", "\u00e4", "FREEHOLD_SCHED=round_robin", "FREEHOLD_ADDRESS=10.0.2.15/24", "LANG=C", ""]
    assert (www["argc"], www["envc"]) == (3, 3)
    assert (www2["argc"], www2["envc"]) == (1, 1)


def asked(filter_: bytes) -> dict:
    """The fields that a struct exo_filter asks for: value and mask."""
    value, mask = (filters.TUPLE.unpack_from(filter_, half * filters.TUPLE.size) for half in (0, 1))
    return {field: (v, m) for field, v, m in zip(filters.FIELDS, value, mask) if m and m != bytes(16)}


def test_what_an_application_may_bind(made):
    www, www2, other = entries(made)
    assert (www["allowances"], www2["allowances"], other["allowances"]) == (1, 0, 0)
    assert www["allow_offset"] % 8 == 0
    local = (bytes([10, 0, 2, 15]).ljust(16, b"\0"), b"\xff\xff\xff\xff".ljust(16, b"\0"))
    assert asked(made[www["allow_offset"] :]) == {
        "mac": (0x525400000001, 0xFFFFFFFFFFFF),
        "vlan": (0, 0x1FFF),
        "family": (4, 0xFF),
        "local": local,
    }


def test_allowances_of_ports_are_disjoint():
    """By bits: for each two there is one that both ask for and in which they differ."""
    ports = [filters.read_ports(text) for text in ("tcp/80", "tcp/49152-65535", "udp/80", "udp/4-7")]
    made = filters.allowances(0x525400000001, ipaddress.IPv4Address("10.0.2.15"), tuple(ports))
    assert len(made) == 6
    for one in made:
        for two in made:
            half = filters.TUPLE.size
            pairs = zip(one[:half], one[half:], two[:half], two[half:])
            assert any((a ^ b) & mask_a & mask_b for a, mask_a, b, mask_b in pairs) == (one is not two)
    assert asked(made[3])["local_port"] == (0xC000, 0xC000)
    assert asked(made[5])["local_port"] == (4, 0xFFFC)
    assert filters.allowances(0x525400000001, None, ()) == [made[0][:8] + bytes(48) + b"\xff" * 6 + bytes(50)]
    assert filters.allowances(None, None, ()) == []


def test_allowances_of_ip6():
    """Beside those of IPv4: three protocols, each of which is named, and the link-local address for ICMPv6."""
    mac, address = 0x525400000001, ipaddress.IPv6Address("fd00::15")
    ip4 = filters.allowances(mac, ipaddress.IPv4Address("10.0.2.15"), ())
    made = filters.allowances(mac, ipaddress.IPv4Address("10.0.2.15"), (), address)
    assert made[: len(ip4)] == ip4
    link = ipaddress.IPv6Address("fe80::5054:ff:fe00:1").packed  # RFC 4291, appendix A
    found = [asked(filter_) for filter_ in made[len(ip4) :]]
    assert [(of["local"], of["protocol"]) for of in found] == [
        ((local, b"\xff" * 16), (protocol, 0xFF))
        for local, protocol in ((link, 58), (address.packed, 58), (address.packed, 6), (address.packed, 17))
    ]
    assert all(of["family"] == (6, 0xFF) and of["vlan"] == (0, 0x1FFF) and of["mac"][0] == mac for of in found)
    ports = tuple(filters.read_ports(text) for text in ("tcp/80", "udp/4-7"))
    made = filters.allowances(mac, ipaddress.IPv4Address("10.0.2.15"), ports, address)
    assert [asked(filter_).get("local_port") for filter_ in made[-4:]] == [None, None, (80, 0xFFFF), (4, 0xFFFC)]
    assert len(made) == 8 and filters.most_ports(True) == 2
    assert filters.allowances(mac, None, (), address) == filters.allowances(mac, None, ())  # as DHCP has it


def test_images(made):
    www, www2, other = entries(made)
    for app, image in ((www, HTTPD), (www2, HTTPD), (other, OTHER)):
        assert app["image_offset"] % 4096 == 0
        assert made[app["image_offset"] :][: app["image_size"]] == image
    assert www["image_offset"] == www2["image_offset"], "one copy for both"
    assert len(made) % 4096 == 0


def test_the_same_input_gives_the_same_bytes(made, build, tmp_path):
    again = build_bundle(load(tmp_path / "m.toml", build), build, tmp_path / "again.bin").read_bytes()
    assert again == made


def test_layout_is_that_of_the_header(tmp_path):
    """The compiler's offsets of each member, against those of the struct formats."""
    text = (ROOT / "exo" / "abi" / "bundle.h").read_text()
    text += (ROOT / "exo" / "abi" / "filter.h").read_text()
    source = ['#include <stdio.h>', '#include "bundle.h"', "int main(void) {"]
    for name in ("bundle_header", "bundle_app", "exo_tuple"):
        body = re.search(rf"struct {name} {{(.*?)\n}};", text, re.S)[1]
        for member in re.findall(r"(?:^\s+\w+|,) (\w+)(?:\[\d+\])?(?=[;,])", body, re.M):
            source.append(
                f'printf("%zu %zu\\n", offsetof(struct {name}, {member}), sizeof(((struct {name} *)0)->{member}));'
            )
        source.append(f'printf("%zu end\\n", sizeof(struct {name}));')
    (tmp_path / "layout.c").write_text("\n".join(source + ["}"]))
    command = [os.environ.get("CC", "cc"), "-I", ROOT / "exo" / "abi", "-o", tmp_path / "layout", tmp_path / "layout.c"]
    subprocess.run(command, check=True)
    said = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    expected = []
    for form in (bundle.HEADER, bundle.APP, filters.TUPLE):
        at = 0
        for part in re.findall(r"\d*[a-zA-Z]", form.format):
            expected.append(f"{at} {struct.calcsize('<' + part)}")
            at += struct.calcsize("<" + part)
        expected.append(f"{at} end")
    assert said.split("\n")[:-1] == expected


def test_a_failure_leaves_the_old_bundle(made, build, tmp_path):
    machine = load(tmp_path / "m.toml", build)
    (build / "apps" / "httpd").unlink()
    with pytest.raises(BundleError, match="The image of www, .*apps/httpd, cannot be read: No such file"):
        build_bundle(machine, build, tmp_path / "bundle.bin")
    assert (tmp_path / "bundle.bin").read_bytes() == made
    (build / "apps" / "httpd").write_bytes(HTTPD)
    (tmp_path / "folder").mkdir()
    with pytest.raises(BundleError, match="Cannot write .*folder: Is a directory."):
        build_bundle(machine, build, tmp_path / "folder")
    with pytest.raises(BundleError, match="Cannot write .*none/b: No such file or directory."):
        build_bundle(machine, build, tmp_path / "none" / "b")
    assert not list(tmp_path.glob("**/.*.tmp"))


def test_image(made, build, tmp_path):
    machine = build_machine_image(tmp_path / "m.toml", build, tmp_path / "disk.img")
    assert machine.name == "demo"
    for path, content in {
        "EFI/BOOT/BOOTX64.EFI": OTHER,
        "freehold/kernel.elf": OTHER,
        "freehold/init.elf": OTHER,
        "freehold/bundle.bin": made,
    }.items():
        command = ["mcopy", "-n", "-i", f"{tmp_path}/disk.img@@1M", f"::{path}", tmp_path / "out"]
        (tmp_path / "out").unlink(missing_ok=True)
        subprocess.run(command, check=True)
        assert (tmp_path / "out").read_bytes() == content


def test_command(build, tmp_path, capsys):
    given = ["--machine", str(tmp_path / "m.toml"), "--build", str(build), "--output", str(tmp_path / "o")]
    assert main(given) == 0 and (tmp_path / "o").read_bytes()[:8] == b"frebund1"
    assert main(given + ["--image"]) == 0 and (tmp_path / "o").read_bytes()[512:520] == b"EFI PART"
    (tmp_path / "m.toml").write_text(MACHINE.replace("slices = 9", "slices = 0").replace("1M", "1X"))
    assert main(given) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in said] == ["8", "9"]
    (tmp_path / "m.toml").write_text(MACHINE)
    (build / "exo" / "kernel.elf").unlink()
    assert main(given + ["--image"]) == 1
    assert re.match("error: .*kernel.elf, which belongs into the image, is not there; build it first.", capsys.readouterr().err)


def test_an_unchecked_image_is_refused_with_the_machine_file(build, tmp_path):
    (build / "apps" / "httpd").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(MachineError, match="m.toml:5: www: `image` names \"httpd\", but .* is not an ELF file."):
        build_machine_image(tmp_path / "m.toml", build, tmp_path / "disk.img")
    assert not (tmp_path / "disk.img").exists()
