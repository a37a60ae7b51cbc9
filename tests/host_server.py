# SPDX-License-Identifier: MIT
"""A server of ours as a program of the host, which tells the port that it listens on."""

import contextlib
import os
import re
import subprocess


@contextlib.contextmanager
def serving(program, settings):
    """Its port. `settings`: of its environment. It has to run until nobody needs it any more."""
    process = subprocess.Popen([program], env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield int(re.search(r"listening on port (\d+)", process.stdout.readline())[1])
        assert process.poll() is None, f"the server ended: {process.stderr.read()}"
    finally:
        process.terminate()
        process.communicate(timeout=10)
