"""Which nodes must not be fenced or taken over from now, and what is told of it: the storm brake, and fencings without a quorum."""

from __future__ import annotations

from collections.abc import Collection

from backstay.api import HACluster
from backstay.coordinator.membership import Membership
from backstay.coordinator.story import StoryItem, Tale
from backstay.liveness.nodes import NodeCondition
from backstay.liveness.quorum import storm_limit
from backstay.state.claims import ObjectRef


def spared(membership: Membership, cluster: HACluster, *, asked: Collection[str]) -> frozenset[str]:
    """Nodes against which no further fence command goes out, unless an administrator asked for it: those that the storm brake holds,
    and every silent one once the quorum is lost that the fencing began with."""
    names = set(membership.brake.nodes)
    if not membership.quorum and cluster.spec.properties.no_quorum_policy != "ignore":
        names |= {
            name
            for name, view in membership.nodes.items()
            if view.verdict.condition is NodeCondition.UNCLEAN and not view.fresh
        }
    return frozenset(names - set(asked))


def brake_words(membership: Membership) -> str:
    """Which nodes are left alone, why, and what lifts the brake. Empty while it is not on."""
    if not membership.brake.engaged:
        return ""
    names, members = membership.brake.nodes, len(membership.voters)
    first = names[0] if names else "NODE"
    return (
        f"{len(names)} of {members} nodes fell silent together ({' '.join(names)}): more likely our view than their death. "
        f"Nobody fences them or takes over what they run until a quorum is heard, or no more than {storm_limit(members)} "
        f"are unaccounted for; of those that you have seen to be off, say so: `kubectl ha fence confirm {first}`"
    )


def news_of_nodes(before: Membership | None, membership: Membership) -> list[StoryItem]:
    """What is new since `before` about what nobody does on, or to, nodes."""
    return [*_brake_news(before, membership), *_recording_news(before, membership)]


def _recording_news(before: Membership | None, membership: Membership) -> list[StoryItem]:
    items = []
    for name, view in membership.nodes.items():
        was = before.nodes[name].recording_trouble if before is not None and name in before.nodes else ""
        trouble = view.recording_trouble
        if bool(trouble) is bool(was):
            continue
        message = (
            f"The disk of node {name} takes no records of operations ({trouble}): nothing is started there, what runs stays"
            if trouble
            else f"The disk of node {name} takes records of operations again"
        )
        items.append(
            StoryItem(
                tale=Tale.RECORDING if trouble else Tale.RECORDING_AGAIN,
                message=message,
                subject=ObjectRef("HANode", "", name),
                warning=bool(trouble),
                facts={"node": name},
            )
        )
    return items


def _brake_news(before: Membership | None, membership: Membership) -> list[StoryItem]:
    """What is new about the brake since `before`."""
    was = before is not None and before.brake.engaged
    if was is membership.brake.engaged:
        return []
    words = f"Storm brake on: {brake_words(membership)}"
    if was:
        why = "a quorum is heard again" if membership.quorum else "few enough nodes are unaccounted for"
        words = f"Storm brake off: {why}"
    return [StoryItem(tale=Tale.BRAKE, message=words, warning=not was)]
