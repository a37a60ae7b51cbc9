# SPDX-License-Identifier: MIT
"""clang-tidy finds nothing (.clang-tidy says what it looks for) in kernel, loader, libos, libnet and
applications. How each file is compiled it learns from the build with clang.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path

from common import CLANG_BUILD, PRODUCT, ROOT, need

clang_tidy = need("clang-tidy")
commands = CLANG_BUILD / "compile_commands.json"
if not commands.is_file():
    print(f"{commands} is missing: run the test lint_clang first.")
    sys.exit(1)

compiled = {
    Path(os.path.normpath(Path(entry["directory"], entry["file"])))
    for entry in json.loads(commands.read_text())
}
files = sorted(
    file for file in compiled for folder in PRODUCT if (ROOT / folder) in file.parents and file.suffix == ".c"
)
if not files:
    print(f"{commands} names no file of ours.")
    sys.exit(1)


def check(file):
    return subprocess.run(
        [clang_tidy, "-p", str(CLANG_BUILD), "--quiet", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )


failed = 0
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    for file, done in zip(files, pool.map(check, files)):
        result = "findings" if done.returncode else "as it should be"
        print(f"{file.relative_to(ROOT)}: {result}", flush=True)
        if done.returncode != 0:
            failed += 1
            print(done.stdout + done.stderr)
print(f"{len(files)} files, {failed} with findings.")
sys.exit(failed != 0)
