# SPDX-License-Identifier: MIT
"""Remove or invert each check of the kernel's core in turn and show that some test of the core
notices. What survives is printed with its file and line; the status is then 1. Checks that can go
without any test noticing are listed, with the reason, in tests/mutation/explained.toml.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from ..prepare import prepare
from ..workspace import ROOT

SUMMARY = "remove each check of the kernel's core: some test must notice"
EXAMPLES = """\
examples:
  tools/freehold mutate                    every check of every file; takes minutes
  tools/freehold mutate env.c frame.c      those of two files of exo/core
  tools/freehold mutate --sample 40        so many, drawn from all
  tools/freehold mutate --list             name the mutants, try none
  tools/freehold mutate --write            every one, and the figures into docs/security.md

exit status: 0 every mutant was noticed or is explained, 1 one survived
"""
PROGRAM = ROOT / "tests/mutation/mutate.py"


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="files of exo/core; all if none")
    parser.add_argument("--sample", type=int, metavar="N", help="try only so many, drawn from all")
    parser.add_argument("--seed", metavar="TEXT", help="what they are drawn by")
    parser.add_argument("--list", action="store_true", help="name the mutants, try none")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/security.md")


def execute(arguments: argparse.Namespace) -> int:
    prepare()
    command = [sys.executable, str(PROGRAM), *arguments.files]
    if arguments.sample:
        command += ["--sample", str(arguments.sample)]
    if arguments.seed:
        command += ["--seed", arguments.seed]
    if arguments.list:
        command.append("--list")
    if arguments.write:
        command.append("--write")
    return subprocess.run(command, check=False).returncode
