# SPDX-License-Identifier: MIT
"""Progress for people and for logs.

On a terminal, progress is one line at the bottom that changes in place. Elsewhere (a file, CI) it
is a line now and then, so that a log shows that work goes on without being flooded.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

SPARSE_SECONDS = 15.0
REDRAW_SECONDS = 0.1
CLEAR_LINE = "\r\x1b[K"


class Progress:
    """with Progress("Building") as progress: progress.update("12 of 80"); progress.say("text")"""

    def __init__(self, title: str, stream=None, done: str | None = None):
        self.title = title
        self.stream = stream or sys.stdout
        self.done = done
        self.live = self.stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = ""
        self._next = 0.0
        self._start = time.monotonic()

    def __enter__(self) -> Progress:
        self._start = time.monotonic()
        self._next = self._start + SPARSE_SECONDS
        self._write(f"{self.title} ...")
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self.live:
            self.stream.write(CLEAR_LINE)
            self._shown = ""
        if error is None:
            seconds = time.monotonic() - self._start
            text = self.done or f"{self.title}: done"
            # What took no time needs no line of its own for telling so.
            self.stream.write(f"{text} ({seconds:.0f} s)\n" if seconds >= 1 else f"{text}\n")
        self.stream.flush()

    def update(self, text: str) -> None:
        """What is being done right now; shown if it is time to."""
        now = time.monotonic()
        if self.live:
            if now >= self._next or not self._shown:
                self._next = now + REDRAW_SECONDS
                self._write(f"{self.title}: {text}")
        elif now >= self._next:
            self._next = now + SPARSE_SECONDS
            self._write(f"{self.title}: {text}")

    def say(self, text: str) -> None:
        """A line that stays."""
        shown = self._shown
        self.stream.write(f"{CLEAR_LINE}{text}\n" if self.live else f"{text}\n")
        if self.live and shown:
            self._write(shown)
        self.stream.flush()

    def _write(self, text: str) -> None:
        if self.live:
            # One column less: a full line would wrap on some terminals.
            text = text[: shutil.get_terminal_size().columns - 1]
            self.stream.write(f"{CLEAR_LINE}{text}")
            self._shown = text
        else:
            self.stream.write(f"{text}\n")
        self.stream.flush()
