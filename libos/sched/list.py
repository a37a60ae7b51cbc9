# SPDX-License-Identifier: MIT
"""Each policy of this folder, by name; with an argument, write the table of them to that file.

A new file here is seen when the build is configured the next time: tools/freehold sched new sees to
that.
"""

import pathlib
import sys

FIRST = ("fifo", "round_robin")  # the first is what runs if nothing is asked for

names = sorted(file.stem for file in pathlib.Path(__file__).parent.glob("*.c"))
names.sort(key=lambda name: name not in FIRST)
if len(sys.argv) < 2:
    print(*names, sep="\n")
    sys.exit()
with open(sys.argv[1], "w", encoding="utf-8") as file:
    print('#include "policy.h"\n', file=file)
    for name in names:
        print(f"extern const struct sched sched_{name};", file=file)
    listed = ", ".join(f"&sched_{name}" for name in names)
    print(f"\nconst struct sched *const sched_policies[] = {{{listed}}};", file=file)
    print(f"const unsigned sched_policy_count = {len(names)};", file=file)
