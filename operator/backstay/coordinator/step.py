"""What a step of the DC's loop is told, and what it answers: values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.api import FencingRecord, HANodePlanSpec
from backstay.coordinator.device_watch import Check
from backstay.coordinator.fencings import Fenced
from backstay.coordinator.guards import LetIn
from backstay.coordinator.leaving import Leaver
from backstay.coordinator.membership import Membership
from backstay.coordinator.run import Run
from backstay.coordinator.story import StoryItem
from backstay.coordinator.trigger import Trigger
from backstay.scheduler import Transition
from backstay.scheduler.situation import Situation
from backstay.state.assemble import Assembly, Objects
from backstay.transition.runner import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the DC knows at one moment. `now` is monotonic, `wall` epoch seconds."""

    now: float
    wall: float
    objects: Objects
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Of nodes, where their keepers can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A transition that ended."""

    run: Run
    verdict: Verdict
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """For status, metrics and people: what the DC believes."""

    membership: Membership
    assembly: Assembly
    situation: Situation
    active: Mapping[str, tuple[str, ...]]
    transition: Transition | None
    run: Run | None
    last: Finished | None
    """The transition that ended last, in this term."""
    trigger: Trigger
    held: Mapping[str, str] = field(default_factory=dict)
    """Resources that are not started because of their definition, and the code of what is wrong with it."""
    fencing: Mapping[str, tuple[FencingRecord, ...]] = field(default_factory=dict)
    """Fencings in this term by target, newest first."""
    device_uses: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Of fence devices: when it was used last in this term (epoch seconds), and what came of it."""
    device_checks: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Orders:
    """What the shell shall do."""

    plans: Mapping[str, HANodePlanSpec]
    picture: Picture
    wake_in: float
    fenced: list[Fenced] = field(default_factory=list)
    """To be recorded before anything else is written, again in every step until the objects show it."""
    leavers: list[Leaver] = field(default_factory=list)
    """Members that have left: their plans and HANodes may be deleted."""
    let_in: list[LetIn] = field(default_factory=list)
    needs_list: bool = False
    """The Leases must be listed: a node is proven dead if that shows nothing newer of it."""
    begun: list[Run] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    settled: list[Run] = field(default_factory=list)
    """Transitions that were superseded before, and of which nothing is in flight any more."""
    story: list[StoryItem] = field(default_factory=list)
