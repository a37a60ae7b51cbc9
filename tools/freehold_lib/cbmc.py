# SPDX-License-Identifier: MIT
"""CBMC, the prover of tests/proof: Debian 13's package, unpacked under subprojects/.

Debian 12 has none, so the package and the libraries of its release that it needs are fetched by apt
(apt_source.py), unpacked beside the sources of others and started by their own dynamic loader:
nothing of the machine is changed, and apt has checked the signatures. CBMC itself is pinned by its
digest; its libraries are whatever that release has, for they get security updates.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from . import apt_source
from .errors import FreeholdError
from .terminal import Progress
from .workspace import SUBPROJECTS

VERSION = "6.6.0"
SUITE = "trixie"
PACKAGE = "cbmc"
SHA256 = "02560859a17049c976961c232c4fc58f0747b57f9b751a466b1f368a438b0e41"
LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6", "minisat")
FOLDER = f"cbmc-{VERSION}"
STAMP = ".freehold-source"


def up_to_date(subprojects: Path = SUBPROJECTS) -> bool:
    folder = subprojects / FOLDER
    if folder.is_symlink():
        return folder.is_dir()
    try:
        return json.loads((folder / STAMP).read_text()) == SHA256
    except (OSError, ValueError):
        return False


def command(program: str = "cbmc", subprojects: Path = SUBPROJECTS) -> list[str]:
    """What starts it, or another program of its package, less its arguments."""
    root = (subprojects / FOLDER).resolve()
    if not up_to_date(subprojects):
        raise FreeholdError(f"CBMC {VERSION} is missing; run tools/freehold setup.")
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib"
    loader = f"{root}/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    return [loader, "--library-path", libraries, f"{root}/usr/bin/{program}"]


def provide(subprojects: Path = SUBPROJECTS) -> None:
    """Fetch and unpack it. A folder under its final name is complete."""
    title = f"Unpacking the prover CBMC {VERSION}"
    with Progress(title, done=f"The prover CBMC {VERSION} is unpacked") as progress:
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=subprojects) as name:
            work = Path(name)
            files = apt_source.download_binary((PACKAGE, *LIBRARIES), SUITE, work, progress.update)
            _check(next(file for file in files if file.name.startswith(f"{PACKAGE}_")))
            tree = work / "tree"
            for file in files:
                progress.update(file.name)
                apt_source.unpack(file, tree)
            (tree / STAMP).write_text(json.dumps(SHA256) + "\n")
            place = subprojects / FOLDER
            if place.is_symlink():
                place.unlink()
            elif place.exists():
                shutil.move(place, work / "former")
            os.rename(tree, place)


def _check(package: Path) -> None:
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise FreeholdError(
            f"{package.name} has the SHA-256 {found}, not {SHA256}: it is not used. Either the "
            f"archive now has another release or the file was tampered with."
        )
