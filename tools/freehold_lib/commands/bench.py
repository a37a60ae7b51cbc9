# SPDX-License-Identifier: MIT
"""Measure this system, and beside it a Linux guest that does the same on the same emulated machine in
the same run. Nothing is taken from a file: each figure was measured just now.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import bench_boot, bench_cpu, bench_http, bench_net, bench_pair, bench_scale, bench_size, section
from ..errors import UsageError
from .options import add_build

BENCHES = {"boot": bench_boot, "cpu": bench_cpu, "http": bench_http, "net": bench_net, "pair": bench_pair, "scale": bench_scale, "size": bench_size}
SUMMARY = "measure, and compare with a Linux guest"
EXAMPLES = """\
examples:
  tools/freehold bench cpu                    calls, upcalls, switches and wake-ups, in instructions
  tools/freehold bench cpu --json cpu.json    and the figures in a file
  tools/freehold bench cpu --write            and the table into docs/performance.md
  tools/freehold bench cpu --no-linux         ours alone: half the time
  tools/freehold bench http                   web servers, under load from wrk; as root on taps
  tools/freehold bench http --runs 1 --seconds 1 --connections 16
                                              a quick look
  tools/freehold bench boot                   from the loader to the first answer, in instructions
  tools/freehold bench net                    bulk, round trips, small packets, connections
  tools/freehold bench pair                   two CPUs, an application on each, beside one alone
  tools/freehold bench scale                  1, 16 and 256 applications, in instructions; as root
  tools/freehold bench size                   the disk image and the kernel, in bytes

exit status: 0 within all limits, 1 a figure is beyond its limit, or could not be measured
"""


def describe(parser: argparse.ArgumentParser) -> None:
    benches = parser.add_subparsers(dest="bench", metavar="BENCH", help="what is measured: " + ", ".join(BENCHES), required=True)
    for name, module in BENCHES.items():
        bench = benches.add_parser(name, help=module.SUMMARY, description=module.__doc__, allow_abbrev=False)
        bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
        bench.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
        bench.add_argument("--no-linux", action="store_true", help="do not boot the Linux guest")
        for option in module.OPTIONS:
            option.add(bench)
        add_build(bench)


def execute(arguments: argparse.Namespace) -> int:
    if arguments.write and arguments.no_linux:
        raise UsageError("The table in docs/performance.md has Linux's figures, too: leave out --no-linux.")
    module = BENCHES[arguments.bench]
    options = {option.name: getattr(arguments, option.name) for option in module.OPTIONS}
    report = module.measure(arguments.build, beside=not arguments.no_linux, **options)
    print(report.as_text())
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    if arguments.write:
        section.write(report.bench, report.as_markdown())
    return 1 if report.beyond else 0
