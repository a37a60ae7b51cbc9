# SPDX-License-Identifier: MIT
"""python3 tools/freehold_lib ... : the command line, whatever folder it is called from."""

import sys
from pathlib import Path

# Python put this folder first, where our modules would be found without their package's name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from freehold_lib.cli import main  # noqa: E402

sys.exit(main())
