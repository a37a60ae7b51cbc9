# SPDX-License-Identifier: MIT
"""Every C file is laid out as .clang-format says."""

import subprocess
import sys

from common import PRODUCT, ROOT, need, sources

clang_format = need("clang-format")
files = sources((*PRODUCT, "tests"), ("*.c", "*.h"))
done = subprocess.run(
    [clang_format, "--dry-run", "-Werror", "--ferror-limit=3", *map(str, files)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
)
if done.returncode != 0:
    print(done.stderr)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    print(f"To lay out as the others are: clang-format -i {' '.join(wrong)}")
print(f"{len(files)} files.")
sys.exit(done.returncode != 0)
