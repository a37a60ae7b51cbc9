# SPDX-License-Identifier: MIT
"""The emulators' common face: what it refuses before anything is started."""

import pathlib
import socket
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib.emulator import Emulator, EmulatorError, free_port  # noqa: E402


@pytest.fixture
def image(tmp_path):
    file = tmp_path / "disk.img"
    file.write_bytes(bytes(1 << 20))
    return file


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"kind": "vmware"}, "There is no emulator 'vmware'; choose one of qemu, bochs."),
        ({"nic": "rtl8139"}, "There is no NIC model 'rtl8139'; choose one of virtio, e1000."),
        ({"disk": "floppy"}, "There is no disk 'floppy'; choose one of sata, usb."),
        ({"kind": "bochs", "nic": "virtio"}, "Bochs has no virtio NIC; choose e1000."),
        ({"kind": "bochs", "nic": None, "disk": "usb"}, "Firmware in Bochs boots from no USB stick"),
        ({"kind": "bochs", "nic": None, "control": "c"}, "The second serial port is connected in QEMU alone"),
        ({"kind": "bochs", "nic": None, "gdb": "gdb.sock"}, "Bochs has no gdb server"),
        (
            {"kind": "bochs", "nic": "e1000", "forwards": [("tcp", 1024 + i, "10.0.2.15", 80) for i in range(6)]},
            "Bochs forwards at most 5 ports, 6 were asked for.",
        ),
    ],
)
def test_contradictions(options, sentence, image):
    with pytest.raises(EmulatorError) as error:
        Emulator(image, **options)
    assert sentence in str(error.value)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_port_in_use(protocol, image):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as user:
        # As emulators do it: for UDP this would let two listen on one port.
        user.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        user.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            user.listen()
        port = user.getsockname()[1]
        machine = Emulator(image, forwards=[(protocol, port, "10.0.2.15", 7)])
        with pytest.raises(EmulatorError, match=f"Port {port}/{protocol} of this host cannot be"):
            machine.start()
        assert not machine.running


@pytest.mark.parametrize(
    "forwards, sentence",
    [
        ([("tcp", 0, "10.0.2.15", 7)], "0 is no port number"),
        ([("tcp", 65536, "10.0.2.15", 7)], "65536 is no port number"),
        ([("icmp", 4000, "10.0.2.15", 7)], "'icmp' is no protocol to forward"),
    ],
)
def test_bad_forwards(forwards, sentence, image):
    with pytest.raises(EmulatorError, match=sentence):
        Emulator(image, forwards=forwards).start()


def test_port_twice(image):
    port = free_port()
    rules = [("tcp", port, "10.0.2.15", 80), ("tcp", port, "10.0.2.16", 80)]
    with pytest.raises(EmulatorError, match=f"Port {port}/tcp of this host is forwarded twice."):
        Emulator(image, forwards=rules).start()


def test_image_is_missing(tmp_path):
    with pytest.raises(EmulatorError, match="disk.img is not there; build it first."):
        Emulator(tmp_path / "disk.img").start()


def test_refused_arguments_are_told(image):
    # On a busy host the emulator may take its time to refuse them.
    with pytest.raises(EmulatorError, match=r"ended .*said: (.|\n)*no-such-device"):
        with Emulator(image, extra=["-device", "no-such-device"]) as machine:
            machine.wait_for("never", 60)


@pytest.mark.parametrize("terminal", [None, "no-such-terminal"])
def test_bochs_needs_no_terminal(image, monkeypatch, terminal):
    """In CI TERM is missing, and Bochs, which draws on a terminal of its own, would end at once."""
    if terminal:
        monkeypatch.setenv("TERM", terminal)
    else:
        monkeypatch.delenv("TERM", raising=False)
    with Emulator(image, kind="bochs", nic=None) as machine:
        deadline = time.monotonic() + 30
        # Its debugger shows the first instruction when everything is set up.
        while "Next at t=0" not in machine.said():
            assert machine.status is None, machine.said()
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_wait_gives_up_and_shows_the_log(image, tmp_path):
    with Emulator(image, nic=None, log=tmp_path / "log") as machine:
        with pytest.raises(EmulatorError, match="the log had no 'never' within 0.2 s"):
            machine.wait_for("never", 0.2)
        assert machine.status is None and machine.running
        (tmp_path / "log").write_text("one\r\n\x1b[2Jtwo\nunfin")
        assert list(machine.lines(seconds=0.2)) == ["one", "two", "unfin"]
        assert machine.wait_for("^two$", 1)
        with pytest.raises(EmulatorError, match="the log had no"):
            machine.wait_for("^unfin$", 0.2)  # it may become "unfinished"
        folder = machine._folder
    assert not machine.running and not folder.exists()
    assert (tmp_path / "log").exists()
