# SPDX-License-Identifier: MIT
"""Machine files: what runs on a machine, read from TOML and checked whole (docs/machine.md).

    machine = load("machines/demo.toml")

All that is wrong is told at once, each with file, line, application and key: MachineError.errors.
What is accepted here is what init (apps/init) accepts when the machine starts, and the limits are
read from the kernel's own headers.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
import tomllib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path

from . import elf, toml_lines
from .abi import ROOT, number, policies
from .filters import Ports, allowances, most_ports, read_ports
from .machine_ip6 import read_address6, read_gateway6
from .machine_table import Errors, Table, plain, quote

FILE_MAX = 1 << 20
KEY_PARTS = 16  # more than any key here has
DEFAULT_BUILD = ROOT / "build"
# Where the build has programs; the second has those of the boot tests.
PROGRAM_FOLDERS = ("apps", "tests/apps")
DEFAULT_MEMORY = 128 << 20
DEFAULT_PAGES = 512
DEFAULT_SLICES = 4
# With so much memory the kernel has room for so many environments, queues and slices (exo/x86_64/memory.c takes
# a 64th of it); with less, for EXO_TABLES_LEAST.
LARGE, LARGE_TABLES = 512 << 20, 512
DEFAULT_POLICY = "round_robin"
QUANTUM_MIN, QUANTUM_MAX = 5_000, 10**9  # below, most of the time would go to switching
RESTARTS = {"never": "BUNDLE_NEVER", "on-failure": "BUNDLE_ON_FAILURE", "always": "BUNDLE_ALWAYS"}
DEFAULT_RESTART = "on-failure"
RIGHTS = ("directory", "tables")
DHCP = "dhcp"
# What the kernel's log begins its own lines, the loader's and init's with.
RESERVED_NAMES = ("exo", "uefi", "init")
# Settings that keys of their own make.
RESERVED_SETTINGS = {
    "FREEHOLD_SCHED": "sched",
    "FREEHOLD_QUANTUM": "quantum",
    "FREEHOLD_TRACE": "trace",
    "FREEHOLD_VCPUS": "vcpus",
    "FREEHOLD_ADDRESS": "address",
    "FREEHOLD_GATEWAY": "gateway",
    "FREEHOLD_ADDRESS6": "address6",
    "FREEHOLD_GATEWAY6": "gateway6",
    "FREEHOLD_RIGHTS": "rights",
}
# OVMF (2022.11) starts in 48 MiB and not in 40.
MEMORY_MIN, MEMORY_MAX = 48 << 20, 64 << 30


def system_memory(memory: int) -> int:
    """What firmware, kernel and init keep of the machine's memory; the bundle comes on top.

    Measured in QEMU and Bochs: 5 to 8 MiB of a machine with 64 MiB, 9 of one with 256 MiB (the
    kernel's tables grow with the memory). A few MiB are for what differs between firmwares.
    """
    return (10 << 20) + memory // 64


def rings_memory(rings: list[tuple[int, int]]) -> int:
    """What init takes for so many rings of such a size (apps/init/rings.c): each with a head, and a copy."""
    return sum(2 * count * (number("EXO_PAGE_SIZE") + size) for count, size in rings if size)


def ring_most(count: int) -> int:
    """How large each can be of so many rings of an application: a power of two."""
    size = number("EXO_TRACE_MAX")
    while count * (number("EXO_PAGE_SIZE") + size) > number("EXO_TRACE_ROOM"):
        size //= 2
    return size


_NAME = re.compile(r"[a-z0-9-]+")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_FORWARD = re.compile(r"(tcp|udp)/([0-9]{1,5}):([0-9]{1,5})")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"({_PART}(?:[ \t]*\.[ \t]*{_PART}){{{KEY_PARTS}}})|{toml_lines.STRING}|{_PART}|#[^\n]*", re.S)
_POLICY = re.compile(r"[a-z][a-z0-9_]{0,23}")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_MACHINE_KEYS = ("name", "memory", "cpus")
_CONTROL_KEYS = ("serial",)
_APP_KEYS = (
    ("name", "image", "arguments", "environment", "memory", "slices", "cpu", "vcpus", "sched", "quantum", "trace")
    + ("address", "gateway", "address6", "gateway6", "mac", "restart", "forward", "rights", "ports", "environments")
    + ("cpus", "under")
)
# What an application under another cannot have, and why.
_NOT_UNDER = {
    "cpu": "it runs where that one lets it",
    "trace": "rings are kept by `init`, which does not start it",
    "environments": "orphans of its own would be nobody's",
}
# What one cannot have that hands out CPUs.
_NOT_WITH_CPUS = {
    "under": "it is under nobody",
    "cpu": "it has those CPUs whole, and no slices of others",
    "vcpus": "it runs on one of those CPUs alone",
    "slices": "it has all of those CPUs",
    "restart": "what is under it lives on without it",
    "environments": "it makes those that are under it",
}


class MachineError(Exception):
    """The machine file is wrong; `errors` has a sentence for each thing, in the file's order."""

    def __init__(self, errors: list[str]):
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True)
class Forward:
    """A port of the host that leads to a port of the application."""

    protocol: str  # "tcp" or "udp"
    host_port: int
    app_port: int


@dataclass(frozen=True)
class App:
    name: str
    image: str  # as the file has it; Machine.image_path() finds it
    arguments: tuple[str, ...]  # without argv[0], which is the name
    environment: dict[str, str]  # without what sched, quantum, address, gateway and others add
    pages: int  # quota of frames
    slices: int
    cpu: int | None  # whose slices; None: init decides
    vcpus: int  # on how many CPUs it has `slices` each
    sched: str
    quantum: int | None  # ns; None: the policy's own
    trace: int  # bytes of events that the ring of each vCPU holds; 0: it is not traced
    address: IPv4Interface | str | None  # or DHCP
    gateway: IPv4Address | None
    address6: IPv6Interface | None
    gateway6: IPv6Address | None
    mac: int | None  # None: no network
    restart: str  # one of RESTARTS
    rights: tuple[str, ...]  # of RIGHTS
    forwards: tuple[Forward, ...]
    ports: tuple[Ports, ...]  # of its own that it may use; none: all
    environments: int  # that it may make itself
    cpus: tuple[int, ...] = ()  # that it has whole, to hand them out to those under it
    under: str | None = None  # who starts it and gives it CPU time; None: init

    @property
    def allowances(self) -> list[bytes]:
        """What the kernel lets it bind and send: structs exo_filter."""
        return _allowed(vars(self))

    @property
    def argv(self) -> list[str]:
        return [self.name, *self.arguments]

    @property
    def settings(self) -> list[str]:
        """The environment strings that the application finds."""
        made = {"FREEHOLD_SCHED": self.sched}
        if self.quantum:
            made["FREEHOLD_QUANTUM"] = str(self.quantum)
        if (self.vcpus or 1) > 1:
            made["FREEHOLD_VCPUS"] = str(self.vcpus)
        if self.trace:
            made["FREEHOLD_TRACE"] = str(self.trace)
        if self.address:
            made["FREEHOLD_ADDRESS"] = str(self.address)
        if self.gateway:
            made["FREEHOLD_GATEWAY"] = str(self.gateway)
        if self.address6:
            made["FREEHOLD_ADDRESS6"] = str(self.address6)
        if self.gateway6:
            made["FREEHOLD_GATEWAY6"] = str(self.gateway6)
        if self.rights:
            made["FREEHOLD_RIGHTS"] = ",".join(self.rights)
        return [f"{key}={value}" for key, value in (made | self.environment).items()]

    @property
    def strings(self) -> bytes:
        """Arguments and settings as they lie in the application's memory."""
        return b"".join(text.encode() + b"\0" for text in self.argv + self.settings)


@dataclass(frozen=True)
class Machine:
    path: Path
    name: str
    memory: int  # MiB
    apps: tuple[App, ...]
    control: bool = False  # commands are taken over the second serial port
    cpus: int = 1

    def image_path(self, app: App, build: Path | str = DEFAULT_BUILD) -> Path:
        """The ELF file of the application: a program of the build, or where the file says."""
        return _image_path(self.path, app.image, Path(build))

    @property
    def forwards(self) -> list[tuple[str, int, str, int]]:
        """As the emulator takes them: protocol, host port, application's address and port."""
        return [
            (forward.protocol, forward.host_port, str(app.address.ip), forward.app_port)
            for app in self.apps
            for forward in app.forwards
        ]

    @property
    def outside(self) -> dict:
        """What the file says of the emulator, not of what runs in it; as JSON keeps it."""
        forwards = {
            app.name: sorted(f"{forward.protocol}/{forward.host_port}:{forward.app_port}" for forward in app.forwards)
            for app in self.apps
        }
        return {"memory": self.memory, "forward": forwards}


def load(path: Path | str, build: Path | str | None = DEFAULT_BUILD) -> Machine:
    """Read and check a machine file. MachineError with all that is wrong.

    Programs are looked for in the build folder `build`. None: the programs are not looked at, and
    only the file itself is checked (before a first build there are none).
    """
    values, errors = read_toml(Path(path))
    machine = _Reader(Path(path), Path(build) if build else None, errors).machine(values)
    errors.sort()
    if errors.sentences:
        raise MachineError(errors.sentences)
    return machine


def read_toml(path: Path) -> tuple[dict, Errors]:
    """What a TOML file says, and where to tell what is wrong with it; MachineError if it is none."""
    text = _read(path)
    try:
        _check_depth(path, text)
        values = tomllib.loads(text)
        lines = toml_lines.lines(text)
    except tomllib.TOMLDecodeError as error:
        raise MachineError([_syntax_error(path, text, str(error))]) from error
    except RecursionError as error:
        raise MachineError([f"{path}:1: The file nests values too deeply."]) from error
    except ValueError as error:
        raise MachineError([f"{path}:{_line_of_digits(text)}: There is a number of too many digits."]) from error
    return values, Errors(path, lines)


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            raw = file.read(FILE_MAX + 1)
    except OSError as error:
        raise MachineError([f"{path}: The file cannot be read: {error.strerror}."]) from error
    if len(raw) > FILE_MAX:
        raise MachineError([f"{path}: The file is larger than {FILE_MAX >> 20} MiB."])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise MachineError([f"{path}:{line}: This line is not UTF-8 text."]) from error


def _check_depth(path: Path, text: str) -> None:
    """Keys of very many parts take tomllib time that grows with the square of their number."""
    for match in _LONG_KEY.finditer(text):
        if match[1]:
            line = text.count("\n", 0, match.start()) + 1
            raise MachineError([f"{path}:{line}: A key has more than {KEY_PARTS} parts."])


def _line_of_digits(text: str) -> int:
    """Where the number is that Python refuses to read, for the time that it would take."""
    match = re.search(r"(?:[0-9]_?){%d}" % (sys.get_int_max_str_digits() + 1), text)
    return text.count("\n", 0, match.start()) + 1 if match else 1


def _syntax_error(path: Path, text: str, said: str) -> str:
    """tomllib puts the place at the end: "... (at line 3, column 5)"."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", said, re.S)
    if not match:
        return f"{path}:1: This is not TOML: {plain(said, 200)}."
    what, line, column = match.groups()
    what = plain(what, 200)
    if not line:
        return f"{path}:{text.count(chr(10)) + 1}: This is not TOML: {what} at the end of the file."
    return f"{path}:{line}: This is not TOML: {what} (column {column})."


class _Reader:
    def __init__(self, path: Path, build: Path | None, errors: Errors):
        self.path = path
        self.build = build
        self.errors = errors

    def machine(self, values: dict) -> Machine:
        top = Table(self.errors, (), values, "The file")
        top.check_keys(("machine", "control", "app"))
        machine = top.table("machine", "machine")
        machine.check_keys(_MACHINE_KEYS)
        name = machine.string("name")
        if name is not None and (not _NAME.fullmatch(name) or len(name) > 31):
            machine.wrong("name", f'is {quote(name)}; a name has 1 to 31 of the characters a-z, 0-9 and -')
        memory = machine.size("memory", DEFAULT_MEMORY)
        good = memory is None or MEMORY_MIN <= memory <= MEMORY_MAX and memory % (1 << 20) == 0
        if not good:
            machine.wrong(
                "memory",
                f"is {size_text(memory)}; a machine has {size_text(MEMORY_MIN)} to {size_text(MEMORY_MAX)}, "
                f"in whole MiB",
            )
        cpus, most_cpus = machine.integer("cpus", 1), number("EXO_BOOT_CPUS")
        if cpus is not None and not 1 <= cpus <= most_cpus:
            machine.wrong("cpus", f"is {cpus}; a machine has 1 to {most_cpus} CPUs")
            cpus = None
        self.cpus = cpus or most_cpus
        control = self.control(top)
        tables = top.tables("app")
        if not tables and "app" not in values:
            self.errors.add((), "The file names no application; add a table [[app]].")
        most = number("BUNDLE_APPS")
        if len(tables) > most:
            tables[most].wrong(None, f"is one too many: a machine has at most {most} applications")
            del tables[most:]  # thousands of them would take their time
        apps = [_AppReader(self, table).app(name or "") for table in tables]
        self.unique(apps, tables)
        self.stewards(apps, tables)
        self.fits(apps, tables, machine, memory if good else None)
        macs = _macs(name or "", apps)
        ready = tuple(app | {"mac": mac} for app, mac in zip(apps, macs))
        if self.errors.sentences:
            return Machine(self.path, "", 0, ())  # never seen: load() raises
        return Machine(self.path, name, memory >> 20, tuple(App(**app) for app in ready), control, cpus)

    def control(self, top: Table) -> bool:
        if "control" not in top.values:
            return False
        table = top.table("control", "control")
        table.check_keys(_CONTROL_KEYS)
        return bool(table.boolean("serial", False))

    def unique(self, apps: list[dict], tables: list[Table]) -> None:
        """Names, MACs, addresses and forwarded ports belong to one application each."""
        seen: dict[tuple, Table] = {}
        for app, table in zip(apps, tables):
            address = app["address"]
            claims = [("name", None, app["name"], f'"{app["name"]}"')]
            claims.append(("mac", None, app["mac"], mac_text(app["mac"] or 0)))
            if isinstance(address, IPv4Interface):
                claims.append(("address", None, address.ip, str(address.ip)))
            if app["address6"]:
                claims.append(("address6", None, app["address6"].ip, str(app["address6"].ip)))
            for index, forward in app["forwards"].items():
                port = (forward.protocol, forward.host_port)
                text = f"host port {forward.host_port}/{forward.protocol}"
                claims.append(("forward", index, port, text))
            for key, index, value, text in claims:
                if not value:
                    continue
                taken = seen.setdefault((key, value), table)
                if taken is not table:
                    other = "another application" if key == "name" else taken.label
                    table.wrong(key, f"gives {text}, which {other} has already", index)
        for app in apps:
            app["forwards"] = tuple(app["forwards"].values())

    def stewards(self, apps: list[dict], tables: list[Table]) -> None:
        """Whoever is under another finds that one, with CPUs to hand out that are nobody else's."""
        whole: dict[int, Table] = {}
        for app, table in zip(apps, tables):
            for index, cpu in enumerate(app["cpus"]):
                other = whole.setdefault(cpu, table)
                if other is not table:
                    table.wrong("cpus", f"has {cpu}, which {other.label} has already", index)
        most = number("BUNDLE_UNDER")
        for place, (app, table) in enumerate(zip(apps, tables)):
            if app["under"] and place >= most:
                table.wrong("under", f"is for one of the first {most} applications of the file alone; put it before others")
            if not app["under"]:
                if app["cpu"] in whole:
                    table.wrong("cpu", f"is {app['cpu']}, which {whole[app['cpu']].label} has whole")
                continue
            names = [other["name"] for other in apps]
            steward = names.index(app["under"]) if app["under"] in names else None
            if steward is None or "cpus" not in tables[steward].values:
                table.wrong("under", f"names {quote(app['under'])}, which is no application with `cpus`")
                app["under"] = None
        for steward, table in zip(apps, tables):
            filters = [len(_allowed(app)) for app in apps if steward["cpus"] and app["under"] == steward["name"]]
            most = number("EXO_ALLOWANCES") - len(_allowed(steward))
            if sum(filters) > most:
                table.wrong(None, f"has applications under it with {sum(filters)} filters together; it may have {most}")

    def fits(self, apps: list[dict], tables: list[Table], machine: Table, memory: int | None) -> None:
        # One slice stays with init; the kernel's own slot, init's and one for each application are
        # taken. No machine of this size has fewer of either.
        least = LARGE_TABLES if memory and memory >= LARGE else number("EXO_TABLES_LEAST")
        self.share_out_slices(apps, tables, least)
        self.names_fit(apps, tables)
        further = sum((app["vcpus"] or 1) - 1 for app in apps)
        if len(apps) + further > least - 2:
            machine.wrong("memory", f"gives room for {least - 2} applications and further `vcpus`, but the file has "
                          f"{len(apps) + further}" + ("; more have room in 512M" if least < LARGE_TABLES else ""))
        else:
            self.share_out("environments", least - 2 - len(apps) - further, apps, tables)
        page = number("EXO_PAGE_SIZE")
        wanted = sum(app["pages"] or 0 for app in apps) * page
        rings = rings_memory([(app["vcpus"] or 1, app["trace"] or 0) for app in apps])
        images = sum(self.stored(name) for name in {app["image"] for app in apps if app["image"]})
        if memory and system_memory(memory) + images + wanted + rings > memory:
            machine.wrong(
                "memory",
                f"is {size_text(memory)}, but the applications want {size_text(wanted)} together, their "
                f"images {size_text(images)}, {f'their traces {size_text(rings)}, ' if rings else ''}and firmware and system up to "
                f"{size_text(system_memory(memory))}",
            )

    def names_fit(self, apps: list[dict], tables: list[Table]) -> None:
        most = number("EXO_DIRECTORY_ENTRIES")
        for app, table in zip(apps, tables):
            if "directory" in app["rights"] and len(apps) > most:
                table.wrong("rights", f"has directory, which names {most} applications; the machine has {len(apps)}")

    def share_out_slices(self, apps: list[dict], tables: list[Table], least: int) -> None:
        """As init does (apps/init/plan.c) on a machine that has no more of them than any has."""
        each = min(least, number("EXO_SLICES") // self.cpus)
        there = [each - (cpu == 0) for cpu in range(self.cpus)]
        left = list(there)
        whole = {app["name"]: app["cpus"] for app in apps}
        free = [cpu for cpu in range(self.cpus) if all(cpu not in cpus for cpus in whole.values())]
        for app, table in zip(apps, tables):
            cpus = whole[app["under"]] if app["under"] else free
            if app["cpus"] or not cpus or app["cpu"] not in (None, *cpus):
                continue  # or it has been told already
            wanted, count = app["slices"] or 0, app["vcpus"] or 1
            if count > len(cpus):
                table.wrong("vcpus", f"is {count}, but it may run on {len(cpus)} CPU{'s' * (len(cpus) > 1)} alone")
                continue
            first = app["cpu"] if app["cpu"] is not None else max(cpus, key=lambda cpu: (left[cpu], -cpu))
            others = sorted((cpu for cpu in cpus if cpu != first), key=lambda cpu: (-left[cpu], cpu))
            for cpu in (first, *others[: count - 1]):
                if wanted > left[cpu]:
                    of = f" of CPU {cpu}" if self.cpus > 1 else ""
                    before = f"the applications before it leave {left[cpu]} of the {there[cpu]} slices{of}"
                    table.wrong("slices", f"is {wanted}, but {before}")
                    break
                left[cpu] -= wanted

    def share_out(self, key: str, most: int, apps: list[dict], tables: list[Table]) -> None:
        left = most
        for app, table in zip(apps, tables):
            wanted = app[key] or 0
            if wanted > left:
                before = f"the applications before it leave {left} of the {most} {key}"
                table.wrong(key, f"is {wanted}, but {before}")
            else:
                left -= wanted

    def stored(self, image: str) -> int:
        """Bytes of an image in the bundle, which stays in memory."""
        page = number("EXO_PAGE_SIZE")
        if not self.build:
            return 0
        try:
            return -(-_image_path(self.path, image, self.build).stat().st_size // page) * page
        except OSError:
            return 0  # told already


def _allowed(app: dict) -> list[bytes]:
    """What the kernel is to let an application do, also before its MAC is derived."""
    mac = None if app["mac"] is None else app["mac"] or 1
    fixed, fixed6 = isinstance(app["address"], IPv4Interface), app["address6"]
    return allowances(mac, app["address"].ip if fixed else None, app["ports"], fixed6.ip if fixed6 else None)


def _is_file(path: Path) -> bool:
    """A name that no file can have, one too long for instance, is no file's."""
    try:
        return path.is_file()
    except OSError:
        return False


def _image_path(machine: Path, name: str, build: Path) -> Path:
    if "/" in name:
        return machine.parent / name
    found = [build / folder / name for folder in PROGRAM_FOLDERS if _is_file(build / folder / name)]
    return (found or [build / PROGRAM_FOLDERS[0] / name])[0]


class _AppReader:
    def __init__(self, reader: _Reader, table: Table):
        self.reader = reader
        self.table = table

    def app(self, machine: str) -> dict:
        """The fields of an App; what is wrong is None or empty and has been told."""
        table = self.table
        table.check_keys(_APP_KEYS)
        app = {"name": self.name(), "pages": self.pages(), "slices": self.slices(), "cpu": self.cpu()}
        app["vcpus"] = self.vcpus()
        app |= {"image": self.image(app["pages"])}
        app |= {"arguments": self.arguments(), "environment": self.environment()}
        app["sched"] = self.sched(app["image"])
        app["quantum"] = table.duration("quantum", None, QUANTUM_MIN, QUANTUM_MAX)
        app["trace"] = self.trace(app["vcpus"] or 1)
        app["restart"] = table.choice("restart", tuple(RESTARTS), DEFAULT_RESTART)
        app["rights"] = self.rights()
        app["address"] = self.address()
        app["gateway"] = self.gateway(app["address"])
        app["address6"] = read_address6(table)
        app["gateway6"] = read_gateway6(table, app["address6"])
        app["mac"] = self.mac()
        app["ports"] = self.ports(app["address6"] is not None)
        app["environments"] = self.environments()
        app["under"] = self.under(app["rights"])
        app["cpus"] = self.cpus()
        if app["cpus"]:
            app["restart"] = "never"
        app["forwards"] = self.forwards(app["address"], app["ports"])
        self.strings(app)
        return app

    def name(self) -> str | None:
        name = self.table.string("name")
        if name is None:
            return None
        if not _NAME.fullmatch(name) or len(name) > 15:
            self.table.wrong("name", f'is {quote(name)}; a name has 1 to 15 of the characters a-z, 0-9 and -')
        elif name in RESERVED_NAMES:
            self.table.wrong("name", f'is {quote(name)}, the name that the log uses for the system itself')
        else:
            return name
        return None

    def pages(self) -> int | None:
        page = number("EXO_PAGE_SIZE")
        size = self.table.size("memory", DEFAULT_PAGES * page)
        if size is None:
            return None
        if size == 0 or size % page or size > MEMORY_MAX:
            self.table.wrong("memory", f"is {size_text(size)}; it must be a multiple of 4K, up to {MEMORY_MAX >> 30}G")
            return None
        return size // page

    def slices(self) -> int | None:
        slices = self.table.integer("slices", DEFAULT_SLICES)
        most = number("EXO_TABLES_LEAST") - 1
        if slices is not None and not 1 <= slices <= most:
            self.table.wrong("slices", f"is {slices}; an application has 1 to {most} slices")
            return None
        return slices

    def cpu(self) -> int | None:
        cpu, most = self.table.integer("cpu", None), self.reader.cpus - 1
        if cpu is not None and not 0 <= cpu <= most:
            here = "the machine has CPU 0 alone" if not most else f"the machine has CPUs 0 to {most}"
            self.table.wrong("cpu", f"is {cpu}; {here} (`cpus` in [machine])")
            return None
        return cpu

    def vcpus(self) -> int | None:
        count = self.table.integer("vcpus", 1)
        if count is not None and not 1 <= count <= self.reader.cpus:
            here = "1 CPU" if self.reader.cpus == 1 else f"{self.reader.cpus} CPUs"
            self.table.wrong("vcpus", f"is {count}; the machine has {here} (`cpus` in [machine])")
            return None
        return count

    def under(self, rights: tuple[str, ...]) -> str | None:
        under = self.table.string("under", None)
        for key, why in _NOT_UNDER.items() if under is not None else ():
            if key in self.table.values:
                self.table.wrong(key, f"is not for an application that is under another: {why}")
        if under is not None and "directory" in rights:
            self.table.wrong("rights", "has directory, which is not for an application that is under another")
        return under

    def cpus(self) -> tuple[int, ...]:
        """Those that it has whole, in order."""
        cpus, most = self.table.integers("cpus"), self.reader.cpus - 1
        for key, why in _NOT_WITH_CPUS.items() if cpus else ():
            if key in self.table.values:
                self.table.wrong(key, f"is not for an application that has `cpus`: {why}")
        if self.table.values.get("cpus") == []:
            self.table.wrong("cpus", "names no CPU")
        for index, cpu in cpus.items():
            if not 1 <= cpu <= most:
                here = f"CPUs 1 to {most} can be had whole" if most else "the machine has CPU 0 alone, where `init` runs"
                self.table.wrong("cpus", f"has {cpu}; {here}", index)
        return tuple(sorted({cpu for cpu in cpus.values() if 1 <= cpu <= most}))

    def environments(self) -> int | None:
        count = self.table.integer("environments", 0)
        most = number("EXO_TABLES_LEAST") - 3
        if count is not None and not 0 <= count <= most:
            self.table.wrong("environments", f"is {count}; an application makes 0 to {most} environments")
            return None
        return count

    def image(self, pages: int | None) -> str | None:
        name = self.table.string("image")
        build = self.reader.build
        if name is None:
            return None
        if not name or "\0" in name or name in (".", ".."):
            self.table.wrong("image", f"is {quote(name)}, which names no file")
            return None
        if not build:
            return name
        path = _image_path(self.reader.path, name, build)
        if not _is_file(path):
            shown = plain(str(path), 200)
            self.table.wrong("image", f"names {quote(name)}, but {shown} is not there{_programs(build, name)}")
            return None
        try:
            needed = elf.pages_to_start(path)
        except elf.ElfError as error:
            self.table.wrong("image", f"names {quote(name)}, but {plain(str(path), 200)} {error}")
            return None
        if pages and pages < needed:
            page = number("EXO_PAGE_SIZE")
            self.table.wrong(
                "memory",
                f"is {size_text(pages * page)}, but to start {plain(name, 60)} takes {size_text(needed * page)}",
            )
        return name

    def sched(self, image: str | None) -> str | None:
        """A policy that its program is linked with. Before that is there, any that looks like one."""
        build = self.reader.build
        found = elf.policies(_image_path(self.reader.path, image, build)) if image and build else ()
        if not found and not build and _POLICY.fullmatch(str(self.table.values.get("sched", ""))):
            return self.table.string("sched")
        if found and DEFAULT_POLICY not in found and "sched" not in self.table.values:
            self.table.wrong(None, f"needs the key `sched`: its program has the policies {', '.join(found)}")
            return None
        return self.table.choice("sched", found or policies(), DEFAULT_POLICY)

    def trace(self, vcpus: int) -> int | None:
        size = self.table.size("trace", 0)
        least, most = number("EXO_TRACE_MIN"), ring_most(vcpus)
        if "trace" in self.table.values and size is not None and (not least <= size <= most or size & (size - 1)):
            each = f" for each of {vcpus} vCPUs" if vcpus > 1 else ""
            self.table.wrong("trace", f"is {size_text(size)}; it is a power of two from {size_text(least)} to {size_text(most)}{each}")
            return None
        return size

    def arguments(self) -> tuple[str, ...]:
        arguments = self.table.strings("arguments")
        for index, argument in arguments.items():
            if "\0" in argument:
                self.table.wrong("arguments", "has a string with a NUL character in it", index)
        return tuple(arguments.values())

    def environment(self) -> dict[str, str]:
        settings = self.table.strings_by_name("environment")
        for key, value in settings.items():
            if not _SETTING.fullmatch(key):
                self.table.wrong("environment", f'has the name {quote(key)}; names have letters, digits and _', key)
            elif key in RESERVED_SETTINGS:
                self.table.wrong(
                    "environment", f"sets {key}; use the key `{RESERVED_SETTINGS[key]}` instead", key
                )
            elif "\0" in value:
                self.table.wrong("environment", f"has a NUL character in the value of {key}", key)
        return settings

    def rights(self) -> tuple[str, ...]:
        given = self.table.strings("rights")
        for index, right in given.items():
            if right not in RIGHTS:
                self.table.wrong("rights", f"has {quote(right)}; the rights are {', '.join(RIGHTS)}", index)
        return tuple(dict.fromkeys(given.values()))

    def strings(self, app: dict) -> None:
        """Arguments and settings share one page of the application's."""
        if not app["name"] or not app["sched"]:
            return
        made = App(**app | {"forwards": ()})
        most, many = number("EXO_START_STRINGS"), number("EXO_START_COUNT")
        count = len(made.argv + made.settings)
        settings = sum(len(name) + len(value) for name, value in made.environment.items())
        longer = sum(map(len, made.arguments)) < settings
        key = "environment" if longer else "arguments"
        if len(made.strings) > most:
            size = len(made.strings)
            self.table.wrong(key, f"is too long: arguments and settings have {size} bytes together, {most} fit")
        elif count > many:
            key = "environment" if len(made.environment) > len(made.arguments) else "arguments"
            self.table.wrong(key, f"is too long: there are {count} arguments and settings, {many} fit")

    def address(self) -> IPv4Interface | str | None:
        text = self.table.string("address", None)
        if text is None or text == DHCP:
            return text
        problem = "is no address"
        try:
            address = IPv4Interface(text)
            problem = _unfit(address) if re.search("/[0-9]+$", text) else "lacks its prefix length"
        except ValueError:
            pass
        if problem:
            self.table.wrong("address", f'is {quote(text)}, which {problem}; write for example "10.0.2.15/24" or "dhcp"')
            return None
        return address

    def gateway(self, address: IPv4Interface | str | None) -> IPv4Address | None:
        text = self.table.string("gateway", None)
        if text is None:
            return None
        try:
            gateway = IPv4Address(text)
        except ValueError:
            self.table.wrong("gateway", f'is {quote(text)}, which is no address; write for example "10.0.2.2"')
            return None
        if not isinstance(address, IPv4Interface):
            if address == DHCP:
                self.table.wrong("gateway", "is given, but DHCP names the gateway; leave it out")
            elif "address" not in self.table.values:
                self.table.wrong("gateway", "is given without `address`")
            return None
        network = address.network
        if gateway not in network:
            self.table.wrong("gateway", f"is {gateway}, which is not in the network {network} of `address`")
        elif gateway in (address.ip, network.network_address, network.broadcast_address):
            whose = "the application's own address" if gateway == address.ip else "no host's address"
            self.table.wrong("gateway", f"is {gateway}, which is {whose}")
        else:
            return gateway
        return None

    def mac(self) -> int | None:
        """The MAC that is given; 0: one is to be derived; None: no network."""
        text = self.table.string("mac", None)
        if text is None:
            return 0 if "address" in self.table.values else None
        if not _MAC.fullmatch(text):
            self.table.wrong("mac", f'is {quote(text)}; write six hexadecimal octets, as in "52:54:00:00:00:01"')
            return None
        mac = int(text.replace(":", ""), 16)
        if mac == 0 or mac >> 40 & 1:
            kind = "zero" if mac == 0 else "a multicast address: its first octet is odd"
            self.table.wrong("mac", f"is {text}, which is {kind}")
            return None
        return mac

    def ports(self, ip6: bool) -> tuple[Ports, ...]:
        texts = self.table.strings("ports")
        found: list[Ports] = []
        if texts and self.table.values.get("address", DHCP) == DHCP:
            self.table.wrong("ports", "needs a fixed `address`")
        if len(texts) > most_ports(ip6):
            whose = "an application with `address6`" if ip6 else "an application"
            self.table.wrong("ports", f"has {len(texts)} entries; {whose} has at most {most_ports(ip6)}")
            texts = {}
        for index, text in texts.items():
            ports = read_ports(text)
            if isinstance(ports, str):
                self.table.wrong("ports", f"has {quote(text)}; {ports}", index)
            elif any(ports.overlaps(other) for other in found):
                self.table.wrong("ports", f"has {quote(text)}, of which another entry has a part", index)
            else:
                found.append(ports)
        return tuple(found)

    def forwards(self, address: IPv4Interface | str | None, allowed: tuple[Ports, ...]) -> dict[int, Forward]:
        """By position in the array. A wrong `address` has been told."""
        texts = self.table.strings("forward")
        forwards: dict[int, Forward] = {}
        taken: set[tuple[str, int]] = set()
        if texts and (address == DHCP or "address" not in self.table.values):
            self.table.wrong("forward", "needs a fixed `address` that the host can forward to")
        for index, text in texts.items():
            match = _FORWARD.fullmatch(text)
            ports = [int(port) for port in match.groups()[1:]] if match else []
            if not match or not all(1 <= port <= 65535 for port in ports):
                self.table.wrong(
                    "forward",
                    f'has {quote(text)}; write "tcp/8080:80": tcp or udp, the host\'s port, the application\'s',
                    index,
                )
                continue
            forward = Forward(match[1], *ports)
            if allowed and not any(match[1] == block.protocol and ports[1] in block for block in allowed):
                self.table.wrong("forward", f"leads to port {ports[1]}/{match[1]}, which `ports` leaves out", index)
                continue
            if (forward.protocol, forward.host_port) in taken:
                self.table.wrong("forward", f"names host port {forward.host_port}/{match[1]} twice", index)
            else:
                taken.add((forward.protocol, forward.host_port))
                forwards[index] = forward
        return forwards


def _unfit(address: IPv4Interface) -> str:
    """Why an application cannot have this address; empty if it can."""
    network = address.network
    if not 8 <= network.prefixlen <= 30:
        return "has a prefix length outside of /8 to /30"
    if address.ip in (network.network_address, network.broadcast_address):
        return f"is not a host's address in {network}"
    if address.ip.is_multicast or address.ip.is_loopback or address.ip.is_reserved or address.ip in _THIS:
        return "no host may have"
    return ""


_THIS = IPv4Interface("0.0.0.0/8").network


def _programs(build: Path, name: str) -> str:
    """What there is instead, for the end of a sentence."""
    found = sorted(
        file.name
        for folder in PROGRAM_FOLDERS
        for file in (build / folder).glob("*")
        if file.is_file() and not file.suffix and file.name != "init"
    )
    if "/" in name or not found:
        return "; build it first" if "/" not in name else ""
    close = difflib.get_close_matches(name, found, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; there are {', '.join(found)}"


def _macs(machine: str, apps: list[dict]) -> list[int | None]:
    """Each application's MAC: as given, or a locally administered one that its name leads to."""
    taken = {app["mac"] for app in apps if app["mac"]}
    macs = []
    for app in apps:
        mac, attempt = app["mac"], 0
        while mac == 0:
            digest = hashlib.sha256(f"{machine}/{app['name']}/{attempt}".encode()).digest()
            # IEEE 802, 8.2: bit 1 of the first octet says "local", bit 0 "group".
            derived = int.from_bytes(bytes([digest[0] & 0xFC | 0x02]) + digest[1:6], "big")
            mac = derived if derived not in taken else 0
            attempt += 1
        taken.add(mac)
        macs.append(mac)
    return macs


def mac_text(mac: int) -> str:
    return mac.to_bytes(6, "big").hex(":")


def size_text(size: int) -> str:
    """As a machine file would have it: the largest unit that leaves a whole number."""
    for shift, unit in ((30, "G"), (20, "M"), (10, "K")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return f"{size} bytes"
