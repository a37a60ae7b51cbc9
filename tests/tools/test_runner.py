# SPDX-License-Identifier: MIT
"""How tests are counted: a case that fails, is skipped or goes missing must not pass for a good one."""

import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import process, runner, terminal  # noqa: E402
from freehold_lib.commands import test as command  # noqa: E402


def described(name, script, protocol="tap", timeout=20, **more):
    return {
        "name": name,
        "suite": ["freehold:unit"],
        "cmd": ["sh", "-c", script],
        "env": {},
        "workdir": None,
        "timeout": timeout,
        "protocol": protocol,
        "is_parallel": True,
        "priority": 0,
    } | more


@pytest.fixture
def run(tmp_path):
    """run(described...) -> the Runner when all of them have ended."""

    def run(*tests, at_once=2):
        made = runner.Runner(tmp_path / "log", {}, verbose=False)
        made.run("Tests", [runner.Test(test) for test in tests], at_once)
        return made

    return run


@pytest.mark.parametrize(
    "script, counts",
    [
        ("echo 'ok 1 - a'; echo 'ok 2 - b'; echo 1..2", (2, 0, 0)),
        ("echo 1..2; echo 'ok 1 - a'; echo 'not ok 2 - b'; exit 1", (1, 1, 0)),
        ("echo 'ok 1 - a # SKIP no emulator'; echo 1..1", (0, 0, 1)),
        ("echo 'not ok 1 - a # TODO later'; echo 1..1", (0, 0, 1)),
        ("echo '1..0 # SKIP nothing here'", (0, 0, 1)),
        # What goes wrong beside the cases counts as one more.
        ("echo 'ok 1 - a'", (1, 1, 0)),
        ("echo 'ok 1 - a'; echo 1..2", (1, 1, 0)),
        ("echo 'ok 1 - a'; echo 1..1; exit 3", (1, 1, 0)),
        ("echo 'ok 1 - a'; kill -SEGV $$", (1, 1, 0)),
        ("exit 0", (0, 1, 0)),
        ("echo okay; echo 'okra 1 - a'; echo '1..1'", (0, 1, 0)),
    ],
)
def test_tap(script, counts, run):
    made = run(described("one", script))
    assert runner.summary(made.cases) == "{} passed, {} failed, {} skipped".format(*counts)
    assert bool(made.failed) == bool(counts[1])


@pytest.mark.parametrize(
    "script, counts",
    [("true", (1, 0, 0)), ("exit 1", (0, 1, 0)), ("echo why; exit 77", (0, 0, 1)), ("kill -9 $$", (0, 1, 0))],
)
def test_exit_status(script, counts, run):
    made = run(described("one", script, protocol="exitcode"))
    assert runner.summary(made.cases) == "{} passed, {} failed, {} skipped".format(*counts)
    if counts[2]:
        assert made.cases[0].why == "why"


def test_out_of_time(run, monkeypatch):
    """It ends, with all its children, and its case has failed."""
    monkeypatch.setattr(runner, "PATIENCE", 1)
    begun = time.monotonic()
    made = run(described("slow", "echo 'ok 1 - a'; sleep 60 & echo $!; wait", timeout=1))
    assert time.monotonic() - begun < 30
    assert [case.result for case in made.cases] == ["passed", "failed"]
    assert made.cases[1].why == "it did not end within 1 s"
    child = int(made.failed[0].log[1])
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(child, 0)
            time.sleep(0.1)


def test_alone_and_in_order(run, tmp_path):
    """A test that is to be alone sees no other; a higher priority comes first."""
    mark = tmp_path / "running"
    busy = f"mkdir {mark}; sleep 0.3; rmdir {mark}; echo 'ok 1 - a'; echo 1..1"
    alone = f"if [ -e {mark} ]; then echo 'not ok 1 - a'; else echo 'ok 1 - a'; fi; echo 1..1"
    made = run(
        described("alone", alone, is_parallel=False),
        described("busy", busy, priority=1),
        at_once=4,
    )
    assert [case.test for case in made.cases] == ["busy", "alone"]
    assert runner.summary(made.cases) == "2 passed, 0 failed, 0 skipped"


def test_interrupting_ends_the_tests(tmp_path):
    """Ctrl-C while tests run: none of their processes stays."""
    build = tmp_path / "meson-info"
    build.mkdir()
    script = f"echo $$ > {tmp_path}/pid; sleep 60"
    (build / "intro-tests.json").write_text(json.dumps([described("slow", script)]))
    program = (
        "import sys; from pathlib import Path; from freehold_lib import runner\n"
        f"tests = runner.known_tests(Path({str(tmp_path)!r}))\n"
        f"runner.Runner(Path({str(tmp_path / 'log')!r}), {{}}, False).run('Tests', tests, 1)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets what it runs in the background ignore SIGINT, and this may be under such a one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid = tmp_path / "pid"
    while not pid.exists() or not pid.read_text().strip():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(2)
    _, said = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


# --- the summary ---


class Finished:
    def __init__(self, *cases):
        self.cases = [runner.Case("test", *case) for case in cases]
        self.failed = []


@pytest.mark.parametrize(
    "cases, ci, last, status",
    [
        ([("a", "passed", "")], False, "1 passed, 0 failed, 0 skipped", 0),
        ([("a", "passed", ""), ("b", "failed", "")], False, "1 passed, 1 failed, 0 skipped", 1),
        ([("a", "skipped", "bochs is missing")], False, "0 passed, 0 failed, 1 skipped", 0),
        ([("a", "skipped", "bochs is missing")], True, "0 passed, 1 failed, 0 skipped", 1),
        ([("a", "skipped", "needs KVM")], True, "0 passed, 0 failed, 1 skipped", 0),
        ([], False, "0 passed, 0 failed, 0 skipped", 1),
    ],
)
def test_last_line(cases, ci, last, status, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CI", "true" if ci else "")
    assert command._tell(Finished(*cases), tmp_path / "log", 1.0) == status
    assert capsys.readouterr().out.splitlines()[-1] == last


# --- pytest's cases as TAP ---

SUITE = """\
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip(reason="bochs is missing")
def test_skipped(): pass
@pytest.mark.parametrize("word", ["a#b", "c"])
def test_each(word): print("seen", word)
@pytest.fixture
def broken(): raise ValueError("in the fixture")
def test_with_fixture(broken): pass
"""


def pytest_tap(folder, text):
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:terminal", "-p", "pytest_tap", "-p", "no:cacheprovider"]
        + [folder / "test_it.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_pytest_tap(tmp_path):
    done = pytest_tap(tmp_path, SUITE)
    told = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert told == [
        "ok 1 - test_good",
        "not ok 2 - test_bad",
        "ok 3 - test_skipped # SKIP bochs is missing",
        "ok 4 - test_each[a=b]",
        "ok 5 - test_each[c]",
        "not ok 6 - test_with_fixture (setup)",
        "1..6",
    ]
    assert done.returncode == 1
    assert re.search(r"^# E +assert 1 == 2$", done.stdout, re.M) and "in the fixture" in done.stdout


@pytest.mark.parametrize("text", ["def test_x(:\n", "", "import nothing_of_that_name\n"])
def test_pytest_that_cannot_start(tmp_path, text):
    done = pytest_tap(tmp_path, text)
    assert "not ok 1" in done.stdout and done.returncode != 0


# --- progress ---


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(terminal, "REDRAW_SECONDS", 0)
    out = Terminal()
    with terminal.Progress("Work", out) as progress:
        progress._next = 0
        progress.update("a step with a very long name")
        progress.say("a warning")
    text = out.getvalue()
    # Lines are cut before the last column, and the line that changes is drawn again after one that stays.
    assert "Work: a step with a" in text and "very" not in text
    assert text.count("Work: a step") == 2 and "\x1b[Ka warning\n" in text
    assert text.endswith("\x1b[KWork: done\n")


def test_progress_in_a_file():
    out = io.StringIO()
    with pytest.raises(ValueError):
        with terminal.Progress("Work", out) as progress:
            for step in range(1000):
                progress.update(str(step))
            raise ValueError
    assert out.getvalue() == "Work ...\n"


def test_missing_program_is_a_sentence():
    with pytest.raises(process.FreeholdError, match="no-such-program is missing; run tools/freehold setup"):
        process.run_lines(["no-such-program"], print)
