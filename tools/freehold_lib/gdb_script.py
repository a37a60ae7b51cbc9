# SPDX-License-Identifier: MIT
"""Runs inside gdb: where kernel and applications lie, which application has the CPU, and the symbols
of one application at a time.

FREEHOLD_GDB, set by commands/gdb.py, has the applications' files. The kernel's own table of
environments (exo/core/env.h) says whose page tables the CPU uses, and where each one's are; it and
they can be read whatever the CPU is doing, because the kernel is mapped in every application's tables,
and all memory with it.
"""

import json
import os
import re

import gdb

NOTES = json.loads(os.environ["FREEHOLD_GDB"])
APPS = NOTES["apps"]
PAGE_SHIFT = 12
PRESENT = 1
ADDRESS_BITS = 0x000F_FFFF_FFFF_F000  # of CR3 (Intel SDM vol. 3, 4.5.2)


def find_kernel():
    """Where the loader put the kernel, by the table of interrupts that the CPU uses, which is the
    kernel's; before it runs, where the loader puts it for --gdb-wait."""
    gdb.execute(f'symbol-file "{NOTES["kernel"]}"', to_string=True)
    table = int(gdb.parse_and_eval("(unsigned long)&idt"))
    said = re.search(r"^IDT= *([0-9a-f]{16}) ", gdb.execute("monitor info registers", to_string=True), re.M)
    at = int(said[1], 16) - table if said else 0
    return at if at >= NOTES["base"] and at % (1 << PAGE_SHIFT) == 0 else NOTES["base"]


def environments():
    """(name, root table's frame) of each application that is there."""
    try:
        table = gdb.parse_and_eval("envs")
        for slot in range(int(gdb.parse_and_eval("env_count"))):
            env = table[slot]
            if int(env["name"]["n"]):
                yield env["label"].string(), int(env["root"]["n"])
    except gdb.MemoryError:
        # The kernel is not there yet.
        pass


def on_cpu():
    """The name of the application whose page tables the CPU uses; "" if it is nobody's."""
    frame = (int(gdb.parse_and_eval("$cr3")) & ADDRESS_BITS) >> PAGE_SHIFT
    return next((name for name, root in environments() if root == frame), "")


def read64(physical):
    """A word of memory, by the kernel's map of all of it."""
    return int.from_bytes(gdb.selected_inferior().read_memory(NOTES["direct_map"] + physical, 8).tobytes(), "little")


def told_base(root):
    """Where an application's start page (exo/abi/start.h) says that its image is; 0: it has none yet."""
    at = NOTES["start"] + int(gdb.parse_and_eval("(unsigned long)&((struct exo_start *)0)->image_base"))
    entry = root << PAGE_SHIFT | PRESENT
    for shift in (39, 30, 21, 12):
        if not entry & PRESENT:
            return 0
        entry = read64((entry & ADDRESS_BITS) + (at >> shift & 511) * 8)
    return read64((entry & ADDRESS_BITS) + at % (1 << PAGE_SHIFT)) if entry & PRESENT else 0


def image_base(name):
    """Where the application's image lies since its last start. Before it was started only the place
    of --gdb-wait is known."""
    for other, root in environments():
        if other == name and root and told_base(root):
            return told_base(root)
    if KERNEL_AT != NOTES["base"]:
        raise gdb.GdbError(f"{name} does not run now; where it will lie is drawn when it starts.")
    return NOTES["image"]


class App(gdb.Command):
    """app [NAME]: load the symbols of the application NAME, for where it lies now; without a name,
tell whose are loaded and which application has the CPU."""

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
        gdb.execute(f'add-symbol-file "{APPS[name]}" -o {image_base(name)}', to_string=True)
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
KERNEL_AT = find_kernel()
gdb.execute(f'symbol-file "{NOTES["kernel"]}" -o {KERNEL_AT}', to_string=True)
command = App()
OnCpu()
if NOTES["app"]:
    command.invoke(NOTES["app"], False)
