"""Scores: how much a resource wants to be on a node.

A score is an integer between -INFINITY and +INFINITY. INFINITY is a finite number on purpose (one million,
as in Pacemaker), because fail counts and migration thresholds are compared with it. -INFINITY wins every
addition.
"""

INFINITY = 1_000_000


def clamp(score: int) -> int:
    """The score, kept within -INFINITY .. +INFINITY."""
    return max(-INFINITY, min(INFINITY, score))


def add(left: int, right: int) -> int:
    """The sum of two scores: -INFINITY beats +INFINITY, both beat every finite score."""
    if left <= -INFINITY or right <= -INFINITY:
        return -INFINITY
    if left >= INFINITY or right >= INFINITY:
        return INFINITY
    return clamp(left + right)


def text(score: int) -> str:
    """The score as people write it: `INFINITY`, `-INFINITY` or a plain number."""
    if score >= INFINITY:
        return "INFINITY"
    if score <= -INFINITY:
        return "-INFINITY"
    return str(score)
