# SPDX-License-Identifier: MIT
"""What goes wrong for reasons outside these tools: told as a sentence, without a traceback."""

from __future__ import annotations


class FreeholdError(Exception):
    """The text is for the user: what is wrong, where, and what to do."""

    status = 1


class UsageError(FreeholdError):
    """The command line itself asks for something that is not to be had."""

    status = 2
