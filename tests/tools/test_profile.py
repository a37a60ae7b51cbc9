# SPDX-License-Identifier: MIT
"""Profiles: what a gdb server says becomes stacks, and stacks a picture in which every bar lies on its caller."""

import pathlib
import re
import socket
import struct
import sys
import threading
import types
import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import cli  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402
from freehold_lib.flame_picture import LEFT, WIDTH, picture  # noqa: E402
from freehold_lib.gdb_remote import GdbRemote  # noqa: E402
from freehold_lib.profile import Profiler, Program, by_function, folded, unfolded  # noqa: E402

KERNEL_AT, APP_AT = 0xFFFFFF8000000000, 0x400000000000
STACK_AT = 0x500000000000
# Linked addresses of functions; what runs is at so much behind the start of one of them.
KERNEL = Program("exo", [0, 100, 200], ["cpu_idle", "call_info", "trap"], 300)
APP = Program("www", [0, 50, 90], ["main", "serve", "write"], 150)
SAMPLES = Counter({("www", "main", "serve"): 6, ("www", "main"): 2, ("www", "exo", "call_info"): 3, ("idle",): 9, ("exo", "trap"): 1})


class Server(threading.Thread):
    """A gdb server of one CPU, which is at each of `places` in turn: (rip, rbp) or (rip, rbp, rsp); memory by address:
    two words, or bytes."""

    def __init__(self, path, places, memory):
        super().__init__(daemon=True)
        self.places, self.memory, self.at, self.heard = places, memory, -1, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.start()

    def run(self):
        self.link, _ = self.listener.accept()
        self.send("T05thread:01;")  # the machine stands still from now on
        data = b""
        while more := self.link.recv(4096):
            data += more
            while found := re.match(rb"[+]*(\x03|\$([^#]*)#([0-9a-f]{2}))", data):
                data = data[found.end() :]
                self.answer(found[2])

    def answer(self, command):
        if command is None:
            self.at += 1
            self.send("T02thread:01;")
            return
        text = command.decode()
        self.heard.append(text)
        if text == "qfThreadInfo":
            self.send("m01")
        elif text == "qsThreadInfo":
            self.send("l")
        elif text.startswith("Hg"):
            self.send("OK")
        elif text == "g":
            rip, rbp, rsp, *_ = *self.places[self.at % len(self.places)], 0
            self.send(struct.pack("<17Q", *range(6), rbp, rsp, *range(8), rip).hex() + "00" * 40)
        elif text.startswith("m"):
            address = int(text[1:].split(",")[0], 16)
            found = self.memory.get(address)
            self.send("E14" if found is None else (found if isinstance(found, bytes) else struct.pack("<2Q", *found)).hex())

    def send(self, text):
        self.link.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 255))


@pytest.fixture
def profile(tmp_path):
    def take(places, memory, looks):
        server = Server(tmp_path / "gdb", places, memory)
        emulator = types.SimpleNamespace(gdb=tmp_path / "gdb")
        placed = {"exo": KERNEL_AT, "www": APP_AT}
        profiler = Profiler(emulator, types.SimpleNamespace(files={}, placed=placed))
        profiler._programs = {"exo": KERNEL, "www": APP}
        profiler.run(1e6, lambda: profiler.looks < looks)
        server.join(10)
        assert server.heard[-1] == "D", "the machine goes on when nobody looks any more"
        return profiler.samples

    return take


def test_stacks_are_followed(profile):
    chain = {STACK_AT: (STACK_AT + 64, APP_AT + 60), STACK_AT + 64: (0, APP_AT + 10)}
    assert profile([(APP_AT + 95, STACK_AT)], chain, 3) == {("www", "main", "serve", "write"): 3}


TOP_AT = STACK_AT - 32  # of a stack whose innermost frame is that of main, which calls serve at 10
CALLED = {STACK_AT: (0, APP_AT + 0xFFFF), APP_AT + 10: b"\xe8" + struct.pack("<i", 50 - 15)}


@pytest.mark.parametrize(
    "frame, top, rip, names",
    [
        (STACK_AT, (APP_AT + 15, 0), 50, ("main", "serve")),  # at its first instruction
        (STACK_AT, (STACK_AT, APP_AT + 15), 51, ("main", "serve")),  # has saved rbp
        (TOP_AT, (STACK_AT, APP_AT + 15), 60, ("main", "serve")),  # has its frame: told once
        (STACK_AT, (APP_AT + 15, 0), 95, ("write",)),  # what lies there is a call of somebody else
        (STACK_AT, (APP_AT + 16, 0), 50, ("serve",)),  # no call lies before it
        (STACK_AT, (7, 8), 50, ("serve",)),  # no address of the program
    ],
)
def test_a_function_without_a_frame_has_its_caller(profile, frame, top, rip, names):
    assert profile([(APP_AT + rip, frame, TOP_AT)], CALLED | {TOP_AT: top}, 1) == {("www", *names): 1}


@pytest.mark.parametrize(
    "memory",
    [
        {},  # nothing is mapped at the frame pointer
        {STACK_AT: (STACK_AT + 64, 0x1234)},  # a return address of no program
        {STACK_AT: (STACK_AT, APP_AT + 60)},  # a frame that is its own caller
    ],
)
def test_a_chain_that_ends_badly_ends(profile, memory):
    (stack,) = profile([(APP_AT + 95, STACK_AT)], memory, 1)
    assert stack[0] == "www" and stack[-1] == "write" and len(stack) <= 3


def test_the_kernel_works_for_who_was_there_last(profile):
    places = [(KERNEL_AT + 101, 0), (APP_AT + 1, 0), (KERNEL_AT + 101, 0), (KERNEL_AT + 5, 0), (0x1000, 0)]
    assert profile(places, {}, 5) == {
        ("exo", "call_info"): 1,
        ("www", "main"): 1,
        ("www", "exo", "call_info"): 1,
        ("idle",): 1,
        ("firmware",): 1,
    }


def test_no_server_is_one_sentence(tmp_path):
    with pytest.raises(FreeholdError, match="cannot be reached"):
        GdbRemote(tmp_path / "nothing")


def test_folded_stacks_can_be_read_back():
    assert unfolded(folded(SAMPLES)) == SAMPLES
    assert "www;main;serve 6\n" in folded(SAMPLES)


def test_the_table_names_who_was_at_work():
    assert by_function(SAMPLES) == [("www", "serve", 6), ("exo", "call_info", 3), ("www", "main", 2), ("exo", "trap", 1)]


def test_bars_lie_on_their_callers():
    root = ElementTree.fromstring(picture(SAMPLES, "a <title>"))
    space = "{http://www.w3.org/2000/svg}"
    bars = {}
    for group in root.iter(f"{space}g"):
        name, share = re.fullmatch(r"(.+): ([0-9.]+) % .*", group.find(f"{space}title").text).groups()
        rect = group.find(f"{space}rect")
        bars[name] = [float(rect.get(key)) for key in ("x", "y", "width")] + [float(share)]
    assert set(bars) == {"all", "www", "main", "serve", "exo", "call_info", "trap"}, "idle CPUs are left out"
    assert bars["all"][0] == LEFT and bars["all"][2] == WIDTH - 2 * LEFT and bars["all"][3] == 100
    for inner, outer in (("www", "all"), ("main", "www"), ("serve", "main")):
        (x, y, width, share), (ox, oy, owidth, _) = bars[inner], bars[outer]
        assert ox <= x and x + width <= ox + owidth + 0.02 and y < oy, f"{inner} lies on {outer}"
        assert abs(width / bars["all"][2] - share / 100) < 0.001
    assert bars["serve"][3] == 50.0


def test_a_machine_that_is_not_there_is_one_sentence(capsys):
    assert cli.main(["profile", "--machine", "nowhere.toml"]) == 1
    assert "nowhere.toml" in capsys.readouterr().err


def test_a_rate_of_none_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["profile", "--rate", "0"])
    assert ended.value.code == 2 and "--rate: '0' is no rate above 0" in capsys.readouterr().err
