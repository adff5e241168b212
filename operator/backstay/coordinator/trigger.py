"""What makes the DC act: a sentence for people, and one of few words for metrics, whose labels must be bounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Cause(Enum):
    """What kind of thing it is. The value is the metric's label."""

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


@dataclass(frozen=True, slots=True)
class Trigger:
    """`again`: it comes from a transition that was aborted, not from outside."""

    cause: Cause
    sentence: str
    again: bool = False

    def __str__(self) -> str:
        return self.sentence

    @property
    def from_within(self) -> bool:
        """Nothing changed outside: too many of these in a row are a loop."""
        return self.again or self.cause is Cause.NEWS

    @property
    def from_people(self) -> bool:
        """Somebody changed or asked for something."""
        return not self.again and self.cause in (Cause.REQUEST, Cause.CONFIGURATION)

    def after_abort(self, number: int) -> Trigger:
        """The reason why a transition was aborted, as the trigger of the next."""
        return replace(self, sentence=f"transition {number} was aborted: {self.sentence}", again=True)

    def with_requests(self, keys: str) -> Trigger:
        """People asked for something besides; a node that came or went weighs more."""
        if self.cause is Cause.REQUEST:
            return self
        cause = self.cause if self.cause in (Cause.NODE_LOST, Cause.NODE_BACK) else Cause.REQUEST
        return replace(self, cause=cause, sentence=f"{self.sentence}; request {keys}")


NOTHING_YET = Trigger(Cause.OTHER, "")
