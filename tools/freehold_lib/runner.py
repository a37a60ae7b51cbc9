# SPDX-License-Identifier: MIT
"""Run the tests that Meson knows, case by case.

A test program that speaks TAP (the C programs by tests/unit/tap.h, pytest by tests/pytest_tap.py)
counts as the cases that it tells of; any other one is a single case. Each is shown when it is known,
so that a long test shows that it goes on, and what a failing one said is shown whole.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from .errors import FreeholdError
from .process import end_group
from .terminal import Progress

TAP = re.compile(r"(not )?ok\b *(?:\d+)? *(?:- )?([^#]*)(?:# *(skip|todo)\S*\s*(.*))?", re.I)
PLAN = re.compile(r"1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?", re.I)
SKIPPED, HARD_ERROR = 77, 99  # exit status of tests that speak no TAP, as Meson has them
LOG_LINES = 400
PATIENCE = 3


class Case(NamedTuple):
    test: str
    name: str
    result: str  # "passed", "failed" or "skipped"
    why: str

    @property
    def title(self) -> str:
        return f"{self.test}: {self.name}" if self.name else self.test


class Test:
    """One test program as Meson describes it, and what has become of it."""

    def __init__(self, described: dict):
        self.suites = [suite.split(":")[-1] for suite in described["suite"]]
        self.name = described["name"]
        self.command = described["cmd"]
        self.environment = described["env"]
        self.folder = described["workdir"]
        # Meson's limits suit a machine with nothing else to do; ours only must come some day.
        self.timeout = described["timeout"] * PATIENCE
        self.alone = not described["is_parallel"]
        self.priority = described["priority"]
        self.tap = described["protocol"] == "tap"
        self.cases: list[Case] = []
        self.log: list[str] = []
        self.seconds = 0.0
        self._planned: int | None = None

    @property
    def suite(self) -> str:
        return self.suites[0] if self.suites else ""

    @property
    def failed(self) -> bool:
        return any(case.result == "failed" for case in self.cases)

    def hear(self, line: str) -> Case | None:
        """Take in a line of output; the case that it tells of."""
        self.log.append(line)
        if not self.tap:
            return None
        plan = PLAN.fullmatch(line)
        if plan:
            self._planned = int(plan[1])
            if self._planned == 0:
                return self._add("", "skipped", plan[2] or "")
        found = TAP.fullmatch(line)
        if not found:
            return None
        bad, name, directive, why = found.groups()
        result = "failed" if bad else "passed"
        if directive and directive.lower() == "skip":
            result = "skipped"
        elif directive:
            # Known not to work: neither a failure nor, should it pass, a thing to rely on.
            result = "skipped"
            why = f"to do: {why}"
        return self._add(name.strip(), result, why or "")

    def end(self, status: int, out_of_time: bool) -> Case | None:
        """The program has ended; the case that this makes, if any."""
        if out_of_time:
            return self._add("", "failed", f"it did not end within {self.timeout} s")
        if not self.tap:
            result = "skipped" if status == SKIPPED else "failed" if status else "passed"
            why = self.log[-1] if status == SKIPPED and self.log else ""
            return self._add("", result, why if status == SKIPPED else _ending(status))
        told = len(self.cases)
        if self._planned is None:
            return self._add("", "failed", f"it ended before its plan ({_ending(status)})")
        if self._planned and self._planned != told:
            return self._add("", "failed", f"it planned {self._planned} cases and told of {told}")
        if status != 0 and not self.failed:
            return self._add("", "failed", f"every case passed, but {_ending(status)}")
        return None

    def _add(self, name: str, result: str, why: str) -> Case:
        case = Case(self.name, name, result, why)
        self.cases.append(case)
        return case


def _ending(status: int) -> str:
    if status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it ended with status {status}" if status else ""


def _may_start(test: Test, running: dict[Test, subprocess.Popen], at_once: int) -> bool:
    if test.alone or any(other.alone for other in running):
        return not running
    return len(running) < at_once


def known_tests(build: Path) -> list[Test]:
    try:
        described = json.loads((build / "meson-info/intro-tests.json").read_text())
    except (OSError, ValueError) as error:
        raise FreeholdError(f"{build} does not tell its tests ({error}); configure it anew.") from error
    return [Test(one) for one in described]


class Runner:
    """Runs tests; `cases` has the results in the order in which they came up."""

    def __init__(self, log: Path, environment: dict[str, str], verbose: bool):
        self.log = log
        self.environment = environment
        self.verbose = verbose
        self.cases: list[Case] = []
        self.failed: list[Test] = []
        self._begun: dict[str, float] = {}

    def run(self, title: str, tests: list[Test], at_once: int) -> None:
        """Run `tests`, at most `at_once` side by side. Whatever interrupts us ends them."""
        if not tests:
            return
        events: queue.Queue = queue.Queue()
        waiting = sorted(tests, key=lambda test: -test.priority)
        running: dict[Test, subprocess.Popen] = {}
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        with Progress(title) as progress:
            try:
                while waiting or running:
                    while waiting and _may_start(waiting[0], running, at_once):
                        test = waiting.pop(0)
                        running[test] = self._start(test, events)
                    try:
                        test, case, ended = events.get(timeout=1.0)
                    except queue.Empty:
                        progress.update(self._now(counts, running))
                        continue
                    if case:
                        self.cases.append(case)
                        counts[case.result] += 1
                        if case.result != "passed" or self.verbose:
                            why = f" ({case.why})" if case.why else ""
                            progress.say(f"  {case.result}: {case.title}{why}")
                    if ended:
                        running.pop(test)
                        self._finish(test, progress)
                    progress.update(self._now(counts, running))
            finally:
                for process in running.values():
                    end_group(process)
            progress.done = f"{title}: {summary(self._of(tests))}"

    def _of(self, tests: list[Test]) -> list[Case]:
        return [case for test in tests for case in test.cases]

    def _now(self, counts: dict[str, int], running: dict[Test, subprocess.Popen]) -> str:
        now = time.monotonic()
        names = ", ".join(f"{t.name} {now - self._begun[t.name]:.0f} s" for t in running)
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        return f"{counts['passed']} passed{failed}; running: {names}"

    def _start(self, test: Test, events: queue.Queue) -> subprocess.Popen:
        self._begun[test.name] = time.monotonic()
        process = subprocess.Popen(
            test.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=test.folder,
            env={**os.environ, **self.environment, **test.environment},
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        threading.Thread(target=self._follow, args=(test, process, events), daemon=True).start()
        return process

    @staticmethod
    def _follow(test: Test, process: subprocess.Popen, events: queue.Queue) -> None:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            end_group(process)

        timer = threading.Timer(test.timeout, give_up) if test.timeout else None
        if timer:
            timer.start()
        for line in process.stdout:
            case = test.hear(line.rstrip("\n"))
            if case:
                events.put((test, case, False))
        status = process.wait()
        if timer:
            timer.cancel()
        events.put((test, test.end(status, late.is_set()), True))

    def _finish(self, test: Test, progress: Progress) -> None:
        test.seconds = time.monotonic() - self._begun[test.name]
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"=== {test.suite}/{test.name}, {test.seconds:.1f} s: {summary(test.cases)}\n")
            log.writelines(line + "\n" for line in test.log)
        if test.failed:
            self.failed.append(test)
        if not progress.live:
            progress.say(f"  {test.name}: {summary(test.cases)} ({test.seconds:.1f} s)")


def told(test: Test) -> list[str]:
    """What a failed test said, less the cases that passed and no more than a screenful or two."""
    lines = [line for line in test.log if not re.match(r"ok\b", line)]
    left_out = len(lines) - LOG_LINES
    return [f"... {left_out} lines left out ..."] * (left_out > 0) + lines[-LOG_LINES:]


def summary(cases: list[Case]) -> str:
    """N passed, N failed, N skipped"""
    return ", ".join(
        f"{sum(case.result == result for case in cases)} {result}"
        for result in ("passed", "failed", "skipped")
    )
