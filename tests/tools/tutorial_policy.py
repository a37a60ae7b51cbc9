# SPDX-License-Identifier: MIT
"""Does to a policy's file what docs/tutorial/02-scheduler.md tells the reader to do."""

import re

_FUNCTION = re.compile(r"(?:^/\*(?:(?!\*/).)*?\*/\n)?^static [^\n;={]*?(\w+)\([^{;]*\)\n\{\n.*?^\}\n", re.M | re.S)
_LINE = re.compile(r"(?:^/\*(?:(?!\*/).)*?\*/\n)?^(#include|#define (\w+)|static struct \w+ (\w+);)[^\n]*\n", re.M | re.S)


def items(text):
    """(name, text) of each function, variable, macro and include, in order."""
    found = [(match.start(), match[1], match[0]) for match in _FUNCTION.finditer(text)]
    inside = [(match.start(), match.end()) for match in _FUNCTION.finditer(text)]
    for match in _LINE.finditer(text):
        if not any(start <= match.start() < end for start, end in inside):
            found.append((match.start(), match[2] or match[3] or "include", match[0]))
    return [(name, said) for _, name, said in sorted(found)]


def applied(policy, listing):
    """The file with what the listing has in the place of what has the same name, and the rest before
    the first function. A single member of the policy's object takes the place of that member."""
    member = re.fullmatch(r"    (\.\w+) = [^\n]*\n", listing)
    if member:
        changed, count = re.subn(rf"^    {re.escape(member[1])} = [^\n]*\n", listing, policy, flags=re.M)
        assert count == 1
        return changed
    there = dict(items(policy))  # of several includes the last
    new = ""
    for name, text in items(listing):
        if name in there:
            assert policy.count(there[name]) == 1
            policy = policy.replace(there[name], text)
        else:
            new += text + "\n"
    first = next(text for name, text in items(policy) if "(" in text and text.rstrip().endswith("}"))
    return policy.replace(first, new + first)
