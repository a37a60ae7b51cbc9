# SPDX-License-Identifier: MIT
"""Attach gdb to the machine that runs in QEMU (tools/freehold run, in another terminal), with the
symbols of the kernel and, if one is named, of an application. The machine stands still while gdb
has it, and goes on when gdb ends.

Each start of an application puts its code elsewhere (with run --gdb-wait: all at one address, where a
breakpoint stops every application that has code there). gdb knows one at a time. Three commands of
our own help:

  app NAME        load the symbols of NAME as it lies now, and drop those of the former application;
                  after a restart of it, once more
  app             tell which application has the CPU, and whose symbols are loaded
  $app("NAME")    true while NAME has the CPU:  break main if $app("www")
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from ..abi import number
from ..errors import FreeholdError, UsageError
from ..prepare import prepare
from ..workspace import ROOT, Run
from .options import add_build

SUMMARY = "debug the machine that runs: kernel and applications"
TAKES_REST = True
EXAMPLES = """\
examples:
  tools/freehold gdb                         the kernel
  tools/freehold gdb www                     the kernel and the application "www"
  tools/freehold gdb www -- -batch -ex bt    arguments for gdb itself follow "--"

To debug from the first instruction on: tools/freehold run --gdb-wait
"""
SCRIPT = Path(__file__).resolve().parents[1] / "gdb_script.py"
KERNEL = "exo"


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", nargs="?", metavar="APP", help="load this application's symbols, too")
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    prepare()
    run = Run(arguments.build)
    emulator, files = run.recall()
    if run.process is None:
        raise FreeholdError(
            f"No machine runs in {arguments.build}; start one in another terminal: tools/freehold run"
        )
    if emulator != "qemu":
        raise FreeholdError("The machine runs in Bochs, which has no gdb server; run it in QEMU.")
    apps = {name: str(file) for name, file in files.items() if name != KERNEL}
    if arguments.app is not None and arguments.app not in apps:
        raise UsageError(
            f"There is no application {arguments.app} in that machine; "
            f"there are {', '.join(sorted(apps))}."
        )
    if not run.gdb.is_socket():
        raise FreeholdError(f"The machine is not started yet ({run.gdb} is not there); try again.")
    gdb = shutil.which("gdb")
    if not gdb:
        raise FreeholdError("gdb is missing; run tools/freehold setup.")
    os.environ["FREEHOLD_GDB"] = json.dumps({
        "kernel": str(files[KERNEL]),
        "base": number("EXO_KERNEL_BASE"),
        "direct_map": number("EXO_DIRECT_MAP"),
        "start": number("EXO_START_ADDRESS"),
        "image": number("EXO_IMAGE_BASE"),
        "apps": apps,
        "app": arguments.app,
        "root": str(ROOT),
    })  # fmt: skip
    # gdb takes socket names of at most 107 characters; it is named from its own folder.
    command = [gdb, "-q", "-ex", f"cd {run.folder.resolve()}"]
    command += ["-ex", f"exec-file {files[KERNEL]}", "-ex", f"target remote {run.gdb.name}", "-ex", f"source {SCRIPT}"]
    sys.stdout.flush()
    os.execv(gdb, command + arguments.rest)
