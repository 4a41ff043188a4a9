"""Claims about calls in the workers of every engine, for functions of a module, a script, a notebook.

One program per engine and place tests all claims and reports each case; a test is one claim.
`make test` runs the engines that need no service; FUNES_ENGINES=all, set by `make test-engines`, runs
all of them.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any

import pytest
from driver import CLAIMS
from texts import PLACES

from engines import ENGINES, QUICK

CHOSEN = ENGINES if os.environ.get("FUNES_ENGINES") == "all" else QUICK


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("engine", CHOSEN)
@pytest.mark.slow
def test_claim_holds(
    engine: str, place: str, claim: str, reports: dict[Any, Future[list[Any]]]
) -> None:
    missing = ENGINES[engine].missing()
    if missing:
        pytest.skip(missing)
    cases = [case for case in reports[engine, place].result() if case.claim == claim]
    broken = [f"{case.case}: {case.detail}" for case in cases if case.kept is False]
    if broken or not cases:
        failed = f"{CLAIMS[claim]}: {len(broken)} of {len(cases)} cases fail"
        pytest.fail("\n".join([failed, *broken]), pytrace=False)
    if all(case.kept is None for case in cases):
        pytest.skip("; ".join(f"{case.case}: {case.detail}" for case in cases))
