"""What the DC has to tell: typed items that the shell turns into log lines, Events and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from backstay.scheduler.situation import Situation
from backstay.state.claims import ObjectRef


class Tale(Enum):
    """What happened. The value is the Event's reason."""

    MOVED = "Moved"
    STARTED = "Started"
    RECOVERED = "Recovered"
    STOPPED = "Stopped"
    FAILED = "OperationFailed"
    NODE_LOST = "NodeLost"
    NODE_JOINED = "NodeJoined"
    NODE_OFFLINE = "NodeOffline"
    NODE_LEAVING = "NodeLeaving"
    NODE_LEFT = "NodeLeft"
    REPORT_LOST = "NodeReportLost"
    FENCED = "Fenced"
    FENCING_FAILED = "FencingFailed"
    DEVICE = "FenceDeviceChecked"
    LATE = "NoAnswerInTime"
    TRANSITION = "Transition"
    COMPLETE = "TransitionComplete"
    ABORTED = "TransitionAborted"
    QUORUM = "Quorum"
    BRAKE = "StormBrake"
    REWOUND = "HistoryWentBack"
    RECORDING = "OperationsNotRecorded"
    RECORDING_AGAIN = "OperationsRecorded"
    PROBLEM = "ConfigurationProblem"
    EPOCH_IGNORED = "EpochClaimIgnored"
    NOTE = "Note"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryItem:
    """One thing that happened. `subject` is the object that an Event belongs to; None: the HACluster."""

    tale: Tale
    message: str
    subject: ObjectRef | None = None
    warning: bool = False
    event: bool = True
    """False: worth a log line, not an Event (a member written inline shares its group's object, and the group speaks for it)."""
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


_PLACED = (Tale.MOVED, Tale.STARTED, Tale.STOPPED)


def with_why(item: StoryItem, why: Mapping[str, str]) -> StoryItem:
    """An arrival or a stop with the scheduler's own words on the place (`why`: resource or group -> a sentence)."""
    words = why.get(str(item.facts.get("resource", "")), "") if item.tale in _PLACED else ""
    return replace(item, message=f"{item.message} ({words})") if words else item


def active_map(situation: Situation) -> dict[str, tuple[str, ...]]:
    """Where each primitive is active, and each group: where its last started member is, if all are on one node."""
    found: dict[str, tuple[str, ...]] = {}
    for leaf in situation.leaves():
        found[leaf.id] = tuple(
            sorted(node.name for node in leaf.active_on if leaf.activities[node.name].pending != "start")
        )
    for resource in situation.resources:
        if resource.children:
            places = [found[leaf.id] for leaf in resource.leaves()]
            found[resource.id] = places[0] if places and all(one == places[0] for one in places) else ()
    return found
