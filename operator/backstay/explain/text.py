"""Explanations as lines of text."""

from collections.abc import Iterable, Iterator

from backstay.explain.model import ActionReason, Explanation, NodeVerdict, Part, TransitionReasons
from backstay.explain.reasons import GROUP_LINK
from backstay.state.score import text as score_text


def explanation_lines(explanations: Iterable[Explanation]) -> Iterator[str]:
    """Every instance: headline, nodes, actions."""
    for number, one in enumerate(explanations):
        if number:
            yield ""
        promotion = "" if one.promotion is None else f", promotion score {score_text(one.promotion)}"
        yield f"{one.headline} ({one.agent}{promotion})."
        for verdict in one.nodes:
            yield from _verdict(verdict)
        if one.promotion_outcome:
            yield f"  Promotion: {one.promotion_outcome}"
            yield from _parts(one.promotion_parts)
        if one.actions:
            yield "  What will be done:"
            for action in one.actions:
                yield from _action(action, indent="    ")


def why_not_lines(explanations: Iterable[Explanation], node: str) -> Iterator[str]:
    """Only one node: what is against it, and what would have to change."""
    followers: list[str] = []
    for number, one in enumerate(explanations):
        verdict = next(found for found in one.nodes if found.node == node)
        if number and _only_follows(verdict):
            followers.append(one.resource)
            continue
        if number:
            yield ""
        if verdict.chosen:
            yield f"{one.resource} shall run on {node}; there is nothing against it."
            continue
        yield f"{one.resource} does not run on {node}. {one.headline}."
        chosen = next((found for found in one.nodes if found.chosen), None)
        yield from _verdict(verdict)
        if chosen is not None:
            yield from _verdict(chosen)
    if followers:
        yield ""
        yield f"{', '.join(followers)}: kept with the member before, as members of a group are."


def _only_follows(verdict: NodeVerdict) -> bool:
    """Nothing but its group is against it."""
    against = [part for part in verdict.parts if part.score < 0]
    return bool(against) and all(part.source == GROUP_LINK for part in against)


def transition_lines(reasons: TransitionReasons) -> Iterator[str]:
    """The summary, then each action with its reasons."""
    if not reasons.actions:
        yield "Nothing has to be done."
        return
    yield from reasons.summary
    yield ""
    for action in reasons.actions:
        yield from _action(action, indent="")


def _verdict(verdict: NodeVerdict) -> Iterator[str]:
    mark = "*" if verdict.chosen else "-"
    obstacle = f"cannot be used: {verdict.obstacle}" if verdict.obstacle else ""
    yield f"  {mark} {verdict.node}: {obstacle or f'score {score_text(verdict.score)}'}"
    if verdict.won:
        yield f"      chosen: {verdict.won}"
    if not verdict.parts and not verdict.obstacle:
        yield "      nothing speaks for it or against it"
    yield from _parts(verdict.parts)
    if verdict.change:
        yield f"      to run here: {verdict.change}"


def _parts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        sign = "+" if part.score > 0 else ""
        yield f"      {sign + score_text(part.score):>9}  {part.sentence}"


def _action(action: ActionReason, *, indent: str) -> Iterator[str]:
    because = f" ({action.because})" if action.because else ""
    yield f"{indent}{action.action}{because}"
    for one in action.after:
        yield f"{indent}    after {one}"
