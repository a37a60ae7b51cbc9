# SPDX-License-Identifier: MIT
"""Everything builds with clang as it does with gcc, without a warning."""

import sys

from common import CLANG_BUILD, need

from freehold_lib.build import build
from freehold_lib.errors import FreeholdError

need("clang")
try:
    # Without debug information: nobody runs it, and it builds in half the time.
    build(CLANG_BUILD, options=["-Ddebug=false"], environment={"CC": "clang"}, title="Building with clang")
except FreeholdError as error:
    print(error)
    sys.exit(1)
