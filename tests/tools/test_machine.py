# SPDX-License-Identifier: MIT
"""Machine files: what is right is read, what is wrong is told with file, line, application and key."""

import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import time
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

from freehold_lib import elf, machine, toml_lines  # noqa: E402
from freehold_lib.abi import number, policies  # noqa: E402
from freehold_lib.machine import MachineError, load, mac_text, ring_most, rings_memory, system_memory  # noqa: E402
from machine import run as fuzz_machines  # noqa: E402
from machine_files import KEYS  # noqa: E402

GOOD = """\
[machine]
name = "demo"
memory = "128M"
[[app]]
name = "www"
image = "httpd"
arguments = ["-v", "x y"]
environment = { LANG = "C" }
memory = "2M"
slices = 8
sched = "fifo"
address = "10.0.2.15/24"
gateway = "10.0.2.2"
mac = "52:54:00:00:00:01"
restart = "always"
forward = ["tcp/8080:80", "udp/8080:81"]
[[app]]
name = "other"
image = "httpd"
"""
GOOD_LINES = GOOD.splitlines()


def program(segments=((0, 0x2000, 5), (0x3000, 0x5000, 6)), **header) -> bytes:
    """An ELF file with these segments: (address, bytes in memory, flags)."""
    values = {"ident": b"\x7fELF\2\1\1".ljust(16, b"\0"), "type": 3, "machine": 62, "entry": segments[0][0]}
    values |= header
    count = values.get("count", len(segments))
    data = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(values["ident"], values["type"], values["machine"], 1, values["entry"], 64, 0, 0),
        *(64, 56, count, 64, 0, 0),
    )
    for address, size, flags in segments:
        data += struct.pack("<IIQQQQQQ", values.get("kind", 1), flags, 0, address, 0, 64, size, 4096)
    return data.ljust(4096, b"\0")


@pytest.fixture
def build(tmp_path):
    (tmp_path / "build" / "apps").mkdir(parents=True)
    (tmp_path / "build" / "apps" / "httpd").write_bytes(program())
    (tmp_path / "build" / "apps" / "echo").write_bytes(program())
    return tmp_path / "build"


@pytest.fixture
def read(tmp_path, build):
    """read(text) -> the Machine"""

    def read(text, look=True):
        file = tmp_path / "m.toml"
        file.write_text(text) if isinstance(text, str) else file.write_bytes(text)
        return load(file, build if look else None)

    return read


@pytest.fixture
def errors(read, tmp_path):
    """errors(text) -> the sentences, without the folder; there must be some."""

    def errors(text, look=True):
        with pytest.raises(MachineError) as caught:
            read(text, look)
        assert str(caught.value) == "\n".join(caught.value.errors)
        return [error.replace(f"{tmp_path}/", "") for error in caught.value.errors]

    return errors


def changed(line: int, text: str) -> str:
    """GOOD with one line (from 1) replaced."""
    return "\n".join(GOOD_LINES[: line - 1] + [text] + GOOD_LINES[line:]) + "\n"


def test_a_good_file(read, build):
    machine = read(GOOD)
    assert (machine.name, machine.memory, len(machine.apps)) == ("demo", 128, 2)
    www, other = machine.apps
    assert www.argv == ["www", "-v", "x y"]
    assert www.settings == [
        *("FREEHOLD_SCHED=fifo", "FREEHOLD_ADDRESS=10.0.2.15/24"),
        *("FREEHOLD_GATEWAY=10.0.2.2", "LANG=C"),
    ]
    assert www.strings == b"www\0-v\0x y\0" + "\0".join(www.settings).encode() + b"\0"
    assert (www.pages, www.slices, www.restart, www.mac) == (512, 8, "always", 0x525400000001)
    assert machine.image_path(www, build) == build / "apps" / "httpd"
    assert machine.forwards == [("tcp", 8080, "10.0.2.15", 80), ("udp", 8080, "10.0.2.15", 81)]


def test_defaults(read):
    other = read(GOOD).apps[1]
    assert (other.argv, other.settings) == (["other"], ["FREEHOLD_SCHED=round_robin"])
    assert (other.pages, other.slices, other.restart) == (512, 4, "on-failure")
    assert other.environments == 0
    assert (other.address, other.gateway, other.mac, other.forwards) == (None, None, None, ())
    assert (read(changed(3, "")).memory, read(GOOD).cpus) == (128, 1)


def test_cpus(read):
    assert [read(changed(3, f"cpus = {count}")).cpus for count in (1, 2, 64)] == [1, 2, 64]


def test_slices_are_those_of_one_cpu(read):
    """Each application goes where it wants or where most is left: 63 and 64 slices here."""
    two = changed(3, "cpus = 2")
    assert [app.cpu for app in read(two).apps] == [None, None]
    many = two.replace("slices = 8", "slices = 63", 1)
    assert [app.slices for app in read(many).apps] == [63, 4]
    one = many.replace("slices = 63", "slices = 63\ncpu = 0", 1).replace('name = "other"', 'name = "other"\ncpu = 0', 1)
    with pytest.raises(MachineError, match=r"other: `slices` is 4, but the applications before it leave 0 of the 63 slices of CPU 0\."):
        read(one)


STEWARD = """\
[machine]
name = "m"
cpus = 4
[[app]]
name = "steward"
image = "httpd"
cpus = [3, 2]
[[app]]
name = "a"
image = "httpd"
under = "steward"
slices = 63
[[app]]
name = "b"
image = "httpd"
mac = "52:54:00:00:00:01"
under = "steward"
[[app]]
name = "c"
image = "httpd"
address = "10.0.2.15/24"
slices = 63
"""


def test_stewards(read):
    steward, a, b, c = read(STEWARD).apps
    assert (steward.cpus, steward.restart, steward.under) == ((2, 3), "never", None)
    assert (a.under, a.slices, a.cpus) == ("steward", 63, ()) and b.under == "steward" and c.under is None


WRONG_STEWARDS = {
    # a line and what stands there instead, and what is said about it
    "first CPU": (7, "cpus = [0]", "7: steward: `cpus` has 0; CPUs 1 to 3 can be had whole."),
    "last CPU": (7, "cpus = [2, 3, 4]", "7: steward: `cpus` has 4; CPUs 1 to 3 can be had whole."),
    "of another kind": (7, 'cpus = ["1"]', "7: steward: `cpus` must hold a number, not a string."),
    "empty": (7, "cpus = []", "7: steward: `cpus` names no CPU."),
    "and slices": (7, "cpus = [2, 3]\nslices = 3", "8: steward: `slices` is not for an application that has `cpus`: it has all of those CPUs."),
    "and restart": (7, 'cpus = [2, 3]\nrestart = "always"', "8: steward: `restart` is not for an application that has `cpus`: what is under it lives on without it."),
    "under itself": (7, 'cpus = [2, 3]\nunder = "steward"', "8: steward: `under` is not for an application that has `cpus`: it is under nobody."),
    "under none": (11, 'under = "c"', '11: a: `under` names "c", which is no application with `cpus`.'),
    "under nobody": (11, 'under = "x"', '11: a: `under` names "x", which is no application with `cpus`.'),
    "trace": (12, 'trace = "4K"', "12: a: `trace` is not for an application that is under another: rings are kept by `init`, which does not start it."),
    "directory": (12, 'rights = ["directory"]', "12: a: `rights` has directory, which is not for an application that is under another."),
    "CPU of its own": (12, "cpu = 1", "12: a: `cpu` is not for an application that is under another: it runs where that one lets it."),
    "vcpus beside CPUs": (7, "cpus = [2, 3]\nvcpus = 2", "8: steward: `vcpus` is not for an application that has `cpus`: it runs on one of those CPUs alone."),
    "more vcpus than the steward has CPUs": (12, "vcpus = 3", "12: a: `vcpus` is 3, but it may run on 2 CPUs alone."),
    "vcpus on what is left": (22, "vcpus = 3", "22: c: `vcpus` is 3, but it may run on 2 CPUs alone."),
    "twice": (22, "cpus = [1, 3]", "22: c: `cpus` has 3, which steward has already."),
    "CPU of another": (22, "cpu = 2", "22: c: `cpu` is 2, which steward has whole."),
    "too many filters": (12, 'address = "10.0.2.16/24"\nports = ["tcp/1", "tcp/3", "tcp/5", "tcp/7", "tcp/9", "tcp/11"]', "4: steward has applications under it with 9 filters together; it may have 8."),
}


@pytest.mark.parametrize("case", WRONG_STEWARDS)
def test_a_wrong_steward(case, errors):
    line, text, said = WRONG_STEWARDS[case]
    lines = STEWARD.splitlines()
    lines[line - 1] = text
    assert errors("\n".join(lines) + "\n") == [f"m.toml:{said}"]


def test_only_the_first_applications_are_under_a_steward(read, errors):
    other = '[[app]]\nname = "x{}"\nimage = "httpd"\nslices = 1\nmemory = "1M"\n'
    last = '[[app]]\nname = "z"\nimage = "httpd"\nunder = "steward"\nslices = 1\nmemory = "1M"\n'
    before = "".join(other.format(i) for i in range(number("BUNDLE_UNDER") - 5))
    assert read(STEWARD + before + last).apps[-1].under == "steward"
    (found,) = errors(STEWARD + before + other.format("y") + last)
    assert found.endswith(": z: `under` is for one of the first 32 applications of the file alone; put it before others.")


def test_slices_under_a_steward(errors):
    """They are divided as init does when the steward has ended."""
    third = '[[app]]\nname = "d"\nimage = "httpd"\nunder = "steward"\nslices = 61\n'
    assert errors(STEWARD + third) == ["m.toml:27: d: `slices` is 61, but the applications before it leave 60 of the 64 slices of CPU 3."]


def test_rights(read):
    other = read(GOOD + 'rights = ["directory", "directory"]\n').apps[1]
    assert other.rights == ("directory",)
    assert other.settings[1:] == ["FREEHOLD_RIGHTS=directory"]
    assert read(GOOD).apps[1].rights == ()


def test_the_programs_need_not_be_there_yet(read, build):
    wanted = read(GOOD)
    (build / "apps" / "httpd").unlink()
    assert read(GOOD, look=False) == wanted


def test_programs_of_the_tests_are_found(read, build):
    (build / "tests" / "apps").mkdir(parents=True)
    for folder, name in (("tests/apps", "crash"), ("tests/apps", "echo")):
        (build / folder / name).write_bytes(program())
    machine = read(GOOD.replace('"httpd"', '"crash"', 1).replace('"httpd"', '"echo"'))
    paths = [machine.image_path(app, build) for app in machine.apps]
    assert paths == [build / "tests" / "apps" / "crash", build / "apps" / "echo"]


def test_units(read):
    for text, pages in {"128K": 32, "128 KiB": 32, "1M": 256, "1 MiB": 256, "1MiB": 256}.items():
        assert read(changed(9, f'memory = "{text}"')).apps[0].pages == pages
    assert read(changed(3, 'memory = "1GiB"')).memory == 1024


def test_dhcp(read):
    app = read(GOOD.replace('"10.0.2.15/24"', '"dhcp"').replace('gateway = "10.0.2.2"', "").replace("forward", "#")).apps[0]
    assert app.settings[1] == "FREEHOLD_ADDRESS=dhcp" and app.mac == 0x525400000001


def test_a_mac_alone_gives_a_network_without_an_address(read):
    app = read(GOOD + 'mac = "52:54:00:00:00:02"\n').apps[1]
    assert app.mac == 0x525400000002 and app.address is None


def test_ip6(read):
    text = changed(13, 'address6 = "FD00:0::15/64"\ngateway6 = "fe80::1"\nports = ["tcp/80", "udp/81"]')
    app = read(text).apps[0]
    assert app.settings[1:4] == [
        "FREEHOLD_ADDRESS=10.0.2.15/24", "FREEHOLD_ADDRESS6=fd00::15/64", "FREEHOLD_GATEWAY6=fe80::1"
    ]  # fmt: skip
    assert len(app.allowances) == 8
    assert len(read(changed(13, 'address6 = "fd00::15/64"')).apps[0].allowances) == 5
    assert len(read(GOOD).apps[0].allowances) == 1


def test_derived_macs(read):
    text = GOOD + 'address = "dhcp"\n'
    mac = read(text).apps[1].mac
    assert mac >> 40 & 3 == 2, "local, and not a group"
    assert read(text).apps[1].mac == mac, "the same in every build"
    assert read(text.replace('"demo"', '"demo2"')).apps[1].mac != mac
    assert read(text.replace('"other"', '"other2"')).apps[1].mac != mac
    # Whoever asks for just that address gets it; the derived one gives way.
    taken = read(text.replace("52:54:00:00:00:01", mac_text(mac))).apps
    assert taken[0].mac == mac and taken[1].mac not in (mac, None, 0)
    assert taken[1].mac >> 40 & 3 == 2


WRONG = {
    # line, what stands there instead, what is said (after "m.toml:LINE: ")
    "name": (2, 'name = "Demo"', 'machine: `name` is "Demo"; a name has 1 to 31 of the characters a-z, 0-9 and -.'),
    "long name": (2, f'name = "{"x" * 32}"', "machine: `name` is "),
    "no name": (2, "", "machine lacks the key `name`."),
    "name type": (2, "name = 3", "machine: `name` must be a string, not a number."),
    "unit": (3, "memory = 64", 'machine: `memory` is 64 without a unit; write for example "64M".'),
    "no unit": (3, 'memory = "64"', 'machine: `memory` is "64"; write a whole number and one of the units K, KiB'),
    "MB": (3, 'memory = "64MB"', 'machine: `memory` is "64MB"; write'),
    "fraction": (3, 'memory = "1.5G"', 'machine: `memory` is "1.5G"; write'),
    "negative": (3, 'memory = "-1G"', 'machine: `memory` is "-1G"; write'),
    "memory type": (3, "memory = 1.5", "machine: `memory` must be a string, not a fraction."),
    "small machine": (3, 'memory = "47M"', "machine: `memory` is 47M; a machine has 48M to 64G, in whole MiB."),
    "large machine": (3, 'memory = "65G"', "machine: `memory` is 65G; a machine has 48M to 64G, in whole MiB."),
    "half MiB": (3, 'memory = "65537K"', "machine: `memory` is 65537K; a machine has"),
    "machine key": (3, 'memroy = "128M"', 'machine: there is no key "memroy"; did you mean "memory"?'),
    "odd key": (3, "zzz = 1", 'machine: there is no key "zzz"; the keys here are name, memory, cpus.'),
    "no CPU": (3, "cpus = 0", "machine: `cpus` is 0; a machine has 1 to 64 CPUs."),
    "many CPUs": (3, "cpus = 65", "machine: `cpus` is 65; a machine has 1 to 64 CPUs."),
    "CPUs type": (3, 'cpus = "2"', "machine: `cpus` must be a number, not a string."),
    "app name": (5, 'name = "w_w"', 'w_w: `name` is "w_w"; a name has 1 to 15 of the characters a-z, 0-9 and -.'),
    "empty app name": (5, 'name = ""', 'application 1: `name` is ""; a name has'),
    "long app name": (5, 'name = "abcdefghijklmnop"', 'abcdefghijklmnop: `name` is "abcdefghijklmnop"; a name has'),
    "name with a line's end": (5, 'name = "a\\nb"', 'application 1: `name` is "a\\nb"; a name has'),
    "reserved": (5, 'name = "exo"', 'exo: `name` is "exo", the name that the log uses for the system itself.'),
    "init": (5, 'name = "init"', 'init: `name` is "init", the name that the log uses'),
    "image": (6, 'image = "htpd"', 'www: `image` names "htpd", but build/apps/htpd is not there; did you mean "httpd"?'),
    "image 2": (6, 'image = "zz"', 'www: `image` names "zz", but build/apps/zz is not there; there are echo, httpd.'),
    "image path": (6, 'image = "./zz"', 'www: `image` names "./zz", but zz is not there.'),
    "image no ELF": (6, 'image = "./m.toml"', 'www: `image` names "./m.toml", but m.toml is not an ELF file.'),
    "image folder": (6, 'image = "./build"', 'www: `image` names "./build", but build is not there.'),
    "no image name": (6, 'image = ""', 'www: `image` is "", which names no file.'),
    "image NUL": (6, 'image = "a\\u0000"', 'www: `image` is "a\\x00", which names no file.'),
    "arguments": (7, 'arguments = "x"', "www: `arguments` must be an array, not a string."),
    "argument": (7, 'arguments = ["x", 1]', "www: `arguments` must hold strings, not a number."),
    "argument NUL": (7, 'arguments = ["\\u0000"]', "www: `arguments` has a string with a NUL character in it."),
    "long": (7, f'arguments = ["{"x" * 2000}"]', "www: `arguments` is too long: arguments and settings have 2088 bytes together, 2048 fit."),
    "many": (7, "arguments = [" + '"",' * 130 + "]", "www: `arguments` is too long: there are 135 arguments and settings, 128 fit."),
    "environment": (8, "environment = []", "www: `environment` must be a table, not an array."),
    "setting": (8, "environment = { A = 1 }", "www: `environment` must hold strings, not a number."),
    "setting name": (8, 'environment = { "A=B" = "" }', 'www: `environment` has the name "A=B"; names have letters, digits and _.'),
    "setting NUL": (8, 'environment = { A = "\\u0000" }', "www: `environment` has a NUL character in the value of A."),
    "own setting": (8, 'environment = { FREEHOLD_SCHED = "fifo" }', "www: `environment` sets FREEHOLD_SCHED; use the key `sched` instead."),
    "pages": (9, 'memory = "5M"', None),
    "odd size": (9, 'memory = "6K"', "www: `memory` is 6K; it must be a multiple of 4K, up to 64G."),
    "zero size": (9, 'memory = "0K"', "www: `memory` is 0 bytes; it must be a multiple of 4K, up to 64G."),
    "too little": (9, 'memory = "76K"', "www: `memory` is 76K, but to start httpd takes 80K."),
    "exactly enough": (9, 'memory = "80K"', None),
    "all environments": (10, "slices = 8\nenvironments = 60", None),
    "slices": (10, "slices = 0", "www: `slices` is 0; an application has 1 to 63 slices."),
    "slices true": (10, "slices = true", "www: `slices` must be a number, not true or false."),
    "slices date": (10, "slices = 2020-01-01", "www: `slices` must be a number, not a date or time."),
    "many slices": (10, "slices = 64", "www: `slices` is 64; an application has 1 to 63 slices."),
    "all slices but those of the other": (10, "slices = 59", None),
    "cpu": (10, "cpu = 0", None),
    "cpu that is not there": (10, "cpu = 1", "www: `cpu` is 1; the machine has CPU 0 alone (`cpus` in [machine])."),
    "cpu below all": (10, "cpu = -1", "www: `cpu` is -1; the machine has CPU 0 alone (`cpus` in [machine])."),
    "vcpus": (10, "vcpus = 1", None),
    "vcpus 0": (10, "vcpus = 0", "www: `vcpus` is 0; the machine has 1 CPU (`cpus` in [machine])."),
    "more vcpus than CPUs": (10, "vcpus = 2", "www: `vcpus` is 2; the machine has 1 CPU (`cpus` in [machine])."),
    "sched": (11, 'sched = "robin"', 'www: `sched` is "robin"; did you mean "round_robin"?'),
    "sched 2": (11, 'sched = "zz"', 'www: `sched` is "zz"; choose one of central, edf, eevdf, fifo, priority, round_robin, steal, stride.'),
    "quantum": (11, 'quantum = "4us"', "www: `quantum` is 4us; it goes from 5 us to 1 s."),
    "quantum unit": (11, 'quantum = "4"', 'www: `quantum` is "4"; write a whole number and one of the units ns, us, ms, s, as in "10us".'),
    "quantum type": (11, "quantum = 4", "www: `quantum` must be a string, not a number."),
    "good quantum": (11, 'quantum = "50us"', None),
    "trace": (11, 'trace = "12K"', "www: `trace` is 12K; it is a power of two from 4K to 256K."),
    "small trace": (11, 'trace = "2K"', "www: `trace` is 2K; it is a power of two from 4K to 256K."),
    "large trace": (11, 'trace = "512K"', "www: `trace` is 512K; it is a power of two from 4K to 256K."),
    "no trace": (11, 'trace = "0K"', "www: `trace` is 0 bytes; it is a power of two from 4K to 256K."),
    "trace unit": (11, "trace = 4096", 'www: `trace` is 4096 without a unit; write for example "4096M"'),
    "trace as a setting": (8, 'environment = { FREEHOLD_TRACE = "1" }', "www: `environment` sets FREEHOLD_TRACE; use the key `trace` instead."),
    "quantum as a setting": (8, 'environment = { FREEHOLD_QUANTUM = "1" }', "www: `environment` sets FREEHOLD_QUANTUM; use the key `quantum` instead."),
    "address": (12, 'address = "10.0.2"', 'www: `address` is "10.0.2", which is no address; write for example "10.0.2.15/24" or "dhcp".'),
    "address 6": (12, 'address = "fe80::1/64"', 'www: `address` is "fe80::1/64", which is no address;'),
    "no prefix": (12, 'address = "10.0.2.15"', 'www: `address` is "10.0.2.15", which lacks its prefix length;'),
    "prefix 31": (12, 'address = "10.0.2.15/31"', "which has a prefix length outside of /8 to /30;"),
    "prefix 7": (12, 'address = "10.0.2.15/7"', "which has a prefix length outside of /8 to /30;"),
    "prefix 30": (12, 'address = "10.0.2.1/30"', None),
    "mask": (12, 'address = "10.0.2.15/0.0.0.255"', "which lacks its prefix length;"),
    "network": (12, 'address = "10.0.2.0/24"', "which is not a host's address in 10.0.2.0/24;"),
    "broadcast": (12, 'address = "10.0.2.255/24"', "which is not a host's address in 10.0.2.0/24;"),
    "loopback": (12, 'address = "127.0.0.1/8"', "which no host may have;"),
    "multicast": (12, 'address = "224.0.0.1/8"', "which no host may have;"),
    "this network": (12, 'address = "0.0.2.15/8"', "which no host may have;"),
    "gateway": (13, 'gateway = "x"', 'www: `gateway` is "x", which is no address; write for example "10.0.2.2".'),
    "far gateway": (13, 'gateway = "10.0.3.2"', "www: `gateway` is 10.0.3.2, which is not in the network 10.0.2.0/24 of `address`."),
    "own gateway": (13, 'gateway = "10.0.2.15"', "www: `gateway` is 10.0.2.15, which is the application's own address."),
    "net gateway": (13, 'gateway = "10.0.2.255"', "www: `gateway` is 10.0.2.255, which is no host's address."),
    "mac": (14, 'mac = "52:54:00"', 'www: `mac` is "52:54:00"; write six hexadecimal octets, as in "52:54:00:00:00:01".'),
    "address6": (13, 'address6 = "fd00:15/64"', 'www: `address6` is "fd00:15/64", which is no address of IPv6; write for example "fd00::15/64".'),
    "address6 4": (13, 'address6 = "10.0.2.15/64"', "which is no address of IPv6;"),
    "no prefix 6": (13, 'address6 = "fd00::15"', 'www: `address6` is "fd00::15", which lacks its prefix length;'),
    "prefix 63": (13, 'address6 = "fd00::15/63"', "which has a prefix length other than /64;"),
    "prefix 129": (13, 'address6 = "fd00::15/129"', "which is no address of IPv6;"),
    "link-local": (13, 'address6 = "fe80::15/64"', "which is link-local, as the one that its MAC gives it anyway;"),
    "zone": (13, 'address6 = "fd00::15%1/64"', "which no host may have;"),
    "loopback 6": (13, 'address6 = "::1/64"', "which no host may have;"),
    "mapped": (13, 'address6 = "::ffff:10.0.2.15/64"', "which no host may have;"),
    "multicast 6": (13, 'address6 = "ff02::1/64"', "which no host may have;"),
    "gateway6": (13, 'address6 = "fd00::15/64"\ngateway6 = "x"', 'www: `gateway6` is "x", which is no address of IPv6; write for example "fd00::1" or "fe80::1".', 14),
    "gateway6 with a zone": (13, 'address6 = "fd00::15/64"\ngateway6 = "fe80::1%2"', 'www: `gateway6` is "fe80::1%2", which is no address of IPv6;', 14),
    "far gateway6": (13, 'address6 = "fd00::15/64"\ngateway6 = "fd01::1"', "www: `gateway6` is fd01::1, which is neither link-local nor in the network fd00::/64 of `address6`.", 14),
    "own gateway6": (13, 'address6 = "fd00::15/64"\ngateway6 = "fd00::15"', "www: `gateway6` is fd00::15, which is the application's own address.", 14),
    "address6 as a setting": (8, 'environment = { FREEHOLD_ADDRESS6 = "fd00::15/64" }', "www: `environment` sets FREEHOLD_ADDRESS6; use the key `address6` instead."),
    "zero mac": (14, 'mac = "00:00:00:00:00:00"', "www: `mac` is 00:00:00:00:00:00, which is zero."),
    "group mac": (14, 'mac = "01:00:5e:00:00:01"', "which is a multicast address: its first octet is odd."),
    "broadcast mac": (14, 'mac = "ff:ff:ff:ff:ff:ff"', "which is a multicast address: its first octet is odd."),
    "restart": (15, 'restart = "on_failure"', 'www: `restart` is "on_failure"; did you mean "on-failure"?'),
    "forward": (16, 'forward = ["80"]', 'www: `forward` has "80"; write "tcp/8080:80": tcp or udp, the host\'s port'),
    "forward 2": (16, 'forward = ["sctp/80:80"]', 'www: `forward` has "sctp/80:80"; write'),
    "forward port": (16, 'forward = ["tcp/80:65536"]', 'www: `forward` has "tcp/80:65536"; write'),
    "forward port 0": (16, 'forward = ["tcp/0:80"]', 'www: `forward` has "tcp/0:80"; write'),
    "forward twice": (16, 'forward = ["tcp/80:80", "tcp/80:81"]', "www: `forward` names host port 80/tcp twice."),
    "ports": (16, 'ports = ["80"]', 'www: `ports` has "80"; write "tcp/80" or "tcp/49152-65535": tcp or udp, a port or a block of ports.'),
    "port 0": (16, 'ports = ["tcp/0-7"]', 'www: `ports` has "tcp/0-7"; ports are 1 to 65535, the first of a block before its last.'),
    "port 65536": (16, 'ports = ["udp/65536"]', "ports are 1 to 65535"),
    "ports backwards": (16, 'ports = ["tcp/7-4"]', "the first of a block before its last."),
    "odd block": (16, 'ports = ["tcp/5-7"]', "a block has 2, 4, 8, ... ports and begins at a multiple of its size"),
    "shifted block": (16, 'ports = ["tcp/5-8"]', "begins at a multiple of its size, as 49152-65535 does."),
    "ports twice": (16, 'ports = ["tcp/80", "udp/80", "tcp/80-81"]', 'has "tcp/80-81", of which another entry has a part.'),
    "good ports": (16, 'ports = ["tcp/80", "udp/80", "tcp/49152-65535", "udp/53", "udp/54-55", "udp/128-255"]', None),
    "three ports of both": (16, 'address6 = "fd00::15/64"\nports = ["tcp/1", "tcp/2", "tcp/3"]', "www: `ports` has 3 entries; an application with `address6` has at most 2.", 17),
    "seven ports": (16, 'ports = ["tcp/1", "tcp/2", "tcp/3", "tcp/4", "tcp/5", "tcp/6", "tcp/7"]', "has 7 entries; an application has at most 6."),
    "forward without its port": (16, 'forward = ["tcp/8080:80"]\nports = ["udp/80"]', "www: `forward` leads to port 80/tcp, which `ports` leaves out."),
    "ports without an address": (19, 'ports = ["tcp/80"]\nimage = "httpd"', "other: `ports` needs a fixed `address`."),
    "second name": (18, 'name = "www"', 'www: `name` gives "www", which another application has already.'),
    "app key": (19, 'imagee = "httpd"', 'other: there is no key "imagee"; did you mean "image"?'),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_thing_wrong(case, read, errors):
    line, text, said = WRONG[case][:3]
    if said is None:
        read(changed(line, text))
        return
    found = errors(changed(line, text))
    place = r"\d+" if text == "" else str(WRONG[case][-1] if len(WRONG[case]) > 3 else line)
    assert any(re.match(rf"m\.toml:{place}: ", error) and said in error for error in found), found
    # One mistake, one sentence; only a missing key may be both unknown and lacking.
    assert len(found) == 1 or case == "app key", found


AFTER = {
    # lines added to the second application (from line 20), and what is said about them
    "mac": ('address = "10.0.2.9/24"\nmac = "52:54:00:00:00:01"', "21: other: `mac` gives 52:54:00:00:00:01, which www has already."),
    "address": ('address = "10.0.2.15/24"', "20: other: `address` gives 10.0.2.15, which www has already."),
    "address, other network": ('address = "10.0.2.15/16"', "20: other: `address` gives 10.0.2.15, which www has already."),
    "gateway6": ('gateway6 = "fd00::1"', "20: other: `gateway6` is given without `address6`."),
    "address6": ('address6 = "fd00::15/64"', "20: other: `address6` is given without `address`."),
    "port": ('address = "10.0.2.9/24"\nforward = [\n  "tcp/1:1",\n  "udp/8080:1"\n]', "23: other: `forward` gives host port 8080/udp, which www has already."),
    "slices": ("slices = 56", "20: other: `slices` is 56, but the applications before it leave 55 of the 63 slices."),
    "environments": ("environments = 62", "20: other: `environments` is 62; an application makes 0 to 61 environments."),
    "environments beside the other": ("environments = 61", "20: other: `environments` is 61, but the applications before it leave 60 of the 60 environments."),
    "environments of another kind": ('environments = "3"', "20: other: `environments` must be a number, not a string."),
    "rights": ('rights = ["dictionary"]', '20: other: `rights` has "dictionary"; the rights are directory, tables.'),
    "rights, by hand": ('environment = { FREEHOLD_RIGHTS = "directory" }', "20: other: `environment` sets FREEHOLD_RIGHTS; use the key `rights` instead."),
    "no address": ('forward = ["tcp/9:9"]', "20: other: `forward` needs a fixed `address` that the host can forward to."),
    "dhcp": ('address = "dhcp"\nforward = ["tcp/9:9"]', "21: other: `forward` needs a fixed `address` that the host can forward to."),
    "gateway": ('gateway = "10.0.2.2"', "20: other: `gateway` is given without `address`."),
    "gateway and dhcp": ('address = "dhcp"\ngateway = "10.0.2.2"', "21: other: `gateway` is given, but DHCP names the gateway; leave it out."),
    "memory": ('memory = "120M"', "3: machine: `memory` is 128M, but the applications want 122M together, their images 4K, and firmware and system up to 12M."),
}


@pytest.mark.parametrize("case", AFTER)
def test_two_things_that_clash(case, errors):
    text, said = AFTER[case]
    assert errors(GOOD + text + "\n") == [f"m.toml:{said}"]


def test_an_address_of_ip6_is_one_application_s(errors):
    text = changed(13, 'address6 = "fd00::15/64"') + 'address = "10.0.2.16/24"\naddress6 = "fd00:0:0::15/64"\n'
    assert errors(text) == ["m.toml:21: other: `address6` gives fd00::15, which www has already."]


def test_all_is_told_at_once_in_order(errors):
    found = errors(
        '[machine]\nname = "X"\nmemory = "1K"\n\n[[app]]\nname = "a"\nslices = 99\n'
        'restart = "no"\n[app.environment]\nA = 1\nB = 2\n[extra]\n'
    )
    assert [error.split(":")[1] for error in found] == ["2", "3", "5", "7", "8", "10", "11", "12"]
    assert all(error.endswith((".", "?")) for error in found)


def test_most_applications(read, errors):
    app = '[[app]]\nname = "a{}"\nimage = "httpd"\nmemory = "1M"\nslices = 1\n'
    head = '[machine]\nname = "m"\nmemory = "1G"\n'
    most = number("BUNDLE_APPS")
    assert len(read(head + "".join(app.format(i) for i in range(most))).apps) == most
    found = errors(head + "".join(app.format(i) for i in range(most + 1)))
    assert found == [f"m.toml:{4 + 5 * most}: a256 is one too many: a machine has at most 256 applications."]


def test_a_large_machine_has_more_slices(read, errors):
    app = '[[app]]\nname = "a{}"\nimage = "httpd"\nmemory = "1M"\nslices = 1\n'
    head = '[machine]\nname = "m"\nmemory = "{}M"\n'
    apps = "".join(app.format(i) for i in range(64))
    assert len(read(head.format(512) + apps).apps) == 64
    assert errors(head.format(511) + apps) == [
        "m.toml:3: machine: `memory` gives room for 62 applications and further `vcpus`, but the file has 64; more have room in 512M.",
        "m.toml:323: a63: `slices` is 1, but the applications before it leave 0 of the 63 slices.",
    ]
    four = "".join(app.format(i).replace("slices = 1", "slices = 63\nenvironments = 1") for i in range(9))
    assert errors(head.format(512) + four) == [
        "m.toml:56: a8: `slices` is 63, but the applications before it leave 7 of the 511 slices."
    ]


def test_a_directory_names_all_or_is_refused(read, errors):
    most = number("EXO_DIRECTORY_ENTRIES")
    app = '[[app]]\nname = "a{}"\nimage = "httpd"\nmemory = "1M"\nslices = 1\n'
    head = '[machine]\nname = "m"\nmemory = "1G"\n' + app.format("") + 'rights = ["directory"]\n'
    assert len(read(head + "".join(app.format(i) for i in range(most - 1))).apps) == most
    (found,) = errors(head + "".join(app.format(i) for i in range(most)))
    assert found == f"m.toml:9: a: `rights` has directory, which names {most} applications; the machine has {most + 1}."


def test_what_is_no_machine_file(errors, tmp_path):
    assert errors("") == [
        "m.toml:1: The file lacks the table [machine].",
        "m.toml:1: The file names no application; add a table [[app]].",
    ]
    assert errors("a = \n") == ["m.toml:1: This is not TOML: Invalid value (column 5)."]
    assert errors('\n\na = "x\n')[0].startswith("m.toml:3: This is not TOML: ")
    assert errors("x = [1,\n2,")[0].startswith("m.toml:2: This is not TOML: ")
    assert errors("\n[machine]\nname = 1\nname = 2\n")[0].startswith("m.toml:4: This is not TOML: ")
    assert errors(b"\n\xff\n") == ["m.toml:2: This line is not UTF-8 text."]
    assert errors("#" * (1 << 20) + "\n") == ["m.toml: The file is larger than 1 MiB."]
    assert errors("a = " + "[" * 20000)[0].startswith("m.toml:1: ")
    assert errors("machine = 3\napp = 4\n") == [
        "m.toml:1: The file: `machine` must be a table, not a number.",
        "m.toml:2: The file: `app` must be an array, not a number.",
    ]
    assert "m.toml:3: Write [[app]] with two brackets: there may be several." in errors(
        '[machine]\nname = "a"\n[app]\n'
    )
    assert "m.toml:1: The file: `app` must hold a table, not a number." in errors("app = [1]")
    with pytest.raises(MachineError, match="none.toml: The file cannot be read: No such file or directory."):
        load(tmp_path / "none.toml")
    with pytest.raises(MachineError, match="cannot be read: Is a directory."):
        load(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_nonsense_never_ends_in_a_traceback(seed, build, tmp_path):
    """Good files, broken at random: a bundle that init accepts, or sentences (tests/fuzz/machine.py)."""
    (build / "tests/unit").mkdir(parents=True)
    (build / "tests/unit/init").symlink_to(BUILD / "tests/unit/init")
    count, good = fuzz_machines(build, tmp_path, str(seed), 200, 1000)
    assert count == 1000 and 50 < good < 500


def test_every_key_of_the_manual_is_tried():
    """The generator reads the manual, and the manual has every key that the reader knows."""
    assert KEYS["machine"] == list(machine._MACHINE_KEYS) and KEYS["control"] == list(machine._CONTROL_KEYS)
    assert set(KEYS["app"]) == set(machine._APP_KEYS)


LEAST = '[machine]\nname = "m"\n[[app]]\nname = "a"\nimage = "httpd"\n'
WITHOUT_END = {
    # Each took Python's own refusal, or the time that it takes to compare everything with everything.
    "nested": ("x = " + "[" * 300 + "]" * 300 + "\n", "1: The file nests values too deeply."),
    "digits": ("\n\nx = 1" + "0" * 4400 + "\n", "3: There is a number of too many digits."),
    "hexadecimal": (LEAST + "slices = 0x" + "f" * 5000 + "\n", "6: a: `slices` is a number of more than 64 bits."),
    "hexadecimal size": (LEAST + "memory = 0x" + "f" * 5000 + "\n", "6: a: `memory` must be a string, not a number."),
    "parts": (LEAST + "x" + ".a" * 500000 + " = 1\n", "6: A key has more than 16 parts."),
    "parts of strings": (LEAST + "[a" + ".'b c' . \"\\\"\"" * 9 + "]\n", "6: A key has more than 16 parts."),
    "file name": (LEAST.replace("httpd", "x" * 300), '5: a: `image` names "' + "x" * 60 + '...", but '),
    "file name in two lines": (LEAST.replace("httpd", "a\\nb"), '5: a: `image` names "a\\nb", but build/apps/a\\nb is not there; there are echo, httpd.'),
    "settings": (LEAST + "environment = {" + ",".join(f'A{i}=""' for i in range(60000)) + "}\n", "6: a: `environment` is too long: "),
    "ports": (LEAST + 'address = "10.0.2.15/24"\nports = [' + ",".join(f'"tcp/{i}"' for i in range(1, 60000)) + "]\n", "7: a: `ports` has 59999 entries; an application has at most 6."),
    "applications": (LEAST + "[[app]]\n" * 100000, "261: application 257 is one too many: a machine has at most 256 applications."),
    "blank name": (LEAST.replace('"a"', '" "'), '4: application 1: `name` is " "; a name has'),
}


@pytest.mark.parametrize("case", WITHOUT_END)
def test_what_has_no_end_is_refused_soon(case, errors):
    text, said = WITHOUT_END[case]
    began = time.process_time()
    found = errors(text)
    assert any(error.startswith(f"m.toml:{said}") and len(error) < 500 for error in found), found[:3]
    assert time.process_time() - began < 10


def test_many_forwards_and_dots_in_strings_are_read(read):
    forwards = ",".join(f'"tcp/{i}:1"' for i in range(1, 50000))
    text = LEAST + f'arguments = ["{"a." * 900}"] # {"a." * 900}\naddress = "10.0.2.15/24"\nforward = [{forwards}]\n'
    began = time.process_time()
    assert len(read(text).apps[0].forwards) == 49999
    assert time.process_time() - began < 10


ELF_WRONG = {
    "is empty": b"",
    "is not an ELF file": b"\x7fELG" + bytes(100),
    "is truncated: it ends within its ELF header": program()[:63],
    "is an ELF file for another kind of machine": program(machine=183),
    "is linked for a fixed address": program(type=2),
    "is not an executable ELF file; link it first": program(type=1),
    "has no program headers": program(count=0),
    "is truncated: it ends before its program headers": program(count=200),
    "has nothing to load": program(kind=2),
    "is dynamically linked": program(kind=3),
    "has a segment beyond 0x40000000": program([(0x3FFFF000, 0x1001, 5)]),
    "both writable and executable": program([(0, 0x2000, 7)]),
    "share a page": program([(0, 0x2000, 5), (0x1FFF, 0x2000, 6)]),
    "does not start in its own text": program(entry=0x500000),
    "more than 8 loadable segments": program([(i * 0x1000, 0x1000, 5) for i in range(9)]),
    "is truncated: it ends within a segment": program()[: 64 + 2 * 56],
    "has a segment with more bytes in the file than in memory": program([(0, 63, 5)]),
}


@pytest.mark.parametrize("said", ELF_WRONG)
def test_what_is_no_program(said, tmp_path):
    file = tmp_path / "program"
    data = ELF_WRONG[said]
    if said.endswith("within a segment"):
        data = bytearray(data)
        struct.pack_into("<Q", data, 64 + 32, 4096)
    file.write_bytes(data)
    with pytest.raises(elf.ElfError, match=re.escape(said)):
        elf.pages_to_start(file)


def test_broken_programs_end_in_a_sentence(tmp_path):
    chance = random.Random(2)
    good = program()
    file = tmp_path / "program"
    for length in range(0, 176):
        file.write_bytes(good[:length])
        with pytest.raises(elf.ElfError):
            elf.pages_to_start(file)
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(180)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        file.write_bytes(data)
        try:
            assert 0 < elf.pages_to_start(file) < 1 << 19
        except elf.ElfError:
            pass


def test_pages_to_start(tmp_path):
    """By hand: 2 + 5 pages of image, 4 of stack, control page, start page; root, PDPT and PD, a PT
    for the image's 2 MiB and one for the 2 MiB with control page, start page and stack."""
    file = tmp_path / "program"
    file.write_bytes(program())
    assert elf.pages_to_start(file) == 7 + 6 + 7
    # A page more than a table holds takes one more table.
    file.write_bytes(program([(0, 0x1FF000, 5), (0x1FF000, 0x2000, 6)]))
    assert elf.pages_to_start(file) == 513 + 6 + 8


def test_the_headers_are_read_right(tmp_path):
    """The compiler sees the same numbers in exo/abi as the builder."""
    names = ["BUNDLE_MAGIC", "BUNDLE_VERSION", "BUNDLE_APPS", "BUNDLE_NEVER", "BUNDLE_ON_FAILURE", "BUNDLE_ALWAYS"]
    names += ["EXO_START_STRINGS", "EXO_START_COUNT", "EXO_TABLES_LEAST", "EXO_PAGE_SIZE", "EXO_IMAGE_SIZE"]
    names += ["EXO_IMAGE_BASE", "EXO_DIRECT_MAP", "EXO_CONTROL_ADDRESS", "EXO_START_ADDRESS", "EXO_STACK_TOP", "EXO_STACK_PAGES", "EXO_BOOT_SEGMENTS", "EXO_DIRECTORY_ENTRIES"]
    source = tmp_path / "numbers.c"
    source.write_text(
        '#include <stdio.h>\n#include "bundle.h"\n#include "start.h"\n#include "directory.h"\n#include "boot_info.h"\nint main(void)\n{\n'
        + "".join(f'    printf("%llu\\n", (unsigned long long){name});\n' for name in names)
        + "}\n"
    )
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-I", str(ROOT / "exo" / "abi"), "-o", tmp_path / "numbers", source], check=True)
    said = subprocess.run([tmp_path / "numbers"], check=True, capture_output=True, text=True).stdout
    assert [int(line) for line in said.split()] == [number(name) for name in names]


def test_a_program_brings_its_policies(read, errors, build):
    brought = b"freehold policy fifo\0freehold policy mine\0"
    (build / "apps/httpd").write_bytes(program() + brought)
    assert read(GOOD.replace('"fifo"', '"mine"').split('[[app]]\nname = "other"')[0]).apps[0].sched == "mine"
    found = errors(GOOD.replace('"fifo"', '"edf"'))
    assert found == [
        'm.toml:11: www: `sched` is "edf"; choose one of fifo, mine.',
        "m.toml:17: other needs the key `sched`: its program has the policies fifo, mine.",
    ]


def test_before_a_build_any_policy_may_be_meant(tmp_path):
    file = tmp_path / "m.toml"
    file.write_text(GOOD.replace('"fifo"', '"mine"'))
    assert load(file, None).apps[0].sched == "mine"
    file.write_text(GOOD.replace('"fifo"', '"Mine"'))
    with pytest.raises(MachineError, match="`sched` is \"Mine\"; choose one of central, "):
        load(file, None)


def test_a_trace_is_a_setting_and_takes_memory(read):
    apps = read(changed(11, 'trace = "64K"')).apps
    assert "FREEHOLD_TRACE=65536" in apps[0].settings and not apps[1].trace
    assert not [text for text in apps[1].settings if "TRACE" in text]
    page = number("EXO_PAGE_SIZE")
    assert rings_memory([(1, 0), (2, 0)]) == 0
    assert rings_memory([(1, 4096), (1, 0), (3, 65536)]) == 2 * (page + 4096 + 3 * (page + 65536))


def test_the_rings_of_all_vcpus_have_their_place(read):
    """One a vCPU; together they lie between EXO_TRACE_ADDRESS and the stack."""
    four = GOOD.replace('name = "demo"', 'name = "demo"\ncpus = 4')
    with pytest.raises(MachineError, match="`trace` is 256K; it is a power of two from 4K to 128K for each of 4 vCPUs."):
        read(four.replace('sched = "fifo"', 'vcpus = 4\ntrace = "256K"'))
    assert read(four.replace('sched = "fifo"', 'vcpus = 4\ntrace = "128K"')).apps[0].trace == 128 << 10
    for count in range(1, number("EXO_CPUS") + 1):
        most = ring_most(count)
        assert number("EXO_TRACE_MIN") <= most <= number("EXO_TRACE_MAX")
        assert count * (number("EXO_PAGE_SIZE") + most) <= number("EXO_TRACE_ROOM")


def test_the_quantum_is_a_setting(read):
    apps = read(changed(11, 'sched = "central"\nquantum = "20us"')).apps
    assert "FREEHOLD_QUANTUM=20000" in apps[0].settings and apps[1].quantum is None
    assert not any(setting.startswith("FREEHOLD_QUANTUM") for setting in apps[1].settings)


def test_the_policies_are_those_of_libos():
    named = set()
    for file in (ROOT / "libos" / "sched").glob("*.c"):
        named |= set(re.findall(r'\.name = SCHED_NAME\("(\w+)"\)', file.read_text()))
    assert set(policies()) == named and {"fifo", "round_robin"} <= named


def test_lines_of_everything_that_tomllib_finds():
    text = (
        '# c\na = 1\n"b c" = """x\n"" y""""\nc = [\n  1, # one\n  [2,\n 3],\n]\nd.e = {f = "}", g = [1, 2]}\n'
        "[t]\nx = '''\n''' # [no]\n[t.u . \"v.w\"]\ny = 1979-05-27T07:32:00Z\n[[z]]\n[[z]]\nk = 1\n"
        "[z.q]\nm = '#'\n[[z.r]]\n[[z.r]]\nn = \"\\\"]\"\n"
    )
    lines = toml_lines.lines(text)

    def paths(value, path=()):
        if path:
            yield path
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            yield from paths(inner, path + (key,))

    assert set(lines) == set(paths(tomllib.loads(text)))
    expected = {("a",): 2, ("b c",): 3, ("c", 1): 7, ("c", 1, 1): 8, ("d", "e", "g", 1): 10, ("t",): 11}
    expected |= {("t", "x"): 12, ("t", "u", "v.w", "y"): 15, ("z",): 16, ("z", 0): 16, ("z", 1): 17}
    expected |= {("z", 1, "k"): 18, ("z", 1, "q", "m"): 20, ("z", 1, "r", 1, "n"): 23}
    assert {path: lines[path] for path in expected} == expected
    assert toml_lines.lines(text.replace("\n", "\r\n")) == lines


@pytest.mark.parametrize("name", ["demo.toml", "hello.toml", "test.toml"])
def test_the_machines_in_the_tree_are_good(name):
    """With the programs, where they are built; Meson runs this after them."""
    built = os.environ.get("FREEHOLD_BUILD")
    machine = load(ROOT / "machines" / name, built)
    assert machine.name == name.removesuffix(".toml")


def test_the_docs_show_what_is_said(errors, read, build, tmp_path):
    """The example of docs/machine.md is accepted, the broken one draws the errors pasted there."""
    (build / "apps" / "hello").write_bytes(program([(0, 0x18000, 5)]))
    text = (ROOT / "docs" / "machine.md").read_text()
    blocks = [
        "\n".join(line[4:] for line in block.splitlines())
        for block in re.findall(r"(?:^(?:    .*)?\n)+", text, re.M)
        if block.strip()
    ]
    files = [block.strip("\n") for block in blocks if block.strip().startswith("[machine]")]
    said = [line for block in blocks for line in block.splitlines() if line.startswith("machines/mine.toml:")]
    good, bad = files
    assert [app.name for app in read(good + "\n").apps] == ["web", "clock"]

    def plain(line):
        # How much hello takes changes with hello.
        return re.sub(r"takes \d+K", "takes some", line.replace("machines/mine.toml", "m.toml"))

    found = errors(bad + "\n")
    assert [plain(line) for line in found] == [plain(line) for line in said[: len(found)]]
    for line in said[len(found) :]:
        message = line.split(":", 2)[2]
        assert message in (" clock: `address` gives 10.0.2.15, which www has already.",
                           " clock: `slices` is 60, but the applications before it leave 55 of the 63 slices.")
    broken = errors("[machine]\nname = demo\n")
    assert f"`{broken[0]}`".replace("m.toml", "machines/mine.toml") in text


def test_memory_for_the_system_is_what_the_docs_say():
    assert system_memory(128 << 20) == 12 << 20
