#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The explorer, built with a bug in the core, must find it and print a C test that compiles.

usage: planted.py SOURCE-ROOT BUILD-ROOT PROGRAM MODEL COMPILER ...
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """\
#include "batch.h"
#include "mock.h"
#include "nic.h"
#include "packet_queue.h"
#include "prefer.h"
#include <string.h>
%s
int main(void)
{
    %s();
    return tap_done();
}
"""


def main() -> int:
    source, build, program, model, *compiler = sys.argv[1:]
    program = Path(build, program)  # Meson names it from there
    ran = subprocess.run([program, model], capture_output=True, text=True, check=False)
    trace = re.search(r"^/\* model: .*?^}\n", ran.stdout, re.M | re.S)
    found = trace and ran.returncode == 1 and f"not ok 1 - {model}" in ran.stdout
    sys.stdout.write("".join(f"# {line}\n" for line in ran.stdout.splitlines()))
    print(f"{'ok' if found else 'not ok'} 1 - the bug in {model} is found")

    compiles = False
    if trace:
        name = re.search(r"static void (\w+)", trace[0])[1]
        folders = [f"{source}/{f}" for f in ("tests/unit/core", "tests/invariants", "exo/core", "exo/abi")]
        folders.append(f"{build}/exo/abi")
        with tempfile.TemporaryDirectory() as folder:
            test = Path(folder) / "test.c"
            test.write_text(TEST % (trace[0], name), encoding="utf-8")
            command = [*compiler, "-std=gnu11", "-Wall", "-Werror", "-fsyntax-only", *(f"-I{f}" for f in folders), test]
            compiles = subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0
    print(f"{'ok' if compiles else 'not ok'} 2 - its trace is a C test that compiles\n1..2")
    return 0 if found and compiles else 1


sys.exit(main())
