"""The regression suite of the scheduler whose semantics we follow, tier by tier, with minimums that only rise."""

import pytest

from .suite import judged, suite_folder

# (tier, column) -> how many cases must agree at least. Raise a number when more pass; never lower one.
MINIMUM = {
    (1, "cur"): 134, (1, "abc"): 134, (1, "exact"): 121,
    (2, "cur"): 62, (2, "abc"): 62, (2, "exact"): 55,
    (3, "cur"): 49, (3, "abc"): 49, (3, "exact"): 45,
    (4, "cur"): 152, (4, "abc"): 151, (4, "exact"): 137,
    (5, "cur"): 45, (5, "abc"): 42, (5, "exact"): 29,
}  # fmt: skip

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(suite_folder() is None, reason="the suite is not here (PACEMAKER_CTS)"),
]


@pytest.mark.parametrize("tier", sorted({tier for tier, _ in MINIMUM}))
def test_no_fewer_cases_agree_than_before(tier: int) -> None:
    folder = suite_folder()
    assert folder is not None
    rows = judged(folder, tier)
    for (wanted_tier, column), minimum in MINIMUM.items():
        if wanted_tier == tier:
            agreeing = sum(bool(row.get(column)) for row in rows)
            missing = [row["name"] for row in rows if not row.get(column)]
            assert agreeing >= minimum, f"{column}: {agreeing} of {len(rows)}; not: {' '.join(missing)}"
