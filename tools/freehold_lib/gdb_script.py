# SPDX-License-Identifier: MIT
"""Runs inside gdb: where the kernel lies, which application has the CPU, and the symbols of one
application at a time.

FREEHOLD_GDB, set by commands/gdb.py, has the applications' files. The kernel's own table of
environments (exo/core/env.h) says whose page tables the CPU uses; it can be read whatever the CPU
is doing, because the kernel is mapped in every application's tables.
"""

import json
import os
import re

import gdb

NOTES = json.loads(os.environ["FREEHOLD_GDB"])
APPS = NOTES["apps"]
PAGE_SHIFT = 12
ADDRESS_BITS = 0x000F_FFFF_FFFF_F000  # of CR3 (Intel SDM vol. 3, 4.5.2)


def find_kernel():
    """Where the loader put the kernel, by the table of interrupts that the CPU uses, which is the
    kernel's; before it runs, where the loader puts it for --gdb-wait."""
    gdb.execute(f'symbol-file "{NOTES["kernel"]}"', to_string=True)
    table = int(gdb.parse_and_eval("(unsigned long)&idt"))
    said = re.search(r"^IDT= *([0-9a-f]{16}) ", gdb.execute("monitor info registers", to_string=True), re.M)
    at = int(said[1], 16) - table if said else 0
    return at if at >= NOTES["base"] and at % (1 << PAGE_SHIFT) == 0 else NOTES["base"]


def on_cpu():
    """The name of the application whose page tables the CPU uses; "" if it is nobody's."""
    frame = (int(gdb.parse_and_eval("$cr3")) & ADDRESS_BITS) >> PAGE_SHIFT
    try:
        table = gdb.parse_and_eval("envs")
        for slot in range(int(gdb.parse_and_eval("env_count"))):
            env = table[slot]
            if int(env["name"]["n"]) and int(env["root"]["n"]) == frame:
                return env["label"].string()
    except gdb.MemoryError:
        # The kernel is not there yet.
        pass
    return ""


class App(gdb.Command):
    """app [NAME]: load the symbols of the application NAME; without a name, tell whose are loaded
and which application has the CPU."""

    def __init__(self):
        super().__init__("app", gdb.COMMAND_FILES)
        self.loaded = None

    def invoke(self, argument, from_tty):
        name = argument.strip()
        if not name:
            print(f"On the CPU: {on_cpu() or 'no application'}.")
            print(f"Symbols of: {self.loaded or 'no application'}. There are {', '.join(APPS)}.")
            return
        if name not in APPS:
            raise gdb.GdbError(f"There is no application {name}; there are {', '.join(APPS)}.")
        if self.loaded:
            gdb.execute(f'remove-symbol-file "{APPS[self.loaded]}"', to_string=True)
        self.loaded = None
        gdb.execute(f'add-symbol-file "{APPS[name]}"', to_string=True)
        self.loaded = name

    def complete(self, text, word):
        return [name for name in APPS if name.startswith(word)]


class OnCpu(gdb.Function):
    """$app("NAME"): whether the application NAME has the CPU."""

    def __init__(self):
        super().__init__("app")

    def invoke(self, name):
        return on_cpu() == name.string()


gdb.execute("set confirm off")
gdb.execute("set pagination off")
gdb.execute(f"directory {NOTES['root']}", to_string=True)
gdb.execute(f'symbol-file "{NOTES["kernel"]}" -o {find_kernel()}', to_string=True)
command = App()
OnCpu()
if NOTES["app"]:
    command.invoke(NOTES["app"], False)
