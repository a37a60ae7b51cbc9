#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The deepest that the kernel's stacks can get, from the compiler's own figures, against their size.

usage: stack.py BUILD_FOLDER [--paths]

The kernel's sources are compiled once more with -fcallgraph-info=su (GCC): frame sizes and calls. A
call through a pointer must be in INDIRECT, a callee written in assembly in ASSEMBLY; what is in
neither, and any recursion, is a failure. Results come in the Test Anything Protocol.
"""

import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = "kernel-symbols.elf.p/"
NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
USAGE = re.compile(r"(\d+) bytes \((static|dynamic,bounded|dynamic)\)")

# Entered from entry.S on the kernel's empty stack.
ENTRIES = ("boot_main", "call_dispatch", "cpu_act", "kernel_lock_wait", "machine_enter", "trap_user", "cpu_main")
# And on the one in the image that the loader's jump leads to.
FIRST = "boot_first"
# entry.S: what the CPU pushes (40, and up to 8 to align), vector and error, nine registers, the
# return address; an exception anywhere in the kernel comes on top of everything, and is its end.
TRAP_FRAME = 40 + 8 + 16 + 9 * 8 + 8
ASSEMBLY = {"cpu_idle": 8, "cpu_breathe": 8}

DRIVERS = ("e1000.c", "virtio_net.c")


def of_drivers(*names):
    return [f"{file}:{name}" for file in DRIVERS for name in names]


# The function that calls through a pointer -> what it may call.
INDIRECT = {
    "pci_scan": ["nics.c:visit"],
    "nics.c:visit": ["virtio_net_probe", "e1000_probe"],
    "nic_interrupt": of_drivers("poll", "quiet"),
    "nic_poll_pending": of_drivers("poll", "quiet"),
    "nics.c:poll_again": of_drivers("poll", "quiet"),
    "queue_send": of_drivers("send_ready", "flush", "send"),
    "call_queue_unbind": of_drivers("flush"),
    "queue.c:send_one": of_drivers("send_ready", "send"),
    "irq_dispatch": of_drivers("interrupt") + ["serial.c:interrupt"],
    "cpu_main": ["smp_test.c:clock_answer", "smp_test.c:timer_answer", "smp_test.c:window_look"],
    "traps.c:line_fired": of_drivers("interrupt") + ["serial.c:interrupt"],
}


class Graph:
    def __init__(self):
        self.frame: dict[str, int] = {}
        self.calls: dict[str, set[str]] = {}
        self.wrong: list[str] = []

    @staticmethod
    def name(title: str) -> str:
        """Static functions are titled path:name; the file's name tells enough."""
        path, colon, name = title.rpartition(":")
        return f"{Path(path).name}:{name}" if colon else title

    def read(self, text: str) -> None:
        for title, label in NODE.findall(text):
            usage = USAGE.search(label)
            if usage:
                self.frame[self.name(title)] = int(usage[1])
                if usage[2] == "dynamic":
                    self.wrong.append(f"{title} takes a stack of no fixed size")
        for source, target in EDGE.findall(text):
            self.calls.setdefault(self.name(source), set()).add(self.name(target))

    def deepest(self, name: str, above: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        """Bytes that a call of `name` can take, and by which path."""
        if name in above:
            self.wrong.append("recursion: " + " -> ".join([*above[above.index(name) :], name]))
            return 0, []
        if name in ASSEMBLY:
            return ASSEMBLY[name], [name]
        if name not in self.frame:
            self.wrong.append(f"{name}, called by {above[-1] if above else 'nobody'}, is unknown")
            return 0, []
        callees = set(self.calls.get(name, ()))
        if "__indirect_call" in callees:
            callees.discard("__indirect_call")
            targets = INDIRECT.get(name, ())
            if not targets:
                self.wrong.append(f"{name} calls through a pointer and is not in INDIRECT")
            callees.update(targets)
        if name not in self.known:
            paths = [self.deepest(callee, (*above, name)) for callee in sorted(callees)]
            below, path = max(paths, default=(0, []), key=lambda p: p[0])
            self.known[name] = self.frame[name] + below, [name, *path]
        return self.known[name]

    known: dict[str, tuple[int, list[str]]] = {}


def compile_graph(build: Path) -> Graph:
    graph = Graph()
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="freehold-stack-") as folder:
        for number, entry in enumerate(c for c in commands if TARGET in c["output"]):
            if not entry["file"].endswith(".c"):
                continue
            words = [w for w in shlex.split(entry["command"]) if not w.endswith("ccache")]
            words[words.index("-o") + 1] = f"{folder}/{number}.o"
            words[words.index("-MF") + 1] = f"{folder}/{number}.d"
            subprocess.run([*words, "-fcallgraph-info=su"], cwd=entry["directory"], check=True)
        for file in Path(folder).glob("*.ci"):
            graph.read(file.read_text(encoding="utf-8"))
    return graph


def constant(path: Path, pattern: str) -> int:
    return int(re.search(pattern, path.read_text(encoding="utf-8"))[1], 0)


def main() -> int:
    build, root = Path(sys.argv[1]), Path(__file__).resolve().parents[2]
    stack = constant(root / "exo/x86_64/percpu.h", r"#define CPU_STACK\s+(0x\w+)")
    exception = constant(root / "exo/x86_64/percpu.h", r"#define IST_STACK\s+(\d+)u") - 16
    first = constant(root / "exo/x86_64/entry.S", r"\.skip (\d+)\s+boot_stack_top:")
    graph = compile_graph(build)
    main_depth, main_path = max((graph.deepest(name) for name in ENTRIES), key=lambda d: d[0])
    first_depth, _ = graph.deepest(FIRST)
    trap_depth, trap_path = graph.deepest("trap_in_kernel")
    panic_depth, panic_path = graph.deepest("panic")
    total = main_depth + TRAP_FRAME + trap_depth
    handler = TRAP_FRAME + graph.frame.get("trap_in_kernel", 0) + panic_depth
    results = [
        (not graph.wrong, "every call is known and none recursive" + "".join(
            f"\n# {w}" for w in sorted(set(graph.wrong)))),
        (len(graph.frame) > 100, f"{len(graph.frame)} functions were seen"),
        (total <= stack, f"the kernel's stack: {total} of {stack} bytes"),
        (first_depth + TRAP_FRAME + panic_depth <= first, f"the first stack: {first_depth + TRAP_FRAME + panic_depth} of"
         f" {first} bytes"),
        (handler <= exception, f"the stacks of NMI, double fault, machine check: {handler} of {exception} bytes"),
    ]  # fmt: skip
    if "--paths" in sys.argv:
        for title, path in (("main", main_path), ("trap", trap_path), ("panic", panic_path)):
            print(f"# {title}: " + " -> ".join(f"{n} ({graph.frame.get(n, 8)})" for n in path))
    for number, (held, what) in enumerate(results, 1):
        print(f"{'ok' if held else 'not ok'} {number} - {what}")
    print(f"1..{len(results)}")
    return not all(held for held, _ in results)


if __name__ == "__main__":
    sys.exit(main())
