# SPDX-License-Identifier: MIT
"""One module a subcommand: SUMMARY, EXAMPLES, describe(parser), execute(arguments) -> exit status.

The module's own first comment is what --help says about it.
"""
