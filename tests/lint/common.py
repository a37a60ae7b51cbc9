# SPDX-License-Identifier: MIT
"""What the lint scripts share."""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

BUILD = Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
CLANG_BUILD = BUILD / "clang"
# Our own C: everything but what is fetched, built, or meant to be wrong.
PRODUCT = ("exo", "uefi", "libos", "libnet", "apps")


def need(program):
    """The program's path; where there is none, this case is skipped."""
    found = shutil.which(program)
    if not found:
        print(f"{program} is missing; run tools/freehold setup.")
        sys.exit(77)
    return found


def sources(folders, patterns):
    """Files of ours, sorted."""
    return sorted(file for folder in folders for p in patterns for file in (ROOT / folder).rglob(p))
