# SPDX-License-Identifier: MIT
"""Try scheduling policies on the host: write one, run it in the simulator, compare it with others.

What runs is the policy that applications are linked with (libos/sched), compiled for the host, on
virtual CPUs in virtual time; see docs/design/sched.md. A policy is named, or is a file that ends in
.c.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..build import check
from ..errors import UsageError
from ..prepare import built
from ..sched_new import write
from ..sched_picture import picture
from ..sched_run import SIMULATOR, choose, simulate, tables
from ..workload import load
from .options import add_build

SUMMARY = "write scheduling policies, and try and compare them in a simulator"
EXAMPLES = """\
examples:
  tools/freehold sched new mine                write libos/sched/mine.c, a policy to begin with
  tools/freehold sched sim mine --workload tests/sched/workloads/bimodal.toml
                                               what it makes of a workload
  tools/freehold sched sim apps/x/policy.c --workload my.toml --trace events.txt
                                               one that an application brings; each event in a file
  tools/freehold sched compare mine fifo central --workload my.toml --picture mine.svg
                                               a table and a picture of several

exit status: 0 done, 1 a policy broke its contract or does not compile, 2 the command line is wrong
"""


def describe(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="new, sim or compare", required=True)
    new = actions.add_parser("new", help="write a policy that compiles, with comments", allow_abbrev=False)
    new.add_argument("name", metavar="NAME", help="the policy's name: a-z, 0-9 and _")
    new.add_argument("--output", type=Path, metavar="FILE", help="where to (default: libos/sched/NAME.c)")
    for name, words in (("sim", "run one policy on a workload"), ("compare", "run several and compare them")):
        action = actions.add_parser(name, help=words, allow_abbrev=False)
        several = {"nargs": "+"} if name == "compare" else {}
        action.add_argument("policies", metavar="POLICY", help="the name of a policy, or a file that ends in .c", **several)
        action.add_argument("--workload", type=Path, required=True, metavar="FILE", help="what the threads do, in TOML (tests/sched/workloads)")
        if name == "sim":
            action.add_argument("--trace", type=Path, metavar="FILE", help="write each event of the run to this file")
        action.add_argument("--picture", type=Path, metavar="FILE", help="where the picture goes, an SVG file" + (" (default: in the build folder)" if several else ""))
        add_build(action)


def execute(arguments: argparse.Namespace) -> int:
    if arguments.action == "new":
        print(write(arguments.name, arguments.output))
        return 0
    names = arguments.policies if arguments.action == "compare" else [arguments.policies]
    check(arguments.build)
    workload = load(arguments.workload)
    file = arguments.picture
    if not file and arguments.action == "compare":
        file = arguments.build / "sched" / f"{workload.path.stem}.svg"
    if file and not file.parent.is_dir() and file == arguments.picture:
        raise UsageError(f"The folder {file.parent} for the picture does not exist.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"The policy {twice} is named twice.")
    folder = built(arguments.build, (SIMULATOR,))
    chosen = [choose(name, folder / SIMULATOR, folder / "sched") for name in names]
    trace = getattr(arguments, "trace", None)
    outcomes = [simulate(simulator, policy, workload, trace) for simulator, policy in chosen]
    labels = [_label(name) for name in names]
    print("\n".join(tables(workload, outcomes, labels)))
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(picture(workload, outcomes, labels), encoding="utf-8")
        print(f"\nThe picture is in {file}.")
    return 1 if any(outcome.complaint for outcome in outcomes) else 0


def _label(name: str) -> str:
    return re.sub(r"\.c$", "", name.rsplit("/", 1)[-1])
