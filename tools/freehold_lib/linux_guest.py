# SPDX-License-Identifier: MIT
"""A Linux guest to compare with: the kernel of Debian's cloud images, and one program as all of user space.

The kernel is fetched by apt (apt_source.py), which checks the archive's signatures, and its image alone
is kept under subprojects/. It is whatever the suite has, with its security updates of the last point
release, so its version belongs beside each figure. The program is linked statically and is /init of an
initial RAM disk that is written here. Firmware, CPU, memory and devices are those of a machine of ours.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Sequence

from . import apt_source
from .emulator import Emulator
from .errors import FreeholdError
from .image import build_image
from .process import output_of
from .terminal import Progress
from .workspace import SUBPROJECTS, lock

SUITE = "bookworm"
PACKAGE = "linux-image-cloud-amd64"  # depends on the newest: that has the kernel
FOLDER = "linux-cloud"
# The console is as quiet as ours; a panic ends the machine. All else is Debian's default.
COMMAND_LINE = "console=ttyS0 quiet panic=-1"


def kernel(subprojects: Path = SUBPROJECTS) -> Path:
    """Its image, fetched if it is not there. The file's name ends in the version."""
    folder = subprojects / FOLDER
    if not _image(folder):
        subprojects.mkdir(exist_ok=True)
        busy = "Process {pid} is unpacking sources here; waiting for it."
        with lock(subprojects / ".lock", busy, wait=True):
            if not _image(folder):
                _provide(subprojects, folder)
    found = _image(folder)
    if not found:
        raise FreeholdError(f"The package {PACKAGE} of Debian's {SUITE} has no kernel in /boot.")
    return found


def there(subprojects: Path = SUBPROJECTS) -> bool:
    return _image(subprojects / FOLDER) is not None


def version(image: Path) -> str:
    return image.name.removeprefix("vmlinuz-")


def boot(program: Path, folder: Path, *, arguments: Sequence[str] = (), memory: int = 256, extra: Sequence[str] = ()) -> Emulator:
    """A machine, not started yet, whose /init is `program`. Files go to `folder`."""
    disk = folder / "init.cpio"
    disk.write_bytes(ram_disk({"init": program}))
    # The firmware is handed the kernel; the disk is there because our machines have one, too.
    image = build_image(folder / "linux.img", {"empty": _empty(folder)})
    line = " ".join([COMMAND_LINE, "--", *arguments])
    direct = ["-kernel", str(kernel()), "-initrd", str(disk), "-append", line]
    return Emulator(image, memory=memory, nic=None, extra=[*extra, *direct])


def ram_disk(programs: dict[str, Path]) -> bytes:
    """An archive in the format "newc" of cpio (Linux, Documentation/driver-api/early-userspace)."""
    parts = []
    entries = [(name, file.read_bytes(), 0o100755) for name, file in programs.items()]
    for number, (name, data, mode) in enumerate([*entries, ("TRAILER!!!", b"", 0)], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        parts += [_filled(head), _filled(data)]
    return b"".join(parts)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _empty(folder: Path) -> Path:
    file = folder / "empty"
    file.write_bytes(b"")
    return file


def _image(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("vmlinuz-*"))), None)


def _provide(subprojects: Path, place: Path) -> None:
    """A folder under its final name is complete."""
    title = f"Fetching a Linux kernel ({PACKAGE} of Debian's {SUITE})"
    with Progress(title, done="A Linux kernel to compare with is unpacked") as progress:
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=subprojects) as name:
            work = Path(name)
            newest = _fetch(PACKAGE, work / "newest", progress)
            _, depends = output_of(["dpkg-deb", "--field", str(newest), "Depends"])
            needed = re.search(r"\blinux-image-[0-9][\w.+-]*", depends)
            if not needed:
                raise FreeholdError(f"{newest.name} depends on no kernel: {depends}")
            package = _fetch(needed[0], work / "kernel", progress)
            progress.update(package.name)
            status, said = output_of(["dpkg", "-x", str(package), str(work / "tree")])
            if status != 0:
                raise FreeholdError(f"{package.name} cannot be unpacked: {said}")
            kept = work / "kept"
            kept.mkdir()
            for image in (work / "tree/boot").glob("vmlinuz-*"):
                shutil.move(image, kept / image.name)
            if place.is_dir():
                shutil.move(place, work / "former")
            os.rename(kept, place)


def _fetch(package: str, folder: Path, progress: Progress) -> Path:
    folder.mkdir()
    return apt_source.download_binary((package,), SUITE, folder, progress.update)[0]
