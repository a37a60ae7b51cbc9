# SPDX-License-Identifier: MIT
"""Two machines to compare, on the same emulator settings: applications of ours, and a Linux guest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Mapping, NamedTuple, Sequence

from . import linux_guest
from .bench_wire import Link, Wires
from .bundle import build_machine_image
from .emulator import Emulator
from .linux_package import Package

MEMORY = 256  # MiB of each machine
TOOK_TO_BOOT = 180  # seconds, at most; on a host that has other work


class App(NamedTuple):
    """An application as a bench wants it."""

    name: str
    image: str  # a program of build/apps, or a path
    host: int  # the number of its address in the network
    memory: str = "64M"
    slices: int = 8
    sched: str = "fifo"  # one thread does the work of each of these
    cpu: int = 0
    six: bool = False  # has an address of IPv6, too
    environment: Mapping[str, str] = {}


def freehold(apps: Sequence[App], link: Link, build: Path, folder: Path, *, memory: int = MEMORY, cpus: int = 1, **options) -> Emulator:
    """A machine of ours, not started yet."""
    image = folder / "bench.img"
    build_machine_image(machine_file(apps, link, folder, memory=memory, cpus=cpus), build, image)
    return Emulator(image, memory=memory, cpus=cpus, **{**link.card, **_joined(link, options)})


def machine_file(apps: Sequence[App], link: Link, folder: Path, *, memory: int = MEMORY, cpus: int = 1) -> Path:
    text = ["[machine]", 'name = "bench"', f'memory = "{memory}M"', f"cpus = {cpus}"]
    for app in apps:
        text += ["[[app]]", f'name = "{app.name}"', f'image = "{app.image}"', f'memory = "{app.memory}"']
        text += [f"slices = {app.slices}", f"cpu = {app.cpu}", f'sched = "{app.sched}"']
        text += [f'address = "{link.address(app.host)}/{link.bits}"', f'gateway = "{link.gateway}"']
        text += [f'address6 = "{link.address6(app.host)}/64"'] if app.six else []
        settings = ", ".join(f'{name} = "{value}"' for name, value in app.environment.items())
        text += [f"environment = {{ {settings} }}"] if settings else []
    file = folder / "bench.toml"
    file.write_text("\n".join(text) + "\n", encoding="utf-8")
    return file


def fetch(*packages: Package) -> None:
    """All that Linux guests consist of. To be called before there are Wires: these may cut us off from the network."""
    linux_guest.kernel()
    for package in packages:
        package.files()


def linux(program: Path, link: Link, host: int, files: Mapping[str, Path | bytes], folder: Path, *, memory: int = MEMORY, **options) -> Emulator:
    """A Linux guest with a network, not started yet."""
    arguments = [f"{link.address(host)}/{link.bits}", link.gateway]
    everything = {**linux_guest.modules(), **files}
    more = {**link.card, **_joined(link, options)}
    return linux_guest.boot(program, folder, arguments=arguments, files=everything, memory=memory, **more)


def _joined(link: Link, options: Mapping) -> dict:
    return {**options, "extra": [*link.card.get("extra", ()), *options.get("extra", ())]}


def conditions(wires: Wires, *, beside: bool, memory: int = MEMORY) -> dict[str, str]:
    """What belongs beside every figure of a bench."""
    said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"version ([0-9.]+)", said)
    found = {
        "emulator": f"QEMU {number[1] if number else '?'} (q35), one CPU, {memory} MiB, a virtio card",
        "network": wires.what,
        "host": f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} at the start",
    }
    return found | ({"Linux": linux_guest.version(linux_guest.kernel())} if beside else {})
