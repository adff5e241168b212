"""What the DC tells of nodes: how each one is, who comes and goes, and the quorum."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.coordinator.membership import Membership, NodeView
from backstay.coordinator.story import StoryItem, Tale
from backstay.liveness.nodes import LOST, NodeCondition

_TALES = {
    NodeCondition.UNCLEAN: Tale.NODE_LOST,
    NodeCondition.ONLINE: Tale.NODE_JOINED,
    NodeCondition.OFFLINE: Tale.NODE_OFFLINE,
}


def state_news(view: NodeView) -> StoryItem:
    """That the node is in another state; it must not be pending."""
    condition = view.verdict.condition
    tale = _TALES[condition]
    message = f"Node {view.name} is {condition.value}: {view.verdict.reason}"
    facts = {"node": view.name, "state": condition.value}
    return StoryItem(tale=tale, message=message, warning=tale is Tale.NODE_LOST, facts=facts)


def quorum_news(before: Membership, membership: Membership) -> list[StoryItem]:
    """That the quorum was gained or lost."""
    if before.quorum == membership.quorum:
        return []
    message = f"Quorum {'gained' if membership.quorum else 'lost'}"
    return [StoryItem(tale=Tale.QUORUM, message=message, warning=not membership.quorum)]


def members_news(
    before: Membership | None, membership: Membership, leaving: Mapping[str, str]
) -> list[StoryItem]:
    """Nodes that begin to leave or have left, and nodes whose report was lost (design note 0013)."""
    was = before.nodes if before is not None else {}
    story = []
    for name in sorted(was.keys() - membership.nodes.keys()):
        story.append(_item(Tale.NODE_LEFT, name, f"Node {name} has left the cluster"))
    for name, why in leaving.items():
        if name in was and before is not None and name not in before.leaving:
            message = f"Node {name} leaves the cluster: {why}. What it runs is moved away first"
            story.append(_item(Tale.NODE_LEAVING, name, message))
    for name, view in membership.nodes.items():
        if view.lost and not (name in was and was[name].lost):
            story.append(_item(Tale.REPORT_LOST, name, f"Node {name}: {LOST}", warning=True))
    return story


def _item(tale: Tale, node: str, message: str, *, warning: bool = False) -> StoryItem:
    return StoryItem(tale=tale, message=message, warning=warning, facts={"node": node})
