# SPDX-License-Identifier: MIT
"""What a bench writes into docs/performance.md, between two marks of its own."""

from .workspace import ROOT

PAGE = ROOT / "docs/performance.md"


def write(name: str, text: str) -> None:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(begin)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
