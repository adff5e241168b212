"""What an explanation says, as values: sentences are in them, since they are what is asked for, and so are the numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a score is made of. `reason` is a word for programs (location, stickiness, ...), `source` the constraint or
    resource behind it, `remedy` what takes it away ("" for what nobody would take away)."""

    reason: str
    source: str
    score: int
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """One node: its score for the resource and what it is made of; why it cannot be used at all ("" if it can); and what would
    have to change for the resource to run there ("" where it shall run)."""

    node: str
    score: int
    chosen: bool
    obstacle: str
    parts: tuple[Part, ...]
    change: str
    won: str = ""
    """For the chosen node: how it came out first."""


@dataclass(frozen=True, slots=True)
class ActionReason:
    """One action of a transition. `because` is why it is done, `after` one sentence for each thing that it waits for."""

    action: str
    node: str
    resource: str
    because: str
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One instance of a resource. `active` is where it runs now, `chosen` where it shall run (None: nowhere)."""

    resource: str
    agent: str
    active: tuple[str, ...]
    chosen: str | None
    role: str
    headline: str
    promotion: int | None
    """How much it is to be promoted where it is placed; None: it is not promotable."""
    promotion_parts: tuple[Part, ...]
    promotion_outcome: str
    """Why it is promoted, or is not; "" for what is not promotable."""
    nodes: tuple[NodeVerdict, ...]
    actions: tuple[ActionReason, ...]


@dataclass(frozen=True, slots=True)
class TransitionReasons:
    """A whole transition."""

    summary: tuple[str, ...]
    actions: tuple[ActionReason, ...]
