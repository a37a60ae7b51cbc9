# SPDX-License-Identifier: MIT
"""Disk images that UEFI machines boot from.

An image holds a GUID partition table and one EFI system partition with FAT32, the one file system
that every UEFI firmware must read. It is made without root: sfdisk and mkfs.fat write to an
ordinary file, mtools fills it. The same file serves an emulator and, written with dd, a USB stick.

The output appears whole or not at all: it is built under a temporary name in the same folder and
renamed when complete.

As a command: python3 -m freehold_lib.image OUTPUT PATH_IN_IMAGE=FILE...
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Iterable

from .errors import FreeholdError

SECTOR = 512
MIB = 1 << 20
PARTITION_START = MIB
# The backup partition table at the end takes 33 sectors; a whole MiB keeps the end aligned too.
PARTITION_END_GAP = MIB
# FAT32 is FAT32 by having at least 65,525 clusters; with one sector a cluster that is 32 MiB.
PARTITION_MIN = 40 * MIB
EFI_SYSTEM_PARTITION = "C12A7328-F81F-11D2-BA4B-00C04FC93EC9"
FAT_FORBIDDEN = set('"*:<>?\\|') | {chr(code) for code in range(32)}

PACKAGES = {"sfdisk": "fdisk", "mkfs.fat": "dosfstools", "mcopy": "mtools", "mmd": "mtools"}


class ImageError(FreeholdError):
    """The image could not be built; the text is a sentence for the user."""


def build_image(output: Path | str, files: dict[str, Path], *, min_size: int = 0) -> Path:
    """Write a bootable disk image to `output` that holds `files` (path in the image: source).

    `min_size` is the least size of the partition in bytes. Returns the output's path.
    """
    output = Path(output)
    if output.exists() and not output.is_file():
        raise ImageError(
            f"{output} is not an ordinary file; build the image into one and copy that to the "
            f"device, for example with dd."
        )
    if not output.parent.is_dir():
        raise ImageError(f"The folder {output.parent} for the image does not exist.")
    wanted = {_check_name(name): _check_source(Path(source)) for name, source in files.items()}
    if not wanted:
        raise ImageError("An image needs at least one file.")
    _check_clashes(wanted)
    tools = _find_tools()

    temporary = output.parent / f".{output.name}.{os.getpid()}.tmp"
    try:
        partition = max(PARTITION_MIN, min_size, _space(wanted))
        partition = -(-partition // MIB) * MIB
        with open(temporary, "wb") as image:
            image.truncate(PARTITION_START + partition + PARTITION_END_GAP)
        _partition(tools, temporary, partition)
        _fill(tools, temporary, partition, wanted)
        with open(temporary, "rb+") as image:
            os.fsync(image.fileno())
        os.replace(temporary, output)
    except OSError as error:
        raise ImageError(f"Cannot write {output}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return output


def _check_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    bad = (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or any(FAT_FORBIDDEN & set(part) or part[-1] in ". " for part in path.parts)
    )
    if bad:
        raise ImageError(f"'{name}' is not a relative path that a FAT file system can hold.")
    return path


def _check_clashes(names: Iterable[PurePosixPath]) -> None:
    """FAT does not tell capitals from small letters, and mtools puts up with more than it should."""
    taken: dict[str, PurePosixPath] = {}
    for name in names:
        clash = taken.setdefault(str(name).casefold(), name)
        if clash is not name:
            raise ImageError(f"'{clash}' and '{name}' are one name in a FAT file system.")
    for name in names:
        for folder in name.parents:
            file = taken.get(str(folder).casefold())
            if file:
                raise ImageError(f"'{file}' cannot be a file and, for '{name}', a folder as well.")


def _check_source(source: Path) -> Path:
    if not source.is_file():
        raise ImageError(f"{source}, which belongs into the image, is not there; build it first.")
    return source


def _find_tools() -> dict[str, str]:
    # sfdisk and mkfs.fat lie in /usr/sbin, which is often not in an ordinary user's PATH.
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"
    tools = {}
    for tool, package in PACKAGES.items():
        found = shutil.which(tool, path=path)
        if not found:
            raise ImageError(f"The command {tool} is missing; install the package {package}.")
        tools[tool] = found
    return tools


def _space(wanted: dict[PurePosixPath, Path]) -> int:
    """Bytes for the files, rounded up to whole clusters, tables and directories."""
    data = sum(-(-source.stat().st_size // SECTOR) * SECTOR for source in wanted.values())
    return data + data // 64 + 4 * MIB


def _partition(tools: dict[str, str], image: Path, size: int) -> None:
    script = (
        f"label: gpt\n"
        f"start={PARTITION_START // SECTOR}, size={size // SECTOR}, "
        f'type={EFI_SYSTEM_PARTITION}, name="Freehold"\n'
    )
    _run([tools["sfdisk"], "--quiet", "--no-reread", "--no-tell-kernel", str(image)], script)


def _fill(
    tools: dict[str, str], image: Path, size: int, wanted: dict[PurePosixPath, Path]
) -> None:
    first = str(PARTITION_START // SECTOR)
    # One sector a cluster as long as that keeps the table below 1 MiB or so; larger beyond.
    cluster = 1
    while size // SECTOR // cluster > 262144 and cluster < 64:
        cluster *= 2
    _run(
        [tools["mkfs.fat"], "-F", "32", "-s", str(cluster), "-n", "FREEHOLD", "--offset", first]
        + ["-h", first, str(image), str(size // 1024)]
    )
    drive = f"{image}@@{PARTITION_START}"
    # Keyed as FAT compares names, so that each folder is made once.
    folders = {str(folder).casefold(): folder for name in wanted for folder in name.parents}
    folders.pop(".")
    for folder in sorted(folders.values(), key=lambda folder: len(folder.parts)):
        _run([tools["mmd"], "-i", drive, f"::{folder}"])
    for name, source in wanted.items():
        _run([tools["mcopy"], "-i", drive, "-o", str(source), f"::{name}"])


def _run(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"it ended with status {done.returncode}"
        raise ImageError(f"{Path(command[0]).name} failed while building the image: {said}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="freehold_lib.image",
        description="Build a disk image with an EFI system partition from given files.",
    )
    parser.add_argument("output", type=Path, help="the image file to write")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="PATH_IN_IMAGE=FILE",
        help="for example EFI/BOOT/BOOTX64.EFI=build/uefi/BOOTX64.EFI",
    )
    given = parser.parse_args(arguments)
    files = {}
    for pair in given.files:
        name, separator, source = pair.partition("=")
        if not separator or not name or not source:
            parser.error(f"'{pair}' is not of the form PATH_IN_IMAGE=FILE")
        if name in files:
            parser.error(f"'{name}' is given twice")
        files[name] = Path(source)
    try:
        build_image(given.output, files)
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
