# SPDX-License-Identifier: MIT
"""libos from inside: the C library under both policies, programs that must die, shares of the CPU.

The programs are in tests/apps.
"""

import re
import struct
import subprocess
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib.symbols import symbolise  # noqa: E402

TIMEOUT = 55
KINDS = [("qemu", "fifo"), ("qemu", "round_robin"), ("bochs", "round_robin")]


@pytest.mark.parametrize("kind, policy", KINDS)
def test_c_library(boot, kind, policy):
    app = {
        "name": "libc",
        "test": "libc",
        "arguments": [policy],
        "environment": {"CHECKED": "yes"},
        "sched": policy,
        "memory": "2M",
        "restart": "never",
    }
    machine = boot([app], kind=kind, nic=None)
    machine.wait_for(r"^\[init\] libc (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[libc\] not ok .*", text, re.M)
    passed, failed = re.search(r"^\[libc\] checks: (\d+) passed, (\d+) failed", text, re.M).groups()
    assert int(failed) == 0
    assert int(passed) == len(re.findall(r"^\[libc\] ok ", text, re.M)) >= 40
    assert "[init] libc ended with status 0" in text
    # What is missing is named once and counted always.
    assert text.count("[libc] enosys: link (86) is not provided") == 1
    assert "[libc] enosys: 2 calls in all" in text


@pytest.mark.parametrize("policy", ["fifo", "round_robin"])
def test_foreign_calls_are_the_application_s_own(boot, policy):
    app = {"name": "foreign", "test": "foreign", "sched": policy, "restart": "never", "memory": "2M"}
    machine = boot([app], nic=None)
    machine.wait_for(r"^\[init\] foreign (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[foreign\] not ok .*", text, re.M)
    assert len(re.findall(r"^\[foreign\] ok ", text, re.M)) == 9
    assert text.count("[foreign] written by a system call of Linux\n") == 1
    assert "[init] foreign ended with status 0" in text


@pytest.mark.parametrize("kind, policy", KINDS)
def test_two_notify_each_other(boot, kind, policy):
    common = {"test": "notify", "sched": policy, "restart": "never", "memory": "2M"}
    apps = [{"name": name, "arguments": [name], **common} for name in ("first", "second")]
    machine = boot(apps, kind=kind, nic=None)
    for name in ("first", "second"):
        machine.wait_for(rf"^\[init\] {name} (ended|was)", TIMEOUT)
        assert f"[{name}] ok: 2000 turns" in machine.text()
        assert f"[init] {name} ended with status 0" in machine.text()


@pytest.mark.parametrize("kind", ["qemu", "bochs"])
def test_three_share_memory(boot, kind):
    """An owner, one that may read and one that may write; it is taken back while they use it."""
    roles = ("third", "reader", "writer")
    apps = [
        {"name": role, "test": "share", "arguments": [role], "rights": ["directory"], "restart": "never"}
        for role in roles
    ]
    machine = boot(apps, kind=kind, nic=None)
    for role in roles:
        machine.wait_for(rf"^\[init\] {role} (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[\w+\] not ok.*", text, re.M)
    for role, checks in {"writer": 10, "reader": 9, "third": 3}.items():
        assert len(re.findall(rf"^\[{role}\] ok: ", text, re.M)) == checks, role
    assert "[init] writer ended with status 0" in text
    assert "[init] third ended with status 0" in text
    taken = r"^\[reader\] crash: page fault reading .*: another application shared that page and has taken it back$"
    assert re.search(taken, text, re.M)


def test_the_directory_follows_restarts(boot):
    apps = [
        {"name": "watcher", "test": "peers", "arguments": ["mortal"], "rights": ["directory"], "restart": "never"},
        {"name": "mortal", "test": "crash", "arguments": ["null"], "restart": "always"},
        {"name": "blind", "test": "peers", "arguments": ["mortal"], "restart": "never"},
    ]
    machine = boot(apps, nic=None)
    machine.wait_for(r"^\[init\] watcher (ended|was)", TIMEOUT)
    text = machine.text()
    assert "[watcher] ok: mortal was started 3 times" in text
    assert "[init] watcher ended with status 0" in text
    assert "[blind] has no directory" in text


def test_the_kernel_s_tables_are_read_as_memory(boot):
    common = {"test": "tables", "restart": "never"}
    machine = boot([{"name": "seeing", "rights": ["tables"], "memory": "4M", **common}, {"name": "blind", "arguments": ["blind"], **common}], nic=None)
    for name in ("seeing", "blind"):
        machine.wait_for(rf"^\[init\] {name} (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[\w+\] not ok.*", text, re.M)
    assert len(re.findall(r"^\[seeing\] ok: ", text, re.M)) == 22
    assert re.search(r"^\[seeing\] crash: page fault writing .*: its permission forbids that$", text, re.M)
    assert "[blind] ok: without the right nothing is seen" in text
    assert "[init] blind ended with status 0" in text


# Way to die: what the crash report says, and where the backtrace begins.
DEATHS = {
    "null": (r"page fault writing 0x8 .*: nothing is mapped there", "null"),
    "overflow": (r"page fault writing .*: that page is a guard: most likely a stack overflow", "depth"),
    "thread-overflow": (r"page fault writing .*: that page is a guard: most likely a stack overflow", "depth"),
    "leap": (r"page fault (?:reading|writing) .*: that page is a guard: most likely a stack overflow", "leap"),
    "above-ring": (r"page fault writing .*: that page is a guard: rings, buffers or ", "above_ring"),
    "below-ring": (r"page fault writing .*: that page is a guard: rings, buffers or ", "below_ring"),
    "record": (r"page fault writing .*: that page is a guard: .*thread record", "record"),
    "read-null": (r"page fault reading 0x8 .*: nothing is mapped there", "read_null"),
    "jump-null": (r"page fault executing 0x8 .*: nothing is mapped there", "jump_null"),
    "smash": (r"the stack of main was overrun in the function at \+0x", "smash"),
    "thread-smash": (r"the stack of thread 2 was overrun in the function at \+0x", "smash"),
    "double-free": (r"the heap is corrupt: a block was freed twice, was overrun, or ", "free"),
    "heap-overrun": (r"the heap is corrupt: a block was freed twice, was overrun, or ", "free"),
    "wild-free": (r"the heap is corrupt: a block was freed twice, was overrun, or ", "free"),
    "above-block": (r"page fault writing .*; a large block or mapping right beside", "above_block"),
    "below-block": (r"page fault writing .*; a large block or mapping right beside", "below_block"),
    "text": (r"page fault writing .*: its permission forbids that", "text"),
    "rodata": (r"page fault writing .*: its permission forbids that", "rodata"),
    "relro": (r"page fault writing .*: its permission forbids that", "relro"),
    "data": (r"page fault executing .*: its permission forbids that", "data"),
    "stack-code": (r"page fault executing .*: its permission forbids that", "stack_code"),
    "heap-code": (r"page fault executing .*: its permission forbids that", "heap_code"),
    "jump-kernel": (r"page fault executing 0xffffffff80000000 .*: nothing is mapped there", "jump_kernel"),
    "kernel": (r"page fault writing 0xffffffff80000000 .*: nothing is mapped there", "kernel"),
    "abort": (r"abort\(\) was called", "abort"),
    "privileged": (r"general protection fault", "privileged"),
    "memory": (r"page fault writing .*: the application's quota of pages is used up", "memory"),
}
# These end without a report: what init says.
QUIET_DEATHS = {
    "upcall-overflow": r"was ended: exception 14 at \+0x[0-9a-f]+ while it handled an upcall",
    "critical": r"was ended: exception 14 at \+0x[0-9a-f]+ while it handled an upcall",
    "entry": r"was ended: its control page names no usable upcall entry",
    "status": r"ended with status 3",
    "linked-else": r"ended with status 127",
}
DT_DEBUG, DT_PLTRELSZ = 21, 2


def linked_otherwise(program: bytes) -> bytes:
    """The program with a table of relocations that libos does not know; no use is made of DT_DEBUG."""
    unused = struct.pack("<QQ", DT_DEBUG, 0)
    assert program.count(unused) == 1
    return program.replace(unused, struct.pack("<QQ", DT_PLTRELSZ, 24))


def test_programs_that_must_die(boot, build, tmp_path):
    apps = [
        {"name": way, "test": "crash", "arguments": [way], "restart": "never", "memory": "2M", "slices": 2}
        for way in [*DEATHS, *QUIET_DEATHS]
    ]
    (tmp_path / "linked").write_bytes(linked_otherwise((build / "tests/apps/crash").read_bytes()))
    del apps[-1]["test"]
    apps[-1] |= {"image": str(tmp_path / "linked"), "slices": 1}
    machine = boot(apps, nic=None)
    for way in [*DEATHS, *QUIET_DEATHS]:
        machine.wait_for(rf"^\[init\] {way} (ended|was ended)", TIMEOUT)
    text = machine.text()
    for way, (report, top) in DEATHS.items():
        assert re.search(rf"^\[{way}\] crash: {report}", text, re.M), way
        assert f"[{way}] survived" not in text
        addresses = re.search(rf"^\[{way}\] backtrace: (.*)$", text, re.M)[1].split()
        names = symbolise(build / "tests/apps/crash.elf", [int(a, 16) for a in addresses])
        if top:
            assert any(top in name for name in names[:3]), (way, names)
        thread = "thread 2" if way.startswith("thread") else "main"
        assert f"[{way}] crash: in {thread}, policy" in text
        if "overflow" not in way and thread == "main":  # too deep for its main() to be shown
            assert any("main" in name for name in names), (way, names)
        if way != "abort" and not re.search("overrun in|heap is corrupt", report):
            assert re.search(rf"^\[{way}\] crash: rip=[0-9a-f]{{16}} ", text, re.M), way
    for way, said in QUIET_DEATHS.items():
        assert re.search(rf"^\[init\] {way} {said}", text, re.M), way
    assert "[linked-else] this program cannot run: it has relocations in other tables" in text


def test_each_start_has_a_layout_of_its_own(boot):
    app = {"name": "crash", "test": "crash", "arguments": ["layout"], "restart": "on-failure"}
    machine = boot([{**app, "memory": "1M"}], nic=None)
    machine.wait_for(r"^\[init\] crash is restarted in 4 s$", TIMEOUT)
    line = r"^\[crash\] layout: stack (\w+) heap (\w+) thread (\w+) resident (\w+) image (\w+) seed gone$"
    starts = [[int(a, 16) for a in start] for start in re.findall(line, machine.text(), re.M)]
    assert len(starts) >= 3
    for addresses in zip(*starts):
        assert len(set(addresses)) == len(starts), starts
        # Not a shift within a few pages: what is above 16 MiB is not always the same either.
        assert len({address >> 24 for address in addresses}) > 1, starts
    # Nor is the distance of stack and heap a constant, or that of image and any of them.
    assert len({heap - stack for stack, heap, *_ in starts}) > 1, starts
    for other in range(4):
        assert len({start[4] - start[other] for start in starts}) == len(starts), starts


@pytest.mark.parametrize("function", ["vfprintf", "__pthread_create", "console_printf", "vm_init"])
def test_the_libraries_have_canaries(build, function):
    """Each function here has an array or a local whose address goes out: it must look at the word."""
    elf = build / "tests/apps/crash.elf"
    command = ["objdump", "-d", f"--disassemble={function}", str(elf)]
    code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "<__stack_chk_fail>" in code


def test_a_crash_harms_nobody_else(boot):
    crash = {"name": "crash", "test": "crash", "arguments": ["null"], "restart": "on-failure"}
    other = {"name": "other", "image": "hello", "restart": "never"}
    machine = boot([crash, other], nic=None)
    for _ in range(2):
        machine.wait_for(r"^\[init\] crash is restarted in \d+ s\n(?:.*\n)*?\[init\] started crash", TIMEOUT)
    since = machine.mark()
    machine.wait_for(r"^\[other\] \d+ s$", TIMEOUT, since=since)
    assert not re.search(r"^\[init\] other (ended|was)", machine.text(), re.M)


# Time that counts instructions: a host that takes the emulator's CPU away then changes nothing.
# Bochs counts so by itself.
COUNTED = {"qemu": ["-icount", "shift=4,sleep=off"], "bochs": []}


@pytest.mark.parametrize("kind", COUNTED)
def test_two_that_spin_share_as_their_slices_say(boot, kind):
    machine = boot(
        [
            {"name": "small", "test": "spin", "slices": 5},
            {"name": "large", "test": "spin", "slices": 15},
        ],
        kind=kind,
        nic=None,
        extra=COUNTED[kind],
    )
    share = {}
    for name in ("small", "large"):
        had, of = machine.wait_for(rf"^\[{name}\] round 1: (\d+) us of (\d+)$", TIMEOUT).groups()
        share[name] = int(had) / int(of)
    # A second is 500 positions, 25 turns of the 20 in use; either may be off by a run of positions.
    assert share["small"] == pytest.approx(0.25, abs=0.01), share
    assert share["large"] == pytest.approx(0.75, abs=0.01), share
