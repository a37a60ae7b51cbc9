# SPDX-License-Identifier: MIT
"""Build everything and run the tests: suites `unit` (host programs under the sanitizers), `model`
(every state of small machines), `proof` (calls of the kernel proved by CBMC), `tools` (these
commands), `lint` (layout, clang-tidy, a build with clang) and `boot` (whole machines in QEMU and
Bochs). The last line counts test cases: N passed, N failed, N skipped.

Plain `meson test -C build` runs the same tests.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import time
from pathlib import Path

from .. import runner
from ..errors import UsageError
from ..prepare import built, prover
from .options import add_build

SUMMARY = "run the tests: all of them, or those of a suite or name"
SUITES = ("unit", "model", "proof", "tools", "lint", "boot")
ON_REQUEST = ("proof-slow",)  # run by the name of the suite or of a test alone
EXAMPLES = """\
examples:
  tools/freehold test                       everything; takes some 35 minutes on two CPUs
  tools/freehold test --suite unit          one suite; may be given more than once
  tools/freehold test core_random           one test
  tools/freehold test 'core_*' --verbose    tests whose names match, each case shown
  tools/freehold test --list                the tests there are

With CI=true in the environment, a test that was skipped because something is missing has failed.
"""
# Each machine in an emulator takes a CPU, and what is measured there is time.
BOOT_AT_ONCE = 2


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="run tests of this name only; * stands for any text"
    )
    parser.add_argument(
        "--suite", action="append", choices=SUITES + ON_REQUEST, help="run this suite only (more than once: these)"
    )
    parser.add_argument("--list", action="store_true", help="list the tests, run none")
    parser.add_argument("--verbose", action="store_true", help="show each case, passed ones as well")
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    prover()
    folder = built(arguments.build, ["build.ninja"] if arguments.list else ["all"])
    tests = _choose(runner.known_tests(folder), arguments)
    if arguments.list:
        for test in tests:
            print(f"{test.suite:6} {test.name}")
        return 0
    start = time.monotonic()
    log = folder / "test-log.txt"
    log.write_text("")
    run = runner.Runner(log, {"FREEHOLD_BUILD": str(folder)}, arguments.verbose)
    cpus = len(os.sched_getaffinity(0))
    for suite in sorted({test.suite for test in tests}, key=_order):
        mine = [test for test in tests if test.suite == suite]
        run.run(f"Suite {suite}", mine, min(cpus, BOOT_AT_ONCE) if suite == "boot" else cpus)
    return _tell(run, log, time.monotonic() - start)


def _order(suite: str) -> int:
    """Quick ones first; a suite that is not in the list, last."""
    return SUITES.index(suite) if suite in SUITES else len(SUITES)


def _choose(tests: list[runner.Test], arguments: argparse.Namespace) -> list[runner.Test]:
    if arguments.suite:
        tests = [test for test in tests if set(test.suites) & set(arguments.suite)]
    elif not arguments.names and not arguments.list:
        tests = [test for test in tests if test.suite not in ON_REQUEST]
    if arguments.names:
        unknown = [
            name
            for name in arguments.names
            if not any(fnmatch.fnmatchcase(test.name, name) for test in tests)
        ]
        if unknown:
            raise UsageError(
                f"There is no test named {unknown[0]}"
                + (f" in suite {', '.join(arguments.suite)}" if arguments.suite else "")
                + "; see tools/freehold test --list."
            )
        tests = [
            test
            for test in tests
            if any(fnmatch.fnmatchcase(test.name, name) for name in arguments.names)
        ]
    return tests


def _tell(run: runner.Runner, log: Path, seconds: float) -> int:
    cases = run.cases
    for test in run.failed:
        print(f"\n--- {test.name} failed; it said:")
        print("\n".join(runner.told(test)))
    missing = [
        case for case in cases if case.result == "skipped" and "missing" in case.why.lower()
    ]
    if missing and _in_ci():
        print("\nIn CI nothing may be missing; these skipped cases count as failed:")
        for case in missing:
            print(f"  {case.title} ({case.why})")
        cases = [case._replace(result="failed") if case in missing else case for case in cases]
    failed = [case for case in cases if case.result == "failed"]
    if failed:
        print("\nFailed:")
        for case in failed:
            print(f"  {case.title}" + (f" ({case.why})" if case.why else ""))
    print(f"\nThe tests took {seconds:.0f} s; the whole of what they said is in {log}.")
    if not cases:
        print("No test was run.")
    print(runner.summary(cases), flush=True)
    return 1 if failed or not cases else 0


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")
