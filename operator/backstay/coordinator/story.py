"""What the DC has to tell: typed items that the shell turns into log lines, Events and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from backstay.coordinator.trigger import Trigger
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
    PROBLEM = "ConfigurationProblem"
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


class Whereabouts:
    """Follows where each resource is, to tell moves from starts. Homes are kept while a resource is between two places."""

    def __init__(self, homes: Mapping[str, str]) -> None:
        self._homes = dict(homes)
        self._active: dict[str, tuple[str, ...]] | None = None
        self._left: dict[str, Trigger] = {}

    def update(
        self,
        active: Mapping[str, tuple[str, ...]],
        *,
        refs: Mapping[str, ObjectRef],
        groups: Mapping[str, str],
        reason: Trigger,
        settled: bool,
    ) -> list[StoryItem]:
        """Compare with the last look. `settled`: no transition is under way, so what is inactive stays so.

        `groups`: member -> group."""
        items: list[StoryItem] = []
        before = self._active
        for resource in sorted(active):
            where = active[resource]
            was = () if before is None else before.get(resource, ())
            if was and where != was:
                self._left[resource] = reason
            if where and where != was and len(where) == 1:
                why = self._left.pop(resource, reason)
                item = self._arrived(resource, where[0], why, fresh=before is None)
                if item is not None:
                    items.append(_about(item, resource, refs, groups))
            elif not where and settled and self._homes.get(resource):
                home = self._homes.pop(resource)
                if before is not None:
                    tale = StoryItem(
                        tale=Tale.STOPPED,
                        message=f"Stopped on {home}: {reason}",
                        facts={"resource": resource},
                    )
                    items.append(_about(tale, resource, refs, groups))
        self._active = dict(active)
        return items

    def _arrived(self, resource: str, node: str, reason: Trigger, *, fresh: bool) -> StoryItem | None:
        home = self._homes.get(resource, "")
        self._homes[resource] = node
        if fresh and home == node:
            return None  # a new DC finds it where its predecessor had it
        facts: dict[str, str | int | float] = {
            "resource": resource,
            "from": home,
            "to": node,
            "reason": reason.sentence,
            "cause": reason.cause.value,
        }
        if not home:
            return StoryItem(tale=Tale.STARTED, message=f"Started on {node}", facts=facts)
        if home == node:
            return StoryItem(tale=Tale.RECOVERED, message=f"Started again on {node}: {reason}", facts=facts)
        return StoryItem(tale=Tale.MOVED, message=f"Moved {home} -> {node}: {reason}", facts=facts)


def _about(
    item: StoryItem, resource: str, refs: Mapping[str, ObjectRef], groups: Mapping[str, str]
) -> StoryItem:
    """Add the object, and say whether this is an Event of its own."""
    ref = refs.get(resource)
    inline = ref is not None and ref.kind == "ResourceGroup" and resource in groups
    return replace(
        item, subject=ref, event=not inline, message=f"{resource}: {item.message}" if inline else item.message
    )


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
