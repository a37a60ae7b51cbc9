#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""List the sources of musl that go into the C library, a path a line.

usage: sources.py MUSL_FOLDER

As musl's own Makefile: a file for the architecture replaces the portable one of the same name. Left
out are the assembler files that contain a system call, for which libos/musl/thread.S stands in, the
drawing of stack canaries (libos/canary.c), sched_yield() (libos/yield.S), and what libos/meson.build compiles with other flags:
the allocator, and what may have no canary because it sets the thread pointer.
"""

import pathlib
import sys

ARCH = "x86_64"
OURS = {
    "thread/clone", "thread/__set_thread_area", "thread/__unmapself", "thread/syscall_cp",
    "signal/restore", "process/vfork", "env/__stack_chk_fail", "sched/sched_yield",
}
BEFORE_CANARIES = {"env/__init_tls", "env/__libc_start_main"}

root = pathlib.Path(sys.argv[1]) / "src"
found = {}
for path in root.glob("*/*.c"):
    found[str(path.relative_to(root).with_suffix(""))] = path
for path in root.glob(f"*/{ARCH}/*.[csS]"):
    found[f"{path.parent.parent.name}/{path.stem}"] = path
for name in OURS | BEFORE_CANARIES:
    found.pop(name, None)
for name in sorted(found):
    print(found[name])
