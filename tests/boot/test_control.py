# SPDX-License-Identifier: MIT
"""Commands to a running machine over its second serial port: tools/freehold ctl, init and kernel."""

import re
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
    assert "PANIC" not in text


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


QUOTA_SENTENCE = re.compile(
    r"(\w+) may have (\d+) pages now, (\d+) fewer: (\d+) were unused, (\d+) it gave back, (\d+) were taken\."
)
CACHE_PAGES = 200  # tests/apps/cache.c


def shrink(control, name, below, milliseconds):
    """Ask for so many pages more than it leaves unused: how many it gave back, how many were taken."""
    used = int(listed(control)[name]["pages"].split("/")[0])
    found = QUOTA_SENTENCE.fullmatch(control.ask(f"quota {name} {used - below} {milliseconds}", TIMEOUT).sentence)
    assert found and found[1] == name and int(found[2]) == used - below
    fewer, unused, gave, took = map(int, found.groups()[2:])
    assert fewer == unused + gave + took
    return gave, took


def test_revocation(boot, tmp_path):
    """Four with 200 pages each, asked for 40: each loses them in its own way, and only the last ends of it."""
    modes = ("plain", "polite", "deaf", "hoard")
    apps = [
        {"name": mode, "test": "cache", "arguments": [mode], "memory": "2M", "slices": 4, "restart": "never"}
        for mode in modes
    ]
    log = boot(apps, nic=None, control=tmp_path / "control")
    for mode in modes:
        log.wait_for(rf"^\[{mode}\] cache: {CACHE_PAGES} pages are filled$", TIMEOUT)
    with Control(log.control) as control:
        gave, took = shrink(control, "plain", 40, 10000)
        assert gave >= 30 and took == 0  # libos let go of what was discardable, at once
        left = log.wait_for(rf"^\[plain\] cache: (\d+) of {CACHE_PAGES} pages are left$", TIMEOUT)
        assert int(left[1]) <= CACHE_PAGES - gave

        gave, took = shrink(control, "polite", 40, 10000)
        assert gave >= 30 and took == 0
        assert int(log.wait_for(r"^\[polite\] cache: gave (\d+) pages$", TIMEOUT)[1]) >= gave

        gave, took = shrink(control, "deaf", 40, 500)
        assert gave <= 10 and took >= 30
        log.wait_for(r"^\[deaf\] cache: asked for \d+ pages, \d+ ms are left, and deaf$", TIMEOUT)
        told = log.wait_for(r"^\[deaf\] cache: told that (\d+) pages are lost$", TIMEOUT)
        assert 0 < int(told[1]) <= CACHE_PAGES
        log.wait_for(rf"^\[deaf\] cache: \d+ of {CACHE_PAGES} pages are left$", TIMEOUT)

        with pytest.raises(ControlError, match=r"^hoard was to give back \d+ pages and ended\.$"):
            shrink(control, "hoard", 40, 500)
        log.wait_for(r"^\[init\] hoard was ended: \d+ of the pages that it was to give back are missing$", TIMEOUT)
        rows = listed(control)
        assert [rows[mode]["state"] for mode in modes] == ["running"] * 3 + ["stopped"]
    assert not re.search(r"crash|PANIC|never held|not its own", log.text())
