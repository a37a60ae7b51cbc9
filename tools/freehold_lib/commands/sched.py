# SPDX-License-Identifier: MIT
"""Try scheduling policies: write one, run it in a simulator on the host or on a machine, compare it with others.

What runs is the policy that applications are linked with (libos/sched): compiled for the host, on
virtual CPUs in virtual time, or under an application in QEMU; see docs/design/sched.md. A policy is named, or is a file that ends in
.c.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..build import check
from ..errors import UsageError
from ..prepare import built
from ..sched_machine import TARGETS, Task, program_for, run_on_machine
from ..sched_machine import check as check_machine
from ..sched_new import write
from ..sched_picture import picture
from ..sched_run import SIMULATOR, Outcome, choose, machine_title, simulate, tables, title
from ..terminal import Progress
from ..workload import Workload, load
from ..workspace import ROOT
from .options import add_build

DEFAULT_WORKLOAD = ROOT / "tests/sched/workloads/requests.toml"

SUMMARY = "write scheduling policies, and try and compare them in a simulator and on a machine"
EXAMPLES = """\
examples:
  tools/freehold sched new mine                write libos/sched/mine.c, a policy to begin with
  tools/freehold sched sim mine --workload tests/sched/workloads/bimodal.toml
                                               what it makes of a workload
  tools/freehold sched sim apps/x/policy.c --workload my.toml --trace events.txt
                                               one that an application brings; each event in a file
  tools/freehold sched compare mine fifo central --workload my.toml --picture mine.svg
                                               a table and a picture of several
  tools/freehold sched run mine --workload my.toml
                                               the same table, from a machine: QEMU, a minute

exit status: 0 done, 1 a policy broke its contract or does not compile, 2 the command line is wrong
"""


def describe(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="new, sim, compare or run", required=True)
    new = actions.add_parser("new", help="write a policy that compiles, with comments", allow_abbrev=False)
    new.add_argument("name", metavar="NAME", help="the policy's name: a-z, 0-9 and _")
    new.add_argument("--output", type=Path, metavar="FILE", help="where to (default: libos/sched/NAME.c)")
    ways = {"sim": "run one policy on a workload, in the simulator", "compare": "run several there and compare them"}
    for name, words in (ways | {"run": "boot a machine that runs one policy on a workload"}).items():
        action = actions.add_parser(name, help=words, allow_abbrev=False)
        several = {"nargs": "+"} if name == "compare" else {}
        action.add_argument("policies", metavar="POLICY", help="the name of a policy, or a file that ends in .c", **several)
        usual = {"default": DEFAULT_WORKLOAD} if name == "run" else {"required": True}
        default = f" (default: {DEFAULT_WORKLOAD.name})" if name == "run" else ""
        action.add_argument("--workload", type=Path, metavar="FILE", help=f"what the threads do, in TOML (tests/sched/workloads){default}", **usual)
        if name != "compare":
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
    labels = [_label(name) for name in names]
    if arguments.action == "run":
        outcomes = [_on_machine(arguments, workload)]
        heading = machine_title(workload, outcomes[0])
    else:
        outcomes, heading = _simulated(arguments, names, workload), title(workload)
    print("\n".join(tables(workload, outcomes, labels, heading)))
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(picture(workload, outcomes, labels), encoding="utf-8")
        print(f"\nThe picture is in {file}.")
    return 1 if any(outcome.complaint for outcome in outcomes) else 0


def _simulated(arguments: argparse.Namespace, names: list[str], workload: Workload) -> list[Outcome]:
    folder = built(arguments.build, (SIMULATOR,))
    chosen = [choose(name, folder / SIMULATOR, folder / "sched") for name in names]
    trace = getattr(arguments, "trace", None)
    return [simulate(simulator, policy, workload, trace) for simulator, policy in chosen]


def _on_machine(arguments: argparse.Namespace, workload: Workload) -> Outcome:
    check_machine(arguments.policies, workload)
    folder = built(arguments.build, TARGETS)
    program, policy = program_for(arguments.policies, folder, folder / "sched")
    with Progress(f"Running {workload.path.stem} under {policy}", done="") as progress:
        progress.update("most of it is what the firmware takes")
        outcome, events = run_on_machine(folder, Task(policy, workload, program, arguments.trace is not None))
    if arguments.trace:
        arguments.trace.write_text("".join(f"{line}\n" for line in events), encoding="utf-8")
    return outcome


def _label(name: str) -> str:
    return re.sub(r"\.c$", "", name.rsplit("/", 1)[-1])
