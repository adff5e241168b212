"""Random CIBs, answered by our scheduler and by Debian's crm_simulate: what differs is shown on the smallest CIB.

BACKSTAY_DIFFERENTIAL_SEEDS=100:400 compares other seeds, or more.
"""

import os

import pytest

from .oracle import crm_simulate, difference
from .random_cibs import random_cib
from .random_themes import THEMES, themed
from .shrink import shrunk

# Seeds on which the answers are known to differ, and why. Those of the older version's making stay; the others are
# ours to mend.
KNOWN = {
    4: "older version: of two clones that must not meet, it compares interleaved instances only with their partners",
    27: "older version: of a group with multiple-active=block it blocks only the member that is active twice",
    37: "of two contradictory colocations of a pair the order of their ids decides there which gives way; here musts go first",
}

KNOWN_THEMED = {("sets", 6)}
"""Not looked into, or not yet mended."""

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(
        crm_simulate() is None, reason="crm_simulate is not here (package pacemaker-cli-utils)"
    ),
]


def _seeds() -> range:
    first, _, end = os.environ.get("BACKSTAY_DIFFERENTIAL_SEEDS", "0:40").partition(":")
    return range(int(first), int(end or int(first) + 1))


@pytest.mark.parametrize("seed", _seeds())
def test_both_answer_the_same(seed: int) -> None:
    if seed in KNOWN:
        pytest.skip(KNOWN[seed])
    compare(random_cib(seed))


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("seed", range(20))
def test_both_answer_the_same_on_a_theme(theme: str, seed: int) -> None:
    if (theme, seed) in KNOWN_THEMED:
        pytest.skip("known to differ")
    compare(themed(theme, seed))


def compare(cib: str) -> None:
    """Fail with the smallest CIB found on which the answers differ, if they do on this one."""
    found = difference(cib)
    if found is None:
        return

    def shows(candidate: str) -> bool:
        other = difference(candidate)
        return other is not None and other.respect == found.respect

    smallest = shrunk(cib, shows)
    pytest.fail(f"{found}\n\non the smallest CIB that shows it:\n{difference(smallest)}\n{smallest}")


def test_a_seed_makes_the_same_cib_again() -> None:
    assert random_cib(7) == random_cib(7)
    assert random_cib(7) != random_cib(8)
