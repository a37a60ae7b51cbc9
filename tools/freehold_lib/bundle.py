# SPDX-License-Identifier: MIT
"""Bundles: the applications of a machine in one file, as init reads it (exo/abi/bundle.h).

As a command: python3 -m freehold_lib.bundle --machine FILE --build DIR --output FILE [--image]
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
import zlib
from pathlib import Path

from .abi import number
from .image import ImageError, build_image
from .machine import RESTARTS, App, Machine, MachineError, load

# struct bundle_header and struct bundle_app; tests/tools/test_bundle.py compares them with the C.
HEADER = struct.Struct("<QIIQII32s")
APP = struct.Struct("<16sQQIIIIIHHIHHQIIQII")


class BundleError(Exception):
    """The bundle could not be written; the text is a sentence for the user."""


def build_bundle(machine: Machine, build_folder: Path | str, output: Path | str) -> Path:
    """Write the bundle of a checked machine to `output`, whole or not at all. Returns its path."""
    output = Path(output)
    temporary = output.parent / f".{output.name}.{os.getpid()}.tmp"
    content = bundle_bytes(machine, Path(build_folder))
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, output)
    except OSError as error:
        raise BundleError(f"Cannot write {output}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return output


def build_machine_image(
    machine_path: Path | str, build_folder: Path | str, output: Path | str, *, fixed: bool = False
) -> Machine:
    """Check a machine file and write the disk image that boots it. Returns the machine."""
    machine = load(machine_path, Path(build_folder))
    write_machine_image(machine, Path(build_folder), output, fixed=fixed)
    return machine


def write_machine_image(machine: Machine, build: Path, output: Path | str, *, fixed: bool = False) -> None:
    """The disk image that boots a checked machine.

    With `fixed` kernel and applications lie at the same addresses at each start: for a debugger alone.
    """
    with tempfile.TemporaryDirectory(prefix="freehold-") as folder:
        bundle = build_bundle(machine, build, Path(folder) / "bundle.bin")
        files = {
            "EFI/BOOT/BOOTX64.EFI": build / "uefi" / "BOOTX64.EFI",
            "freehold/kernel.elf": build / "exo" / "kernel.elf",
            "freehold/init.elf": build / "apps" / "init",
            "freehold/bundle.bin": bundle,
        }
        if fixed:
            files["freehold/fixed"] = Path(folder) / "fixed"
            files["freehold/fixed"].write_text("The loader does not draw places.\n")
        build_image(output, files)


def bundle_bytes(machine: Machine, build: Path) -> bytes:
    """The bundle of a checked machine."""
    page = number("EXO_PAGE_SIZE")
    strings = [app.strings for app in machine.apps]
    allow = [app.allowances for app in machine.apps]
    allow_at = HEADER.size + APP.size * len(machine.apps)
    strings_at = allow_at + len(b"".join(map(b"".join, allow)))
    images_at = -(-(strings_at + sum(map(len, strings))) // page) * page

    # An image that several applications run is stored once.
    images = bytearray()
    placed: dict[Path, tuple[int, int]] = {}
    entries = b""
    for app, text, filters in zip(machine.apps, strings, allow):
        path = machine.image_path(app, build)
        if path not in placed:
            data = _image(app, path)
            placed[path] = (images_at + len(images), len(data))
            images += data + bytes(-len(data) % page)
        entries += _entry(machine, app, *placed[path], strings_at, len(text), allow_at)
        strings_at += len(text)
        allow_at += len(b"".join(filters))

    body = entries + b"".join(map(b"".join, allow)) + b"".join(strings)
    body += bytes(images_at - HEADER.size - len(body)) + images
    # The checksum is that of the file with a zero in its place.
    crc = zlib.crc32(_header(machine, HEADER.size + len(body), 0) + body)
    return _header(machine, HEADER.size + len(body), crc) + body


def _header(machine: Machine, size: int, crc: int) -> bytes:
    magic, version = number("BUNDLE_MAGIC"), number("BUNDLE_VERSION")
    flags = number("BUNDLE_CONTROL") if machine.control else 0
    return HEADER.pack(magic, version, len(machine.apps), size, crc, flags, machine.name.encode())


def _entry(
    machine: Machine, app: App, image_at: int, image_size: int, strings_at: int, strings_size: int, allow_at: int
) -> bytes:
    names = [other.name for other in machine.apps]
    return APP.pack(
        app.name.encode(),
        image_at,
        image_size,
        strings_at,
        strings_size,
        len(app.argv),
        len(app.settings),
        app.pages,
        0 if app.cpus else app.slices,
        number("BUNDLE_ANY_CPU") if app.cpu is None else app.cpu,
        0 if app.mac is None else 1,
        number(RESTARTS[app.restart]),
        app.environments,
        app.mac or 0,
        allow_at,
        len(app.allowances),
        sum(1 << cpu for cpu in app.cpus),
        names.index(app.under) + 1 if app.under else 0,
        app.vcpus,
    )


def _image(app: App, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"The image of {app.name}, {path}, cannot be read: {error.strerror}.") from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="freehold_lib.bundle",
        description="Pack the applications of a machine file into a bundle or a bootable disk image.",
    )
    parser.add_argument("--machine", type=Path, required=True, metavar="FILE", help="the machine file")
    parser.add_argument("--build", type=Path, required=True, metavar="DIR", help="Meson's build folder")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="what to write")
    parser.add_argument("--image", action="store_true", help="write a disk image rather than a bundle")
    given = parser.parse_args(arguments)
    try:
        if given.image:
            build_machine_image(given.machine, given.build, given.output)
        else:
            build_bundle(load(given.machine, given.build), given.build, given.output)
    except MachineError as error:
        print(error, file=sys.stderr)
        return 1
    except (BundleError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
