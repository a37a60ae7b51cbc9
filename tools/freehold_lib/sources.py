# SPDX-License-Identifier: MIT
"""The sources of others that are built into applications, unpacked under subprojects/.

What holds:
  - what is unpacked is exactly the pinned release with the patches in
    subprojects/packagefiles/patches/NAME/*.patch applied in the order of their names;
  - a folder under its final name is complete: it is made under another name and renamed;
  - a folder that is not ours is never removed, a link is left alone.

Tarballs are kept in subprojects/packagecache/, so that a changed patch needs no network. One that
was put there by hand is as good as one that was fetched: its digest decides.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from . import apt_source
from .errors import FreeholdError
from .process import output_of
from .terminal import Progress

STAMP = ".freehold-source"


class Source(NamedTuple):
    name: str
    version: str
    package: str  # Debian's source package, and the suite that has this release
    suite: str
    tarball: str
    sha256: str
    repository: str  # where the authors publish it, for machines without Debian's archive,
    revision: str  # and the commit of that release: like the digest, it names the content

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"


SOURCES = (
    Source(
        name="lwip",
        version="2.2.1",
        package="lwip",
        suite="trixie",
        tarball="lwip_2.2.1+dfsg1.orig.tar.xz",
        sha256="83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1",
        repository="https://git.savannah.nongnu.org/git/lwip.git",
        revision="77dcd25a72509eb83f72b033d219b1d40cd8eb95",
    ),
    Source(
        name="musl",
        version="1.2.5",
        package="musl",
        suite="trixie",
        tarball="musl_1.2.5.orig.tar.gz",
        sha256="a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4",
        repository="https://git.musl-libc.org/git/musl",
        revision="0784374d561435f7c787a555aeab8ede699ed298",
    ),
)


def provide(subprojects: Path, sources: tuple[Source, ...] = SOURCES) -> list[str]:
    """Unpack what is missing or out of date; returns the names of what was unpacked."""
    _sweep(subprojects)
    done = []
    for source in sources:
        if not up_to_date(source, subprojects):
            title = f"Unpacking the sources of {source.name} {source.version}"
            finished = f"Sources of {source.name} {source.version} are unpacked"
            with Progress(title, done=finished) as progress:
                _provide_one(source, subprojects, progress)
            done.append(source.name)
    return done


def up_to_date(source: Source, subprojects: Path) -> bool:
    """A link is somebody's own choice of sources, and always up to date."""
    folder = subprojects / source.folder
    if folder.is_symlink():
        return folder.is_dir()
    try:
        stamp = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return False
    return stamp == _stamp(source, subprojects)


def patches(source: Source, subprojects: Path) -> list[Path]:
    return sorted((subprojects / "packagefiles/patches" / source.name).glob("*.patch"))


def _stamp(source: Source, subprojects: Path) -> dict:
    return {
        "release": source.sha256,
        "patches": [
            [patch.name, hashlib.sha256(patch.read_bytes()).hexdigest()]
            for patch in patches(source, subprojects)
        ],
    }


def _sweep(subprojects: Path) -> None:
    """Remove what an interrupted set-up left behind."""
    for left in subprojects.glob(".unpack-*"):
        shutil.rmtree(left, ignore_errors=True)


def _provide_one(source: Source, subprojects: Path, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=subprojects) as temporary:
        work = Path(temporary)
        tree = _fetch(source, subprojects, work, progress)
        for patch in patches(source, subprojects):
            progress.update(patch.name)
            _apply(patch, tree, source)
        (tree / STAMP).write_text(json.dumps(_stamp(source, subprojects), indent=1) + "\n")
        _put_in_place(tree, subprojects / source.folder, work, progress)


def _put_in_place(tree: Path, place: Path, work: Path, progress: Progress) -> None:
    if place.is_symlink():
        # It leads nowhere, or it would have been up to date.
        place.unlink()
    elif (place / STAMP).is_file():
        os.rename(place, work / "former")
    elif place.exists():
        aside = next(
            name
            for number in range(1, 1000)
            if not (name := place.with_name(f"{place.name}.aside-{number}")).exists()
        )
        os.rename(place, aside)
        progress.say(f"{place.name} was not unpacked by this command: it is now {aside.name}.")
    os.rename(tree, place)


# --- where it comes from --------------------------------------------------------


def _fetch(source: Source, subprojects: Path, work: Path, progress: Progress) -> Path:
    """The unpacked tree of the release, in `work`."""
    cache = subprojects / "packagecache" / source.tarball
    if not cache.is_file() or _digest(cache) != source.sha256:
        try:
            _download(source, cache, work, progress)
        except FreeholdError as by_apt:
            try:
                return _clone(source, work, progress)
            except FreeholdError as by_git:
                raise FreeholdError(
                    f"The sources of {source.name} {source.version} could not be fetched.\n"
                    f"By apt: {by_apt}\nBy git: {by_git}\n"
                    f"Try again with a network, or put {source.tarball} of Debian's source package "
                    f"{source.package} (SHA-256 {source.sha256}) into {cache.parent}."
                ) from by_git
    return _unpack(cache, work / "tree")


def _download(source: Source, cache: Path, work: Path, progress: Progress) -> None:
    progress.update("apt-get source")
    fetched = apt_source.download(source.package, source.suite, work, progress.update)
    found = _digest(fetched)
    if found != source.sha256:
        raise FreeholdError(
            f"{fetched.name} has the SHA-256 {found}, not {source.sha256}: it is not used. "
            f"Either the archive now has another release or the file was tampered with."
        )
    cache.parent.mkdir(exist_ok=True)
    os.replace(fetched, cache)


def _clone(source: Source, work: Path, progress: Progress) -> Path:
    """From the authors' repository. The revision is a hash of all that is in it."""
    if not shutil.which("git"):
        raise FreeholdError("git is missing.")
    tree = work / "clone"
    progress.update(f"git fetch from {source.repository}")
    for arguments in (
        ["init", "--quiet", str(tree)],
        ["-C", str(tree), "fetch", "--quiet", "--depth=1", source.repository, source.revision],
        ["-C", str(tree), "checkout", "--quiet", source.revision],
    ):
        status, said = output_of(["git", *arguments])
        if status != 0:
            raise FreeholdError(f"git {arguments[0] if arguments[0] == 'init' else arguments[2]}: {said}")
    shutil.rmtree(tree / ".git")
    return tree


def _unpack(tarball: Path, into: Path) -> Path:
    """Unpack the one folder that the tarball holds."""
    try:
        with tarfile.open(tarball) as archive:
            # Its digest was checked; the filter is for later Pythons, which want one named.
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            for member in archive:
                # As root we would give the files to whoever has the packer's number here.
                member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
                archive.extract(member, into, **safely)
    except (OSError, tarfile.TarError) as error:
        raise FreeholdError(f"{tarball} cannot be unpacked: {error}") from error
    inside = list(into.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        raise FreeholdError(f"{tarball} does not hold one folder but {len(inside)} things.")
    return inside[0]


def _apply(patch: Path, tree: Path, source: Source) -> None:
    status, said = output_of(
        ["patch", "--batch", "--forward", "--strip=1", "--fuzz=0", f"--input={patch.resolve()}"],
        cwd=tree,
    )
    if status != 0:
        raise FreeholdError(
            f"{patch} does not fit {source.name} {source.version}; correct it and try again:\n{said}"
        )


def _digest(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
