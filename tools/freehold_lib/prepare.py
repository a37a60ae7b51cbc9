# SPDX-License-Identifier: MIT
"""What has to be there before anything can be built: packages, and the sources of others."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from . import build, cbmc, packages, sources
from .errors import FreeholdError
from .workspace import SUBPROJECTS, unpacking


def prepare() -> bool:
    """Provide what is missing; True if something was."""
    missing = packages.missing()
    if missing:
        packages.install(missing)
    if all(sources.up_to_date(source, SUBPROJECTS) for source in sources.SOURCES):
        return bool(missing)
    with unpacking():
        unpacked = sources.provide(SUBPROJECTS)
    return bool(missing or unpacked)


def prover() -> bool:
    """Provide the prover that tests/proof needs, if it can be had: nothing else is built with it."""
    if cbmc.up_to_date():
        return False
    try:
        with unpacking():
            if not cbmc.up_to_date():
                cbmc.provide()
    except FreeholdError as error:
        print(f"The prover CBMC cannot be had here; its tests will be skipped. {error}")
        return False
    return True


def built(folder: Path, targets: Sequence[str] = ("all",)) -> Path:
    """Provide what is missing and build in `folder`; returns it, absolute."""
    build.check(folder)
    prepare()
    build.build(folder, targets)
    return folder.resolve()
