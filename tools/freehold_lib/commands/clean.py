# SPDX-License-Identifier: MIT
"""Remove a build folder and, if asked to, the sources that were unpacked under subprojects/."""

from __future__ import annotations

import argparse
import shutil

from .. import build, sources
from ..errors import FreeholdError
from ..workspace import SUBPROJECTS, Run
from .options import add_build

SUMMARY = "remove what was built"
EXAMPLES = """\
examples:
  tools/freehold clean              remove the folder `build`
  tools/freehold clean --sources    remove the sources of lwIP and musl, too

Installed packages stay.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sources", action="store_true", help="also remove unpacked sources and fetched tarballs"
    )
    add_build(parser)


def execute(arguments: argparse.Namespace) -> int:
    folder = arguments.build
    build.check(folder)
    process = Run(folder).process
    if process:
        raise FreeholdError(f"A machine runs in {folder} (process {process}); end it first.")
    if folder.is_dir():
        shutil.rmtree(folder)
        print(f"Removed {folder}.")
    if arguments.sources:
        for name in ["packagecache", *(source.folder for source in sources.SOURCES)]:
            place = SUBPROJECTS / name
            # A link, or a folder without our stamp, is not ours to remove.
            ours = name == "packagecache" or (place / sources.STAMP).is_file()
            if place.is_dir() and not place.is_symlink() and ours:
                shutil.rmtree(place)
                print(f"Removed {place}.")
    return 0
