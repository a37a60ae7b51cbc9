# SPDX-License-Identifier: MIT
"""A pytest plugin that prints the Test Anything Protocol, so that Meson and tools/freehold count cases.

    PYTHONPATH=tests pytest -p no:terminal -p pytest_tap tests/tools

One line a test function (and parameter), when it has ended; what a failing one had to say follows as
lines that begin with "#". Without `-p no:terminal`, pytest's own words would come in between.
"""

import os
import sys

# Standard output as it was before pytest captures it: plugins named by -p are read earlier.
_out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
_count = 0


def _print(line):
    _out.write(line + "\n")
    _out.flush()


def _case(held, name, directive=""):
    global _count
    _count += 1
    # In TAP, "#" in a name would begin a directive.
    _print(f"{'ok' if held else 'not ok'} {_count} - {name.replace('#', '=')}{directive}")


def _comment(text):
    for line in text.splitlines():
        _print(f"# {line}")


def _details(report):
    _comment(report.longreprtext)
    for title, content in report.sections:
        _comment(f"--- {title} ---")
        _comment(content)


def _reason(report):
    """Why a test was skipped: pytest has (file, line, "Skipped: words")."""
    longrepr = report.longrepr
    words = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return words.removeprefix("Skipped: ").replace("\n", " ")


def _name(nodeid):
    """Without the file, which the Meson test is named after."""
    return nodeid.split("::", 1)[-1]


def pytest_runtest_logreport(report):
    name = _name(report.nodeid)
    if report.failed:
        _case(False, name if report.when == "call" else f"{name} ({report.when})")
        _details(report)
    elif report.skipped:
        _case(True, name, f" # SKIP {_reason(report)}")
    elif report.when == "call":
        _case(True, name)


def pytest_collectreport(report):
    if report.failed:
        _case(False, f"collecting {report.nodeid or 'the tests'}")
        _comment(report.longreprtext)


def pytest_internalerror(excrepr):
    _case(False, "pytest itself")
    _comment(str(excrepr))


def pytest_sessionfinish(session, exitstatus):
    if _count == 0:
        _case(False, "no test was found")
    _print(f"1..{_count}")


def pytest_configure(config):
    if config.pluginmanager.hasplugin("terminalreporter"):
        print("pytest_tap: give -p no:terminal as well", file=sys.stderr)
    # The terminal's option, which pytest asks for when it explains how two values differ.
    if not hasattr(config.option, "verbose"):
        config.option.verbose = 0
