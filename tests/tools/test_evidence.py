# SPDX-License-Identifier: MIT
"""Every call of the kernel has a manual page, a model step, a hostile case, and a proof or a reason why not.

That random steps, which the fuzzer takes as well, carry each call out is checked where they are
taken: tests/unit/core/random.c.
"""

import pathlib
import re
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CALLS = [call["name"] for call in tomllib.loads((ROOT / "exo/abi/calls.toml").read_text())["call"]]


def sources(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / folder).glob("*.c")))


MANUAL = (ROOT / "docs/api/calls.md").read_text()
MODELS = (ROOT / "tests/model/models.c").read_text()
HOSTILE = sources("apps/hostile")
PROOF = tomllib.loads((ROOT / "tests/proof/proof.toml").read_text())["call"]


@pytest.mark.parametrize("call", CALLS)
def test_has_a_manual_page(call):
    assert re.search(rf"^## {call}$", MANUAL, re.M)


@pytest.mark.parametrize("call", CALLS)
def test_is_a_step_of_a_model(call):
    # Not of a set-up alone, where it is tried once.
    assert re.search(rf"\b(CALLED|BATCHED)\({call.upper()}\b", MODELS)


@pytest.mark.parametrize("call", CALLS)
def test_is_tried_by_the_hostile_application(call):
    assert re.search(rf"\bexo_{call}\b|\bEXO_CALL_{call.upper()}\b", HOSTILE)


@pytest.mark.parametrize("call", CALLS)
def test_is_proved_or_has_a_reason(call):
    row = PROOF[call]
    assert ("invariants" in row) != ("reason" in row)
