# SPDX-License-Identifier: MIT
"""Install the packages that are missing (by apt-get, as root or with sudo) and unpack the sources
of lwIP and musl and the prover CBMC under subprojects/, checked against their digests. All other
commands do this first, so there is no need to (the prover: `test` alone). The Linux kernel and the nginx that
`bench` compares with are fetched by that.
"""

from __future__ import annotations

import argparse

from .. import cbmc, linux_guest, linux_package, packages, sources
from ..prepare import prepare, prover
from ..workspace import SUBPROJECTS

SUMMARY = "install what building and testing needs (every command does)"
EXAMPLES = """\
examples:
  tools/freehold setup           install what is missing
  tools/freehold setup --list    tell what is needed, what for, and what is missing
"""


def describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--list", action="store_true", help="change nothing; tell what is needed and what is missing"
    )


def execute(arguments: argparse.Namespace) -> int:
    if arguments.list:
        _list()
    else:
        done = prepare()
        done = prover() or done
        print("Everything is set up." if done else "Everything was set up already.")
    return 0


def _list() -> None:
    absent = {package.name for package in packages.missing()}
    for package in packages.PACKAGES:
        mark = "missing" if package.name in absent else "installed"
        print(f"{package.name:18} {mark:10} {package.purpose}")
    for source in sources.SOURCES:
        mark = "unpacked" if sources.up_to_date(source, SUBPROJECTS) else "missing"
        count = len(sources.patches(source, SUBPROJECTS))
        print(f"{source.folder:18} {mark:10} from {source.tarball}, patches of ours: {count}")
    mark = "unpacked" if cbmc.up_to_date() else "missing"
    print(f"{cbmc.FOLDER:18} {mark:10} from the package {cbmc.PACKAGE} of Debian's {cbmc.SUITE}")
    mark = "unpacked" if linux_guest.there() else "missing"
    print(f"{linux_guest.FOLDER:18} {mark:10} from the package {linux_guest.PACKAGE} of Debian's {linux_guest.SUITE}; bench fetches it")
    for package in linux_package.PACKAGES:
        mark = "unpacked" if package.there() else "missing"
        print(f"{package.folder:18} {mark:10} from the package {package.name} of Debian's {linux_package.SUITE}; bench fetches it")
