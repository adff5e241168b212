"""Why an instance of a promotable clone is promoted, or another in its stead: its promotion score, and what that is made of."""

from backstay.explain.model import Part
from backstay.explain.scene import Scene, merged
from backstay.scheduler.contributions import Contribution, Reason, written_out
from backstay.scheduler.promote import NO_WISH
from backstay.scheduler.situation import Kind, Resource
from backstay.scheduler.transition import PromotionScore
from backstay.state.choices import Role
from backstay.state.score import text as score_text


def promotion_of(leaf: Resource, scene: Scene) -> int | None:
    """Its promotion score where it is placed; None: it is not promotable."""
    line = _line(leaf, scene)
    return None if line is None else line.score


def promotion_parts_of(leaf: Resource, scene: Scene) -> tuple[Part, ...]:
    """What the score is made of, where it is placed. They need not add up: a colocation of the promoted role may rule a node
    out, or make it the last choice."""
    line = _line(leaf, scene)
    if line is None or not line.node:
        return ()
    owners = (line.resource, leaf.clone.id if leaf.clone is not None else "")
    found: list[Contribution] = []
    for one in written_out(scene.transition.promotion_reasons):
        if one.node == line.node and one.resource in owners and one.score:
            merged(found, one)
    return tuple(Part(one.reason.value, one.source, one.score, _sentence(one, leaf, scene)) for one in found)


def outcome_of(leaf: Resource, scene: Scene) -> str:
    """One sentence."""
    line = _line(leaf, scene)
    if line is None or leaf.clone is None:
        return ""
    if not line.node:
        return "not promoted, as it runs nowhere"
    mine = f"score {score_text(line.score)} on {line.node}"
    placed = scene.placed.get(leaf.id)
    rivals = [one for one in _lines(leaf.clone, scene) if one.node and one.resource != line.resource]
    others = ", ".join(f"{one.resource} on {one.node} has {score_text(one.score)}" for one in rivals)
    if placed is not None and placed.role is Role.PROMOTED:
        return f"promoted, with {mine}" + (f"; {others}" if others else "")
    if line.score == NO_WISH and not _agent_spoke(line, scene):
        return f"not promoted: its agent has not said on {line.node} that it could be (no promotion score)"
    if line.score < 0:
        return f"not promoted: {mine} is negative"
    return f"not promoted, with {mine}" + (f"; {others}" if others else "")


def _agent_spoke(line: PromotionScore, scene: Scene) -> bool:
    return any(
        entry.resource == line.resource and entry.node == line.node and entry.score != NO_WISH
        for entry in written_out(scene.transition.promotion_reasons)
        if entry.reason is Reason.PROMOTION
    )


def _line(leaf: Resource, scene: Scene) -> PromotionScore | None:
    """Of the instance; a cloned group is promoted as a whole."""
    if leaf.clone is None:
        return None
    names = {leaf.id}
    if leaf.parent is not None and leaf.parent.kind is Kind.GROUP:
        names.add(leaf.parent.id)
    return next((one for one in scene.transition.promotion_scores if one.resource in names), None)


def _lines(clone: Resource, scene: Scene) -> list[PromotionScore]:
    instances = {child.id for child in clone.children}
    return [one for one in scene.transition.promotion_scores if one.resource in instances]


def _sentence(one: Contribution, leaf: Resource, scene: Scene) -> str:
    match one.reason:
        case Reason.PROMOTION if one.score == NO_WISH:
            return "its agent has not said that it could be promoted (no promotion score)"
        case Reason.PROMOTION:
            return f"its agent's promotion score (node attribute master-{leaf.base_id})"
        case Reason.TICKET:
            return "the ticket that the promoted role needs is not granted"
        case Reason.LOCATION:
            verb = "for" if one.score > 0 else "against"
            return f"location constraint {one.source} is {verb} it, for the promoted role"
        case Reason.COLOCATION:
            return f"colocation constraint {one.source} ties the role to another's place"
        case Reason.DEPENDENT:
            wish = "would rather not be" if one.score < 0 else "would rather be"
            return f"{one.source}, which follows the promoted one, {wish} here"
        case _:
            return f"the scores of {leaf.clone.id if leaf.clone else leaf.id} as a whole on this node"
