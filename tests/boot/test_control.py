# SPDX-License-Identifier: MIT
"""Commands to a running machine over its second serial port: tools/freehold ctl, init and kernel."""

import socket
import time

import pytest

from freehold_lib.control import Control, ControlError

TIMEOUT = 40
APPS = [
    {"name": "one", "test": "spin", "memory": "1M", "slices": 2, "restart": "always"},
    {"name": "two", "test": "spin", "memory": "1M", "slices": 2},
]


def listed(control):
    answer = control.ask("list", TIMEOUT)
    return {row["name"]: row for row in answer.rows}


def until(control, name, state):
    """Ending and starting take a moment."""
    end = time.monotonic() + TIMEOUT
    while (row := listed(control)[name])["state"] != state:
        assert time.monotonic() < end, row
    return row


@pytest.fixture
def machine(boot, tmp_path):
    log = boot(APPS, nic=None, control=tmp_path / "control")
    log.wait_for(r"^\[init\] commands are taken over the second serial port$", TIMEOUT)
    return log


def test_commands(machine):
    with Control(machine.control) as control:
        rows = listed(control)
        assert [rows[name]["state"] for name in ("one", "two")] == ["running", "running"]
        assert rows["one"]["slices"] == "2" and rows["one"]["pages"].endswith("/256")

        answer = control.ask("kill one", TIMEOUT)
        assert answer.sentence == "one is ended and will not be started again."
        machine.wait_for(r"^\[init\] one was killed$", TIMEOUT)
        assert until(control, "one", "stopped")["pages"] == "0/256"
        with pytest.raises(ControlError, match="^one does not run.$"):
            control.ask("kill one", TIMEOUT)

        assert control.ask("restart one", TIMEOUT).sentence.startswith("one is started anew (environment ")
        before = listed(control)["two"]
        assert control.ask("restart two", TIMEOUT).sentence.startswith("two is started anew (environment ")
        after = listed(control)["two"]
        assert after["state"] == "running" and int(after["restarts"]) == int(before["restarts"]) + 1

        answer = control.ask("quota two 300 1000", TIMEOUT)
        assert answer.sentence == "two may have 300 pages now, 44 more than before."
        assert listed(control)["two"]["pages"].endswith("/300")
        answer = control.ask("quota two 200 1000", TIMEOUT)
        assert answer.sentence == "two may have 200 pages now, 100 fewer: 100 were unused, 0 it gave back, 0 were taken."
        with pytest.raises(ControlError, match=r"^two would need \d+ more pages; init has \d+ to give\.$"):
            control.ask("quota two 100000000 1000", TIMEOUT)
        with pytest.raises(ControlError, match="what it takes to start would not be left"):
            control.ask("quota two 3 1000", TIMEOUT)
    text = machine.text()
    assert text.count("[init] started two ") == 2 and text.count("[init] started one ") == 2
    assert "panic" not in text


def test_garbage(machine):
    """Noise of every kind, and lines without end: commands are understood all the same."""
    noise = [bytes(range(256)) * 20, b"\0" * 3000, b"list\n" * 50, b"#" * 5000 + b"\n", b"\r\n\r\n#0\n# list\n#1 \n"]
    noise += [b"#12 kill\n#13 kill a b c d e f\n#14 quota two x y\n#15 no\n", b"#16 kill two", b"\xff\xfe#17 kill two\n"]
    for piece in noise:
        with Control(machine.control) as control:
            control._send(piece, time.monotonic() + TIMEOUT)
            rows = listed(control)
            assert rows["one"]["state"] == "running"
        if b"kill two" not in piece:
            assert rows["two"]["state"] == "running", piece
    with pytest.raises(ControlError, match='^There is no application "www" on this machine.$'), Control(
        machine.control
    ) as control:
        control.ask("kill www", TIMEOUT)


def test_off_unless_asked_for(boot, tmp_path):
    """Without [control] nobody listens on the port, though it is there."""
    where = tmp_path / "port"
    extra = ["-chardev", f"socket,id=c,path={where},server=on,wait=off", "-serial", "chardev:c"]
    log = boot(APPS, nic=None, extra=extra)
    log.wait_for(r"^\[init\] started two ", TIMEOUT)
    with socket.socket(socket.AF_UNIX) as port:
        port.connect(str(where))
        port.settimeout(1)
        port.sendall(b"\n#1 list\n")
        with pytest.raises(TimeoutError):
            port.recv(1)
    assert "serial port" not in log.text()
