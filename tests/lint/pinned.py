#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which functions of the kernel write control registers, as its code says.

usage: pinned.py KERNEL_WITH_SYMBOLS

CR0, CR4, the descriptor tables and model-specific registers are written at boot. After it, MSRs are
written by functions that write one alone. Who else does is a failure. Results come in the Test
Anything Protocol.
"""

import re
import subprocess
import sys

# Called by boot_first and boot_main, once, before the first environment runs, and by cpu_main on each
# other CPU. (What CR0, CR4 and EFER are there, the trampoline has set; it is data to the kernel.)
BOOT = {"features_init", "features_auto_ibrs", "features_apply", "descriptors_init", "descriptors_load", "gdt_load",
        "idt_load", "speculation_init", "speculation_apply", "apic_init", "apic_enable"}  # fmt: skip
# And these later: registers of the x2APIC, messages, the TSC deadline, the barrier for predictions.
LATER = {"apic_write", "apic_send", "apic_alarm", "apic_eoi", "speculation_switch"}
ALLOWED = {
    "wrmsr": BOOT | LATER,
    "cr0": BOOT,
    "cr4": BOOT,
    "tables": BOOT,
}
WRITES = {
    "wrmsr": re.compile(r"\twrmsr"),
    "cr0": re.compile(r"\t(mov +%r\w+,%cr0|lmsw|clts)"),
    "cr4": re.compile(r"\tmov +%r\w+,%cr4"),
    "tables": re.compile(r"\t(lgdt|lidt|lldt|ltr)"),
}


def main() -> int:
    command = ["objdump", "-d", "--no-show-raw-insn", sys.argv[1]]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, set[str]] = {kind: set() for kind in WRITES}
    function = ""
    for line in code.splitlines():
        head = re.match(r"^[0-9a-f]+ <([^>]+)>:$", line)
        if head:
            # The compiler may put a part of a function elsewhere: name.cold, name.part.0.
            function = head[1].split(".")[0]
        for kind, expression in WRITES.items():
            if expression.search(line):
                found[kind].add(function)
    failed = 0
    for number, kind in enumerate(WRITES, 1):
        strangers = found[kind] - ALLOWED[kind]
        held = bool(found[kind]) and not strangers
        failed += not held
        print(f"{'ok' if held else 'not ok'} {number} - {kind}: written by {', '.join(sorted(found[kind])) or 'nobody'}")
        if strangers:
            print(f"# not expected: {', '.join(sorted(strangers))}")
    print(f"1..{len(WRITES)}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
