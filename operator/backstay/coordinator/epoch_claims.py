"""What is said of agents that know of a newer epoch than this DC's, or claim one that nobody believes (`liveness.epochs`)."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.api import HANodePlan
from backstay.coordinator.story import StoryItem, Tale
from backstay.liveness.epochs import EPOCH_STEP_MAX
from backstay.state.claims import ObjectRef


class EpochClaims:
    """One per DC term. Tells of each node once, lest a captured agent flood the Events."""

    def __init__(self, *, epoch: int) -> None:
        self._epoch = epoch
        self._told: set[str] = set()

    def news(self, plans: Mapping[str, HANodePlan]) -> list[StoryItem]:
        """Of claims that are ignored."""
        found = []
        for name, plan in plans.items():
            if claim_of(plan) <= self._epoch + EPOCH_STEP_MAX or name in self._told:
                continue
            self._told.add(name)
            message = f"Node {name}: {refusal_words(plan, self._epoch)}"
            item = StoryItem(
                tale=Tale.EPOCH_IGNORED,
                message=message,
                subject=ObjectRef("HANode", "", name),
                warning=True,
                facts={"node": name},
            )
            found.append(item)
        return found


def claim_of(plan: HANodePlan) -> int:
    """The highest epoch that the node's agent says it has seen or demands."""
    return max(plan.status.observed_epoch, plan.status.required_epoch)


def refusal_words(plan: HANodePlan | None, epoch: int) -> str:
    """Why the node's agent obeys no DC of this epoch; empty if it may."""
    claim = 0 if plan is None else claim_of(plan)
    if claim <= epoch:
        return ""
    if claim <= epoch + EPOCH_STEP_MAX:
        return f"its agent knows of epoch {claim} and obeys none below; this DC has {epoch}, and a new term is due"
    return (
        f"its agent claims epoch {claim}, more than {EPOCH_STEP_MAX} above this DC's {epoch}: ignored, and the agent obeys nobody. "
        "Its state is damaged, or it was taken over: check the host, then delete epochs.json in the agent's state directory "
        "and restart the host"
    )
