# SPDX-License-Identifier: MIT
"""A Linux guest to compare with: the kernel of Debian's cloud images, and one program as all of user space.

The kernel is fetched by apt (apt_source.py), which checks the archive's signatures. Of the package, its
image and the modules that drive a virtio network card are kept under subprojects/. It is whatever the
suite has, with its security updates of the last point release, so its version belongs beside each
figure. The program is linked statically and is /init of an initial RAM disk that is written here.
Firmware, CPU, memory and devices are those of a machine of ours.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Mapping, Sequence

from . import apt_source
from .emulator import Emulator
from .errors import FreeholdError
from .image import build_image
from .process import output_of
from .terminal import Progress
from .workspace import SUBPROJECTS, unpacking

SUITE = "bookworm"
PACKAGE = "linux-image-cloud-amd64"  # depends on the newest: that has the kernel
FOLDER = "linux-cloud"
# What /init loads (tests/bench/linux_net.c), in the order of the names that they get here.
MODULES = ("virtio_pci", "virtio_net")
# The console is as quiet as ours; a panic ends the machine. All else is Debian's default.
COMMAND_LINE = "console=ttyS0 quiet panic=-1"


def kernel(subprojects: Path = SUBPROJECTS) -> Path:
    """Its image, fetched if it is not there. The file's name ends in the version."""
    folder = subprojects / FOLDER
    if not _image(folder):
        with unpacking(subprojects):
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


def modules(subprojects: Path = SUBPROJECTS) -> dict[str, Path]:
    """{path in a RAM disk: file}, for `files` of boot()."""
    kernel(subprojects)
    return {f"modules/{file.name}": file for file in sorted((subprojects / FOLDER / "modules").iterdir())}


def boot(
    program: Path,
    folder: Path,
    *,
    arguments: Sequence[str] = (),
    files: Mapping[str, Path | bytes] = {},
    memory: int = 256,
    extra: Sequence[str] = (),
    **card,
) -> Emulator:
    """A machine, not started yet, whose /init is `program`, beside `files`. It is written to `folder`.

    `card`: the network card and its forwards, as Emulator takes them; none if there is nothing.
    """
    disk = folder / "init.cpio"
    disk.write_bytes(ram_disk({"init": program, **files}))
    # The firmware is handed the kernel; the disk is there because our machines have one, too.
    image = build_image(folder / "linux.img", {"empty": _empty(folder)})
    line = " ".join([COMMAND_LINE, "--", *arguments])
    direct = ["-kernel", str(kernel()), "-initrd", str(disk), "-append", line]
    return Emulator(image, memory=memory, extra=[*extra, *direct], **{"nic": None, **card})


def ram_disk(files: Mapping[str, Path | bytes]) -> bytes:
    """An archive in the format "newc" of cpio (Linux, Documentation/driver-api/early-userspace).

    Each file may be executed; a name that ends in / makes an empty folder; folders come before what is in them.
    """
    folders = sorted({str(folder) for name in files for folder in PurePosixPath(f"{name}_").parents} - {"."})
    entries = [(name, b"", 0o040755) for name in folders]
    for name, content in files.items():
        if not name.endswith("/"):
            entries.append((name, content if isinstance(content, bytes) else content.read_bytes(), 0o100755))
    parts = []
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
    found = next(iter(sorted(folder.glob("vmlinuz-*"))), None)
    return found if (folder / "modules").is_dir() else None


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
            apt_source.unpack(package, work / "tree")
            kept = work / "kept"
            kept.mkdir()
            for image in (work / "tree/boot").glob("vmlinuz-*"):
                shutil.move(image, kept / image.name)
            _keep_modules(work / "tree/lib/modules", kept / "modules")
            if place.is_dir():
                shutil.move(place, work / "former")
            os.rename(kept, place)


def _keep_modules(tree: Path, kept: Path) -> None:
    """MODULES and what they need, numbered so that each comes after what it needs."""
    found = {file.stem.replace("-", "_"): file for file in tree.rglob("*.ko")}
    order: list[str] = []

    def add(name: str) -> None:
        if name not in found:
            raise FreeholdError(f"The kernel of {PACKAGE} has no module {name}.")
        said = re.search(rb"\0depends=([\w,-]*)\0", found[name].read_bytes())
        for other in said[1].decode().replace("-", "_").split(",") if said and said[1] else []:
            add(other)
        if name not in order:
            order.append(name)

    for name in MODULES:
        add(name)
    kept.mkdir()
    for number, name in enumerate(order):
        shutil.move(found[name], kept / f"{number:02}-{name}.ko")


def _fetch(package: str, folder: Path, progress: Progress) -> Path:
    folder.mkdir()
    return apt_source.download_binary((package,), SUITE, folder, progress.update)[0]
