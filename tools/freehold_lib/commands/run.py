# SPDX-License-Identifier: MIT
"""Install what is missing, build, and boot a machine in an emulator: by default the demo machine,
three applications side by side, in QEMU. The machine's log is shown until Ctrl-C or --seconds
ends it; backtraces in it are followed by the functions and lines that they mean.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..bundle import build_machine_image
from ..build import claim
from ..emulator import KINDS, NICS, Emulator, check_ports
from ..errors import FreeholdError, UsageError
from ..machine import DHCP, App, Machine, load
from ..prepare import built
from ..symbols import Symboliser, symbol_files
from ..workspace import Run, lock
from .options import add_build, add_machine, cpus, mebibytes, port_offset, seconds

SUMMARY = "build and boot a machine in QEMU or Bochs"
EXAMPLES = """\
examples:
  tools/freehold run                               the demo machine in QEMU
  tools/freehold run --emulator bochs              the same image in Bochs
  tools/freehold run --nic e1000 --seconds 60      with another network card, for a minute
  tools/freehold run --machine machines/my.toml    a machine of your own
  tools/freehold run --port-offset 1000            host ports 9080, 9081, ... instead of 8080, ...
  tools/freehold run --gdb-wait                    stop before the first instruction, for
                                                   tools/freehold gdb in another terminal

Ports are forwarded from 127.0.0.1 alone. The log stays in build/run/serial.log (tools/freehold logs).

exit status: 0 when Ctrl-C or --seconds ended it; 1 when something failed, for example the emulator
ended by itself; 2 when the command line is wrong; 143 when SIGTERM ended it
"""
WEB_PORTS = (80, 8080)
BUSY = (
    "A machine runs in {folder} already (process {{pid}}). End that one, or choose another folder "
    "with --build (and other ports with --port-offset)."
)


def describe(parser: argparse.ArgumentParser) -> None:
    add_machine(parser)
    parser.add_argument(
        "--emulator", choices=KINDS, default="qemu", help="what to boot it in (default: qemu)"
    )
    parser.add_argument(
        "--nic", choices=NICS, help="network card (default: virtio in QEMU, e1000 in Bochs)"
    )
    parser.add_argument(
        "--iommu",
        action="store_true",
        help="put Intel VT-d between the devices and memory (QEMU alone)",
    )
    parser.add_argument(
        "--seconds", type=seconds, metavar="N", help="end it after so many seconds (default: Ctrl-C)"
    )
    parser.add_argument(
        "--memory",
        type=mebibytes,
        metavar="SIZE",
        help="the machine's memory, as 128M or 1G (default: what the machine file says)",
    )
    parser.add_argument(
        "--cpus",
        type=cpus,
        metavar="N",
        help="how many CPUs the machine has (default: what the machine file says)",
    )
    parser.add_argument(
        "--port-offset",
        type=port_offset,
        default=0,
        metavar="N",
        help="add N to each port of this host that is forwarded",
    )
    parser.add_argument(
        "--gdb-wait",
        action="store_true",
        help="do not run before tools/freehold gdb says continue (QEMU alone)",
    )
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    if arguments.emulator == "bochs" and arguments.nic == "virtio":
        raise UsageError("Bochs has no virtio network card; leave out --nic, or give --nic e1000.")
    if arguments.emulator == "bochs" and arguments.gdb_wait:
        raise UsageError("Debian's Bochs has no gdb server; use --gdb-wait with QEMU.")
    if arguments.emulator == "bochs" and arguments.iommu:
        raise UsageError("Bochs has no IOMMU; use --iommu with QEMU.")
    # Before anything that takes long: what is wrong with the file, the folder or the ports.
    forwards = _forwards(load(arguments.machine, None), arguments.port_offset)
    claim(arguments.build)
    run = Run(arguments.build)
    with lock(run.lock, BUSY.format(folder=arguments.build)):
        _check_ports(forwards)
        built(arguments.build)
        machine = build_machine_image(
            arguments.machine, arguments.build, run.image, fixed=arguments.gdb_wait
        )
        if arguments.memory is None:
            arguments.memory = machine.memory
        if arguments.cpus is None:
            arguments.cpus = machine.cpus
        return _boot(machine, forwards, run, arguments)


def _forwards(machine: Machine, offset: int) -> list[tuple[str, int, str, int]]:
    moved = []
    for protocol, host_port, address, port in machine.forwards:
        if host_port + offset > 65535:
            raise UsageError(f"--port-offset {offset} makes port {host_port} {host_port + offset}.")
        moved.append((protocol, host_port + offset, address, port))
    return moved


def _check_ports(forwards: list[tuple[str, int, str, int]]) -> None:
    try:
        check_ports(forwards)
    except FreeholdError as error:
        raise FreeholdError(f"{error} (--port-offset 1000 adds 1000 to all of them.)") from error


def machine_in_qemu(run: Run, machine: Machine, cpus: int | None, **sockets: Path) -> tuple[Emulator, Symboliser]:
    """A machine whose image is built, not started yet, for who looks at what goes on in it; and its names for addresses."""
    files = symbol_files(machine, run.build)
    run.remember("qemu", files, machine.outside)
    emulator = Emulator(
        run.image, memory=machine.memory, cpus=cpus or machine.cpus, forwards=machine.forwards, log=run.log, **sockets
    )
    return emulator, Symboliser(files)


def _boot(
    machine: Machine, forwards: list, run: Run, arguments: argparse.Namespace
) -> int:
    is_qemu = arguments.emulator == "qemu"
    files = symbol_files(machine, arguments.build)
    symboliser = Symboliser(files)
    emulator = Emulator(
        run.image,
        kind=arguments.emulator,
        memory=arguments.memory,
        cpus=arguments.cpus,
        nic=arguments.nic or ("virtio" if is_qemu else "e1000"),
        forwards=forwards,
        log=run.log,
        gdb=run.gdb if is_qemu else None,
        gdb_wait=arguments.gdb_wait,
        iommu=arguments.iommu,
        control=run.control if is_qemu and machine.control else None,
    )
    run.remember(arguments.emulator, files, machine.outside)
    begun = time.monotonic()
    try:
        with emulator:
            _welcome(machine, emulator, arguments)
            for line in symboliser.filter(emulator.lines(arguments.seconds)):
                print(line, flush=True)
            if emulator.status is not None:
                raise FreeholdError(_ended(emulator))
    except KeyboardInterrupt:
        print()
    print(f"The machine was on for {time.monotonic() - begun:.0f} s; its log is {run.log}.")
    return 0


def _ended(emulator: Emulator) -> str:
    status = emulator.status
    how = f"signal {-status}" if status < 0 else f"status {status}"
    said = emulator.said() or ", as it does when the machine resets or turns off."
    return f"The emulator ended by itself ({how}){said}"


def _welcome(machine: Machine, emulator: Emulator, arguments: argparse.Namespace) -> None:
    name = {"qemu": "QEMU", "bochs": "Bochs"}[emulator.kind]
    count = f"{emulator.cpus} CPU{'s' if emulator.cpus > 1 else ''}"
    print(f'\nMachine "{machine.name}" in {name}: {count}, {emulator.memory} MiB, network card {emulator.nic}.')
    for app in machine.apps:
        print(f"  {app.name:15} {_address(app):18}")
        for line in _try(app, arguments.port_offset):
            print(f"      {line}")
    if emulator.gdb:
        print("Debugger, in another terminal: tools/freehold gdb [APP]")
    if emulator.control:
        print("Commands, in another terminal: tools/freehold ctl list")
    if arguments.gdb_wait:
        print("It waits for the debugger: there, type `continue`.")
    if arguments.seconds:
        print(f"Ends after {arguments.seconds:g} s, or with Ctrl-C. Its log:\n")
    else:
        print("Ctrl-C ends it. Its log:\n")


def _address(app: App) -> str:
    if app.address is None:
        return "no network"
    return "address by DHCP" if app.address == DHCP else str(app.address.ip)


def _try(app: App, offset: int) -> list[str]:
    lines = []
    for forward in app.forwards:
        port = forward.host_port + offset
        if forward.protocol == "tcp" and forward.app_port in WEB_PORTS:
            lines.append(f"curl http://127.0.0.1:{port}/")
        else:
            # TCP: close our side after the word. UDP has no end; wait a second for the answer.
            how = "-N" if forward.protocol == "tcp" else "-u -w 1"
            lines.append(f"echo hello | nc {how} 127.0.0.1 {port}")
    return lines
