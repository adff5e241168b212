"""CIBs made from the suite's by small edits, with what Pacemaker answers: whether rules were
understood or cases fitted.

A third of them is run with every other test, all of them by `make conformance`
(BACKSTAY_CONFORMANCE=all).
"""

import os

import pytest

from .edited_known import KNOWN
from .suite import cases_of, edited_folder, judged_cases

ALL = os.environ.get("BACKSTAY_CONFORMANCE") == "all"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(
        edited_folder() is None, reason="the edited cases are not here (PACEMAKER_CTS_MUTATED)"
    ),
]


@pytest.mark.parametrize("third", range(3 if ALL else 1))
def test_edited_cases_are_answered_as_by_pacemaker(third: int) -> None:
    folder = edited_folder()
    assert folder is not None
    rows = judged_cases(folder, cases_of(folder)[third::3])
    assert rows
    differing = {row["name"] for row in rows if not row["abc"]}
    assert sorted(differing - KNOWN.keys()) == []
    agreeing = {row["name"] for row in rows if row["abc"]}
    assert sorted(agreeing & KNOWN.keys()) == [], "these agree now: take them off the list"
