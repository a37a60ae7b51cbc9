#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""List the sources of musl that go into the C library, a path a line.

usage: sources.py MUSL_FOLDER

As musl's own Makefile: a file for the architecture replaces the portable one of the same name. Left
out are the assembler files that contain a system call; libos/musl/thread.S stands in for them.
"""

import pathlib
import sys

ARCH = "x86_64"
OURS = {
    "thread/clone", "thread/__set_thread_area", "thread/__unmapself", "thread/syscall_cp",
    "signal/restore", "process/vfork",
}

root = pathlib.Path(sys.argv[1]) / "src"
found = {}
for path in [*root.glob("*/*.c"), *root.glob("malloc/mallocng/*.c")]:
    found[str(path.relative_to(root).with_suffix(""))] = path
for path in root.glob(f"*/{ARCH}/*.[csS]"):
    found[f"{path.parent.parent.name}/{path.stem}"] = path
for name in OURS:
    found.pop(name, None)
for name in sorted(found):
    print(found[name])
