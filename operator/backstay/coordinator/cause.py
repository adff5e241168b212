"""Why something moved, as one of few words: a label of a metric must be bounded, and the trigger's sentence names nodes and numbers.

The sentences are made in `fingerprint` and `coordinator`; their test goes through every one of them, so that a new sentence without a
cause is noticed there.
"""

from __future__ import annotations

import re
from enum import Enum


class Cause(Enum):
    """What made the DC act. The value is the metric's label."""

    NODE_LOST = "node_lost"
    NODE_BACK = "node_back"
    FAILURE = "failure"
    QUORUM = "quorum"
    REQUEST = "request"
    CONFIGURATION = "configuration"
    RECHECK = "recheck"
    NEWS = "news"
    """A node's history says something that nobody had ordered, or a new DC looks for the first time."""
    OTHER = "other"


_ABORTED = re.compile(r"^transition \d+ was aborted: ")
# First match wins. What the sentences can be is held by tests/unit/coordinator/test_cause.py.
_PATTERNS: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (
        re.compile(
            r"^node .* lost|^node \S+ (is offline|is gone|left the cluster)|^a quorum stands behind|cut off$"
        ),
        Cause.NODE_LOST,
    ),
    (re.compile(r"^node \S+ (joined|answered|is coming up)"), Cause.NODE_BACK),
    (re.compile(r"; request | requested$|^a request "), Cause.REQUEST),
    (re.compile(r" failed on \S+|^failures of .* were forgotten|: (failed|timed_out)$"), Cause.FAILURE),
    (re.compile(r"^quorum "), Cause.QUORUM),
    (
        re.compile(r" was (changed|created|deleted|verified)$| is held back: |^node labels changed"),
        Cause.CONFIGURATION,
    ),
    (re.compile(r"^time has passed"), Cause.RECHECK),
    (re.compile(r"^news from |^a new DC "), Cause.NEWS),
)


def cause_of(trigger: str) -> Cause:
    """The cause that a trigger's sentence tells; an aborted transition hands its own reason on."""
    sentence = _ABORTED.sub("", trigger)
    return next((cause for pattern, cause in _PATTERNS if pattern.search(sentence)), Cause.OTHER)
