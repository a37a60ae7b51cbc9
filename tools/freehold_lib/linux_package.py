# SPDX-License-Identifier: MIT
"""Programs for the Linux guest: of Debian's packages, each with the shared libraries that it needs, and no more.

Fetched by apt (apt_source.py), which checks the archive's signatures, and kept under subprojects/ as they
lie in the guest's RAM disk. Like the guest's kernel they are what the suite has: their versions belong beside
each figure.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from . import apt_source
from .errors import FreeholdError
from .process import output_of
from .terminal import Progress
from .workspace import SUBPROJECTS, unpacking

SUITE = "bookworm"
LOADER = "lib64/ld-linux-x86-64.so.2"  # where programs look for it (System V ABI, AMD64 supplement)
LIBRARIES = "lib/x86_64-linux-gnu"


class Package(NamedTuple):
    name: str
    program: str  # its path, as in the package so in the guest
    needs: tuple[str, ...]  # the packages that have its libraries

    @property
    def folder(self) -> str:
        return f"linux-{self.name}"

    def files(self, subprojects: Path = SUBPROJECTS) -> dict[str, Path]:
        """{path in a RAM disk: file}, fetched if they are not there."""
        folder = subprojects / self.folder
        if not self.there(subprojects):
            with unpacking(subprojects):
                if not self.there(subprojects):
                    _provide(self, subprojects, folder)
        root = folder / "root"
        return {str(file.relative_to(root)): file for file in sorted(root.rglob("*")) if file.is_file()}

    def there(self, subprojects: Path = SUBPROJECTS) -> bool:
        return (subprojects / self.folder / "version").is_file()

    def version(self, subprojects: Path = SUBPROJECTS) -> str:
        return (subprojects / self.folder / "version").read_text(encoding="utf-8").strip()


NGINX = Package("nginx", "usr/sbin/nginx", ("libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g"))
IPERF = Package("iperf3", "usr/bin/iperf3", ("libiperf0", "libc6", "libsctp1", "libssl3"))
PACKAGES = (NGINX, IPERF)


def _provide(package: Package, subprojects: Path, place: Path) -> None:
    """A folder under its final name is complete."""
    title = f"Fetching {package.name} of Debian's {SUITE}"
    with Progress(title, done=f"{package.name} for the Linux guest is unpacked") as progress:
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=subprojects) as name:
            work = Path(name)
            fetched = work / "packages"
            fetched.mkdir()
            found = apt_source.download_binary((package.name, *package.needs), SUITE, fetched, progress.update)
            for file in found:
                progress.update(file.name)
                apt_source.unpack(file, work / "tree")
            kept = work / "kept"
            gather(package, work / "tree", kept / "root")
            itself = next(file for file in found if file.name.startswith(f"{package.name}_"))
            (kept / "version").write_text(itself.name.split("_")[1] + "\n", encoding="utf-8")
            if place.is_dir():
                shutil.move(place, work / "former")
            os.rename(kept, place)


def gather(package: Package, tree: Path, root: Path) -> None:
    """The program, its dynamic loader, and all libraries that it and these need."""
    libraries = {file.name: file for file in tree.rglob("*.so*") if file.parent.name == "x86_64-linux-gnu"}
    _copy(tree / package.program, root / package.program)
    _copy(libraries[Path(LOADER).name], root / LOADER)
    left = needed(tree / package.program)
    while left:
        name = left.pop()
        if name == Path(LOADER).name or (root / LIBRARIES / name).exists():
            continue
        if name not in libraries:
            raise FreeholdError(f"{package.name} needs {name}, which none of these packages has: {', '.join(package.needs)}.")
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
