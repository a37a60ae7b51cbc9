# SPDX-License-Identifier: MIT
"""tools/freehold with a machine that runs: run, gdb, logs, as people type them."""

import pathlib
import queue
import re
import signal
import subprocess
import threading
import time
import urllib.request

import pytest

from freehold_lib.emulator import free_port
from freehold_lib.workspace import Run

ROOT = pathlib.Path(__file__).resolve().parents[2]
FREEHOLD = ROOT / "tools/freehold"
TIMEOUT = 50
MACHINE = """\
[machine]
name = "run-test"
[[app]]
name = "www"
image = "httpd"
address = "10.0.2.15/24"
gateway = "10.0.2.2"
forward = ["tcp/{tcp}:80"]
[[app]]
name = "beat"
image = "hello"
[[app]]
name = "dies"
image = "{crash}"
arguments = ["null"]
restart = "never"
"""


class Session:
    """`tools/freehold run` as somebody sees it who types it."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [FREEHOLD, "run", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C on a terminal goes to a whole group; here to this one process.
            start_new_session=True,
            # A shell lets what it runs in the background ignore it, and this may be under such a one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.text = ""
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text, re.M)):
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"there was no '{pattern}' within {timeout} s:\n{self.text}")
            assert line is not None, f"it ended before '{pattern}':\n{self.text}"
            self.text += line
        return found

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(30)
        while (line := self._lines.get(timeout=10)) is not None:
            self.text += line
        return status


def freehold(*words):
    done = subprocess.run(
        [FREEHOLD, *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def machine(tmp_path, build):
    """A machine file that nothing stands in the way of, and the port of its web server."""
    if Run(build).process:
        pytest.skip(f"a machine runs in {build} already")
    port = free_port()
    file = tmp_path / "machine.toml"
    file.write_text(MACHINE.format(tcp=port, crash=build / "tests/apps/crash"))
    return file, port


@pytest.fixture
def session(machine, build):
    """session(option, ...) -> a machine that was started; it is ended with the test."""
    sessions = []

    def start(*options):
        sessions.append(Session("--machine", machine[0], "--build", build, *options))
        return sessions[-1]

    yield start
    for one in sessions:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_a_session(machine, session, build):
    file, port = machine
    run = Run(build)
    shown = session()
    url = shown.wait_for(r"^ +curl (http://127\.0\.0\.1:\d+/)$")[1]
    assert url == f"http://127.0.0.1:{port}/"
    shown.wait_for(r"^\[www\] .*listening")
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert b"www" in answer.read()

    # A crash is shown with the functions and lines that its addresses mean.
    shown.wait_for(r"^\[dies\] backtrace: .*\n\[dies\]   #0 \+0x\w+ null\+0x\w+ .*crash\.c:\d+$")

    # A second one in the same folder is told who is there already, and harms nothing.
    status, _, said = freehold("run", "--machine", file, "--build", build)
    assert status == 1
    assert f"already (process {shown.process.pid})" in said

    status, logs, _ = freehold("logs", "beat", "--build", build)
    assert status == 0
    assert "[beat] " in logs and all(line.startswith("[beat] ") for line in logs.splitlines())

    assert shown.end() == 0
    assert re.search(r"^The machine was on for \d+ s; its log is ", shown.text, re.M)
    assert "Traceback" not in shown.text
    assert run.process is None and not run.gdb.exists()
    assert "[www] " in run.log.read_text(errors="replace")
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=5)


def test_gdb(session, build):
    """The kernel and one application at a time, told apart by who has the CPU."""
    session().wait_for(r"^\[beat\] 0 s")

    def gdb(*words):
        status, out, said = freehold("gdb", "--build", build, *words)
        assert status == 0, out + said
        return out + said

    text = gdb("--", "-batch", "-ex", "break cpu_next", "-ex", "continue", "-ex", "bt", "-ex", "info registers rip")
    assert re.search(r"^#0 +cpu_next \(.*\) at .*exo/core/cpu\.c:\d+$", text, re.M)
    assert re.search(r"^rip +0xffffff\w+ .*<cpu_next\+?\d*>$", text, re.M)

    # The machine went on when gdb ended; the application's code is found where it was put.
    text = gdb(
        *("beat", "--", "-batch", "-ex", 'break sleep if $app("beat")'),
        *("-ex", "continue", "-ex", "bt", "-ex", "app", "-ex", "app www", "-ex", "app"),
    )
    assert re.search(r"^#1 +0x\w+ in main \(.*\) at .*apps/hello/main\.c:\d+$", text, re.M)
    assert "On the CPU: beat." in text
    assert re.findall(r"^Symbols of: (\S+)\.", text, re.M) == ["beat", "www"]


def test_gdb_from_the_first_instruction(session, build):
    shown = session("--gdb-wait")
    shown.wait_for("^It waits for the debugger")
    run = Run(build)
    while not run.gdb.is_socket():
        time.sleep(0.1)
    status, out, said = freehold(
        *("gdb", "--build", build, "--", "-batch", "-ex", "info registers rip", "-ex", "app"),
        *("-ex", "tbreak cpu_next", "-ex", "continue", "-ex", "bt 1"),
        *("-ex", "app beat", "-ex", 'break sleep if $app("beat")', "-ex", "continue", "-ex", "bt"),
    )
    assert status == 0, out + said
    # The first instruction of an x86 machine (Intel SDM vol. 3, 9.1.4), then the kernel's first look.
    assert re.search(r"^rip +0xfff0 ", out, re.M)
    assert "On the CPU: no application." in out
    assert re.search(r"^#0 +cpu_next ", out, re.M)
    # Nor is the place of an application drawn, which is not there yet when its symbols are loaded.
    assert re.search(r"^#1 +0x0*1000000\w{4} in main \(.*\) at .*apps/hello/main\.c:\d+$", out, re.M), out
    shown.wait_for(r"^\[uefi\] \\freehold\\fixed is there: the places of kernel and applications are not drawn\.")


def test_sigterm_ends_the_machine(session, build):
    shown = session()
    shown.wait_for(r"^\[exo\] ")
    assert shown.end(signal.SIGTERM) == 143
    assert "tools/freehold: Terminated." in shown.text
    assert Run(build).process is None
    assert not pathlib.Path(f"/proc/{shown.process.pid}").exists()


def test_seconds_end_it_and_what_killed_it_frees_the_folder(session, build):
    shown = session()
    shown.wait_for("Ctrl-C ends it")
    shown.process.kill()
    shown.process.wait()
    # The kernel ends the emulator with its parent; the folder is free for the next.
    begun = time.monotonic()
    again = session("--seconds", "3")
    again.wait_for("Ends after 3 s")
    assert again.process.wait(30) == 0
    assert time.monotonic() - begun < 40
