# SPDX-License-Identifier: MIT
"""Addresses in a log become functions and lines; whatever is broken, the log still comes through."""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import symbols  # noqa: E402
from freehold_lib.machine import load  # noqa: E402
from freehold_lib.symbols import Symboliser, symbol_files, symbolise  # noqa: E402

SOURCE = """\
__attribute__((noinline, noreturn)) void die(void) { for (;;) __asm__ volatile("pause"); }
__attribute__((noinline, noreturn)) void last(void)
{
    die();
}
__attribute__((noinline)) int other(int x)
{
    return x + 1;
}
static inline __attribute__((always_inline)) void inner(volatile int *p)
{
    __asm__ volatile(".globl inside\\ninside: nop" ::: "memory");
    *p = 1;
}
__attribute__((noinline)) void outer(volatile int *p)
{
    inner(p);
}
int main(void)
{
    outer((int *)0);
    last();
}
__asm__(".text\\n.globl bare\\nbare: nop\\nnop\\nret\\n");
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    (folder / "source.c").write_text(SOURCE)
    command = [os.environ.get("CC", "cc"), "-g", "-O1", "-no-pie", "-fno-pie", "-o", "program.elf", "source.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "program.elf"


@pytest.fixture(scope="module")
def table(program):
    """name -> (address, size), as nm says."""
    said = subprocess.run(["nm", "-S", program], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in said.splitlines()]
    return {row[-1]: (int(row[0], 16), int(row[1], 16) if len(row) == 4 else 0) for row in rows if len(row) > 2}


def line_of(text: str) -> int:
    return SOURCE.splitlines().index(text) + 1


def test_functions_and_lines(program, table):
    at, size = table["other"]
    first = line_of("__attribute__((noinline)) int other(int x)")
    # Compilers differ in which of its lines a function begins with.
    for text in symbolise(program, [at, at + size], trace=False)[:1] + symbolise(program, [0, at + size])[1:]:
        match = re.fullmatch(rf"0x\w+ other\+0x(\w+) {program.parent}/source.c:(\d+)", text)
        assert match and int(match[1], 16) in (0, size) and first <= int(match[2]) <= first + 3, text
    assert symbolise(program, []) == []


def test_a_return_address_belongs_to_the_call_before_it(program, table):
    """The call is the last instruction of its function: what follows is another function."""
    start, size = table["last"]
    after = start + size
    first, second = symbolise(program, [after, after])
    assert " last+" not in first
    assert second == f"0x{after:x} last+0x{size:x} {program.parent}/source.c:{line_of('    die();')}"
    assert " last+" not in symbolise(program, [after, after], trace=False)[1]


def test_inlined_functions_are_named(program, table):
    at, _ = table["inside"]
    said = symbolise(program, [at])[0]
    inner, outer = line_of("    *p = 1;") - 1, line_of("    inner(p);")
    # The label in the middle is a symbol of its own without size; the function has one.
    folder = program.parent
    assert re.fullmatch(
        rf"0x{at:x} outer\+0x\w+ in inner {folder}/source.c:{inner}, {folder}/source.c:{outer}", said
    ), said


def test_assembler_labels(program, table):
    at, _ = table["bare"]
    assert symbolise(program, [at + 1])[0].startswith(f"0x{at + 1:x} bare+0x1")


def test_addresses_that_are_nowhere(program):
    addresses = [0, 1, 0x10, (1 << 64) - 1, 0xFFFFFFFF80000000]
    assert symbolise(program, addresses) == [f"0x{address:x} (unknown)" for address in addresses]


def test_without_addr2line_the_functions_remain(program, table, monkeypatch):
    monkeypatch.setattr(symbols.shutil, "which", lambda name: None)
    at, _ = table["other"]
    assert symbolise(program, [at + 2]) == [f"0x{at + 2:x} other+0x2"]


def test_addr2line_that_fails(program, table, tmp_path, monkeypatch):
    at, _ = table["other"]
    for script in ("exit 1", "echo nonsense", "echo 0x0000000000000001", "head -c 3000000 /dev/zero", "kill -9 $$"):
        tool = tmp_path / "addr2line"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        monkeypatch.setattr(symbols.shutil, "which", lambda name: str(tool))
        assert symbolise(program, [at, at])[0].startswith(f"0x{at:x} other+0x0")
    tool.write_bytes(b"\x7fELF, not")
    assert symbolise(program, [at]) == [f"0x{at:x} other+0x0"]
    monkeypatch.setattr(symbols, "TOOL_SECONDS", 0.2)
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    assert symbolise(program, [at]) == [f"0x{at:x} other+0x0"]


def test_without_symbols(program, tmp_path):
    for path in (tmp_path / "none", tmp_path, pathlib.Path("/dev/null")):
        assert symbolise(path, [0x401000, 0x401005]) == ["0x401000 (unknown)", "0x401005 (unknown)"]
    stripped = tmp_path / "stripped"
    subprocess.run(["objcopy", "--strip-all", program, stripped], check=True)
    assert symbolise(stripped, [0x401000]) == ["0x401000 (unknown)"]


def test_garbage_for_a_file(program, table, tmp_path, monkeypatch):
    """Broken at every place that matters; addr2line has its own tests and takes time."""
    monkeypatch.setattr(symbols.shutil, "which", lambda name: None)
    good = program.read_bytes()
    at, _ = table["other"]
    file = tmp_path / "garbage"
    chance = random.Random(3)
    section_headers = int.from_bytes(good[40:48], "little")
    for _ in range(400):
        data = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            where = chance.choice((chance.randrange(64), section_headers + chance.randrange(2000)))
            if where < len(data):
                data[where] = chance.choice((0, 0xFF, chance.randrange(256)))
        file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        assert symbolise(file, [at])[0].startswith(f"0x{at:x} ")


LOG = """\
[exo] Freehold 0.1.0, an exokernel.
[www] crash: page fault writing 0x{other:x} (error 0x6): nothing is mapped there
[www] backtrace: +0x{other:x} 0x{other:x} +0x{last:x}
[nobody] backtrace: +0x{other:x}
[www] backtrace: none
[www] [www2] backtrace: +0x{other:x}
[init] www2 was ended: exception 14 at +0x{other:x} while it handled an upcall
[init] www2 was ended: exception 14 at 0x{other:x} while it handled an upcall
[exo] Exception 13 in the kernel at 0x{other:x}: error 0x0, address 0x0, flags 0x2, stack 0x0.
[exo] It was working for www, which was at 0x{other:x}.
"""


def test_filter(program, table):
    other = table["other"][0]
    last = sum(table["last"])
    lines = LOG.format(other=other, last=last).splitlines()
    files = {"www": program, "www2": program, "exo": program, "init": program}
    out = list(Symboliser(files).filter(lines))
    assert [line for line in out if not re.match(r"\[\w+\]   #", line)] == lines, "nothing is lost"
    added = {}
    for line in out:
        if line in lines:
            before = lines.index(line)
        else:
            added.setdefault(before, []).append(line)
    assert sorted(added) == [2, 6, 8]
    assert [len(added[line]) for line in sorted(added)] == [3, 1, 1]
    assert added[2][0].startswith(f"[www]   #0 +0x{other:x} other+0x0 ")
    # Outside of the program, though the program has something at that distance.
    assert added[2][1] == f"[www]   #1 0x{other:x} (unknown)"
    assert added[2][2].startswith(f"[www]   #2 +0x{last:x} last+0x")
    assert added[6][0].startswith(f"[init]   #0 +0x{other:x} other+0x0 ")
    assert added[8][0].startswith(f"[exo]   #0 0x{other:x} other+0x0 ")


def test_a_kernel_that_was_moved(program, table):
    """The line that says where it lies counts from then on, and for the kernel alone."""
    other, moved = table["other"][0], 0xFFFFFFA123456000
    fault = "[exo] Exception 13 in the kernel at 0x{:x}: error 0x0, address 0x0, flags 0x2, stack 0x0."
    symboliser = Symboliser({"exo": program, "www": program})
    assert " other+" not in symboliser.extra(fault.format(other + moved))[0]
    assert symboliser.extra(f"[exo] The kernel lies at 0x{moved:x}.") == []
    assert f"0x{other + moved:x} other+0x0 " in symboliser.extra(fault.format(other + moved))[0]
    assert " other+0x0 " in symboliser.extra(f"[www] backtrace: +0x{other:x}")[0]


def test_where_an_application_was_when_the_kernel_stopped(program, table):
    """The kernel tells an address; which image lies there, the log said when it was started."""
    other, moved, later = table["other"][0], 0x2A123456000, 0x19876543000
    stop = "[exo] It was working for {}, which was at 0x{:x}."
    started = "[init] started www (environment 2, 512 pages, 8 slices of CPU 0, image at 0x{:x})"
    symboliser = Symboliser({"exo": program, "www": program, "www2": program, "init": program})
    assert symboliser.extra(stop.format("www", other)) == [], "not known where it lies"
    assert symboliser.extra(f"[www2] {started.format(moved)}") == []
    assert symboliser.extra(stop.format("www2", other + moved)) == [], "an application says what it likes"
    for place in (moved, later):  # it may be started again
        assert symboliser.extra(started.format(place)) == []
        first = symboliser.extra(stop.format("www", other + place))[0]
        assert first.startswith(f"[exo]   #0 0x{other + place:x} other+0x0 ")
    # Far below, within the distance of another's code, and where the last start had it.
    for address in (other, 0, later - 1, other + moved):
        assert symboliser.extra(stop.format("www", address)) == [f"[exo]   #0 0x{address:x} (unknown)"]
    assert symboliser.extra(stop.format("www2", other + later)) == [], "nor has another moved"
    symboliser.extra(f"[exo] init lies at 0x{moved:x}.")
    assert " other+0x0 " in symboliser.extra(stop.format("init", other + moved))[0]


def test_one_crash_costs_one_process(program, table, monkeypatch):
    calls = []
    real = subprocess.run
    monkeypatch.setattr(symbols.subprocess, "run", lambda *a, **k: (calls.append(1), real(*a, **k))[1])
    line = f"[www] backtrace: +0x{table['other'][0]:x}" + f" +0x{table['last'][0]:x}" * 30
    symboliser = Symboliser({"www": program})
    first = symboliser.extra(line)
    assert len(first) == 31 and symboliser.extra(line) == first and len(calls) == 1
    assert len(symboliser.extra("[www] backtrace:" + " 0x1" * 1000)) == symbols.ADDRESSES_MAX


def test_symbol_files(tmp_path):
    build = tmp_path / "build"
    (build / "apps").mkdir(parents=True)
    for name in ("httpd", "httpd.elf"):
        (build / "apps" / name).write_bytes(b"")
    (tmp_path / "m.toml").write_text(
        '[machine]\nname = "m"\n[[app]]\nname = "www"\nimage = "httpd"\n[[app]]\nname = "own"\nimage = "./own"\n'
    )
    assert symbol_files(load(tmp_path / "m.toml", None), build) == {
        "exo": build / "exo" / "kernel-symbols.elf",
        "init": build / "apps" / "init.elf",
        "www": build / "apps" / "httpd.elf",
        "own": tmp_path / "own",
    }


def test_the_formats_are_those_in_the_sources():
    """Who rewords a sentence must reword the expression that looks for it."""
    assert shutil.which("addr2line"), "the package binutils"
    for file, text in (
        ("libos/crash.c", '"backtrace: %s0x%lx"'),
        ("apps/init/apps.c", 'was ended: exception %u at %s0x%" PRIx64 " while'),
        ("apps/init/apps.c", '"started %s (environment %u, %u pages, %s, image at 0x%" PRIx64 ")'),
        ("exo/x86_64/boot.c", "The kernel lies at 0x%lx."),
        ("exo/x86_64/first.c", "init lies at 0x%lx."),
        ("exo/x86_64/log.c", "It was working for %s, which was at 0x%lx."),
        ("exo/x86_64/traps.c", "Exception %lu in the kernel at 0x%lx: "),
    ):
        assert text in (ROOT / file).read_text(), file
