#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a C table of system call names from musl's bits/syscall.h.in.

usage: syscall_names.py SYSCALL_H_IN OUTPUT
"""

import re
import sys

source, output = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    names = {int(n): name for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)", file.read())}
with open(output, "w", encoding="utf-8") as file:
    file.write(f"/* Written by libos/syscall_names.py: do not edit. */\n#define SYSCALL_NAMES {max(names) + 1}\n")
    file.write("static const char *const syscall_names[SYSCALL_NAMES] = {\n")
    for number, name in sorted(names.items()):
        file.write(f'    [{number}] = "{name}",\n')
    file.write("};\n")
