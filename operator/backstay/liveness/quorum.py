"""Whether a majority is heard, and the storm brake.

Votes count as in corosync's votequorum for an odd number of nodes; for an even number the API server, without which nobody could
judge at all, is the tie-breaking witness (design section 5). A node that was stopped on request still votes while its agent renews.
"""

from __future__ import annotations


def has_quorum(*, members: int, alive: int) -> bool:
    """Majority of `members`; half is enough when their number is even, because the API server answered the read that counted them."""
    assert 0 <= alive <= members
    if members == 0:
        return False
    return 2 * alive > members or (members % 2 == 0 and 2 * alive == members)


def has_majority(*, members: int, alive: int) -> bool:
    """More than half, without the help of the API."""
    return 2 * alive > members


def storm_limit(members: int) -> int:
    """So many may be lost together without a storm."""
    return max(1, members // 2)


def storm(*, members: int, lost_together: int) -> bool:
    """More than max(1, N/2) nodes fell silent within one lease period: more likely our view than their death."""
    return lost_together > storm_limit(members)
