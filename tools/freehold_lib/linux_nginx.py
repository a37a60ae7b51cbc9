# SPDX-License-Identifier: MIT
"""nginx for the Linux guest: Debian's package with the shared libraries that it needs, and no more.

Fetched by apt (apt_source.py), which checks the archive's signatures, and kept under subprojects/ as it
lies in the guest's RAM disk. Like the guest's kernel it is what the suite has: its version belongs beside
each figure.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from . import apt_source
from .errors import FreeholdError
from .process import output_of
from .terminal import Progress
from .workspace import SUBPROJECTS, unpacking

SUITE = "bookworm"
PACKAGES = ("nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g")
FOLDER = "linux-nginx"
PROGRAM = "usr/sbin/nginx"
LOADER = "lib64/ld-linux-x86-64.so.2"  # where programs look for it (System V ABI, AMD64 supplement)
LIBRARIES = "lib/x86_64-linux-gnu"


def files(subprojects: Path = SUBPROJECTS) -> dict[str, Path]:
    """{path in a RAM disk: file}, fetched if they are not there."""
    folder = subprojects / FOLDER
    if not there(subprojects):
        with unpacking(subprojects):
            if not there(subprojects):
                _provide(subprojects, folder)
    root = folder / "root"
    return {str(file.relative_to(root)): file for file in sorted(root.rglob("*")) if file.is_file()}


def there(subprojects: Path = SUBPROJECTS) -> bool:
    return (subprojects / FOLDER / "version").is_file()


def version(subprojects: Path = SUBPROJECTS) -> str:
    return (subprojects / FOLDER / "version").read_text(encoding="utf-8").strip()


def _provide(subprojects: Path, place: Path) -> None:
    """A folder under its final name is complete."""
    title = f"Fetching nginx of Debian's {SUITE}"
    with Progress(title, done="nginx for the Linux guest is unpacked") as progress:
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=subprojects) as name:
            work = Path(name)
            packages = work / "packages"
            packages.mkdir()
            found = apt_source.download_binary(PACKAGES, SUITE, packages, progress.update)
            for package in found:
                progress.update(package.name)
                apt_source.unpack(package, work / "tree")
            kept = work / "kept"
            gather(work / "tree", kept / "root")
            nginx = next(package for package in found if package.name.startswith("nginx_"))
            (kept / "version").write_text(nginx.name.split("_")[1] + "\n", encoding="utf-8")
            if place.is_dir():
                shutil.move(place, work / "former")
            os.rename(kept, place)


def gather(tree: Path, root: Path) -> None:
    """The program, its dynamic loader, and all libraries that it and these need."""
    libraries = {file.name: file for file in tree.rglob("*.so*") if file.parent.name == "x86_64-linux-gnu"}
    _copy(tree / PROGRAM, root / PROGRAM)
    _copy(libraries[Path(LOADER).name], root / LOADER)
    left = needed(tree / PROGRAM)
    while left:
        name = left.pop()
        if name == Path(LOADER).name or (root / LIBRARIES / name).exists():
            continue
        if name not in libraries:
            raise FreeholdError(f"nginx needs {name}, which none of these packages has: {', '.join(PACKAGES)}.")
        _copy(libraries[name], root / LIBRARIES / name)
        left += needed(libraries[name])


def needed(file: Path) -> list[str]:
    status, said = output_of(["readelf", "--dynamic", "--wide", str(file)])
    if status != 0:
        raise FreeholdError(f"readelf cannot read {file}: {said}")
    return re.findall(r"\(NEEDED\).*\[(.+)\]", said)


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)
